-- What was given back of a transaction is the sum of its reversals; each half of a
-- transfer has its own.
SELECT 'transaction ' || coalesce(t.id, r.id), 'reversed', t.reversed_amount::text, coalesce(r.reversed, 0.00)::text
  FROM transactions t
  FULL JOIN (SELECT reverses_transaction_id AS id, sum(amount) AS reversed FROM transactions
              WHERE reverses_transaction_id IS NOT NULL AND status = 'completed'
              GROUP BY reverses_transaction_id) AS r ON r.id = t.id
 WHERE t.reversed_amount IS DISTINCT FROM coalesce(r.reversed, 0)
