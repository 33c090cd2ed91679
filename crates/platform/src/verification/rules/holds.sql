-- What is available is the balance without what pending outgoing transactions still hold.
SELECT 'account ' || a.id, 'available balance', a.available_balance::text, (a.balance - coalesce(h.held, 0))::text
  FROM accounts a
  LEFT JOIN (SELECT account_id, sum(amount - coalesce(captured_amount, 0)) AS held FROM transactions
              WHERE status = 'pending' AND direction = 'out' GROUP BY account_id) AS h ON h.account_id = a.id
 WHERE a.available_balance IS DISTINCT FROM a.balance - coalesce(h.held, 0)
