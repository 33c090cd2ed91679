-- What an account spent on the newest day that had outgoing orders or gave up a hold:
-- what was ordered on that day, but for what was released of it on the same day. An
-- order by a clock that lags behind midnight counts for the day that has begun. Where a
-- clock was more than a day ahead and came back, what was ordered until then counts no
-- more: in which order things happened, the numbers of the trail tell.
WITH orders AS (
    SELECT t.id, t.account_id, t.amount, t.created_at, t.created_at::date AS made,
           coalesce(t.completed_at, f.at)::date AS ended,
           CASE t.status WHEN 'pending' THEN 0
                ELSE t.amount - coalesce(t.captured_amount, CASE t.status WHEN 'completed' THEN t.amount ELSE 0 END)
             END AS released
      FROM transactions t
      LEFT JOIN (SELECT resource_id AS id, max(created_at) AS at FROM audit_logs
                  WHERE action = 'TRANSACTION_FAILED' GROUP BY resource_id) AS f ON f.id = t.id
     WHERE t.direction = 'out' AND t.reverses_transaction_id IS NULL),
days AS (
    SELECT account_id, max(greatest(made, CASE WHEN released > 0 THEN ended END)) AS newest
      FROM orders GROUP BY account_id),
spent AS (
    -- Of a day that no calendar of ours has, nothing can be reckoned; `orders` names it.
    SELECT d.account_id, CASE WHEN d.ours THEN d.newest - date '1970-01-01' END AS day,
           coalesce(sum(o.amount - o.released) FILTER (WHERE o.made = d.newest), 0.00) AS amount,
           coalesce(sum(o.amount) FILTER (WHERE o.made < d.newest AND
               CASE WHEN d.ours THEN o.created_at >= d.newest - interval '1 hour' END), 0.00) AS late
      FROM (SELECT *, newest BETWEEN '0002-01-01' AND '9999-12-31' AS ours FROM days) AS d
      JOIN orders o USING (account_id) GROUP BY d.account_id, d.newest, d.ours),
differing AS (
    SELECT a.id AS account_id, a.spent_day, a.spent_amount, s.day, s.amount, s.late
      FROM accounts a LEFT JOIN spent s ON s.account_id = a.id
     WHERE (a.spent_day, a.spent_amount) IS DISTINCT FROM (coalesce(s.day, 0), coalesce(s.amount, 0))
       -- Orders older than the columns were not counted.
       AND NOT ((a.spent_day, a.spent_amount) = (0, 0) AND EXISTS (
           SELECT FROM audit_logs l WHERE l.resource_id = a.id AND l.action = 'ACCOUNT_CREATED'
                                      AND NOT l.details ? 'userId'))),
events AS (
    SELECT o.account_id, l.number, CASE l.action WHEN 'TRANSACTION_CREATED' THEN o.made ELSE o.ended END AS day,
           CASE l.action WHEN 'TRANSACTION_CREATED' THEN o.amount - o.released END AS amount
      FROM differing d JOIN orders o USING (account_id) JOIN audit_logs l ON l.resource_id = o.id
     WHERE l.action = 'TRANSACTION_CREATED'
        OR o.released > 0 AND l.action IN ('TRANSACTION_COMPLETED', 'TRANSACTION_CAPTURED', 'TRANSACTION_FAILED')
           AND l.details ->> 'status' <> 'pending'),
stepped AS (
    SELECT *, lag(day) OVER (PARTITION BY account_id ORDER BY number) > day + 1 AS back FROM events),
counted AS (
    SELECT *, count(*) FILTER (WHERE back) OVER (PARTITION BY account_id ORDER BY number) AS steps FROM stepped),
since AS (
    SELECT *, max(day) OVER (PARTITION BY account_id) AS newest
      FROM (SELECT *, max(steps) OVER (PARTITION BY account_id) AS last FROM counted) AS c
     WHERE steps = last AND last > 0),
after_step AS (
    SELECT account_id, CASE WHEN newest BETWEEN '0002-01-01' AND '9999-12-31' THEN newest - date '1970-01-01' END AS day,
           coalesce(sum(amount) FILTER (WHERE day = newest), 0.00) AS amount
      FROM since GROUP BY account_id, newest)
SELECT 'account ' || d.account_id, f.what, f.stored, f.recomputed
  FROM differing d LEFT JOIN after_step n USING (account_id)
 CROSS JOIN LATERAL (VALUES
    ('day of its spending', d.spent_day::text, coalesce(n.day, d.day, 0)::text),
    ('spent on that day', d.spent_amount::text,
     CASE WHEN n.day IS NULL AND d.spent_amount BETWEEN d.amount AND d.amount + d.late THEN d.spent_amount::text
          ELSE coalesce(n.amount, d.amount, 0.00)::text END)) AS f (what, stored, recomputed)
 WHERE f.stored IS DISTINCT FROM f.recomputed
