//! Edits that somebody with a purpose would make, by name.

use super::edits::Edit;
use tokio_postgres::Client;

/// What is done, to which row `{key}`, and how that is found.
const EDITS: [(&str, &str, &str); 25] = [
    (
        "an account of somebody else",
        "UPDATE accounts SET user_id = (SELECT id FROM users WHERE email = 'bob@example.com') WHERE id = '{key}'",
        "SELECT a.id FROM accounts a JOIN users u ON u.id = a.user_id WHERE u.email = 'ada@example.com'",
    ),
    (
        "another account number",
        "UPDATE accounts SET account_number = 'WS999999999999' WHERE id = '{key}'",
        "SELECT id FROM accounts",
    ),
    (
        "an overdraft that nobody allowed",
        "UPDATE accounts SET overdraft_limit = 100000 WHERE id = '{key}'",
        "SELECT id FROM accounts WHERE overdraft_limit = 0",
    ),
    (
        "a freeze lifted",
        "UPDATE accounts SET freeze_scope = NULL, freeze_reason = NULL, freeze_until = NULL WHERE id = '{key}'",
        "SELECT id FROM accounts WHERE freeze_scope IS NOT NULL",
    ),
    (
        "a limit of today used up by nobody",
        "UPDATE accounts SET spent_amount = 0, spent_day = 0 WHERE id = '{key}'",
        "SELECT id FROM accounts WHERE spent_amount > 0",
    ),
    (
        "a deposit that becomes a credit, with the entry's other side",
        "UPDATE transactions SET transaction_type = 'credit' WHERE id = '{key}';
         UPDATE wallstreet.entries SET source_id = '00000000-0000-8000-8002-000000555344' WHERE transaction_id = '{key}'",
        "SELECT id FROM transactions WHERE transaction_type = 'deposit' AND status = 'completed' AND currency = 'USD'",
    ),
    (
        "another currency",
        "UPDATE transactions SET currency = 'CHF' WHERE id = '{key}'",
        "SELECT id FROM transactions WHERE transaction_type = 'deposit' AND status = 'completed'",
    ),
    (
        "other dates",
        "UPDATE transactions SET created_at = created_at - interval '1 day', completed_at = completed_at - interval '1 day',
                updated_at = updated_at - interval '1 day' WHERE id = '{key}'",
        "SELECT id FROM transactions WHERE transaction_type = 'deposit' AND status = 'completed'",
    ),
    (
        "another reference",
        "UPDATE transactions SET reference_number = 'TXN-1768478400-AAAAAA' WHERE id = '{key}'",
        "SELECT id FROM transactions WHERE transaction_type = 'deposit' AND status = 'completed'",
    ),
    (
        "another reference of the half that receives",
        "UPDATE transactions SET reference_number = 'TXN-1768478400-AAAAAA' WHERE id = '{key}'",
        "SELECT id FROM transactions WHERE transaction_type = 'transfer' AND direction = 'in'",
    ),
    (
        "no direction and another amount",
        "UPDATE transactions SET direction = NULL, amount = amount + 100 WHERE id = '{key}'",
        "SELECT id FROM transactions WHERE transaction_type = 'deposit' AND status = 'completed'",
    ),
    (
        "no direction, no other half and another amount",
        "UPDATE transactions SET direction = NULL, paired_transaction_id = NULL, counterparty_account_id = NULL,
                amount = amount + 100 WHERE id = '{key}'",
        "SELECT id FROM transactions WHERE transaction_type = 'transfer' AND direction = 'in' AND status = 'completed'",
    ),
    (
        "a bigger pending deposit",
        "UPDATE transactions SET amount = amount + 100 WHERE id = '{key}'",
        "SELECT id FROM transactions WHERE transaction_type = 'deposit' AND status = 'pending'",
    ),
    (
        "a pending transfer to somebody else, on both halves",
        "UPDATE transactions SET account_id = (SELECT max(id::text)::uuid FROM accounts) WHERE paired_transaction_id = '{key}';
         UPDATE transactions SET counterparty_account_id = (SELECT max(id::text)::uuid FROM accounts) WHERE id = '{key}'",
        "SELECT id FROM transactions WHERE transaction_type = 'transfer' AND direction = 'out' AND status = 'pending'
            AND captured_amount IS NULL",
    ),
    (
        "a hold that never ends",
        "UPDATE transactions SET expires_at = NULL WHERE '{key}' IN (id::text, paired_transaction_id::text)",
        "SELECT id FROM transactions WHERE expires_at IS NOT NULL AND direction = 'out' AND status = 'pending'",
    ),
    (
        "another rate, and the remainder that fits it",
        "UPDATE wallstreet.exchanges SET rate = rate + 1, remainder = remainder + source_amount
          WHERE transaction_id = '{key}'",
        "SELECT x.transaction_id FROM wallstreet.exchanges x JOIN transactions t ON t.id = x.transaction_id
          WHERE t.status = 'pending'",
    ),
    (
        "another remainder carried",
        "UPDATE wallstreet.rounding SET carried = carried + 0.001 WHERE currency = '{key}'",
        "SELECT currency FROM wallstreet.rounding",
    ),
    (
        "a failure undone",
        "UPDATE transactions SET status = 'pending', failure_reason = NULL WHERE id = '{key}'",
        "SELECT id FROM transactions WHERE status = 'failed' AND transaction_type = 'deposit'",
    ),
    (
        "a forged deposit under every seal",
        "INSERT INTO transactions (id, account_id, transaction_type, direction, amount, currency, status, metadata,
                created_at, updated_at, completed_at)
         SELECT md5('forged')::uuid, id, 'deposit', 'in', 5, 'USD', 'completed', '{}', created_at, created_at, created_at
           FROM accounts WHERE id = '{key}';
         INSERT INTO wallstreet.entries (id, transaction_id, source_id, target_id, amount, currency, target_seq,
                target_balance, recorded_at)
         SELECT -7, md5('forged')::uuid, '00000000-0000-8000-8001-000000555344', id, 5, 'USD', entry_count + 1,
                balance + 5, now() FROM accounts WHERE id = '{key}';
         UPDATE accounts SET balance = balance + 5, available_balance = available_balance + 5,
                entry_count = entry_count + 1, newest_entry_at = now() WHERE id = '{key}'",
        "SELECT id FROM accounts WHERE balance > 0 AND currency = 'USD'",
    ),
    (
        "an end of the same date before Christ",
        "UPDATE transactions SET expires_at = (to_char(expires_at, 'YYYY-MM-DD HH24:MI:SS.US') || ' BC')::timestamptz
          WHERE '{key}' IN (id::text, paired_transaction_id::text)",
        "SELECT id FROM transactions WHERE expires_at IS NOT NULL AND direction = 'out' AND status = 'pending'",
    ),
    (
        "an end that is never, where there was none",
        "UPDATE transactions SET expires_at = 'infinity' WHERE '{key}' IN (id::text, paired_transaction_id::text)",
        "SELECT id FROM transactions WHERE expires_at IS NULL AND direction = 'out' AND status = 'pending'",
    ),
    (
        "a transaction of before the platform",
        "INSERT INTO transactions SELECT (jsonb_populate_record(t, jsonb_build_object('id', '{key}', 'direction', NULL,
                'paired_transaction_id', NULL, 'counterparty_account_id', NULL, 'reverses_transaction_id', NULL,
                'captured_amount', NULL, 'reversed_amount', 0))).* FROM transactions t WHERE status = 'completed' LIMIT 1",
        "SELECT '00000000-0000-4000-8000-000000000008'",
    ),
    (
        "nothing carried of a currency that nobody has",
        "INSERT INTO wallstreet.rounding VALUES ('{key}', 0)",
        "SELECT 'ZZZ'",
    ),
    (
        "an entry of the lowest number",
        "INSERT INTO wallstreet.entries SELECT (jsonb_populate_record(e, '{\"id\": {key}}')).*
           FROM wallstreet.entries e ORDER BY id LIMIT 1",
        "SELECT '-9223372036854775808'",
    ),
    (
        "an audit row of the lowest number",
        "INSERT INTO audit_logs SELECT (jsonb_populate_record(l,
                '{\"number\": {key}, \"id\": \"00000000-0000-4000-8000-000000000007\", \"action\": \"LOGIN_SUCCESS\"}')).*
           FROM audit_logs l WHERE resource_type = 'user' ORDER BY number LIMIT 1",
        "SELECT '-9223372036854775808'",
    ),
];

/// The audit rows without which something cannot be told any more.
const TELLING: &str = "action IN ('ACCOUNT_CREATED', 'TRANSACTION_CREATED', 'TRANSACTION_REVERSED',
    'TRANSACTION_COMPLETED', 'TRANSACTION_FAILED')";

/// All of them, and the deletion of an audit row of each kind.
pub async fn all(client: &Client) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (name, sql, find) in EDITS {
        let find = format!("SELECT found::text FROM ({find}) AS rows (found) ORDER BY 1 LIMIT 1");
        let key: String = client.query_one(&find, &[]).await.unwrap().get(0);
        let sql = sql.replace("{key}", &key);
        edits.push(Edit { table: "", column: Some(name.to_owned()), sql, key });
    }
    let telling = format!(
        "SELECT DISTINCT ON (action) id::text, action, coalesce(details ->> 'reversalId', resource_id::text)
           FROM audit_logs WHERE {TELLING} ORDER BY action, id"
    );
    for row in client.query(&telling, &[]).await.unwrap() {
        let (id, action): (String, String) = (row.get(0), row.get(1));
        let sql = format!("DELETE FROM audit_logs WHERE id = '{id}'");
        edits.push(Edit {
            table: "",
            column: Some(format!("{action} deleted")),
            sql,
            key: row.get(2),
        });
        let sql = format!(
            "INSERT INTO audit_logs SELECT (jsonb_populate_record(l, '{{\"id\": \"{made}\", \"resource_id\": \"{made}\"}}')).*
               FROM audit_logs l WHERE id = '{id}'",
            made = "00000000-0000-4000-8000-000000000007",
        );
        let key = match action.as_str() {
            // It tells of the same reversal once more.
            "TRANSACTION_REVERSED" => row.get(2),
            _ => "00000000-0000-4000-8000-000000000007".to_owned(),
        };
        edits.push(Edit { table: "", column: Some(format!("{action} made up")), sql, key });
    }
    edits
}
