-- What is available is the balance without what pending outgoing transactions still
-- hold; and an account knows how many of its own orders stand pending, and the bytes
-- that are written on them. A transfer is its sender's order, and counts what its
-- receiver's half takes beyond 1024 bytes where that is more.
SELECT 'account ' || a.id, f.what, f.stored, f.recomputed
  FROM accounts a
  LEFT JOIN (SELECT t.account_id,
                    sum(t.amount - coalesce(t.captured_amount, 0)) FILTER (WHERE t.direction = 'out') AS held,
                    count(*) AS orders,
                    sum(greatest(
                        octet_length(coalesce(t.description, '')) + octet_length(coalesce(t.metadata, '{}')::text),
                        octet_length(coalesce(p.description, '')) + octet_length(p.metadata::text) - 1024)) AS bytes
               FROM transactions t LEFT JOIN transactions p ON p.id = t.paired_transaction_id
              WHERE t.status = 'pending'
                AND (t.direction = 'out' OR t.direction = 'in' AND t.paired_transaction_id IS NULL)
              GROUP BY t.account_id) AS h ON h.account_id = a.id
 CROSS JOIN LATERAL (VALUES
    ('available balance', a.available_balance::text, (a.balance - coalesce(h.held, 0))::text),
    ('pending orders', a.pending_count::text, coalesce(h.orders, 0)::text),
    ('bytes on pending orders', a.pending_bytes::text, coalesce(h.bytes, 0)::text)) AS f (what, stored, recomputed)
 WHERE f.stored IS DISTINCT FROM f.recomputed
