-- By currency, the remainders of all booked exchanges are what the rounding account
-- holds and what is carried; an exchange has at most one entry there.
WITH booked AS (
    SELECT CASE WHEN t.reverses_transaction_id IS NULL THEN x.target_currency ELSE x.source_currency END AS currency,
           sum(x.remainder) AS rest
      FROM wallstreet.exchanges x JOIN transactions t ON t.id = x.transaction_id AND t.status = 'completed'
     GROUP BY 1),
coins AS (
    SELECT currency, sum(CASE WHEN substr(target_id::text, 23, 1) = '4' THEN amount ELSE -amount END) AS coins
      FROM wallstreet.entries WHERE source_seq IS NULL AND target_seq IS NULL GROUP BY currency)
SELECT 'currency ' || currency, 'carried by rounding',
       CASE WHEN r.currency IS NULL THEN 0::text ELSE r.carried::text END,
       (coalesce(b.rest, 0) - coalesce(c.coins, 0))::text
  FROM booked b FULL JOIN coins c USING (currency) FULL JOIN wallstreet.rounding r USING (currency)
 WHERE CASE WHEN r.currency IS NULL THEN 0 ELSE r.carried END
       IS DISTINCT FROM coalesce(b.rest, 0) - coalesce(c.coins, 0)
UNION ALL
SELECT 'entry ' || id, 'rounding of its transaction', 'entry number ' || place, 'one entry'
  FROM (SELECT id, row_number() OVER (PARTITION BY transaction_id ORDER BY id) AS place
          FROM wallstreet.entries WHERE source_seq IS NULL AND target_seq IS NULL) AS coins
 WHERE place > 1
UNION ALL
SELECT 'currency ' || r.currency, 'row of rounding', 'there', 'only for a currency of the book'
  FROM wallstreet.rounding r
 WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.currency = r.currency)
   AND NOT EXISTS (SELECT FROM wallstreet.exchanges x WHERE r.currency IN (x.source_currency, x.target_currency))
