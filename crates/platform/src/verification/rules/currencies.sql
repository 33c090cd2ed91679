-- All that accounts hold came from the bank's own accounts.
SELECT 'currency ' || currency, 'sum of all accounts', sum(sum)::text, '0.00'
  FROM (SELECT currency, sum(balance) FROM accounts GROUP BY currency
        UNION ALL
        SELECT currency, -sum(amount) FROM wallstreet.entries WHERE source_seq IS NULL GROUP BY currency
        UNION ALL
        SELECT currency, sum(amount) FROM wallstreet.entries WHERE target_seq IS NULL GROUP BY currency) AS sums
 GROUP BY currency HAVING sum(sum) <> 0
