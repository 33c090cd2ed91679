//! Every statement of the product on one list, for the test that prepares each
//! against the migrated schema, and for whoever audits what is asked of the database.

use crate::{
    accounts, api_keys, audit_logs, entries, facts, fx, idempotency, mandates, posting, schedules,
    seals, sessions, timekeeping, transactions, users, verification,
};

/// `(slice, name, statement)` of every statement the running product uses.
pub fn all() -> Vec<(&'static str, &'static str, &'static str)> {
    let slices: [(&str, &[(&str, &str)]); 16] = [
        ("facts", facts::ALL),
        ("idempotency", idempotency::ALL),
        ("sessions", sessions::STATEMENTS),
        ("users", users::STATEMENTS),
        ("api_keys", api_keys::STATEMENTS),
        ("accounts", accounts::STATEMENTS),
        ("transactions", transactions::STATEMENTS),
        ("fx", fx::STATEMENTS),
        ("entries", entries::STATEMENTS),
        ("posting", posting::STATEMENTS),
        ("schedules", schedules::STATEMENTS),
        ("mandates", mandates::STATEMENTS),
        ("audit_logs", audit_logs::STATEMENTS),
        ("seals", seals::STATEMENTS),
        ("verification", verification::STATEMENTS),
        ("timekeeping", timekeeping::ALL),
    ];
    let named = |(slice, statements): (&'static str, &'static [(&'static str, &'static str)])| {
        statements.iter().map(move |(name, sql)| (slice, *name, *sql))
    };
    let whole = ("posting", "WRITE", posting::WRITE.as_str());
    slices.into_iter().flat_map(named).chain([whole]).collect()
}
