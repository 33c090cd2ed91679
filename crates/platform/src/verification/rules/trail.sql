-- What the trail tells of is there, and nothing was ordered twice.
WITH told AS (
    SELECT id, resource_type, resource_id AS thing, false AS creates
      FROM audit_logs
     WHERE resource_type = 'account' AND action <> 'ACCOUNT_CREATED'
        OR resource_type = 'transaction' AND action <> 'TRANSACTION_CREATED')
SELECT 'audit row ' || l.id, 'tells of', concat_ws(' ', l.resource_type, coalesce(l.thing::text, 'nothing')), 'one that there is'
  FROM told l
 WHERE CASE l.resource_type WHEN 'account' THEN NOT EXISTS (SELECT FROM accounts a WHERE a.id = l.thing)
            ELSE NOT EXISTS (SELECT FROM transactions t WHERE t.id = l.thing) END
UNION ALL
SELECT 'transaction ' || id, 'creating audit rows', count(*)::text, '1'
  FROM (SELECT resource_id::text AS id FROM audit_logs WHERE action = 'TRANSACTION_CREATED'
        UNION ALL
        SELECT details ->> 'reversalId' FROM audit_logs WHERE action = 'TRANSACTION_REVERSED') AS created
 GROUP BY id HAVING count(*) > 1
