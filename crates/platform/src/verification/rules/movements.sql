-- What a transaction moved on its account is what its state says. An entry between
-- two accounts names one half of a transfer and moves both.
SELECT 'transaction ' || coalesce(t.id, m.leg), 'moved by its entries', coalesce(w.wanted, 0.00)::text,
       coalesce(m.moved, 0.00)::text
  FROM transactions t
  FULL JOIN (
       SELECT coalesce(CASE WHEN n.account_id = side.account THEN n.id ELSE n.paired_transaction_id END,
                       e.transaction_id) AS leg, sum(side.moved) AS moved
         FROM wallstreet.entries e
         LEFT JOIN transactions n ON n.id = e.transaction_id
        CROSS JOIN LATERAL (VALUES (e.source_id, e.source_seq, -e.amount), (e.target_id, e.target_seq, e.amount))
              AS side (account, seq, moved)
        WHERE side.seq IS NOT NULL GROUP BY 1) AS m ON m.leg = t.id
 -- Rows without a direction were written without the platform and move nothing.
 CROSS JOIN LATERAL (SELECT CASE t.direction WHEN 'out' THEN -1 WHEN 'in' THEN 1 ELSE 0 END
       * CASE t.status WHEN 'completed' THEN coalesce(t.captured_amount, t.amount)
              ELSE coalesce(t.captured_amount, 0.00) END AS wanted) AS w
 WHERE coalesce(m.moved, 0) IS DISTINCT FROM coalesce(w.wanted, 0)
