//! Seals: nothing is overlooked, nothing is sealed twice, and a proof that was
//! touched anywhere does not hold.

use crate::book::count;
use crate::money::{draft, order, transfer};
use ledger::Kind;
use platform::{
    Error, Platform, SystemClock,
    accounts::Account,
    error::Resource,
    orders::Draft,
    page::{PageRequest, Position},
    proof::{self, Derivation, Digest},
    seals::{self, Sealer},
};
use std::{sync::Arc, time::Duration};
use testkit::{Bank, bank, settings};
use tokio_postgres::Client;

/// Seals everything that is there, which is something.
pub async fn seal(bank: &Bank) -> u64 {
    settle(&mut Sealer::new(&bank.platform)).await
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

/// An account with sealed entries, later entries, and holds.
async fn explained(bank: &Bank) -> (Account, Derivation) {
    let ada = bank.user("ada@example.com").await;
    let (account, other) =
        (bank.account(&ada).with("100").await, bank.account(&ada).with("7").await);
    for n in 1..=5 {
        order(bank, &ada, transfer(&account, &other, &n.to_string())).await.unwrap();
    }
    seal(bank).await;
    order(bank, &ada, transfer(&other, &account, "2.50")).await.unwrap();
    order(bank, &ada, draft(Kind::Withdrawal, &account, "10")).await.unwrap();
    for amount in ["3", "4.25"] {
        let hold = Draft { complete: false, ..draft(Kind::Withdrawal, &account, amount) };
        order(bank, &ada, hold).await.unwrap();
    }
    let derivation = seals::explain(&bank.platform, &ada, account.id).await.unwrap();
    (account, derivation)
}

fn failing(derivation: &Derivation, pinned: Option<Digest>) -> Vec<String> {
    let findings = proof::check(derivation, pinned);
    findings.into_iter().filter(|one| !one.holds).map(|one| one.sentence).collect()
}

#[tokio::test]
async fn another_users_balance_is_not_explained() {
    let bank = bank().await;
    let (account, _) = explained(&bank).await;
    let eve = bank.user("eve@example.com").await;
    let error = seals::explain(&bank.platform, &eve, account.id).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Resource::Account)), "{error:?}");
}

#[tokio::test]
async fn a_derivation_that_was_touched_does_not_hold_even_with_a_new_digest() {
    let bank = bank().await;
    let (_, derivation) = explained(&bank).await;
    assert_eq!(failing(&derivation, None), Vec::<String>::new());
    let touched = |touch: &dyn Fn(&mut Derivation)| {
        let mut derivation = derivation.clone();
        touch(&mut derivation);
        derivation.digest = derivation.recomputed();
        assert_ne!(failing(&derivation, None), Vec::<String>::new(), "{derivation:#?}");
    };
    let cent = "0.01".parse_money();
    let more = |money: &mut ledger::Money| *money = money.plus(cent).unwrap();
    touched(&|d| more(&mut d.balance));
    touched(&|d| more(&mut d.available_balance));
    touched(&|d| d.sequence += 1);
    touched(&|d| d.account = uuid_of(9));
    touched(&|d| d.currency = "EUR".to_owned());
    touched(&|d| more(&mut d.sealed.as_mut().unwrap().balance));
    touched(&|d| d.sealed.as_mut().unwrap().index -= 1);
    touched(&|d| d.sealed.as_mut().unwrap().entry.effective_at = Some(d.as_of));
    touched(&|d| d.sealed.as_mut().unwrap().entry.transaction_id = uuid_of(9));
    touched(&|d| d.sealed.as_mut().unwrap().path.truncate(1));
    touched(&|d| {
        d.sealed.as_mut().unwrap().seal.sealed_at =
            d.sealed.as_ref().unwrap().entry.recorded_at - jiff::SignedDuration::from_secs(1);
    });
    touched(&|d| d.sealed.as_mut().unwrap().seal.previous = d.digest);
    touched(&|d| d.sealed = None);
    touched(&|d| drop(d.since.remove(0)));
    touched(&|d| more(&mut d.since[1].amount));
    touched(&|d| d.since.swap(0, 1));
    touched(&|d| d.holds.truncate(1));
    touched(&|d| more(&mut d.holds[0].captured));
}

#[tokio::test]
async fn a_pinned_hash_of_another_seal_is_refused_and_that_of_this_one_accepted() {
    let bank = bank().await;
    let (_, derivation) = explained(&bank).await;
    let hash = derivation.sealed.as_ref().unwrap().seal.hash;
    assert_eq!(failing(&derivation, Some(hash)), Vec::<String>::new());
    let other = failing(&derivation, Some(derivation.digest));
    assert_eq!(other.len(), 1);
    assert!(other[0].contains("another one than the one you kept"), "{other:?}");
}

#[tokio::test]
async fn a_balance_is_explained_by_its_sealed_entry_what_came_since_and_what_is_held() {
    let bank = bank().await;
    let (account, derivation) = explained(&bank).await;
    let sealed = derivation.sealed.as_ref().unwrap();
    assert_eq!((sealed.sequence, sealed.balance.to_string()), (6, "85.00".to_owned()));
    assert_eq!((derivation.since.len(), derivation.holds.len()), (2, 2));
    assert_eq!(derivation.account, account.id.0);
    assert_eq!(derivation.balance.to_string(), "77.50");
    assert_eq!(derivation.available_balance.to_string(), "70.25");
    // Sealed as a whole, nothing is left to list.
    seal(&bank).await;
    let ada = bank.user("bob@example.com").await;
    let admin = bank.admin().await;
    let now = seals::explain(&bank.platform, &admin, account.id).await.unwrap();
    assert_eq!((now.sequence, now.since.len()), (8, 0));
    assert_eq!(failing(&now, None), Vec::<String>::new());
    let empty = bank.account(&ada).empty().await;
    let empty = seals::explain(&bank.platform, &ada, empty.id).await.unwrap();
    assert_eq!((empty.sealed.is_none(), empty.sequence), (true, 0));
    assert_eq!(failing(&empty, None), Vec::<String>::new());
    let early = bank.account(&ada).with("1").await;
    let early = seals::explain(&bank.platform, &ada, early.id).await.unwrap();
    assert_eq!((early.sealed.is_none(), early.since.len()), (true, 1));
    assert_eq!(failing(&early, None), Vec::<String>::new());
}

#[tokio::test]
async fn a_derivation_that_would_be_too_long_is_refused_with_the_remedy() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let many = format!(
        "INSERT INTO wallstreet.entries (transaction_id, source_id, target_id, amount, currency, target_seq,
            target_balance, recorded_at) SELECT gen_random_uuid(), '00000000-0000-8000-8001-000000555344',
            '{}', 1, 'USD', n, n, now() FROM generate_series(1, {}) AS n",
        account.id,
        seals::MOST_EXPLAINED + 1
    );
    bank.client().await.batch_execute(&many).await.unwrap();
    let error = seals::explain(&bank.platform, &ada, account.id).await.unwrap_err();
    assert_eq!(error.code(), "derivation_too_long");
    assert!(error.to_string().contains("Try again in a minute"), "{error}");
}

fn uuid_of(last: u8) -> uuid::Uuid {
    uuid::Uuid::from_u128(last.into())
}

trait ParseMoney {
    fn parse_money(&self) -> ledger::Money;
}

impl ParseMoney for str {
    fn parse_money(&self) -> ledger::Money {
        ledger::Amount::parse(self).unwrap().into()
    }
}
