//! What the database refuses by itself, whoever writes, and what it goes on to accept: the documented statements.

use crate::schema::Document;
use testkit::{Database, skipped};
use tokio_postgres::Client;

/// PostgreSQL's restrict_violation: history is not removed or rewritten.
const KEPT: &str = "23001";
const OUT_OF_RANGE: &str = "22003";

/// Ada has money, Grace an audit row alone, Alan nothing. The names in braces are replaced by ids.
const WORLD: &str = "
    INSERT INTO users (id, email, password_hash, first_name, last_name) VALUES
        ('{ada}', 'ada@example.com', 'x', 'Ada', 'L'), ('{grace}', 'grace@example.com', 'x', 'Grace', 'H'),
        ('{alan}', 'alan@example.com', 'x', 'Alan', 'T');
    INSERT INTO accounts (id, user_id, account_number, account_type, balance, available_balance, status) VALUES
        ('{account}', '{ada}', 'WS000000000001', 'checking', 100, 80, 'active'),
        ('{other}', '{ada}', 'WS000000000002', 'savings', 0, 0, 'active'),
        ('{closed}', '{ada}', 'WS000000000003', 'savings', 0, 0, 'closed');
    INSERT INTO transactions (id, account_id, transaction_type, amount, status, completed_at, reference_number) VALUES
        ('{pending}', '{account}', 'withdrawal', 20, 'pending', NULL, 'TXN-1706443200-ABC123'),
        ('{failed}', '{account}', 'withdrawal', 20, 'failed', NULL, 'TXN-1706443200-ABC124'),
        ('{done}', '{account}', 'deposit', 100, 'completed', now(), 'TXN-1706443200-ABC125');
    INSERT INTO wallstreet.entries (transaction_id, source_id, target_id, amount, currency, target_seq, target_balance,
        recorded_at) VALUES ('{done}', '{bank}', '{account}', 100, 'USD', 1, 100, now());
    INSERT INTO audit_logs (user_id, action, resource_type) VALUES ('{grace}', 'USER_REGISTERED', 'user');";

const NAMES: [&str; 10] =
    ["ada", "grace", "alan", "account", "other", "closed", "pending", "failed", "done", "bank"];

fn named(sql: &str) -> String {
    NAMES.iter().enumerate().fold(sql.to_owned(), |sql, (index, name)| {
        sql.replace(&format!("{{{name}}}"), &format!("00000000-0000-4000-8000-{index:012}"))
    })
}

async fn world() -> (Database, Client) {
    let database = testkit::database().await;
    let client = database.client().await;
    client.batch_execute(&named(WORLD)).await.unwrap();
    (database, client)
}

/// Every statement is refused by the constraint, or with the SQLSTATE, beside it.
async fn refused(cases: &[(&str, &str)]) {
    let (_database, client) = world().await;
    for (sql, by) in cases {
        match client.batch_execute(&named(sql)).await {
            Ok(()) => panic!("accepted: {sql}"),
            Err(error) => {
                let error = error.as_db_error().unwrap();
                let found = error.constraint().unwrap_or(error.code().code());
                assert_eq!(found, *by, "{sql}: {error}");
            }
        }
    }
}

async fn accepted(statements: &[&str]) {
    let (_database, client) = world().await;
    for sql in statements {
        if let Err(error) = client.batch_execute(&named(sql)).await {
            panic!("refused: {sql}: {error:?}");
        }
    }
}

#[tokio::test]
async fn users_of_unknown_role_or_state_or_with_one_address_in_two_cases_are_refused() {
    let insert = |column: &str, value: &str| {
        format!(
            "INSERT INTO users (email, password_hash, first_name, last_name, {column}) VALUES ('new@example.com', 'x', 'N', 'N', {value})"
        )
    };
    refused(&[
        (&insert("role", "'superadmin'"), "users_role_known"),
        (&insert("role", "NULL"), "users_role_known"),
        (&insert("status", "'whatever'"), "users_status_known"),
        (&insert("status", "NULL"), "users_status_known"),
        ("UPDATE users SET role = 'superadmin'", "users_role_known"),
        (
            "UPDATE users SET email = 'ADA@example.com' WHERE id = '{grace}'",
            "users_email_lower_key",
        ),
        ("UPDATE users SET email = 'ada@example.com' WHERE id = '{grace}'", "users_email_key"),
        ("UPDATE users SET email = 'nobody' WHERE id = '{grace}'", "users_email_shape"),
        ("UPDATE users SET email = '@example.com' WHERE id = '{grace}'", "users_email_shape"),
        ("UPDATE users SET email = ' ada@example.com' WHERE id = '{grace}'", "users_email_shape"),
    ])
    .await;
}

#[tokio::test]
async fn accounts_without_owner_or_of_unknown_type_state_currency_or_number_are_refused() {
    let insert = |owner: &str, number: &str, kind: &str, currency: &str, status: &str| {
        format!(
            "INSERT INTO accounts (user_id, account_number, account_type, currency, status) VALUES ({owner}, {number}, {kind}, {currency}, {status})"
        )
    };
    let (ada, number, kind, usd, active) =
        ("'{ada}'", "'WS123456789012'", "'checking'", "'USD'", "'active'");
    refused(&[
        (&insert("NULL", number, kind, usd, active), "accounts_owned"),
        (&insert(ada, "'WS1'", kind, usd, active), "accounts_number_format"),
        (&insert(ada, "'XX123456789012'", kind, usd, active), "accounts_number_format"),
        (&insert(ada, "E'WS123456789012\\n'", kind, usd, active), "accounts_number_format"),
        (&insert(ada, "'WS000000000001'", kind, usd, active), "accounts_account_number_key"),
        (&insert(ada, number, "'casino'", usd, active), "accounts_type_known"),
        (&insert(ada, number, kind, "'zzz'", active), "accounts_currency_format"),
        (&insert(ada, number, kind, "'US'", active), "accounts_currency_format"),
        (&insert(ada, number, kind, "NULL", active), "accounts_currency_format"),
        (&insert(ada, number, kind, usd, "'frozen'"), "accounts_status_known"),
        (&insert(ada, number, kind, usd, "NULL"), "accounts_status_known"),
    ])
    .await;
}

#[tokio::test]
async fn balances_that_are_no_sound_sum_of_money_are_refused() {
    let set = |balance: &str, available: &str| {
        format!(
            "UPDATE accounts SET balance = {balance}, available_balance = {available} WHERE id = '{{account}}'"
        )
    };
    refused(&[
        (&set("NULL", "0"), "accounts_money_sound"),
        (&set("100", "NULL"), "accounts_money_sound"),
        (&set("'NaN'", "0"), "accounts_money_sound"),
        (&set("'NaN'", "'NaN'"), "accounts_money_sound"),
        (&set("100", "'NaN'"), "accounts_money_sound"),
        (&set("'Infinity'", "0"), OUT_OF_RANGE),
        (&set("10000000000000", "0"), OUT_OF_RANGE),
        (&set("-5000", "-5000"), "accounts_money_sound"),
        (&set("-5000", "0"), "accounts_money_sound"),
        (&set("100", "-0.01"), "accounts_money_sound"),
        (&set("100", "99999"), "accounts_money_sound"),
        (
            "INSERT INTO accounts (user_id, account_number, account_type, balance)
             VALUES ('{ada}', 'WS123456789012', 'checking', 'NaN')",
            "accounts_money_sound",
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_account_keeps_its_identity_and_closed_is_empty_and_for_ever() {
    refused(&[
        ("UPDATE accounts SET status = 'closed' WHERE id = '{account}'", "accounts_closed_empty"),
        (
            "UPDATE accounts SET balance = 1, available_balance = 1 WHERE id = '{closed}'",
            "accounts_closed_empty",
        ),
        ("UPDATE accounts SET status = 'active' WHERE id = '{closed}'", "accounts_immutable"),
        ("UPDATE accounts SET status = NULL WHERE id = '{closed}'", "accounts_status_known"),
        ("UPDATE accounts SET user_id = '{grace}' WHERE id = '{other}'", "accounts_immutable"),
        ("UPDATE accounts SET user_id = NULL WHERE id = '{other}'", "accounts_immutable"),
        ("UPDATE accounts SET currency = 'EUR' WHERE id = '{other}'", "accounts_immutable"),
        (
            "UPDATE accounts SET account_number = 'WS000000000009' WHERE id = '{other}'",
            "accounts_immutable",
        ),
    ])
    .await;
}

#[tokio::test]
async fn transactions_of_no_account_unknown_kind_or_no_positive_amount_are_refused() {
    let insert = |account: &str, kind: &str, amount: &str| {
        format!(
            "INSERT INTO transactions (account_id, transaction_type, amount) VALUES ({account}, '{kind}', {amount})"
        )
    };
    let account = "'{account}'";
    refused(&[
        (&insert("NULL", "deposit", "1"), "transactions_owned"),
        (&insert("'{ada}'", "deposit", "1"), "transactions_account_id_fkey"),
        (&insert(account, "gift", "1"), "transactions_type_known"),
        (&insert(account, "deposit", "-100"), "transactions_amount_positive"),
        (&insert(account, "deposit", "0"), "transactions_amount_positive"),
        (&insert(account, "deposit", "0.004"), "transactions_amount_positive"),
        (&insert(account, "deposit", "'NaN'"), "transactions_amount_positive"),
        (&insert(account, "deposit", "'Infinity'"), OUT_OF_RANGE),
        (&insert(account, "deposit", "10000000000000"), OUT_OF_RANGE),
    ])
    .await;
}

#[tokio::test]
async fn transactions_in_another_currency_than_their_account_are_refused() {
    let insert = |currency: &str| {
        format!(
            "INSERT INTO transactions (account_id, transaction_type, amount, currency) VALUES ('{{account}}', 'deposit', 1, {currency})"
        )
    };
    refused(&[
        (&insert("'EUR'"), "transactions_currency_of_account"),
        (&insert("'zzz'"), "transactions_currency_format"),
        (&insert("NULL"), "transactions_currency_format"),
        (
            "INSERT INTO transactions (account_id, transaction_type, amount, currency)
             VALUES ('{account}', 'deposit', 1, 'USD'), ('{other}', 'deposit', 1, 'EUR')",
            "transactions_currency_of_account",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_transaction_leaves_pending_once_and_is_completed_at_a_moment() {
    let insert = |status: &str, completed_at: &str| {
        format!(
            "INSERT INTO transactions (account_id, transaction_type, amount, status, completed_at) VALUES ('{{account}}', 'deposit', 1, {status}, {completed_at})"
        )
    };
    let set =
        |change: &str, id: &str| format!("UPDATE transactions SET {change} WHERE id = '{{{id}}}'");
    let (last, unset) = ("transactions_status_final", "transactions_completed_at_set");
    refused(&[
        (&insert("'cancelled'", "NULL"), "transactions_status_known"),
        (&insert("NULL", "NULL"), "transactions_status_known"),
        (&insert("'completed'", "NULL"), unset),
        (&insert("'pending'", "now()"), unset),
        (&set("status = 'completed'", "pending"), unset),
        (&set("completed_at = NULL", "done"), "transactions_immutable"),
        (&set("completed_at = completed_at - interval '1 day'", "done"), "transactions_immutable"),
        (&set("failure_reason = 'another'", "failed"), "transactions_immutable"),
        (&set("status = 'pending', completed_at = NULL", "done"), last),
        (&set("status = 'pending', completed_at = NULL, amount = 1", "done"), last),
        (&set("status = 'failed', completed_at = NULL", "done"), last),
        (&set("status = NULL, completed_at = NULL", "done"), last),
        (&set("status = 'pending'", "failed"), last),
        (&set("status = 'completed', completed_at = now()", "failed"), last),
    ])
    .await;
}

#[tokio::test]
async fn what_was_ordered_is_never_rewritten() {
    for id in ["pending", "failed", "done"] {
        let set = |change: &str| format!("UPDATE transactions SET {change} WHERE id = '{{{id}}}'");
        refused(&[
            (&set("amount = amount + 1"), "transactions_immutable"),
            (&set("account_id = '{other}'"), "transactions_immutable"),
            (&set("transaction_type = 'credit'"), "transactions_immutable"),
            (&set("currency = 'EUR'"), "transactions_immutable"),
            (&set("reference_number = NULL"), "transactions_immutable"),
            (&set("created_at = now() - interval '1 day'"), "transactions_immutable"),
        ])
        .await;
    }
}

#[tokio::test]
async fn directions_pairs_and_reasons_that_contradict_the_transaction_are_refused() {
    let set = |change: &str| format!("UPDATE transactions SET {change} WHERE id = '{{pending}}'");
    refused(&[
        (&set("direction = 'up'"), "transactions_direction_known"),
        (&set("direction = 'in'"), "transactions_direction_of_type"),
        (
            &set("paired_transaction_id = '{done}', counterparty_account_id = '{other}'"),
            "transactions_pair_of_transfer",
        ),
        (&set("counterparty_account_id = '{other}'"), "transactions_pair_of_transfer"),
        (&set("failure_reason = 'insufficient_funds'"), "transactions_failure_of_failed"),
    ])
    .await;
}

#[tokio::test]
async fn history_is_not_removed_by_deleting_truncating_or_cascading() {
    refused(&[
        ("DELETE FROM users WHERE id = '{ada}'", KEPT),
        ("DELETE FROM users WHERE id = '{grace}'", KEPT),
        ("DELETE FROM accounts WHERE id = '{closed}'", KEPT),
        ("DELETE FROM transactions WHERE id = '{pending}'", KEPT),
        ("DELETE FROM wallstreet.entries", KEPT),
        ("DELETE FROM audit_logs", KEPT),
        ("TRUNCATE users CASCADE", KEPT),
        ("TRUNCATE accounts CASCADE", KEPT),
        ("TRUNCATE transactions CASCADE", KEPT),
        ("TRUNCATE wallstreet.entries", KEPT),
        ("TRUNCATE audit_logs", KEPT),
        ("UPDATE audit_logs SET action = 'LOGIN_SUCCESS'", KEPT),
        ("UPDATE wallstreet.entries SET amount = 1", KEPT),
    ])
    .await;
}

#[tokio::test]
async fn entries_that_do_not_move_a_positive_amount_between_two_accounts_are_refused() {
    let insert = |transaction: &str, source: &str, amount: &str, seq: &str, balance: &str| {
        format!("INSERT INTO wallstreet.entries (transaction_id, source_id, target_id, amount, currency, target_seq, target_balance, recorded_at)
             VALUES ('{{{transaction}}}', '{{{source}}}', '{{account}}', {amount}, 'USD', {seq}, {balance}, now())")
    };
    refused(&[
        (&insert("pending", "bank", "0", "2", "1"), "entries_amount_positive"),
        (&insert("pending", "bank", "-1", "2", "1"), "entries_amount_positive"),
        (&insert("pending", "bank", "'NaN'", "2", "1"), "entries_amount_positive"),
        (&insert("pending", "account", "1", "2", "1"), "entries_two_accounts"),
        (&insert("pending", "bank", "1", "2", "NULL"), "entries_target_complete"),
        (&insert("pending", "bank", "1", "NULL", "NULL"), "entries_touch_an_account"),
        (&insert("pending", "ada", "1", "NULL", "NULL"), "entries_touch_an_account"),
        (&insert("pending", "bank", "1", "1", "1"), "entries_target_history"),
    ])
    .await;
}

#[tokio::test]
async fn keys_webhooks_and_integrations_that_cannot_work_are_refused() {
    let key = |columns: &str, values: &str| {
        format!("INSERT INTO api_keys (key_hash, name, {columns}) VALUES ('h', 'n', {values})")
    };
    let webhook = |owner: &str, url: &str, events: &str, secret: &str| {
        format!(
            "INSERT INTO webhooks (user_id, url, events, secret) VALUES ({owner}, '{url}', '{events}', '{secret}')"
        )
    };
    let integration = |owner: &str, kind: &str| {
        format!(
            "INSERT INTO integration_configs (user_id, integration_type, config) VALUES ({owner}, '{kind}', '{{}}')"
        )
    };
    let (ada, url, events) = ("'{ada}'", "https://example.com/hook", "{account.created}");
    refused(&[
        (&key("user_id", "NULL"), "api_keys_owned"),
        (&key("user_id, permissions", "'{ada}', '[]'"), "api_keys_permissions_object"),
        (&key("user_id, permissions", "'{ada}', NULL"), "api_keys_permissions_object"),
        (&key("user_id, rate_limit", "'{ada}', -1"), "api_keys_rate_limit_range"),
        (&key("user_id, rate_limit", "'{ada}', NULL"), "api_keys_rate_limit_range"),
        (&webhook("NULL", url, events, "s"), "webhooks_owned"),
        (&webhook(ada, "ftp://example.com", events, "s"), "webhooks_url_scheme"),
        (&webhook(ada, "", events, "s"), "webhooks_url_scheme"),
        (&webhook(ada, url, "{}", "s"), "webhooks_events_named"),
        (&webhook(ada, url, "{nope,NULL}", "s"), "webhooks_events_named"),
        (&webhook(ada, url, events, ""), "webhooks_secret_present"),
        (&integration("NULL", "stripe"), "integration_configs_owned"),
        (&integration(ada, "casino"), "integration_configs_type_known"),
    ])
    .await;
}

#[tokio::test]
async fn the_documented_statements_still_work_with_the_documented_columns_alone() {
    accepted(&[
        "INSERT INTO users (email, password_hash, first_name, last_name) VALUES ('new@example.com', 'x', 'N', 'N')",
        "UPDATE users SET status = 'suspended' WHERE id = '{alan}'",
        "UPDATE users SET status = 'closed' WHERE id = '{alan}'",
        "INSERT INTO api_keys (user_id, key_hash, name, permissions) VALUES
            ('{ada}', 'h', 'n', '{\"read:accounts\": true, \"admin:users\": false}')",
        "INSERT INTO accounts (user_id, account_number, account_type) VALUES
            ('{alan}', 'WS123456789012', 'checking'), ('{alan}', 'WS123456789013', 'savings'),
            ('{alan}', 'WS123456789014', 'investment'), ('{alan}', 'WS123456789015', 'business')",
        "INSERT INTO transactions (account_id, transaction_type, amount) SELECT '{account}', kind, 0.01
            FROM unnest('{deposit,withdrawal,transfer,credit,debit}'::text[]) AS kind",
        "INSERT INTO audit_logs (action, resource_type) VALUES ('LOGIN_FAILED', 'user')",
        "INSERT INTO webhooks (id, user_id, url, events, secret) VALUES
            ('{bank}', '{ada}', 'http://localhost:8080/hook', '{transaction.created,user.updated}', 's')",
        "INSERT INTO webhook_deliveries (webhook_id, event_type, payload) VALUES ('{bank}', 'account.created', '{}')",
        "INSERT INTO integration_configs (user_id, integration_type, config) SELECT '{ada}', kind, '{}'
            FROM unnest('{stripe,paypal,plaid,quickbooks,salesforce}'::text[]) AS kind",
        "DELETE FROM webhooks",
        "DELETE FROM api_keys",
    ])
    .await;
}

#[tokio::test]
async fn the_ordinary_life_of_accounts_and_transactions_is_not_in_the_guards_way() {
    accepted(&[
        "UPDATE transactions SET status = 'completed', completed_at = now() WHERE id = '{pending}'",
        "UPDATE transactions SET description = 'rent', metadata = '{\"a\": 1}' WHERE id = '{done}'",
        "INSERT INTO transactions (id, account_id, transaction_type, amount) VALUES ('{bank}', '{account}', 'debit', 1)",
        "UPDATE transactions SET status = 'failed', failure_reason = 'cancelled' WHERE id = '{bank}'",
        "UPDATE accounts SET balance = 80 WHERE id = '{account}'",
        "UPDATE accounts SET status = 'suspended' WHERE id = '{account}'",
        "UPDATE accounts SET status = 'active' WHERE id = '{account}'",
        "UPDATE accounts SET status = 'closed' WHERE id = '{other}'",
        "DELETE FROM users WHERE id = '{alan}'",
    ])
    .await;
}

#[tokio::test]
async fn the_documented_sample_administrator_can_be_inserted() {
    let Some(document) = Document::read() else {
        let test = "the_documented_sample_administrator_can_be_inserted";
        return skipped(test, "the schema document is not beside the repository");
    };
    accepted(&[&document.sample_admin]).await;
}

#[tokio::test]
async fn an_update_moves_updated_at_and_the_view_counts_transactions() {
    let (_database, client) = world().await;
    let read = "SELECT updated_at > created_at, transaction_count, last_transaction_date IS NOT NULL
         FROM accounts JOIN account_summaries USING (id) WHERE accounts.account_number = 'WS000000000001'";
    let row = client.query_one(read, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), (false, 3_i64, true));
    client
        .batch_execute("UPDATE accounts SET status = 'suspended'  WHERE status = 'active'")
        .await
        .unwrap();
    let row = client.query_one(read, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0));
}
