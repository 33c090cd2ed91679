//! What is compared, as statements over the whole book: one file each in `rules/`.
//!
//! Each yields a row for each difference: `subject` (which thing), `what` differs,
//! what is `stored` and what was `recomputed`, at most the first 100, and `total`,
//! how many there are. None writes; all run in one snapshot. They read each table
//! once and sort or hash it, so their cost grows with the book and no faster.
//! Which column is checked by which of them is in `docs/proof.md`.

use crate::db::statements;

/// The statement of a file, which finds `subject, what, stored, recomputed`.
macro_rules! rule {
    ($file:literal) => {
        concat!(
            "SELECT subject, what, stored, recomputed, count(*) OVER () AS total FROM (\n",
            include_str!(concat!("rules/", $file, ".sql")),
            ") AS found (subject, what, stored, recomputed) ORDER BY subject, what LIMIT 100"
        )
    };
}

statements! {
    /// How much is looked at.
    SIZE = "SELECT (SELECT count(*) FROM accounts) AS accounts,
               (SELECT count(*) FROM transactions) AS transactions,
               (SELECT count(*) FROM wallstreet.entries) AS entries,
               (SELECT count(*) FROM wallstreet.exchanges) AS exchanges,
               (SELECT count(*) FROM audit_logs WHERE resource_type IN ('account', 'transaction')) AS audit_rows,
               (SELECT count(*) FROM wallstreet.seals) AS seals,
               (SELECT coalesce(max(last_entry), 0) FROM wallstreet.seals) AS sealed_up_to";
    /// One server at a time, until the end of the transaction.
    LOCK = "SELECT pg_try_advisory_xact_lock(2779183160424450937)";
    /// A balance is the sum of the entries; the account counts them and knows its newest.
    BALANCES = rule!("balances");
    /// Every entry of an account follows the one before.
    HISTORIES = rule!("histories");
    /// An entry joins the accounts of its transaction.
    ENTRIES = rule!("entries");
    /// What a transaction moved on its account is what its state says.
    MOVEMENTS = rule!("movements");
    /// The two halves of a transfer name each other and stand alike.
    HALVES = rule!("halves");
    /// What was given back of a transaction is the sum of its reversals.
    REVERSALS = rule!("reversals");
    /// What is available is the balance without the open holds.
    HOLDS = rule!("holds");
    /// Nobody is further below zero than allowed.
    LIMITS = rule!("limits");
    /// What was spent on a day is the sum of its orders.
    SPENDING = rule!("spending");
    /// All that accounts hold came from the bank's own accounts.
    CURRENCIES = rule!("currencies");
    /// An exchange is what was agreed, to the last part of a coin.
    EXCHANGES = rule!("exchanges");
    /// What rounding left is on its account or carried.
    ROUNDING = rule!("rounding");
    /// An account is what the trail opened.
    OPENINGS = rule!("openings");
    /// A transaction is what the trail says was ordered.
    ORDERS = rule!("orders");
    /// What the trail tells of is there.
    TRAIL = rule!("trail");
}
