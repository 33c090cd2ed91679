-- An exchange is what was agreed for the transfer that it names; its rate makes one
-- amount of the other, to the last part of a coin.
SELECT 'exchange of transaction ' || coalesce(x.transaction_id, c.id), f.what, f.stored, f.recomputed
  FROM wallstreet.exchanges x
  FULL JOIN (SELECT CASE WHEN action = 'TRANSACTION_CREATED' THEN resource_id
                         WHEN details ->> 'reversalId' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                         THEN (details ->> 'reversalId')::uuid END AS id, details -> 'exchange' AS told
               FROM audit_logs
              WHERE resource_type = 'transaction' AND action IN ('TRANSACTION_CREATED', 'TRANSACTION_REVERSED')
                AND details ? 'exchange') AS c ON c.id = x.transaction_id
  LEFT JOIN transactions t ON t.id = x.transaction_id
  LEFT JOIN transactions p ON p.id = t.paired_transaction_id
 CROSS JOIN LATERAL (SELECT CASE WHEN t.reverses_transaction_id IS NULL
       THEN x.source_amount * x.rate - x.target_amount ELSE x.source_amount - x.target_amount * x.rate END AS remainder) AS r
 CROSS JOIN LATERAL (VALUES
    ('row', 'nothing', 'one that the trail agreed', x.transaction_id IS NULL),
    ('transfer between currencies', coalesce(t.transaction_type, 'nothing'), 'one that sends it',
     (t.transaction_type, t.direction) IS DISTINCT FROM ('transfer', 'out') OR t.currency = p.currency),
    ('amounts', format('%s %s and %s %s', x.source_amount, x.source_currency, x.target_amount, x.target_currency),
     format('%s %s and %s %s', t.amount, t.currency, p.amount, p.currency),
     (x.source_amount, x.source_currency, x.target_amount, x.target_currency) IS DISTINCT FROM
     (t.amount, t.currency, p.amount, p.currency)),
    ('created at', x.created_at::text, t.created_at::text,
     (x.created_at AT TIME ZONE 'UTC') IS DISTINCT FROM t.created_at),
    ('remainder', x.remainder::text, r.remainder::text, x.remainder IS DISTINCT FROM r.remainder),
    ('rate', trim_scale(x.rate)::text, c.told ->> 'rate',
     c.id IS NOT NULL AND trim_scale(x.rate)::text IS DISTINCT FROM c.told ->> 'rate'),
    ('source of the rate', x.rate_source, c.told ->> 'rateSource',
     c.id IS NOT NULL AND x.rate_source IS DISTINCT FROM c.told ->> 'rateSource'),
    ('remainder', x.remainder::text, c.told ->> 'remainder',
     c.id IS NOT NULL AND x.remainder::text IS DISTINCT FROM c.told ->> 'remainder'))
       AS f (what, stored, recomputed, differs)
 WHERE f.differs AND (x.transaction_id IS NOT NULL OR f.what = 'row')
