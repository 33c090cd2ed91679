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
