-- A balance is the sum of the entries; the account counts them and knows its newest.
SELECT 'account ' || coalesce(a.id, s.account), f.what, f.stored, f.recomputed
  FROM accounts a
  FULL JOIN (SELECT account, sum(moved) AS balance, count(*) AS entries, max(recorded_at) AS newest
               FROM (SELECT source_id AS account, -amount AS moved, recorded_at FROM wallstreet.entries
                     UNION ALL
                     SELECT target_id, amount, recorded_at FROM wallstreet.entries) AS sides
              GROUP BY account) AS s ON s.account = a.id
 CROSS JOIN LATERAL (VALUES
    ('balance', a.balance::text, coalesce(s.balance, 0.00)::text,
     a.balance IS DISTINCT FROM coalesce(s.balance, 0)),
    ('number of entries', a.entry_count::text, coalesce(s.entries, 0)::text,
     a.entry_count IS DISTINCT FROM coalesce(s.entries, 0)),
    -- Entries older than the column did not fill it in.
    ('time of its newest entry', a.newest_entry_at::text, s.newest::text,
     a.newest_entry_at IS DISTINCT FROM s.newest AND NOT (a.newest_entry_at IS NULL AND EXISTS (
         SELECT FROM audit_logs l WHERE l.resource_id = a.id AND l.action = 'ACCOUNT_CREATED'
                                    AND NOT l.details ? 'userId'))))
       AS f (what, stored, recomputed, differs)
 -- The bank's own accounts have no row; their ids are UUIDs of version 8.
 WHERE (a.balance, a.entry_count, a.newest_entry_at) IS DISTINCT FROM
       (coalesce(s.balance, 0), coalesce(s.entries, 0), s.newest)
   AND (a.id IS NOT NULL OR substr(s.account::text, 15, 1) <> '8') AND f.differs
