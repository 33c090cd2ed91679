-- An account is what the trail opened, in the state and under the restraints that the
-- newest audit rows say. A column has a line below.
WITH told AS (
    SELECT resource_id AS id, count(*) FILTER (WHERE action = 'ACCOUNT_CREATED') AS openings,
           (array_agg(details || jsonb_build_object('at', created_at, 'by', user_id) ORDER BY number)
                FILTER (WHERE action = 'ACCOUNT_CREATED'))[1] AS opening,
           (array_agg(CASE action WHEN 'ACCOUNT_CLOSED' THEN 'closed' ELSE details ->> 'status' END
                      ORDER BY number DESC)
                FILTER (WHERE action = 'ACCOUNT_CLOSED' OR action = 'ACCOUNT_UPDATED' AND details ? 'status'))[1] AS status,
           (array_agg(details ->> 'type' ORDER BY number DESC)
                FILTER (WHERE action = 'ACCOUNT_UPDATED' AND details ? 'type'))[1] AS type,
           (array_agg(coalesce(details ->> 'by', user_id::text) ORDER BY number DESC)
                FILTER (WHERE action = 'ACCOUNT_UPDATED' AND details ->> 'status' = 'suspended'))[1] AS suspender,
           (array_agg(details ORDER BY number DESC)
                FILTER (WHERE action = 'ACCOUNT_LIMITS_CHANGED'))[1] AS limits,
           (array_agg(CASE action WHEN 'ACCOUNT_FROZEN' THEN details ELSE '{}' END ORDER BY number DESC)
                FILTER (WHERE action IN ('ACCOUNT_FROZEN', 'ACCOUNT_UNFROZEN')))[1] AS freeze
      FROM audit_logs WHERE resource_type = 'account' AND resource_id IS NOT NULL GROUP BY resource_id)
SELECT 'account ' || coalesce(a.id, t.id), f.what, f.stored, f.recomputed
  FROM accounts a FULL JOIN told t ON t.id = a.id
 CROSS JOIN LATERAL (VALUES
    ('row', a.id::text, t.id::text),
    ('openings in the trail', coalesce(t.openings, 0)::text, '1'),
    ('owner', a.user_id::text, coalesce(t.opening ->> 'userId', t.opening ->> 'by')),
    ('number', a.account_number, t.opening ->> 'accountNumber'),
    ('type', a.account_type, coalesce(t.type, t.opening ->> 'accountType')),
    ('currency', a.currency, t.opening ->> 'currency'),
    ('created at', to_jsonb(a.created_at) #>> '{}', t.opening ->> 'at'),
    ('status', a.status, coalesce(t.status, 'active')),
    -- Older audit rows name the user, not the authority.
    ('suspended by', a.suspended_by, CASE WHEN a.status = 'suspended' THEN
         CASE WHEN t.suspender IN ('owner', a.user_id::text) THEN 'owner' ELSE 'admin' END END),
    ('overdraft limit', a.overdraft_limit::text, coalesce(t.limits ->> 'overdraft', '0.00')),
    ('transaction limit', a.transaction_limit::text, t.limits ->> 'perTransaction'),
    ('daily limit', a.daily_limit::text, t.limits ->> 'daily'),
    ('freeze scope', a.freeze_scope, t.freeze ->> 'scope'),
    ('freeze reason', a.freeze_reason, t.freeze ->> 'reason'),
    -- Eras, infinity and years of five digits, to_char would lose.
    ('freeze until', CASE WHEN a.freeze_until BETWEEN '0001-01-01' AND '9999-12-31' THEN
         to_char(a.freeze_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE a.freeze_until::text END,
     left(t.freeze ->> 'until', 19) || '.'
         || rpad(coalesce(substring(t.freeze ->> 'until' FROM '\.(\d{1,6})'), ''), 6, '0') || 'Z'))
       AS f (what, stored, recomputed)
 WHERE f.stored IS DISTINCT FROM f.recomputed
   AND CASE f.what WHEN 'row' THEN t.id IS NOT NULL WHEN 'openings in the trail' THEN a.id IS NOT NULL
            ELSE a.id IS NOT NULL AND t.openings > 0 END
