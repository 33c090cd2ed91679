//! Every stored fact of the book has a rule that recomputes it: whatever is edited is
//! named, by the product and by the script that shares no code with it.

mod edits;
mod named;
mod script;
mod world;

use crate::verification::report;
use edits::{Edit, TABLES};
use platform::verification::{self, Pace};
use script::Script;
use std::{collections::BTreeSet, env};
use testkit::Bank;
use tokio_postgres::Client;
use world::world;

#[tokio::test]
async fn a_book_in_which_everything_happened_is_sound() {
    let world = world().await;
    let report = report(&world.bank).await;
    if let Some(path) = env::var_os("KEEP") {
        let text = testkit::pg_dump(&world.bank.database.url, &[]).unwrap();
        std::fs::write(path, text).unwrap();
    }
    assert!(report.is_sound(), "{report:?}");
}

/// Whether the product names the row of an edit.
async fn is_named(bank: &Bank, key: &str) -> bool {
    let Ok(report) = verification::check(&bank.platform, Pace::Full, |_| {}).await else {
        return false;
    };
    let mut first = report.checks.iter().flat_map(|check| &check.first);
    first.any(|difference| names(&difference.subject, key))
}

/// A subject names a row by its key; an entry, also by the seal over it.
fn names(subject: &str, key: &str) -> bool {
    let number = |subject: &str| subject.starts_with("seal ") && key.parse::<i64>().is_ok();
    subject.split([' ', ',', ':']).any(|word| word == key) || number(subject)
}

/// Makes each edit, looks whether both name it, and takes it back.
async fn unnamed(
    bank: &Bank,
    client: &Client,
    mut script: Option<Script>,
    all: Vec<Edit>,
) -> Vec<String> {
    let mut missed = Vec::new();
    for (place, Edit { table, column, sql, key }) in all.into_iter().enumerate() {
        let name = column.unwrap_or_default();
        if place % 20 == 0 {
            // Each edit that is taken back leaves a dead copy of every row.
            let tables: Vec<&str> = edits::tables().collect();
            client.batch_execute(&format!("VACUUM {}", tables.join(", "))).await.unwrap();
        }
        if client.batch_execute(&sql).await.is_err() {
            missed.push(format!("cannot be done: {name}: {sql}"));
            continue;
        }
        if !is_named(bank, &key).await {
            missed.push(format!("by the product: {name}: {sql}"));
        }
        let touched = || edits::tables().filter(|one| table.is_empty() || *one == table);
        if let Some(script) = &mut script {
            for table in touched() {
                script.export(client, table).await;
            }
            let said = script.run();
            if !said.lines().any(|line| line.starts_with("WRONG") && names(&line[6..], &key)) {
                missed.push(format!("by the script: {name}: {sql}: {said}"));
            }
        }
        client.batch_execute(&touched().map(edits::undo).collect::<String>()).await.unwrap();
        for table in touched() {
            if let Some(script) = &script {
                script.export(client, table).await;
            }
        }
    }
    missed
}

/// The columns of `docs/proof.md`, and those for which it has a reason instead of a rule.
fn documented() -> (BTreeSet<String>, BTreeSet<String>) {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/proof.md");
    let document = std::fs::read_to_string(document).unwrap();
    let section = document.split("## Every column").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let (mut all, mut without) = (BTreeSet::new(), BTreeSet::new());
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let table = cells[1].trim_matches('`');
        for column in cells[2].split(',').map(|name| name.trim().trim_matches('`')) {
            assert!(all.insert(format!("{table}.{column}")), "{column} is there twice");
            if cells[3].starts_with("none") {
                without.insert(format!("{table}.{column}"));
            }
        }
    }
    (all, without)
}

/// On every row, not on a few: for a long run.
fn every_row() -> bool {
    env::var_os("WALLSTREET_EVERY_ROW").is_some()
}

#[tokio::test]
async fn the_document_has_a_rule_or_a_reason_for_each_column_of_the_book() {
    let bank = testkit::bank().await;
    let columns = edits::column_names(&bank.client().await).await;
    let (mut documented, without) = documented();
    // Of the audit trail, whose rows are hashed, the document speaks too.
    documented
        .retain(|column| TABLES.iter().any(|(table, _)| column.starts_with(&format!("{table}."))));
    assert_eq!(documented, columns.into_iter().collect());
    let known = ["accounts.updated_at", "transactions.updated_at"].map(str::to_owned);
    assert_eq!(without, known.into());
}

#[tokio::test]
async fn whatever_column_is_edited_the_product_and_the_script_name_the_row() {
    let world = world().await;
    let (bank, client) = (&world.bank, world.bank.client().await);
    let columns = edits::prepare(&client).await;
    let script = Script::start(&client, bank.database.name()).await;
    let (_, without) = documented();
    let mut all = edits::of_columns(&client, columns, every_row()).await;
    all.retain(|edit| edit.column.as_ref().is_none_or(|column| !without.contains(column)));
    assert!(all.len() > 200, "{} edits", all.len());
    let missed = unnamed(bank, &client, script, all).await;
    assert!(missed.is_empty(), "{} of the edits: {missed:#?}", missed.len());
}

#[tokio::test]
async fn a_row_that_was_deleted_or_made_up_is_named() {
    let world = world().await;
    let (bank, client) = (&world.bank, world.bank.client().await);
    edits::prepare(&client).await;
    // What is made up is not of the last minute, which may still wait for its seal.
    bank.clock.advance(jiff::SignedDuration::from_mins(2));
    let script = Script::start(&client, bank.database.name()).await;
    let all = edits::of_rows(&client, every_row()).await;
    let missed = unnamed(bank, &client, script, all).await;
    assert!(missed.is_empty(), "{} of the edits: {missed:#?}", missed.len());
}

#[tokio::test]
async fn what_somebody_with_a_purpose_would_edit_is_named() {
    let world = world().await;
    let (bank, client) = (&world.bank, world.bank.client().await);
    edits::prepare(&client).await;
    let script = Script::start(&client, bank.database.name()).await;
    let all = named::all(&client).await;
    let missed = unnamed(bank, &client, script, all).await;
    assert!(missed.is_empty(), "{} of the edits: {missed:#?}", missed.len());
}

#[tokio::test]
async fn a_trail_that_an_older_version_wrote_says_less_and_is_no_difference() {
    let world = world().await;
    let (bank, client) = (&world.bank, world.bank.client().await);
    edits::prepare(&client).await;
    let mut script = Script::start(&client, bank.database.name()).await;
    let older = "UPDATE audit_logs SET details =
            details - '{digest, words, exchange, expiresAt, effectiveAt, userId}'::text[];
        UPDATE accounts SET newest_entry_at = NULL, spent_amount = 0, spent_day = 0
         WHERE status = 'active' AND currency = 'USD'";
    client.batch_execute(older).await.unwrap();
    let said = report(bank).await;
    // That the rows of the trail were edited, the chain over them knows.
    let others = said.checks.iter().filter(|check| check.name != "seals");
    assert_eq!(others.map(|check| check.differences).sum::<i64>(), 0, "{said:?}");
    if let Some(script) = &mut script {
        for table in ["accounts", "audit_logs"] {
            script.export(&client, table).await;
        }
        let said = script.run();
        let mut wrong = said.lines().filter(|line| line.starts_with("WRONG"));
        assert!(wrong.all(|line| line.contains("seal ")), "{said}");
    }
    // What it does say still counts.
    let changed =
        "UPDATE transactions SET amount = amount + 1 WHERE status = 'pending' RETURNING id::text";
    let key: String = client.query(changed, &[]).await.unwrap()[0].get(0);
    assert!(is_named(bank, &key).await);
    if let Some(script) = &mut script {
        script.export(&client, "transactions").await;
        assert!(script.run().contains(&key));
    }
}
