//! Many orders in one request, and the keys of each.

use crate::book::{assert_sound, count};
use crate::life::{held, second};
use crate::money::{draft, funds, transfer};
use ledger::Kind;
use platform::{
    Actor, Error, IdempotencyKey, Outcome, Result,
    accounts::Account,
    orders::{self, Draft, MOST},
    transactions::Transaction,
};
use std::time::Duration;
use testkit::{Bank, bank};

type Answers = Vec<Result<Outcome<Transaction>>>;
type Item = (Draft, Option<IdempotencyKey>);

fn key(name: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::new(name, name.as_bytes()).unwrap())
}

async fn post(bank: &Bank, by: &Actor, items: Vec<Item>, atomic: bool) -> Answers {
    orders::create_all(&bank.platform, by, items, atomic).await.unwrap()
}

/// What became of each, in a word.
fn words(answers: &Answers) -> Vec<&'static str> {
    let word = |answer: &Result<Outcome<Transaction>>| match answer {
        Ok(outcome) if outcome.replayed => "replayed",
        Ok(_) => "done",
        Err(error) => error.code(),
    };
    answers.iter().map(word).collect()
}

async fn ada_with(bank: &Bank, amount: &str) -> (Actor, Account, Account) {
    let ada = bank.user("ada@example.com").await;
    let source = bank.account(&ada).with(amount).await;
    let target = bank.account(&ada).empty().await;
    (ada, source, target)
}

#[tokio::test]
async fn one_bad_order_in_the_middle_undoes_an_atomic_batch_and_no_other() {
    let bank = bank().await;
    let (ada, source, target) = ada_with(&bank, "10").await;
    let client = bank.client().await;
    let too_much = || transfer(&source, &target, "8");
    let items = |name: &str| -> Vec<Item> {
        let of = |n: usize| key(&format!("{name}{n}"));
        vec![
            (transfer(&source, &target, "3"), of(0)),
            (too_much(), of(1)),
            (transfer(&source, &target, "4"), of(2)),
        ]
    };
    let (rows, audit) = (count(&client, "transactions").await, count(&client, "audit_logs").await);
    let undone = post(&bank, &ada, items("atomic"), true).await;
    assert_eq!(words(&undone), ["batch_undone", "insufficient_funds", "batch_undone"]);
    assert_eq!(count(&client, "transactions").await, rows);
    assert_eq!(count(&client, "audit_logs").await, audit);
    assert_eq!(funds(&bank, &ada, &source).await, "10.00 / 10.00");
    let each = post(&bank, &ada, items("each"), false).await;
    assert_eq!(words(&each), ["done", "insufficient_funds", "done"]);
    assert_eq!(funds(&bank, &ada, &source).await, "3.00 / 3.00");
    assert_sound(&client).await;
}

#[tokio::test]
async fn the_keys_of_what_was_undone_are_free_and_that_of_the_refused_is_not() {
    let bank = bank().await;
    let (ada, source, target) = ada_with(&bank, "10").await;
    let good = (transfer(&source, &target, "3"), key("good"));
    let bad = (transfer(&source, &target, "30"), key("bad"));
    let undone = post(&bank, &ada, vec![good.clone(), bad.clone()], true).await;
    assert_eq!(words(&undone), ["batch_undone", "insufficient_funds"]);
    let client = bank.client().await;
    assert_eq!(count(&client, "wallstreet.idempotency_keys").await, 1);
    let alone = post(&bank, &ada, vec![good.clone()], true).await;
    assert_eq!(words(&alone), ["done"]);
    let again = post(&bank, &ada, vec![good, bad], false).await;
    assert_eq!(words(&again), ["replayed", "insufficient_funds"]);
    assert!(matches!(again[1], Err(Error::Refused { original: Some(_), .. })));
    assert_sound(&client).await;
}

#[tokio::test]
async fn an_order_that_no_bank_can_read_counts_as_refused_in_both_modes() {
    let bank = bank().await;
    let (ada, source, target) = ada_with(&bank, "10").await;
    let past =
        Draft { expires: Some(bank.platform.now()), ..held(transfer(&source, &target, "1")) };
    let nowhere = Draft { target: None, ..transfer(&source, &target, "1") };
    let items = || -> Vec<Item> {
        vec![
            (transfer(&source, &target, "1"), None),
            (past.clone(), None),
            (nowhere.clone(), None),
            (transfer(&source, &target, "2"), None),
        ]
    };
    let invalid = "validation_failed";
    let undone = words(&post(&bank, &ada, items(), true).await);
    assert_eq!(undone, ["batch_undone", "batch_undone", invalid, "batch_undone"]);
    assert_eq!(funds(&bank, &ada, &source).await, "10.00 / 10.00");
    let each = words(&post(&bank, &ada, items(), false).await);
    assert_eq!(each, ["done", "transaction_expired", invalid, "done"]);
    assert_eq!(funds(&bank, &ada, &source).await, "7.00 / 7.00");
}

#[tokio::test]
async fn a_key_given_twice_undoes_an_atomic_batch_and_is_replayed_in_another() {
    let bank = bank().await;
    let (ada, source, target) = ada_with(&bank, "10").await;
    let item = (transfer(&source, &target, "3"), key("k"));
    let other =
        (transfer(&source, &target, "4"), Some(IdempotencyKey::new("k", b"other").unwrap()));
    let twins = vec![item.clone(), item.clone()];
    let Err(Error::Invalid(rules)) =
        orders::create_all(&bank.platform, &ada, twins.clone(), true).await
    else {
        panic!("taken");
    };
    assert_eq!(
        (rules[0].field.as_str(), rules[0].code),
        ("transactions[1].idempotencyKey", "duplicate")
    );
    let each = post(&bank, &ada, vec![item.clone(), item, other], false).await;
    assert_eq!(words(&each), ["done", "replayed", "idempotency_key_reused"]);
    assert_eq!(funds(&bank, &ada, &source).await, "7.00 / 7.00");
}

#[tokio::test]
async fn the_account_of_another_user_is_not_found_wherever_it_stands() {
    let bank = bank().await;
    let (ada, source, target) = ada_with(&bank, "10").await;
    let bob = bank.user("bob@example.com").await;
    let his = bank.account(&bob).with("10").await;
    let items = || -> Vec<Item> {
        vec![
            (transfer(&source, &target, "1"), None),
            (transfer(&his, &source, "5"), None),
            (transfer(&source, &his, "1"), None),
        ]
    };
    assert_eq!(
        words(&post(&bank, &ada, items(), true).await),
        ["batch_undone", "account_not_found", "batch_undone"]
    );
    assert_eq!(
        words(&post(&bank, &ada, items(), false).await),
        ["done", "account_not_found", "done"]
    );
    assert_eq!(funds(&bank, &bob, &his).await, "11.00 / 11.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_thousand_are_posted_together_and_again_without_a_second_effect() {
    let bank = bank().await;
    let (ada, source, target) = ada_with(&bank, "101").await;
    let client = bank.client().await;
    for atomic in [true, false] {
        let items: Vec<Item> = (0..MOST)
            .map(|n| match n % 2 {
                0 => (transfer(&source, &target, "0.15"), key(&format!("{atomic}{n}"))),
                _ => (draft(Kind::Deposit, &source, "0.05"), key(&format!("{atomic}{n}"))),
            })
            .collect();
        let xids = "SELECT count(DISTINCT xmin::text) FROM transactions WHERE transaction_type = 'transfer'";
        let first = post(&bank, &ada, items.clone(), atomic).await;
        assert!(words(&first).iter().all(|word| *word == "done"));
        let together: i64 = client.query_one(xids, &[]).await.unwrap().get(0);
        match atomic {
            true => assert_eq!(together, 1, "all or none is one database transaction"),
            // Of 500 each, and the atomic one before.
            false => assert!((2..=4).contains(&together), "{together} database transactions"),
        }
        let again = post(&bank, &ada, items, atomic).await;
        for (first, again) in first.iter().zip(&again) {
            let (first, again) = (first.as_ref().unwrap(), again.as_ref().unwrap());
            assert!(again.replayed);
            assert_eq!(again.value.id, first.value.id);
        }
    }
    assert_eq!(funds(&bank, &ada, &target).await, "150.00 / 150.00");
    assert_eq!(count(&client, "audit_logs WHERE action = 'TRANSACTION_CREATED'").await, 2001);
    assert_sound(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn atomic_batches_that_race_on_two_servers_are_done_whole_or_not_at_all() {
    let bank = bank().await;
    let other = second(&bank).await;
    let (ada, source, target) = ada_with(&bank, "55").await;
    let attempts: Vec<_> = (0..12)
        .map(|n| {
            let platform = if n % 2 == 0 { bank.platform.clone() } else { other.clone() };
            let items: Vec<Item> = vec![(transfer(&source, &target, "1"), None); 10];
            let ada = ada.clone();
            tokio::spawn(async move { orders::create_all(&platform, &ada, items, true).await })
        })
        .collect();
    let mut whole = 0;
    for attempt in attempts {
        let words = words(&attempt.await.unwrap().unwrap());
        let done = words.iter().filter(|word| **word == "done").count();
        assert!(done == 10 || done == 0, "{words:?}");
        whole += done / 10;
    }
    assert_eq!(whole, 5);
    assert_eq!(funds(&bank, &ada, &source).await, "5.00 / 5.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_first_use_was_undone_is_free_for_its_neighbour() {
    let bank = bank().await;
    let (ada, source, target) = ada_with(&bank, "10").await;
    let mut blocked = Vec::new();
    let mut client = bank.client().await;
    for _ in 0..2 {
        blocked.push(bank.account(&ada).empty().await);
    }
    // Both writers wait for accounts that somebody holds: whoever comes meanwhile
    // is posted together.
    let holder = client.transaction().await.unwrap();
    let ids: Vec<_> = blocked.iter().map(|account| account.id.0).collect();
    holder.query("SELECT 1 FROM accounts WHERE id = ANY ($1) FOR UPDATE", &[&ids]).await.unwrap();
    let spawn = |items: Vec<Item>, atomic| {
        let (platform, ada) = (bank.platform.clone(), ada.clone());
        tokio::spawn(async move { orders::create_all(&platform, &ada, items, atomic).await })
    };
    let mut waiting = Vec::new();
    for account in &blocked {
        waiting.push(spawn(vec![(draft(Kind::Deposit, account, "1"), None)], false));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let item = (transfer(&source, &target, "3"), key("k"));
    let undone = spawn(vec![item.clone(), (transfer(&source, &target, "30"), None)], true);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let alone = spawn(vec![item], false);
    tokio::time::sleep(Duration::from_millis(50)).await;
    holder.rollback().await.unwrap();
    for one in waiting {
        assert_eq!(words(&one.await.unwrap().unwrap()), ["done"]);
    }
    assert_eq!(words(&undone.await.unwrap().unwrap()), ["batch_undone", "insufficient_funds"]);
    assert_eq!(words(&alone.await.unwrap().unwrap()), ["done"]);
    assert_sound(&bank.client().await).await;
}
