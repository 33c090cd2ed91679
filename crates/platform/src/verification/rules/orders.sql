-- A transaction is what the trail says was ordered, and stands as the trail says it
-- went on. Of a transfer, one audit row tells of both halves: its digest is that of
-- what neither half can change. An audit row of an older version says less; what it
-- does not say is not compared.
WITH created AS (
    SELECT CASE WHEN action = 'TRANSACTION_CREATED' THEN resource_id
                WHEN details ->> 'reversalId' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN (details ->> 'reversalId')::uuid END AS id,
           id AS audit_id, created_at AS at, details, details ->> 'status' = 'completed' AS at_once,
           details ? 'digest' AS whole
      FROM audit_logs
     WHERE resource_type = 'transaction' AND action IN ('TRANSACTION_CREATED', 'TRANSACTION_REVERSED')),
later AS (
    SELECT resource_id AS id, count(*) AS rows, count(*) FILTER (WHERE details ->> 'status' <> 'pending') AS endings,
           (array_agg(details) FILTER (WHERE details ->> 'status' <> 'pending'))[1] AS ending,
           max(created_at) FILTER (WHERE details ->> 'status' <> 'pending') AS ended_at,
           max(CASE WHEN details ->> 'capturedAmount' ~ '^\d{1,13}\.\d\d$'
                    THEN (details ->> 'capturedAmount')::numeric END)::text AS captured
      FROM audit_logs
     WHERE resource_type = 'transaction'
       AND action IN ('TRANSACTION_COMPLETED', 'TRANSACTION_FAILED', 'TRANSACTION_CAPTURED')
     GROUP BY resource_id),
updated AS (
    SELECT DISTINCT ON (resource_id) resource_id AS id, details ->> 'words' AS words, details ? 'words' AS whole
      FROM audit_logs WHERE resource_type = 'transaction' AND action = 'TRANSACTION_UPDATED'
     ORDER BY resource_id, number DESC),
-- Rows without a direction were written without the platform: they are as they were
-- when format 2 of the seals began.
undirected AS (
    SELECT s.undirected AS known, s.undirected_digest AS known_digest, u.count, u.digest, s.begun_at,
           (s.undirected, s.undirected_digest) IS DISTINCT FROM (u.count, u.digest) AS differ
      FROM wallstreet.sealing s
     CROSS JOIN (SELECT count(*) AS count, encode(sha256(coalesce(string_agg(sha256(convert_to(concat(
               id, '|', account_id, '|', transaction_type, '|', amount, '|', currency, '|', status, '|',
               to_jsonb(created_at) #>> '{}', '|', reference_number), 'UTF8')), '' ORDER BY id), '')), 'hex') AS digest
                   FROM transactions WHERE direction IS NULL) AS u),
ordered AS (
    SELECT * FROM transactions
     WHERE NOT (transaction_type = 'transfer' AND direction = 'in' AND paired_transaction_id IS NOT NULL)),
compared AS (
    SELECT t.id, t.paired_transaction_id AS other_id, c.id AS told_id, c.audit_id, c.details, c.whole,
           t.direction, t.account_id, t.transaction_type, t.amount, t.currency, t.reference_number,
           t.reverses_transaction_id, t.created_at, c.at, t.status, t.completed_at, t.failure_reason, t.captured_amount,
           t.updated_at, p.updated_at AS other_updated_at, p.created_at AS other_created_at,
           CASE WHEN c.at_once THEN 'completed' ELSE coalesce(l.ending ->> 'status', 'pending') END AS told_status,
           CASE WHEN c.at_once THEN c.at WHEN l.ending ->> 'status' = 'completed' THEN l.ended_at END AS told_completed,
           l.ending ->> 'reason' AS told_reason,
           CASE WHEN l.endings > 0 THEN l.ending ->> 'capturedAmount' ELSE l.captured END AS told_captured,
           coalesce(CASE WHEN c.at_once THEN l.rows ELSE l.endings END, 0) AS endings,
           CASE WHEN c.at_once THEN 0 ELSE 1 END AS most_endings,
           -- Eras, infinity and years of five digits, to_char would lose.
           CASE WHEN c.whole THEN encode(substr(sha256(convert_to(concat(
               t.id, '|', t.account_id, '|', t.transaction_type, '|', t.direction, '|', t.amount, '|', t.currency, '|',
               t.reference_number, '|', t.counterparty_account_id, '|', t.paired_transaction_id, '|',
               t.reverses_transaction_id, '|', CASE WHEN t.expires_at BETWEEN '0001-01-01' AND '9999-12-31' THEN
                  to_char(t.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE t.expires_at::text END,
               '|', CASE WHEN t.effective_at BETWEEN '0001-01-01' AND '9999-12-31' THEN
                  to_char(t.effective_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE t.effective_at::text END,
               '|', CASE WHEN t.complete_at BETWEEN '0001-01-01' AND '9999-12-31' THEN
                  to_char(t.complete_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE t.complete_at::text END, chr(10),
               CASE WHEN p.id IS NOT NULL THEN concat(
               p.id, '|', p.account_id, '|', p.transaction_type, '|', p.direction, '|', p.amount, '|', p.currency, '|',
               p.reference_number, '|', p.counterparty_account_id, '|', p.paired_transaction_id, '|',
               p.reverses_transaction_id, '|', CASE WHEN p.expires_at BETWEEN '0001-01-01' AND '9999-12-31' THEN
                  to_char(p.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE p.expires_at::text END,
               '|', CASE WHEN p.effective_at BETWEEN '0001-01-01' AND '9999-12-31' THEN
                  to_char(p.effective_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE p.effective_at::text END,
               '|', CASE WHEN p.complete_at BETWEEN '0001-01-01' AND '9999-12-31' THEN
                  to_char(p.complete_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE p.complete_at::text END, chr(10)) END),
               'UTF8')), 1, 16), 'hex') END AS digest,
           CASE WHEN t.description IS NOT NULL OR t.metadata IS DISTINCT FROM '{}' THEN
               encode(substr(sha256(convert_to(concat('"' || t.description, chr(10), t.metadata), 'UTF8')), 1, 16),
                      'hex') END AS words,
           CASE WHEN ut.id IS NULL THEN c.details ->> 'words' ELSE ut.words END AS told_words,
           CASE WHEN ut.id IS NULL THEN c.whole ELSE ut.whole END AS words_told,
           CASE WHEN p.description IS NOT NULL OR p.metadata IS DISTINCT FROM '{}' THEN
               encode(substr(sha256(convert_to(concat('"' || p.description, chr(10), p.metadata), 'UTF8')), 1, 16),
                      'hex') END AS other_words,
           CASE WHEN up.id IS NULL THEN c.details ->> 'words' ELSE up.words END AS told_other_words,
           p.id IS NOT NULL AND CASE WHEN up.id IS NULL THEN c.whole ELSE up.whole END AS other_words_told,
           -- Once a row is changed, the database's own clock says when, and nothing else does.
           l.id IS NULL AND ut.id IS NULL AND t.reversed_amount = 0 AS untouched,
           l.id IS NULL AND up.id IS NULL AND p.reversed_amount = 0 AS other_untouched
      FROM ordered t FULL JOIN created c ON c.id = t.id
      LEFT JOIN transactions p ON p.id = t.paired_transaction_id
      LEFT JOIN later l ON l.id = t.id
      LEFT JOIN updated ut ON ut.id = t.id
      LEFT JOIN updated up ON up.id = p.id)
SELECT f.subject, f.what, f.stored, f.recomputed
  FROM compared w
 CROSS JOIN LATERAL (SELECT 'transaction ' || coalesce(w.id, w.told_id) AS own) AS s
 CROSS JOIN LATERAL (VALUES
    (coalesce(s.own, 'audit row ' || w.audit_id), 'row', 'nothing', 'one that the trail created', w.id IS NULL),
    (s.own, 'creating audit row', 'nothing', 'one that says so', w.told_id IS NULL),
    (s.own, 'account', w.account_id::text, w.details ->> 'accountId', NULL),
    (s.own, 'type', w.transaction_type, w.details ->> 'type', NULL),
    (s.own, 'direction', w.direction,
     CASE WHEN w.transaction_type IN ('deposit', 'credit') THEN 'in' ELSE 'out' END, NULL),
    (s.own, 'amount', w.amount::text, w.details ->> 'amount', NULL),
    (s.own, 'currency', w.currency, w.details ->> 'currency', NULL),
    (s.own, 'reference', w.reference_number, w.details ->> 'reference', NULL),
    (s.own, 'reverses', w.reverses_transaction_id::text, w.details ->> 'reversesTransactionId', NULL),
    (concat(s.own, ', other half ' || w.other_id), 'digest of what was ordered', w.digest, w.details ->> 'digest', NULL),
    (s.own, 'created at', w.created_at::text, w.at::text, NULL),
    (s.own, 'status', w.status, w.told_status, w.status IS DISTINCT FROM w.told_status),
    (s.own, 'completed at', w.completed_at::text, w.told_completed::text,
     w.completed_at IS DISTINCT FROM w.told_completed),
    (s.own, 'failure reason', w.failure_reason, w.told_reason, w.failure_reason IS DISTINCT FROM w.told_reason),
    (s.own, 'captured', w.captured_amount::text, w.told_captured, w.captured_amount::text IS DISTINCT FROM w.told_captured),
    (s.own, 'endings in the trail', w.endings::text, 'at most ' || w.most_endings, w.endings > w.most_endings),
    (s.own, 'description and metadata', w.words, w.told_words, w.words_told AND w.words IS DISTINCT FROM w.told_words),
    ('transaction ' || w.other_id, 'description and metadata', w.other_words, w.told_other_words,
     w.other_words_told AND w.other_words IS DISTINCT FROM w.told_other_words),
    (s.own, 'updated at', w.updated_at::text, w.created_at::text,
     w.untouched AND w.updated_at IS DISTINCT FROM w.created_at),
    ('transaction ' || w.other_id, 'updated at', w.other_updated_at::text, w.other_created_at::text,
     w.other_untouched AND w.other_updated_at IS DISTINCT FROM w.other_created_at))
       AS f (subject, what, stored, recomputed, differs)
 WHERE (w.id IS NULL OR w.told_id IS NULL OR w.whole IS NOT TRUE OR w.digest IS DISTINCT FROM w.details ->> 'digest'
        OR w.amount::text IS DISTINCT FROM w.details ->> 'amount'
        OR w.account_id::text IS DISTINCT FROM w.details ->> 'accountId'
        OR w.currency IS DISTINCT FROM w.details ->> 'currency'
        OR w.transaction_type IS DISTINCT FROM w.details ->> 'type'
        OR w.reference_number IS DISTINCT FROM w.details ->> 'reference'
        OR (w.created_at, w.status, w.completed_at, w.failure_reason) IS DISTINCT FROM
           (w.at, w.told_status, w.told_completed, w.told_reason)
        OR w.captured_amount::text IS DISTINCT FROM w.told_captured OR w.endings > w.most_endings
        OR w.words_told AND w.words IS DISTINCT FROM w.told_words
        OR w.other_words_told AND w.other_words IS DISTINCT FROM w.told_other_words
        OR w.untouched AND w.updated_at IS DISTINCT FROM w.created_at
        OR w.other_untouched AND w.other_updated_at IS DISTINCT FROM w.other_created_at)
   AND CASE WHEN w.id IS NULL THEN f.what = 'row'
            WHEN w.told_id IS NULL THEN f.what = 'creating audit row' AND w.direction IS NOT NULL
            ELSE f.what NOT IN ('row', 'creating audit row')
             AND coalesce(f.differs, f.stored IS DISTINCT FROM f.recomputed AND (f.recomputed IS NOT NULL OR w.whole)) END
UNION ALL
SELECT 'transactions without a direction', 'number and digest', concat(u.count, ' ', u.digest),
       concat(u.known, ' ', u.known_digest)
  FROM undirected u WHERE u.differ
UNION ALL
-- Which of them is another cannot be told, but for one that is too many or too young.
SELECT 'transaction ' || t.id, 'direction', NULL, 'in or out'
  FROM undirected u JOIN transactions t ON t.direction IS NULL
 WHERE u.differ AND (u.known = 0 OR (t.created_at < u.begun_at AT TIME ZONE 'UTC') IS NOT TRUE)
