//! The bank that every contestant begins with, written by SQL and yet sound: each balance is the sum of its entries.

use super::database::Database;
use anyhow::Result;
use uuid::Uuid;

/// How many accounts there are. Their ids are those of [`crate::workload::account`].
pub const ACCOUNTS: usize = 100_000;

/// Accounts of one user, each with one deposit of 1,000,000.
const SEED: &str = "
INSERT INTO accounts (id, user_id, account_number, account_type, currency, balance, available_balance, entry_count,
                      newest_entry_at)
SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, '{user}', 'WS' || lpad(i::text, 12, '0'),
       'checking', 'USD', 1000000, 1000000, 1, timestamptz '2024-06-10 UTC'
  FROM generate_series(0, {accounts} - 1) AS i;
INSERT INTO transactions (id, account_id, transaction_type, direction, amount, currency, status, reference_number,
                          metadata, created_at, updated_at, completed_at)
SELECT ('01900001-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid,
       ('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'deposit', 'in', 1000000, 'USD',
       'completed', 'TXN-1718000000-' || lpad(i::text, 6, '0'), '{}', at, at, at
  FROM generate_series(0, {accounts} - 1) AS i, (SELECT timestamp '2024-06-10' AS at) AS opening;
INSERT INTO wallstreet.entries (transaction_id, source_id, target_id, amount, currency, target_seq, target_balance,
                                recorded_at)
SELECT ('01900001-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, '00000000-0000-8000-8001-000000555344',
       ('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 1000000, 'USD', 1, 1000000,
       timestamptz '2024-06-10 UTC'
  FROM generate_series(0, {accounts} - 1) AS i;
";

/// Transfers `{from}..{until}` of 0.01 in rounds: in each, every account of the first `{accounts}` sends to its
/// neighbour, the last to the first. So the balances come back, and every place in a history is known without looking.
const TRANSFERS: &str = "
WITH transfer AS MATERIALIZED (
    SELECT j, j / {accounts} AS round, j % {accounts} AS source, (j + 1) % {accounts} AS target,
           ('01900000-0000-7000-8000-' || lpad(to_hex(j % {accounts}), 12, '0'))::uuid AS source_id,
           ('01900000-0000-7000-8000-' || lpad(to_hex((j + 1) % {accounts}), 12, '0'))::uuid AS target_id,
           (lpad(to_hex(1720000000000 + j * 10), 12, '0') || '7000' || '8' || substr(md5('o' || j), 1, 15))::uuid AS out_id,
           (lpad(to_hex(1720000000000 + j * 10), 12, '0') || '7001' || '8' || substr(md5('i' || j), 1, 15))::uuid AS in_id,
           'TXN-' || (1720000000 + j / 100) || '-' || upper(lpad(to_hex(2 * j), 6, '0')) AS out_reference,
           'TXN-' || (1720000000 + j / 100) || '-' || upper(lpad(to_hex(2 * j + 1), 6, '0')) AS in_reference,
           to_timestamp(1720000000 + j / 100.0) AS at
      FROM generate_series({from}::bigint, {until} - 1) AS j),
transactions AS (
    INSERT INTO transactions (id, account_id, transaction_type, direction, amount, currency, status, reference_number,
                              metadata, counterparty_account_id, paired_transaction_id, created_at, updated_at,
                              completed_at)
    SELECT side.id, side.account_id, 'transfer', side.direction, 0.01, 'USD', 'completed', side.reference, '{}',
           side.other_id, side.pair, at::timestamp, at::timestamp, at::timestamp
      FROM transfer, LATERAL (VALUES (out_id, source_id, 'out', out_reference, target_id, in_id),
                                     (in_id, target_id, 'in', in_reference, source_id, out_id))
                     AS side (id, account_id, direction, reference, other_id, pair)
     ORDER BY j),
entries AS (
    INSERT INTO wallstreet.entries (transaction_id, source_id, target_id, amount, currency, source_seq, source_balance,
                                    target_seq, target_balance, recorded_at)
    SELECT out_id, source_id, target_id, 0.01, 'USD',
           CASE source WHEN 0 THEN 2 ELSE 3 END + 2 * round, CASE source WHEN 0 THEN 999999.99 ELSE 1000000 END,
           CASE target WHEN 0 THEN 3 ELSE 2 END + 2 * round, CASE target WHEN 0 THEN 1000000 ELSE 1000000.01 END, at
      FROM transfer ORDER BY j),
audit AS (
    INSERT INTO audit_logs (id, user_id, action, resource_type, resource_id, ip_address, user_agent, details, created_at)
    SELECT (lpad(to_hex(1720000000000 + j * 10), 12, '0') || '7002' || '8' || substr(md5('a' || j), 1, 15))::uuid,
           '{user}', 'TRANSACTION_CREATED', 'transaction', out_id, '127.0.0.1', 'wallstreet-bench/1',
           jsonb_build_object('type', 'transfer', 'amount', '0.01', 'status', 'completed', 'currency', 'USD',
                              'accountId', source_id, 'reference', out_reference), at::timestamp
      FROM transfer ORDER BY j)
INSERT INTO wallstreet.idempotency_keys (user_id, key, fingerprint, outcome, request_id, created_at)
SELECT '{user}', md5('k' || j)::uuid::text, sha256(int8send(j)), repeat('x', 600), out_id::text, now()
  FROM transfer ORDER BY j;
";

/// Fills an empty bank.
pub fn fill(database: &Database<'_>, user: Uuid) -> Result<()> {
    database.run(&put(SEED, user, ACCOUNTS, 0, 0))?;
    // Not the tables that are still empty: that they are would be learnt, and plans made for it would stay.
    database.run("VACUUM (ANALYZE) accounts, transactions, wallstreet.entries")
}

/// Adds so many rounds of transfers among the first accounts, which had none.
pub fn add_rounds(
    database: &Database<'_>,
    user: Uuid,
    accounts: usize,
    rounds: usize,
    mut progress: impl FnMut(usize),
) -> Result<()> {
    const CHUNK: usize = 50_000;
    let all = accounts * rounds;
    database.run("SET synchronous_commit = off; SET work_mem = '256MB'")?;
    for from in (0..all).step_by(CHUNK) {
        let until = all.min(from + CHUNK);
        database.run(&put(TRANSFERS, user, accounts, from, until))?;
        progress(2 * until);
    }
    let counted = "UPDATE accounts SET entry_count = entry_count + 2 * {rounds},
                newest_entry_at = (SELECT max(recorded_at) FROM wallstreet.entries)
         WHERE id < ('01900000-0000-7000-8000-' || lpad(to_hex({accounts}), 12, '0'))::uuid";
    let counted = counted.replace("{rounds}", &rounds.to_string());
    database.run(&put(&counted, user, accounts, 0, 0))?;
    database.run(
        "VACUUM (ANALYZE) accounts, transactions, wallstreet.entries, audit_logs, wallstreet.idempotency_keys",
    )?;
    database.run("SET synchronous_commit = on")
}

fn put(sql: &str, user: Uuid, accounts: usize, from: usize, until: usize) -> String {
    sql.replace("{user}", &user.to_string())
        .replace("{accounts}", &accounts.to_string())
        .replace("{from}", &from.to_string())
        .replace("{until}", &until.to_string())
}
