//! Seals: nothing is overlooked, and nothing is sealed twice.

use crate::book::count;
use crate::money::{draft, order};
use ledger::Kind;
use platform::{
    Error, Platform, SystemClock,
    error::Resource,
    page::{PageRequest, Position},
    proof::{self, Digest},
    seals::{self, Sealer},
};
use std::{sync::Arc, time::Duration};
use testkit::{Bank, bank, settings};
use tokio_postgres::Client;

/// Seals everything that is there; says how many rows.
pub async fn seal(bank: &Bank) -> u64 {
    bank.seal().await
}

/// Ticks until something is sealed: other tests' transactions, in other databases
/// of the same server, are waited for too.
async fn settle(sealer: &mut Sealer) -> u64 {
    loop {
        match sealer.tick().await.unwrap() {
            0 => tokio::time::sleep(Duration::from_millis(2)).await,
            sealed => return sealed,
        }
    }
}

/// An entry between two of the bank's own accounts, which needs nothing else.
pub const ENTRY: &str = "INSERT INTO wallstreet.entries
    (transaction_id, source_id, target_id, amount, currency, recorded_at) VALUES (gen_random_uuid(),
     '00000000-0000-8000-8001-000000555344', '00000000-0000-8000-8002-000000555344', 1, 'USD', now())";

async fn sealed(client: &Client) -> Vec<(i64, i64, i32)> {
    let all = "SELECT first_entry, last_entry, entry_count FROM wallstreet.seals ORDER BY number";
    let rows = client.query(all, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[tokio::test]
async fn an_entry_that_is_still_to_come_is_waited_for() {
    let bank = bank().await;
    let (mut slow, quick) = (bank.client().await, bank.client().await);
    let mut sealer = Sealer::new(&bank.platform);
    // The quick one has the lower transaction id and the higher number: the upper
    // end of a snapshot does not tell that the slow one is running.
    quick.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    let open = slow.transaction().await.unwrap();
    open.batch_execute(ENTRY).await.unwrap();
    quick.batch_execute(&format!("{ENTRY}; COMMIT")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(sealer.tick().await.unwrap(), 0);
    }
    open.commit().await.unwrap();
    assert_eq!(settle(&mut sealer).await, 2);
    assert_eq!(sealed(&quick).await, [(1, 2, 2)]);
}

#[tokio::test]
async fn a_number_that_was_taken_but_not_yet_written_is_waited_for() {
    let bank = bank().await;
    let (slow, quick, gate) = (bank.client().await, bank.client().await, bank.client().await);
    quick.batch_execute(ENTRY).await.unwrap();
    let mut sealer = Sealer::new(&bank.platform);
    assert_eq!(settle(&mut sealer).await, 1);
    // It has its number and stops at the gate before the row is written.
    gate.batch_execute("SELECT pg_advisory_lock(77)").await.unwrap();
    let stops = ENTRY.replace(" 1, 'USD'", " (SELECT 1 FROM pg_advisory_xact_lock(77)), 'USD'");
    let stopped = tokio::spawn(async move { slow.batch_execute(&stops).await });
    while count(&gate, "pg_locks WHERE locktype = 'advisory' AND NOT granted").await == 0 {
        tokio::task::yield_now().await;
    }
    quick.batch_execute(ENTRY).await.unwrap();
    for _ in 0..3 {
        assert_eq!(sealer.tick().await.unwrap(), 0);
    }
    gate.batch_execute("SELECT pg_advisory_unlock(77)").await.unwrap();
    stopped.await.unwrap().unwrap();
    assert_eq!(settle(&mut sealer).await, 2);
    assert_eq!(sealed(&gate).await, [(1, 1, 1), (2, 3, 2)]);
}

#[tokio::test]
async fn what_was_rolled_back_leaves_a_gap_and_nothing_else() {
    let bank = bank().await;
    let client = bank.client().await;
    client.batch_execute(&format!("BEGIN; {ENTRY}; ROLLBACK; {ENTRY}")).await.unwrap();
    assert_eq!(seal(&bank).await, 1);
    client.batch_execute(&format!("BEGIN; {ENTRY}; ROLLBACK; {ENTRY}")).await.unwrap();
    assert_eq!(seal(&bank).await, 1);
    assert_eq!(Sealer::new(&bank.platform).tick().await.unwrap(), 0);
    assert_eq!(sealed(&client).await, [(2, 2, 1), (4, 4, 1)]);
}

#[tokio::test]
async fn a_backlog_is_sealed_at_once_in_seals_of_bounded_size() {
    let bank = bank().await;
    let client = bank.client().await;
    let many = ENTRY
        .replace("VALUES (", "SELECT ")
        .replace("now())", "now() FROM generate_series(1, 5000)");
    client.batch_execute(&many).await.unwrap();
    assert_eq!(seal(&bank).await, 5000);
    assert_eq!(sealed(&client).await, [(1, 4096, 4096), (4097, 5000, 904)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sealers_at_once_make_one_chain() {
    let bank = bank().await;
    let other =
        Platform::connect(&bank.database.url, settings(), Arc::new(SystemClock)).await.unwrap();
    let client = bank.client().await;
    let mut sum = 0;
    for _ in 0..20 {
        client.batch_execute(&format!("{ENTRY};{ENTRY};{ENTRY}")).await.unwrap();
        let (mut one, mut two) = (Sealer::new(&bank.platform), Sealer::new(&other));
        let (one, two) = tokio::join!(
            tokio::spawn(async move { one.tick().await }),
            tokio::spawn(async move { two.tick().await })
        );
        sum += one.unwrap().unwrap() + two.unwrap().unwrap();
    }
    client.batch_execute(ENTRY).await.unwrap();
    sum += seal(&bank).await;
    assert_eq!(sum, 61);
    let report = crate::verification::report(&bank).await;
    let chain = report.checks.iter().find(|check| check.name == "seals").unwrap();
    assert_eq!(chain.differences, 0, "{:?}", chain.first);
}

#[tokio::test]
async fn a_seal_is_neither_changed_nor_removed() {
    let bank = bank().await;
    let client = bank.client().await;
    client.batch_execute(ENTRY).await.unwrap();
    seal(&bank).await;
    for change in [
        "UPDATE wallstreet.seals SET sealed_at = now()",
        "DELETE FROM wallstreet.seals",
        "TRUNCATE wallstreet.seals",
    ] {
        let error = client.batch_execute(change).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "23001", "{change}");
    }
}

#[tokio::test]
async fn seals_are_listed_newest_first_for_everybody() {
    let bank = bank().await;
    let client = bank.client().await;
    let eve = bank.user("eve@example.com").await;
    assert!(matches!(
        seals::get(&bank.platform, &eve, 1).await,
        Err(Error::NotFound(Resource::Seal))
    ));
    for _ in 0..5 {
        client.batch_execute(ENTRY).await.unwrap();
        seal(&bank).await;
    }
    let mut seen = Vec::new();
    let mut request = PageRequest::new(2, Position::Number(1)).unwrap();
    loop {
        let page = seals::list(&bank.platform, &eve, request).await.unwrap();
        seen.extend(page.items.iter().map(|seal| seal.number));
        let Some(next) = page.next else { break };
        request = PageRequest::new(2, Position::After(next)).unwrap();
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    let second =
        seals::list(&bank.platform, &eve, PageRequest::new(2, Position::Number(2)).unwrap());
    let second = second.await.unwrap();
    let numbers: Vec<i64> = second.items.iter().map(|seal| seal.number).collect();
    assert_eq!((numbers, second.total), (vec![3, 2], Some(5)));
    let third = seals::get(&bank.platform, &eve, 3).await.unwrap();
    assert_eq!(third.hash, second.items[0].hash);
    assert_eq!(third.previous, second.items[1].hash);
}

#[tokio::test]
async fn the_chain_goes_over_from_format_1_in_one_step_and_covers_everything_anew() {
    let bank = bank().await;
    let client = bank.client().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("10").await;
    former(&bank, &client).await;
    order(&bank, &ada, draft(Kind::Deposit, &account, "5")).await.unwrap();
    // Before the first seal of format 2 there is no proof by a seal.
    let before = seals::explain(&bank.platform, &ada, account.id).await.unwrap();
    assert!(before.sealed.is_none() && before.head.is_none() && before.since.len() == 2);
    assert!(proof::check(&before, &proof::Pins::default(), before.as_of).holds());
    seal(&bank).await;
    let after = seals::explain(&bank.platform, &ada, account.id).await.unwrap();
    assert_eq!((after.sealed.as_ref().unwrap().seal.number, after.since.len()), (2, 0));
    let chain =
        "SELECT number::text || ' ' || format || ' ' || first_entry || '-' || last_entry || ' ' ||
        coalesce(first_audit, 0) FROM wallstreet.seals ORDER BY number";
    let rows = client.query(chain, &[]).await.unwrap();
    let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, ["1 1 1-1 0", "2 2 1-2 1"]);
    let report = crate::verification::report(&bank).await;
    assert!(report.is_sound(), "{report:#?}");
    // Both chains are still held against the entries.
    client
        .batch_execute("SET session_replication_role = replica; UPDATE wallstreet.seals SET root = previous WHERE number = 1")
        .await
        .unwrap();
    assert!(!crate::verification::report(&bank).await.is_sound());
}

/// A seal of format 1 over all entries, as an older version set it.
async fn former(bank: &Bank, client: &Client) {
    let row = "SELECT id, transaction_id, source_id, target_id, amount::text, currency, source_seq, source_balance::text,
        target_seq, target_balance::text, recorded_at::text AS at FROM wallstreet.entries";
    let row = client.query_one(row, &[]).await.unwrap();
    let maybe = |value: Option<String>| value.unwrap_or_default();
    let at = format!("{:.6}", bank.platform.now());
    let text = format!(
        "{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{at}|",
        row.get::<_, i64>(0),
        row.get::<_, uuid::Uuid>(1),
        row.get::<_, uuid::Uuid>(2),
        row.get::<_, uuid::Uuid>(3),
        row.get::<_, String>(4),
        row.get::<_, String>(5),
        maybe(row.get::<_, Option<i64>>(6).map(|seq| seq.to_string())),
        maybe(row.get(7)),
        maybe(row.get::<_, Option<i64>>(8).map(|seq| seq.to_string())),
        maybe(row.get(9)),
    );
    let root = proof::merkle::leaf(text.as_bytes());
    let hash = format!("wallstreet seal 1|1|1|1|1|{root}|{}|{at}", Digest::ZERO);
    let hash = Digest::of(&[hash.as_bytes()]);
    let set = format!(
        "SET session_replication_role = replica;
         INSERT INTO wallstreet.seals (number, format, first_entry, last_entry, entry_count, root, previous, hash, sealed_at)
         VALUES (1, 1, 1, 1, 1, '\\x{root}', '\\x{}', '\\x{hash}', '{at}');
         UPDATE wallstreet.sealing SET begun_after = 1, newest = 1;
         RESET session_replication_role",
        Digest::ZERO
    );
    client.batch_execute(&set).await.unwrap();
}

#[tokio::test]
async fn an_audit_row_that_is_still_to_come_is_waited_for() {
    const ROW: &str = "INSERT INTO audit_logs (action, resource_type) VALUES ('TEST', 'test')";
    let bank = bank().await;
    let (mut slow, quick) = (bank.client().await, bank.client().await);
    let mut sealer = Sealer::new(&bank.platform);
    quick.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    let open = slow.transaction().await.unwrap();
    open.batch_execute(ROW).await.unwrap();
    quick.batch_execute(&format!("{ROW}; COMMIT")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(sealer.tick().await.unwrap(), 0);
    }
    open.commit().await.unwrap();
    assert_eq!(settle(&mut sealer).await, 2);
    let seal = seals::get(&bank.platform, &bank.user("eve@example.com").await, 1).await.unwrap();
    assert_eq!((seal.entry_count, seal.first_audit, seal.last_audit), (0, Some(1), Some(2)));
}
