//! Every statement of the baselines, in one place, so that they are easily kept to the rows that the product writes.
//!
//! A transfer writes: two transactions, one entry, two accounts, one audit row, one row of the outbox, one key. Tables,
//! indexes, triggers and constraints are the product's own, from its migrations. After the first run of each contestant
//! the judge compares the rows of a transfer with the product's.

/// How many rows a transfer touches.
pub const ROWS: usize = 8;

/// The rows of the newest transfer as text, one a line, with everything taken out that differs from transfer to transfer:
/// ids, references, hashes, times, numbers.
pub const SHAPES: &str = r#"
WITH newest AS (SELECT transaction_id AS id, source_id, target_id FROM wallstreet.entries ORDER BY id DESC LIMIT 1),
written (place, content) AS (
    SELECT 'transactions', to_jsonb(t) FROM transactions t, newest n WHERE n.id IN (t.id, t.paired_transaction_id)
    UNION ALL SELECT 'entries', to_jsonb(e) FROM wallstreet.entries e, newest n WHERE e.transaction_id = n.id
    UNION ALL SELECT 'accounts', to_jsonb(a) FROM accounts a, newest n WHERE a.id IN (n.source_id, n.target_id)
    UNION ALL SELECT 'audit_logs', to_jsonb(l) FROM audit_logs l, newest n WHERE l.resource_id = n.id
    UNION ALL SELECT 'outbox', to_jsonb(o) FROM wallstreet.outbox o, newest n
               WHERE o.parties -> 0 ->> 'resourceId' = n.id::text
    UNION ALL SELECT 'idempotency_keys', to_jsonb(k) FROM wallstreet.idempotency_keys k, newest n
               WHERE k.outcome::jsonb #>> '{done,id}' = n.id::text)
SELECT place || ' ' || regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(content::text,
           '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'uuid', 'g'),
           '"[0-9a-f]{32}"', '"digest"', 'g'),
           'TXN-[0-9]+-[A-Z0-9]{6}', 'reference', 'g'),
           '\\\\x[0-9a-f]+', 'hash', 'g'),
           '[0-9]+([.][0-9]+)?', '9', 'g')
  FROM written ORDER BY 1"#;

/// One row, or one pair of rows, a statement: what a program sends that decides on the client's side.
pub mod one {
    /// Whether the key was used. `$1` user, `$2` key.
    pub const FIND_KEY: &str = "SELECT fingerprint, outcome FROM wallstreet.idempotency_keys
         WHERE user_id = $1 AND key = $2";
    /// Both accounts, locked in id order.
    pub const LOCK_ACCOUNTS: &str =
        "SELECT id, user_id, currency, status, balance, available_balance, entry_count
           FROM accounts WHERE id IN ($1, $2) ORDER BY id FOR UPDATE";
    /// One account: `$1` id, `$2` balance, `$3` available, `$4` entries, `$5` time.
    pub const UPDATE_ACCOUNT: &str = "UPDATE accounts
            SET balance = $2, available_balance = $3, entry_count = $4, newest_entry_at = $5 WHERE id = $1";
    /// Both sides: `$1..$3` id, account and reference of the source's, `$4..$6` of the target's, `$7` amount,
    /// `$8` time.
    pub const INSERT_TRANSACTIONS: &str = "INSERT INTO transactions
            (id, account_id, transaction_type, direction, amount, currency, status, reference_number,
             metadata, counterparty_account_id, paired_transaction_id, created_at, updated_at, completed_at)
        VALUES ($1, $2, 'transfer', 'out', $7, 'USD', 'completed', $3, '{}', $5, $4, $8::timestamp, $8, $8),
               ($4, $5, 'transfer', 'in',  $7, 'USD', 'completed', $6, '{}', $2, $1, $8, $8, $8)";
    /// The movement: transaction, source, target, amount, seq and balance of both, time.
    pub const INSERT_ENTRY: &str = "INSERT INTO wallstreet.entries
            (transaction_id, source_id, target_id, amount, currency, source_seq, source_balance,
             target_seq, target_balance, recorded_at)
        VALUES ($1, $2, $3, $4, 'USD', $5, $6, $7, $8, $9)";
    /// The trail: id, user, transaction, address, agent, details, time.
    pub const INSERT_AUDIT: &str = "INSERT INTO audit_logs
            (id, user_id, action, resource_type, resource_id, ip_address, user_agent, details, created_at)
        VALUES ($1, $2, 'TRANSACTION_CREATED', 'transaction', $3, $4, $5, $6::text::jsonb, $7)";
    /// The outbox: parties, time.
    pub const INSERT_NEWS: &str = "INSERT INTO wallstreet.outbox (event_types, parties, created_at)
        VALUES ('transaction.created transaction.completed', $1::text::json, $2)";
    /// The outcome under its key: user, key, fingerprint, outcome, request, time.
    pub const INSERT_KEY: &str = "INSERT INTO wallstreet.idempotency_keys
            (user_id, key, fingerprint, outcome, request_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
}

/// All of it as one call in the database. Installed in every database of the benchmark.
pub const INSTALL_FUNCTION: &str = "CREATE SCHEMA bench;
CREATE FUNCTION bench.transfer(
    p_user uuid, p_key text, p_fingerprint bytea, p_outcome text, p_request text,
    p_source uuid, p_target uuid, p_amount numeric, p_out uuid, p_in uuid, p_out_reference text,
    p_in_reference text, p_audit uuid, p_details text, p_parties text, p_address text, p_agent text,
    p_at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_at constant timestamp := p_at AT TIME ZONE 'UTC';
    v_account accounts;
    v_source accounts;
    v_target accounts;
BEGIN
    PERFORM FROM wallstreet.idempotency_keys WHERE user_id = p_user AND key = p_key;
    IF FOUND THEN RETURN 'key_used'; END IF;
    FOR v_account IN SELECT * FROM accounts WHERE id IN (p_source, p_target) ORDER BY id FOR UPDATE LOOP
        IF v_account.id = p_source THEN v_source := v_account; ELSE v_target := v_account; END IF;
    END LOOP;
    IF v_source.id IS NULL OR v_target.id IS NULL OR v_source.user_id <> p_user THEN
        RETURN 'account_not_found';
    END IF;
    IF v_source.status <> 'active' OR v_target.status <> 'active' THEN RETURN 'account_not_active'; END IF;
    IF v_source.currency <> 'USD' OR v_target.currency <> 'USD' THEN RETURN 'currency_mismatch'; END IF;
    IF v_source.available_balance < p_amount THEN RETURN 'insufficient_funds'; END IF;
    UPDATE accounts SET balance = balance - p_amount, available_balance = available_balance - p_amount,
           entry_count = entry_count + 1, newest_entry_at = p_at WHERE id = p_source;
    UPDATE accounts SET balance = balance + p_amount, available_balance = available_balance + p_amount,
           entry_count = entry_count + 1, newest_entry_at = p_at WHERE id = p_target;
    INSERT INTO transactions
            (id, account_id, transaction_type, direction, amount, currency, status, reference_number,
             metadata, counterparty_account_id, paired_transaction_id, created_at, updated_at, completed_at)
    VALUES (p_out, p_source, 'transfer', 'out', p_amount, 'USD', 'completed', p_out_reference, '{}',
            p_target, p_in, v_at, v_at, v_at),
           (p_in, p_target, 'transfer', 'in', p_amount, 'USD', 'completed', p_in_reference, '{}',
            p_source, p_out, v_at, v_at, v_at);
    INSERT INTO wallstreet.entries
            (transaction_id, source_id, target_id, amount, currency, source_seq, source_balance,
             target_seq, target_balance, recorded_at)
    VALUES (p_out, p_source, p_target, p_amount, 'USD', v_source.entry_count + 1,
            v_source.balance - p_amount, v_target.entry_count + 1, v_target.balance + p_amount, p_at);
    INSERT INTO audit_logs
            (id, user_id, action, resource_type, resource_id, ip_address, user_agent, details, created_at)
    VALUES (p_audit, p_user, 'TRANSACTION_CREATED', 'transaction', p_out, p_address, p_agent,
            p_details::jsonb, v_at);
    INSERT INTO wallstreet.outbox (event_types, parties, created_at)
    VALUES ('transaction.created transaction.completed', p_parties::json, p_at);
    INSERT INTO wallstreet.idempotency_keys (user_id, key, fingerprint, outcome, request_id, created_at)
    VALUES (p_user, p_key, p_fingerprint, p_outcome, p_request, p_at);
    RETURN 'done';
END $$";

/// Calls it.
pub const CALL_FUNCTION: &str = "SELECT bench.transfer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";

/// One statement a table, with arrays, for a whole batch.
pub mod many {
    /// Keys that were used. `$1` user, `$2` keys.
    pub const FIND_KEYS: &str = "SELECT key FROM wallstreet.idempotency_keys
         WHERE user_id = $1 AND key = ANY ($2::text[])";
    /// All accounts of the batch, locked in id order.
    pub const LOCK_ACCOUNTS: &str =
        "SELECT id, user_id, currency, status, balance, available_balance, entry_count
           FROM accounts WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE";
    /// Ids, balances, available balances, entries, times.
    pub const UPDATE_ACCOUNTS: &str = "UPDATE accounts a
            SET balance = u.balance, available_balance = u.available, entry_count = u.entry_count,
                newest_entry_at = u.at
           FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::bigint[], $5::timestamptz[])
                AS u (id, balance, available, entry_count, at)
          WHERE a.id = u.id";
    /// Ids, accounts, directions, amounts, references, counterparties, pairs; `$8` times.
    pub const INSERT_TRANSACTIONS: &str = "INSERT INTO transactions
            (id, account_id, transaction_type, direction, amount, currency, status, reference_number,
             metadata, counterparty_account_id, paired_transaction_id, created_at, updated_at, completed_at)
        SELECT id, account_id, 'transfer', direction, amount, 'USD', 'completed', reference_number,
               '{}', counterparty_account_id, paired_transaction_id, at, at, at
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::numeric[], $5::text[], $6::uuid[],
                      $7::uuid[], $8::timestamp[])
               AS t (id, account_id, direction, amount, reference_number, counterparty_account_id,
                     paired_transaction_id, at)";
    /// Transactions, sources, targets, amounts, seqs and balances of both; `$9` times.
    pub const INSERT_ENTRIES: &str = "INSERT INTO wallstreet.entries
            (transaction_id, source_id, target_id, amount, currency, source_seq, source_balance,
             target_seq, target_balance, recorded_at)
        SELECT transaction_id, source_id, target_id, amount, 'USD', source_seq, source_balance,
               target_seq, target_balance, at
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::numeric[], $5::bigint[], $6::numeric[],
                      $7::bigint[], $8::numeric[], $9::timestamptz[])
               AS e (transaction_id, source_id, target_id, amount, source_seq, source_balance,
                     target_seq, target_balance, at)";
    /// Ids, transactions, details, times; `$5` user, `$6` address, `$7` agent.
    pub const INSERT_AUDIT: &str = "INSERT INTO audit_logs
            (id, user_id, action, resource_type, resource_id, ip_address, user_agent, details, created_at)
        SELECT id, $5::uuid, 'TRANSACTION_CREATED', 'transaction', resource_id, $6::text, $7::text,
               details::jsonb, at
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamp[]) AS l (id, resource_id, details, at)";
    /// Parties, times.
    pub const INSERT_NEWS: &str = "INSERT INTO wallstreet.outbox (event_types, parties, created_at)
        SELECT 'transaction.created transaction.completed', parties::json, at
          FROM unnest($1::text[], $2::timestamptz[]) AS n (parties, at)";
    /// Keys, fingerprints, outcomes, requests, times; `$6` user.
    pub const INSERT_KEYS: &str = "INSERT INTO wallstreet.idempotency_keys
            (user_id, key, fingerprint, outcome, request_id, created_at)
        SELECT $6::uuid, key, fingerprint, outcome, request_id, at
          FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::timestamptz[])
               AS k (key, fingerprint, outcome, request_id, at)";
}
