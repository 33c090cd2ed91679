-- What is available is the balance without what pending outgoing transactions still
-- hold; and an account knows how many of its own orders stand pending, and the bytes
-- that are written on them. A transfer is its sender's order.
SELECT 'account ' || a.id, f.what, f.stored, f.recomputed
  FROM accounts a
  LEFT JOIN (SELECT account_id,
                    sum(amount - coalesce(captured_amount, 0)) FILTER (WHERE direction = 'out') AS held,
                    count(*) AS orders,
                    sum(octet_length(coalesce(description, '')) + octet_length(coalesce(metadata, '{}')::text)) AS bytes
               FROM transactions
              WHERE status = 'pending' AND (direction = 'out' OR direction = 'in' AND paired_transaction_id IS NULL)
              GROUP BY account_id) AS h ON h.account_id = a.id
 CROSS JOIN LATERAL (VALUES
    ('available balance', a.available_balance::text, (a.balance - coalesce(h.held, 0))::text),
    ('pending orders', a.pending_count::text, coalesce(h.orders, 0)::text),
    ('bytes on pending orders', a.pending_bytes::text, coalesce(h.bytes, 0)::text)) AS f (what, stored, recomputed)
 WHERE f.stored IS DISTINCT FROM f.recomputed
