-- The two halves of a transfer name each other and stand alike.
SELECT concat('transaction ', coalesce(o.id, i.id),
              ', other half ' || coalesce(i.id, o.paired_transaction_id, i.paired_transaction_id)), f.what, f.stored, f.recomputed
  FROM (SELECT * FROM transactions WHERE transaction_type = 'transfer' AND direction = 'out') AS o
  FULL JOIN (SELECT * FROM transactions WHERE transaction_type = 'transfer' AND direction = 'in') AS i
       ON i.id = o.paired_transaction_id AND i.paired_transaction_id = o.id
  LEFT JOIN wallstreet.exchanges x ON x.transaction_id = o.id
 CROSS JOIN LATERAL (VALUES
    ('other half', coalesce(o.paired_transaction_id, i.paired_transaction_id)::text, 'one that names it',
     o.id IS NULL OR i.id IS NULL),
    ('accounts', format('%s and %s', o.account_id, o.counterparty_account_id),
     format('%s and %s', i.counterparty_account_id, i.account_id),
     (o.account_id, o.counterparty_account_id) IS DISTINCT FROM (i.counterparty_account_id, i.account_id)),
    ('status', o.status::text, i.status::text, o.status IS DISTINCT FROM i.status),
    ('failure reason', o.failure_reason::text, i.failure_reason::text,
     o.failure_reason IS DISTINCT FROM i.failure_reason),
    ('created at', o.created_at::text, i.created_at::text, o.created_at IS DISTINCT FROM i.created_at),
    ('completed at', o.completed_at::text, i.completed_at::text, o.completed_at IS DISTINCT FROM i.completed_at),
    ('captured', o.captured_amount::text, i.captured_amount::text,
     o.captured_amount IS DISTINCT FROM i.captured_amount),
    ('amounts', format('%s %s and %s %s', o.amount, o.currency, i.amount, i.currency), 'alike, or those of the exchange',
     CASE WHEN x.transaction_id IS NULL
          THEN (o.amount, o.currency) IS DISTINCT FROM (i.amount, i.currency)
          ELSE (o.amount, o.currency, i.amount, i.currency) IS DISTINCT FROM
               (x.source_amount, x.source_currency, x.target_amount, x.target_currency) END))
       AS f (what, stored, recomputed, differs)
 WHERE (o.id IS NULL OR i.id IS NULL
        OR (o.account_id, o.counterparty_account_id, o.status, o.failure_reason, o.created_at, o.completed_at,
            o.captured_amount) IS DISTINCT FROM
           (i.counterparty_account_id, i.account_id, i.status, i.failure_reason, i.created_at, i.completed_at,
            i.captured_amount)
        OR x.transaction_id IS NOT NULL OR (o.amount, o.currency) IS DISTINCT FROM (i.amount, i.currency))
   AND f.differs AND (f.what = 'other half' OR o.id IS NOT NULL AND i.id IS NOT NULL)
