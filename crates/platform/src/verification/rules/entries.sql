-- An entry joins the accounts of its transaction, and says its currency, its business
-- date and no earlier time. The bank's side of it follows from the type; its id spells
-- purpose and currency.
SELECT 'entry ' || e.id, f.what, f.stored, f.recomputed
  FROM (SELECT e.*, n.id AS ordered, n.transaction_type, n.account_id, n.counterparty_account_id,
               n.currency AS ordered_currency, n.effective_at AS ordered_effective, n.created_at,
               s.currency AS source_currency, t.currency AS target_currency,
               '00000000-0000-8000-800' || CASE WHEN n.transaction_type IN ('deposit', 'withdrawal') THEN '1'
                    WHEN n.transaction_type IN ('credit', 'debit') THEN '2' ELSE '3' END
                 || '-000000' || encode(convert_to(e.currency, 'UTF8'), 'hex') AS bank,
               (s.id IS NULL) <> (e.source_seq IS NULL) AS no_source,
               (t.id IS NULL) <> (e.target_seq IS NULL) AS no_target
          FROM wallstreet.entries e
          LEFT JOIN transactions n ON n.id = e.transaction_id
          LEFT JOIN accounts s ON s.id = e.source_id
          LEFT JOIN accounts t ON t.id = e.target_id) AS e
 CROSS JOIN LATERAL (SELECT
       e.currency IS DISTINCT FROM e.ordered_currency
         OR e.source_currency <> e.currency OR e.target_currency <> e.currency AS other_currency,
       CASE WHEN e.source_seq IS NULL AND e.target_seq IS NULL
            -- What rounding left moves between two accounts of the bank.
            THEN e.transaction_type <> 'transfer' OR right(e.bank, 13) <> right(e.source_id::text, 13)
              OR right(e.bank, 13) <> right(e.target_id::text, 13)
              OR left(e.source_id::text, 22) <> '00000000-0000-8000-800' OR left(e.target_id::text, 22) <> '00000000-0000-8000-800'
              OR ARRAY[substr(e.source_id::text, 23, 1), substr(e.target_id::text, 23, 1)]
                 NOT IN (ARRAY['3', '4'], ARRAY['4', '3'])
            WHEN e.source_seq IS NULL THEN e.source_id::text <> e.bank
            WHEN e.target_seq IS NULL THEN e.target_id::text <> e.bank
            ELSE false END AS other_bank,
       CASE WHEN e.source_seq IS NULL AND e.target_seq IS NULL THEN false
            WHEN e.source_seq IS NULL THEN e.target_id IS DISTINCT FROM e.account_id
            WHEN e.target_seq IS NULL THEN e.source_id IS DISTINCT FROM e.account_id
            ELSE (e.source_id, e.target_id) IS DISTINCT FROM (e.account_id, e.counterparty_account_id)
         END AS other_accounts,
       (e.recorded_at AT TIME ZONE 'UTC') < e.created_at AS early,
       e.effective_at IS DISTINCT FROM e.ordered_effective AS other_date) AS w
 CROSS JOIN LATERAL (VALUES
    ('transaction', e.transaction_id::text, 'one that there is', e.ordered IS NULL),
    ('source', e.source_id::text, 'an account, or one of the bank', e.no_source),
    ('target', e.target_id::text, 'an account, or one of the bank', e.no_target),
    ('currency', e.currency::text, format('%s by its transaction, %s and %s by its accounts', e.ordered_currency,
        coalesce(e.source_currency, 'any'), coalesce(e.target_currency, 'any')),
     w.other_currency),
    ('account of the bank', format('%s and %s', e.source_id, e.target_id), e.bank, w.other_bank),
    ('accounts', format('%s and %s', e.source_id, e.target_id),
     format('%s and %s', e.account_id, coalesce(e.counterparty_account_id::text, 'one of the bank')), w.other_accounts),
    ('recorded at', e.recorded_at::text, 'not before ' || e.created_at, w.early),
    ('business date', e.effective_at::text, e.ordered_effective::text, w.other_date))
       AS f (what, stored, recomputed, differs)
 WHERE (e.ordered IS NULL OR e.no_source OR e.no_target OR w.other_currency OR w.other_bank OR w.other_accounts
        OR w.early OR w.other_date)
   AND f.differs
