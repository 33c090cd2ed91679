//! Recomputes the whole book from its entries and compares every stored figure.

use crate::exchange::at;
use crate::life::{held, reverse};
use crate::money::{draft, order, transfer};
use ledger::Kind;
use testkit::bank;
use tokio_postgres::Client;

/// Each rule, and what finds those that break it.
const CHECKS: [(&str, &str); 12] = [
    (
        "balance is the sum of the entries",
        "SELECT a.id::text FROM accounts a WHERE a.balance <>
            coalesce((SELECT sum(amount) FROM wallstreet.entries WHERE target_id = a.id), 0)
          - coalesce((SELECT sum(amount) FROM wallstreet.entries WHERE source_id = a.id), 0)",
    ),
    (
        "available is balance less open holds",
        "SELECT a.id::text FROM accounts a WHERE a.available_balance <> a.balance -
            coalesce((SELECT sum(amount - coalesce(captured_amount, 0)) FROM transactions t
                       WHERE t.account_id = a.id AND t.status = 'pending' AND t.direction = 'out'), 0)",
    ),
    (
        "what is pending is the account's orders that stand, and the bytes on them",
        "SELECT a.id::text FROM accounts a CROSS JOIN LATERAL (
            SELECT count(*) AS count,
                   coalesce(sum(greatest(
                       octet_length(coalesce(t.description, '')) + octet_length(coalesce(t.metadata, '{}')::text),
                       octet_length(coalesce(p.description, '')) + octet_length(p.metadata::text) - 1024)), 0) AS bytes
              FROM transactions t LEFT JOIN transactions p ON p.id = t.paired_transaction_id
             WHERE t.account_id = a.id AND t.status = 'pending'
               AND (t.direction = 'out' OR t.direction = 'in' AND t.paired_transaction_id IS NULL)) p
          WHERE (a.pending_count, a.pending_bytes) IS DISTINCT FROM (p.count, p.bytes)",
    ),
    (
        "available is not below minus the overdraft",
        "SELECT id::text FROM accounts WHERE available_balance < -overdraft_limit",
    ),
    (
        "the history of an account is dense, and its last balance is the account's",
        "SELECT a.id::text FROM accounts a LEFT JOIN LATERAL (
            SELECT count(*) AS n, max(seq) AS last, count(DISTINCT seq) AS different,
                   (array_agg(balance ORDER BY seq DESC))[1] AS balance
              FROM (SELECT source_seq AS seq, source_balance AS balance FROM wallstreet.entries WHERE source_id = a.id
                    UNION ALL
                    SELECT target_seq, target_balance FROM wallstreet.entries WHERE target_id = a.id) e) h ON true
          WHERE h.n <> a.entry_count OR h.different <> h.n OR coalesce(h.last, 0) <> h.n
             OR coalesce(h.balance, 0) <> a.balance",
    ),
    (
        "the entries of a transaction are what moved of it, in its direction",
        "SELECT t.id::text FROM transactions t WHERE t.direction IS NOT NULL
            AND coalesce(t.captured_amount, CASE WHEN t.status = 'completed' THEN t.amount ELSE 0 END) IS DISTINCT FROM
              (SELECT coalesce(sum(CASE t.direction WHEN 'out' THEN 1 ELSE -1 END
                                 * CASE t.account_id WHEN e.source_id THEN e.amount WHEN e.target_id THEN -e.amount ELSE 0 END), 0)
                 FROM wallstreet.entries e WHERE e.transaction_id IN (t.id, t.paired_transaction_id))",
    ),
    (
        "an entry belongs to a transaction of one of its accounts, and is in its currency",
        "SELECT e.id::text FROM wallstreet.entries e LEFT JOIN transactions t ON t.id = e.transaction_id
          WHERE e.currency IS DISTINCT FROM t.currency
             OR (e.source_seq IS NOT NULL OR e.target_seq IS NOT NULL) AND t.account_id NOT IN (e.source_id, e.target_id)
             OR EXISTS (SELECT FROM accounts a WHERE a.id IN (e.source_id, e.target_id) AND a.currency <> e.currency)",
    ),
    (
        "what was reversed is the sum of the reversals, and no more than moved",
        "SELECT t.id::text FROM transactions t
          WHERE t.reversed_amount <> (SELECT coalesce(sum(r.amount), 0) FROM transactions r
                                       WHERE r.reverses_transaction_id = t.id AND r.status = 'completed')
             OR t.reversed_amount > coalesce(t.captured_amount, CASE WHEN t.status = 'completed' THEN t.amount ELSE 0 END)",
    ),
    (
        "both halves of a transfer stand alike",
        "SELECT t.id::text FROM transactions t LEFT JOIN transactions p ON p.id = t.paired_transaction_id
          WHERE t.transaction_type = 'transfer' AND t.direction IS NOT NULL
            AND (p.paired_transaction_id IS DISTINCT FROM t.id OR p.status <> t.status
                 OR p.direction = t.direction
                 OR p.currency = t.currency AND (p.amount, p.captured_amount, p.reversed_amount)
                                 IS DISTINCT FROM (t.amount, t.captured_amount, t.reversed_amount))",
    ),
    (
        "the halves of an exchange are what was agreed, and the rate makes one of the other",
        "SELECT t.id::text FROM transactions t JOIN transactions p ON p.id = t.paired_transaction_id
           LEFT JOIN wallstreet.exchanges x ON x.transaction_id = t.id
          WHERE t.direction = 'out' AND t.currency <> p.currency
            AND ((x.source_currency, x.source_amount, x.target_currency, x.target_amount)
                 IS DISTINCT FROM (t.currency, t.amount, p.currency, p.amount)
                 OR CASE WHEN t.reverses_transaction_id IS NULL
                         THEN x.source_amount * x.rate <> x.target_amount + x.remainder
                         ELSE x.target_amount * x.rate <> x.source_amount - x.remainder END)",
    ),
    (
        "what exchanges left is on the rounding account or carried, and less than a coin is carried",
        "WITH booked AS (
            SELECT CASE WHEN t.reverses_transaction_id IS NULL THEN x.target_currency ELSE x.source_currency END AS currency,
                   sum(x.remainder) AS left_over
              FROM wallstreet.exchanges x JOIN transactions t ON t.id = x.transaction_id AND t.status = 'completed'
             GROUP BY 1),
        coins AS (
            SELECT currency, sum(CASE WHEN target_id::text LIKE '00000000-0000-8000-8004-%' THEN amount ELSE -amount END) AS coins
              FROM wallstreet.entries
             WHERE '00000000-0000-8000-8004-' IN (left(source_id::text, 24), left(target_id::text, 24))
             GROUP BY 1)
        SELECT currency FROM booked FULL JOIN coins USING (currency) FULL JOIN wallstreet.rounding r USING (currency)
         WHERE coalesce(left_over, 0) <> coalesce(coins, 0) + coalesce(carried, 0)
            OR abs(carried) >= CASE currency WHEN 'JPY' THEN 1 ELSE 0.01 END",
    ),
    (
        "what conversion took in and gave out of a currency is what exchanges say",
        "WITH pool AS (
            SELECT currency, sum(CASE WHEN left(target_id::text, 24) IN ('00000000-0000-8000-8003-', '00000000-0000-8000-8004-') THEN amount ELSE 0 END
                               - CASE WHEN left(source_id::text, 24) IN ('00000000-0000-8000-8003-', '00000000-0000-8000-8004-') THEN amount ELSE 0 END) AS net
              FROM wallstreet.entries GROUP BY 1),
        agreed AS (
            SELECT y.currency, sum(y.amount) AS net
              FROM wallstreet.exchanges x JOIN transactions t ON t.id = x.transaction_id AND t.status = 'completed',
                   LATERAL (VALUES (x.source_currency, x.source_amount), (x.target_currency, -x.target_amount)) AS y (currency, amount)
             GROUP BY 1)
        SELECT currency FROM pool FULL JOIN agreed USING (currency)
         WHERE coalesce(pool.net, 0) <> coalesce(agreed.net, 0)",
    ),
];

/// Everything that is wrong with the book; empty when nothing is.
pub async fn faults(client: &Client) -> Vec<String> {
    let mut faults = Vec::new();
    for (rule, offenders) in CHECKS {
        for row in client.query(offenders, &[]).await.unwrap() {
            faults.push(format!("{rule}: not so for {}", row.get::<_, String>(0)));
        }
    }
    faults
}

/// Fails the test if anything is wrong with the book.
pub async fn assert_sound(client: &Client) {
    assert_eq!(faults(client).await, Vec::<String>::new());
}

/// How many rows a query finds.
pub async fn count(client: &Client, from: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {from}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn every_rule_of_this_check_finds_what_breaks_it() {
    // In the order of the rules.
    const FORGERIES: [&str; CHECKS.len()] = [
        "UPDATE accounts SET balance = balance + 1",
        "UPDATE accounts SET available_balance = available_balance - 1",
        "UPDATE accounts SET pending_bytes = pending_bytes + 1",
        "ALTER TABLE accounts DROP CONSTRAINT accounts_money_sound;
         UPDATE accounts SET available_balance = -0.01",
        "UPDATE accounts SET entry_count = entry_count + 1",
        "UPDATE transactions SET captured_amount = 1 WHERE transaction_type = 'deposit'",
        "UPDATE wallstreet.entries SET currency = 'CHF'",
        "UPDATE transactions SET reversed_amount = reversed_amount + 0.01 WHERE amount = 40",
        "UPDATE transactions SET status = 'failed', completed_at = NULL
          WHERE direction = 'in' AND reverses_transaction_id IS NOT NULL",
        "UPDATE wallstreet.exchanges SET rate = rate + 1",
        "UPDATE wallstreet.rounding SET carried = carried + 0.000000000001",
        "UPDATE wallstreet.exchanges SET source_amount = source_amount + 1",
    ];
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (source, target) = (bank.account(&ada).with("100").await, bank.account(&ada).empty().await);
    let euros = bank.account(&ada).in_currency("EUR").empty().await;
    order(&bank, &ada, held(draft(Kind::Withdrawal, &source, "10"))).await.unwrap();
    let sent = order(&bank, &ada, transfer(&source, &target, "40")).await.unwrap();
    reverse(&bank, &ada, sent.id, "5").await.unwrap();
    order(&bank, &ada, at("0.3333333333", transfer(&source, &euros, "10.01"))).await.unwrap();
    let client = bank.client().await;
    assert_sound(&client).await;
    client.batch_execute("SET session_replication_role = replica").await.unwrap();
    for ((rule, _), forgery) in CHECKS.iter().zip(FORGERIES) {
        client.batch_execute(&format!("BEGIN; {forgery}")).await.unwrap();
        let found = faults(&client).await;
        assert!(found.iter().any(|fault| fault.starts_with(rule)), "{forgery}: {found:?}");
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}
