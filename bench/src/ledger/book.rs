//! Whether a book is sound, and holds exactly what was acknowledged.

use super::database::Database;
use anyhow::Result;

/// How many rows there are in the tables that a transfer writes to.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    transactions: i64,
    entries: i64,
    audit: i64,
    news: i64,
    keys: i64,
}

impl Counts {
    /// Now.
    pub fn of(database: &Database<'_>) -> Result<Self> {
        let count = |table: &str| database.number(&format!("SELECT count(*) FROM {table}"));
        Ok(Self {
            transactions: count("transactions")?,
            entries: count("wallstreet.entries")?,
            // A start of the server has an audit row of its own.
            audit: count("audit_logs WHERE action = 'TRANSACTION_CREATED'")?,
            news: count("wallstreet.outbox")?,
            keys: count("wallstreet.idempotency_keys")?,
        })
    }
}

/// Each finds what is wrong and nothing else.
const CHECKS: [(&str, &str); 4] = [
    (
        "a balance is the sum of its entries, all of it available, and its entries are counted",
        "SELECT count(*) FROM accounts a LEFT JOIN (
             SELECT id, sum(change) AS sum, count(*) AS n FROM (
                 SELECT source_id AS id, -amount AS change FROM wallstreet.entries
                 UNION ALL SELECT target_id, amount FROM wallstreet.entries) side GROUP BY id) book ON book.id = a.id
          WHERE a.balance <> coalesce(book.sum, 0) OR a.available_balance <> a.balance
             OR a.entry_count <> coalesce(book.n, 0)",
    ),
    (
        "the history of an account is dense, and each running balance follows from the one before",
        "SELECT count(*) FROM (
             SELECT seq, balance, row_number() OVER history AS place,
                    coalesce(lag(balance) OVER history, 0) + change AS expected
               FROM (SELECT source_id AS id, source_seq AS seq, source_balance AS balance, -amount AS change
                       FROM wallstreet.entries WHERE source_seq IS NOT NULL
                     UNION ALL
                     SELECT target_id, target_seq, target_balance, amount
                       FROM wallstreet.entries WHERE target_seq IS NOT NULL) side
             WINDOW history AS (PARTITION BY id ORDER BY seq)) step
          WHERE seq <> place OR balance <> expected",
    ),
    (
        "every completed movement has its entry",
        "SELECT count(*) FROM transactions t FULL JOIN wallstreet.entries e ON e.transaction_id = t.id
          WHERE t.id IS NULL OR (e.id IS NULL) <> (t.direction = 'in' AND t.transaction_type = 'transfer')
             OR t.status <> 'completed' OR e.amount <> t.amount",
    ),
    (
        "the halves of a transfer name each other",
        "SELECT count(*) FROM transactions t LEFT JOIN transactions p ON p.id = t.paired_transaction_id
          WHERE t.transaction_type = 'transfer'
            AND (p.paired_transaction_id IS DISTINCT FROM t.id OR p.amount <> t.amount
                 OR p.account_id <> t.counterparty_account_id OR p.direction = t.direction)",
    ),
];

/// Everything that is wrong; nothing, as a rule.
pub fn faults(database: &Database<'_>, before: Counts, acknowledged: i64) -> Result<Vec<String>> {
    database.run("SET work_mem = '512MB'")?;
    let mut faults = Vec::new();
    for (rule, offenders) in CHECKS {
        let many = database.number(offenders)?;
        if many > 0 {
            faults.push(format!("{rule}: not so {many} times"));
        }
    }
    let now = Counts::of(database)?;
    let counted = [
        ("transactions", now.transactions - before.transactions, 2),
        ("entries", now.entries - before.entries, 1),
        ("audit rows", now.audit - before.audit, 1),
        ("rows of the outbox", now.news - before.news, 1),
        ("keys", now.keys - before.keys, 1),
    ];
    for (what, new, each) in counted {
        if new != each * acknowledged {
            faults.push(format!(
                "{acknowledged} transfers were acknowledged, and there are {new} new {what} instead of {}",
                each * acknowledged
            ));
        }
    }
    Ok(faults)
}
