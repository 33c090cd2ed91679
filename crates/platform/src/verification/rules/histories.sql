-- Every entry of an account follows the one before.
SELECT format('account %s, entry %s', h.account, h.id), f.what, f.stored, f.recomputed
  FROM (SELECT *, coalesce(lag(seq::numeric) OVER history, 0) AS earlier_seq,
               coalesce(lag(balance) OVER history, 0.00) AS earlier_balance,
               lag(recorded_at) OVER history AS earlier_at, lag(id) OVER history AS earlier_id
          FROM (SELECT id, source_id AS account, source_seq AS seq, -amount AS moved, source_balance AS balance,
                       recorded_at FROM wallstreet.entries
                UNION ALL
                SELECT id, target_id, target_seq, amount, target_balance, recorded_at
                  FROM wallstreet.entries) AS sides
         WHERE seq IS NOT NULL
        WINDOW history AS (PARTITION BY account ORDER BY seq, id)) AS h
 CROSS JOIN LATERAL (VALUES
    ('sequence', h.seq::text, (h.earlier_seq + 1)::text, h.seq <> h.earlier_seq + 1),
    ('running balance', h.balance::text, (h.earlier_balance + h.moved)::text,
     h.balance IS DISTINCT FROM h.earlier_balance + h.moved),
    ('recorded at', h.recorded_at::text, 'not before ' || h.earlier_at, h.recorded_at < h.earlier_at),
    ('entry id', h.id::text, 'more than ' || h.earlier_id, h.id < h.earlier_id))
       AS f (what, stored, recomputed, differs)
 WHERE (h.seq <> h.earlier_seq + 1 OR h.balance IS DISTINCT FROM h.earlier_balance + h.moved
        OR h.recorded_at < h.earlier_at OR h.id < h.earlier_id) AND f.differs
