//! Recomputes the whole book from its entries and compares every stored figure.

use tokio_postgres::Client;

/// Everything that is wrong with the book; empty when nothing is.
pub async fn faults(client: &Client) -> Vec<String> {
    const CHECKS: [(&str, &str); 5] = [
        (
            "balance is the sum of the entries",
            "SELECT a.id::text FROM accounts a WHERE a.balance <>
                coalesce((SELECT sum(amount) FROM wallstreet.entries WHERE target_id = a.id), 0)
              - coalesce((SELECT sum(amount) FROM wallstreet.entries WHERE source_id = a.id), 0)",
        ),
        (
            "available is balance less open holds",
            "SELECT a.id::text FROM accounts a WHERE a.available_balance <> a.balance -
                coalesce((SELECT sum(amount) FROM transactions t WHERE t.account_id = a.id
                           AND t.status = 'pending' AND t.direction = 'out'), 0)",
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
            "a completed transaction has its entry, and no other has one",
            "SELECT t.id::text FROM transactions t LEFT JOIN wallstreet.entries e ON e.transaction_id = t.id
              WHERE (t.status = 'completed' AND (t.direction = 'out' OR t.paired_transaction_id IS NULL))
                    IS DISTINCT FROM (e.id IS NOT NULL)",
        ),
        (
            "both halves of a transfer stand alike",
            "SELECT t.id::text FROM transactions t LEFT JOIN transactions p ON p.id = t.paired_transaction_id
              WHERE t.transaction_type = 'transfer'
                AND (p.paired_transaction_id IS DISTINCT FROM t.id OR p.status <> t.status
                     OR p.amount <> t.amount OR p.direction = t.direction)",
        ),
    ];
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
