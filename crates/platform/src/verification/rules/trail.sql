-- What the trail tells of is there, and nothing was ordered twice.
SELECT 'audit row ' || l.id, 'tells of', concat_ws(' ', l.resource_type, coalesce(l.resource_id::text, 'nothing')),
       'one that there is'
  FROM audit_logs l
 WHERE l.resource_type = 'account' AND l.action <> 'ACCOUNT_CREATED'
       AND NOT EXISTS (SELECT FROM accounts a WHERE a.id = l.resource_id)
    OR l.resource_type = 'transaction' AND l.action <> 'TRANSACTION_CREATED'
       AND NOT EXISTS (SELECT FROM transactions t WHERE t.id = l.resource_id)
UNION ALL
SELECT 'transaction ' || id, 'creating audit rows', count(*)::text, '1'
  FROM (SELECT resource_id AS id FROM audit_logs WHERE action = 'TRANSACTION_CREATED'
        UNION ALL
        SELECT (details ->> 'reversalId')::uuid FROM audit_logs
         WHERE action = 'TRANSACTION_REVERSED'
           AND details ->> 'reversalId' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') AS created
 GROUP BY id HAVING count(*) > 1
UNION ALL
-- A start of the sealer names the newest seal that it found, and is not under it.
SELECT 'audit row ' || l.id, 'newest seal that it found', concat_ws(':', l.details ->> 'seal', l.details ->> 'hash'),
       coalesce(s.number || ':' || encode(s.hash, 'hex'), 'one that there is')
  FROM audit_logs l
  LEFT JOIN wallstreet.seals s ON s.number::text = l.details ->> 'seal'
 WHERE l.action = 'SEALING_STARTED'
   AND CASE WHEN l.details ->> 'seal' = '0' THEN l.details ->> 'hash' IS NULL
            ELSE encode(s.hash, 'hex') = l.details ->> 'hash' AND coalesce(s.last_audit, 0) < l.number END IS NOT TRUE
