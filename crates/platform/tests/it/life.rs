//! The life of a hold: taken in parts, called off, run out, given back.

use crate::book::{assert_sound, count};
use crate::money::{draft, funds, order, transfer};
use jiff::SignedDuration;
use ledger::{Amount, Direction, Kind, Money, Refusal, Status, TransactionId};
use platform::{
    Actor, Error, Outcome, PageRequest, Platform, Position, Settings,
    accounts::Account,
    entries::{self, EntryFilter, Order},
    error::{Forbidden, Resource},
    orders::{self, Draft},
    transactions::{self, Metadata, Transaction},
};
use std::sync::Arc;
use testkit::{Bank, bank, bank_with, settings};

type Answer = Result<Transaction, Error>;

/// Another server on the same database, by the same clock.
pub async fn second(bank: &Bank) -> Platform {
    Platform::connect(&bank.database.url, settings(), Arc::clone(&bank.clock) as _).await.unwrap()
}

pub fn held(draft: Draft) -> Draft {
    Draft { complete: false, ..draft }
}

pub fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

fn value(outcome: Result<Outcome<Transaction>, Error>) -> Answer {
    outcome.map(|outcome| outcome.value)
}

/// Takes a part; an empty text is all that remains.
async fn capture(bank: &Bank, by: &Actor, id: TransactionId, part: &str, last: bool) -> Answer {
    let part = Amount::parse(part).ok();
    value(orders::capture(&bank.platform, by, id, part, last, None).await)
}

/// Gives a part back; an empty text is all that is left.
pub async fn reverse(bank: &Bank, by: &Actor, id: TransactionId, part: &str) -> Answer {
    let (part, words) = (Amount::parse(part).ok(), (None, Metadata::default()));
    value(orders::reverse(&bank.platform, by, id, part, words, None).await)
}

fn code(answer: Answer) -> &'static str {
    answer.unwrap_err().code()
}

/// What moved, what is left to give back, and where it stands.
async fn state(bank: &Bank, id: TransactionId) -> String {
    let root = bank.admin().await;
    let it = transactions::get(&bank.platform, &root, id).await.unwrap();
    format!("{} {} of {}, {} back", it.status.as_str(), it.moved(), it.amount, it.reversed_amount)
}

async fn everybody(bank: &Bank) -> (Actor, Actor, Account, Account) {
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    let source = bank.account(&ada).with("100").await;
    let target = bank.account(&bob).with("50").await;
    (ada, bob, source, target)
}

#[tokio::test]
async fn more_than_is_held_is_not_captured_nor_what_comes_in_nor_what_is_not_ones_own() {
    let bank = bank().await;
    let (ada, bob, source, target) = everybody(&bank).await;
    let id = order(&bank, &ada, held(transfer(&source, &target, "60"))).await.unwrap().id;
    assert_eq!(code(capture(&bank, &ada, id, "60.01", false).await), "capture_exceeds_hold");
    capture(&bank, &ada, id, "20", false).await.unwrap();
    let error = capture(&bank, &ada, id, "40.01", true).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "40.01 USD asked, but only 40.00 USD is still held: capture less"
    );
    let deposit = order(&bank, &ada, held(draft(Kind::Deposit, &source, "5"))).await.unwrap().id;
    assert_eq!(code(capture(&bank, &ada, deposit, "1", false).await), "nothing_held");
    let received = transactions::get(&bank.platform, &ada, id).await.unwrap();
    let received = received.paired_transaction_id.unwrap();
    let theirs = capture(&bank, &bob, received, "1", false).await.unwrap_err();
    assert!(matches!(theirs, Error::Forbidden(Forbidden::NotTheSender)));
    let eve = bank.user("eve@example.com").await;
    let nobodys = capture(&bank, &eve, id, "1", false).await.unwrap_err();
    assert!(matches!(nobodys, Error::NotFound(Resource::Transaction)));
    assert_eq!(state(&bank, id).await, "pending 20.00 of 60.00, 0.00 back");
    assert_eq!(funds(&bank, &ada, &source).await, "80.00 / 40.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_hold_is_captured_in_parts_and_ends_with_the_last_one() {
    let bank = bank().await;
    let (ada, bob, source, target) = everybody(&bank).await;
    for (n, new) in [
        draft(Kind::Withdrawal, &source, "30"),
        draft(Kind::Debit, &source, "30"),
        transfer(&source, &target, "30"),
    ]
    .into_iter()
    .enumerate()
    {
        let before = 100 - 30 * i32::try_from(n).unwrap();
        let id = order(&bank, &ada, held(new)).await.unwrap().id;
        let first = capture(&bank, &ada, id, "10", false).await.unwrap();
        assert_eq!((first.status, first.completed_at), (Status::Pending, None));
        let expected = format!("{}.00 / {}.00", before - 10, before - 30);
        assert_eq!(funds(&bank, &ada, &source).await, expected);
        bank.clock.advance(SignedDuration::from_secs(1));
        let last = capture(&bank, &ada, id, "", false).await.unwrap();
        assert_eq!(
            (last.status, last.completed_at),
            (Status::Completed, Some(bank.platform.now()))
        );
        let expected = format!("{0}.00 / {0}.00", before - 30);
        assert_eq!(funds(&bank, &ada, &source).await, expected);
        assert_eq!(code(capture(&bank, &ada, id, "1", false).await), "transaction_not_pending");
        let stored = transactions::get(&bank.platform, &ada, id).await.unwrap();
        assert_eq!(format!("{stored:?}"), format!("{last:?}"), "the answer is what is stored");
    }
    assert_eq!(funds(&bank, &bob, &target).await, "80.00 / 80.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn after_the_final_part_the_rest_is_available_again() {
    let bank = bank().await;
    let (ada, bob, source, target) = everybody(&bank).await;
    let id = order(&bank, &ada, held(transfer(&source, &target, "60"))).await.unwrap().id;
    capture(&bank, &ada, id, "10.50", false).await.unwrap();
    let done = capture(&bank, &ada, id, "20", true).await.unwrap();
    assert_eq!(
        (done.status, done.captured_amount),
        (Status::Completed, Money::from_hundredths(3050))
    );
    assert_eq!(funds(&bank, &ada, &source).await, "69.50 / 69.50");
    assert_eq!(funds(&bank, &bob, &target).await, "80.50 / 80.50");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn called_off_after_a_part_it_is_completed_with_that_part_and_without_one_it_failed() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    let cancel = async |id| value(orders::cancel(&bank.platform, &ada, id, None).await).unwrap();
    let new = || held(draft(Kind::Withdrawal, &account, "60"));
    let (begun, untouched) = (order(&bank, &ada, new()).await.unwrap(), new());
    capture(&bank, &ada, begun.id, "25", false).await.unwrap();
    assert_eq!(cancel(begun.id).await.status, Status::Completed);
    assert_eq!(state(&bank, begun.id).await, "completed 25.00 of 60.00, 0.00 back");
    let untouched = order(&bank, &ada, untouched).await.unwrap();
    assert_eq!(cancel(untouched.id).await.status, Status::Failed);
    assert_eq!(funds(&bank, &ada, &account).await, "75.00 / 75.00");
    reverse(&bank, &ada, begun.id, "").await.unwrap();
    assert_eq!(state(&bank, begun.id).await, "completed 25.00 of 60.00, 25.00 back");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn when_its_time_is_over_nothing_more_is_taken_and_the_hold_comes_back() {
    let bank = bank().await;
    let (ada, bob, source, target) = everybody(&bank).await;
    let end = bank.platform.now() + SignedDuration::from_mins(10);
    let until = |new| Draft { expires: Some(end), ..held(new) };
    let sent = order(&bank, &ada, until(transfer(&source, &target, "30"))).await.unwrap();
    let begun = order(&bank, &ada, until(draft(Kind::Withdrawal, &source, "20"))).await.unwrap();
    let announced = order(&bank, &bob, until(draft(Kind::Deposit, &target, "9"))).await.unwrap();
    order(&bank, &ada, held(draft(Kind::Withdrawal, &source, "5"))).await.unwrap();
    capture(&bank, &ada, begun.id, "5", false).await.unwrap();

    bank.clock.advance(SignedDuration::from_secs(599));
    assert_eq!(orders::expire(&bank.platform).await.unwrap(), 0, "a second too early");
    capture(&bank, &ada, begun.id, "1", false).await.unwrap();
    bank.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(code(capture(&bank, &ada, sent.id, "1", false).await), "transaction_expired");
    let late = orders::process(&bank.platform, &ada, sent.id, None).await;
    assert_eq!(code(value(late)), "transaction_expired");
    assert_eq!(orders::expire(&bank.platform).await.unwrap(), 3);
    assert_eq!(orders::expire(&bank.platform).await.unwrap(), 0, "what ended has ended");

    for id in [sent.id, sent.paired_transaction_id.unwrap(), announced.id] {
        let root = bank.admin().await;
        let ended = transactions::get(&bank.platform, &root, id).await.unwrap();
        let why = ended.failure_reason.as_deref();
        assert_eq!((ended.status, why), (Status::Failed, Some("expired")));
    }
    assert_eq!(state(&bank, begun.id).await, "completed 6.00 of 20.00, 0.00 back");
    assert_eq!(funds(&bank, &ada, &source).await, "94.00 / 89.00");
    assert_eq!(funds(&bank, &bob, &target).await, "50.00 / 50.00");
    let client = bank.client().await;
    let nobody = "audit_logs WHERE user_id IS NULL AND details ->> 'reason' = 'expired'";
    assert_eq!(count(&client, nobody).await, 2);
    assert_sound(&client).await;
}

#[tokio::test]
async fn an_end_in_the_past_or_for_what_is_completed_at_once_is_refused() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("10").await;
    let now = bank.platform.now();
    let new = draft(Kind::Withdrawal, &account, "1");
    let past = Draft { expires: Some(now), ..held(new.clone()) };
    let at_once = Draft { expires: Some(now + SignedDuration::from_secs(1)), ..new };
    assert_eq!(order(&bank, &ada, past).await.unwrap_err().code(), "transaction_expired");
    let Err(Error::Invalid(rules)) = order(&bank, &ada, at_once).await else { panic!("taken") };
    assert_eq!((rules[0].field.as_str(), rules[0].code), ("expiresAt", "conflicting"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_and_the_end_may_race_on_two_servers_and_nothing_is_taken_twice() {
    let bank = bank().await;
    let other = second(&bank).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    let end = bank.platform.now() + SignedDuration::from_secs(1);
    let new = Draft { expires: Some(end), ..held(draft(Kind::Withdrawal, &account, "10")) };
    let id = order(&bank, &ada, new).await.unwrap().id;
    let attempts: Vec<_> = (0..30)
        .map(|n| {
            let platform = if n % 2 == 0 { bank.platform.clone() } else { other.clone() };
            let ada = ada.clone();
            tokio::spawn(async move {
                value(orders::capture(&platform, &ada, id, Some(amount("0.70")), false, None).await)
            })
        })
        .collect();
    let mut taken = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert_eq!(error.code(), "capture_exceeds_hold"),
        }
    }
    assert_eq!(taken, 14);
    bank.clock.advance(SignedDuration::from_secs(1));
    let (one, two) = tokio::join!(orders::expire(&bank.platform), orders::expire(&other));
    assert_eq!(one.unwrap() + two.unwrap(), 1, "it ends once");
    assert_eq!(funds(&bank, &ada, &account).await, "90.20 / 90.20");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn never_does_more_come_back_than_moved_and_a_reversal_is_final() {
    let bank = bank().await;
    let (ada, bob, source, target) = everybody(&bank).await;
    let id = order(&bank, &ada, held(transfer(&source, &target, "40"))).await.unwrap().id;
    assert_eq!(code(reverse(&bank, &bob, id, "").await), "transaction_not_found", "not his id");
    let received = transactions::get(&bank.platform, &ada, id).await.unwrap();
    let received = received.paired_transaction_id.unwrap();
    assert_eq!(code(reverse(&bank, &bob, received, "").await), "transaction_not_completed");
    capture(&bank, &ada, id, "30", true).await.unwrap();
    assert_eq!(code(reverse(&bank, &bob, received, "30.01").await), "reversal_exceeds_original");
    let part = reverse(&bank, &bob, received, "12.50").await.unwrap();
    assert_eq!((part.account_id, part.direction), (target.id, Some(Direction::Out)));
    assert_eq!(part.reverses_transaction_id, Some(received));
    assert_eq!(state(&bank, id).await, "completed 30.00 of 40.00, 12.50 back");
    assert_eq!(funds(&bank, &ada, &source).await, "82.50 / 82.50");
    assert_eq!(code(reverse(&bank, &bob, received, "17.51").await), "reversal_exceeds_original");
    reverse(&bank, &bob, received, "").await.unwrap();
    assert_eq!(code(reverse(&bank, &bob, received, "").await), "already_reversed");
    assert_eq!(code(reverse(&bank, &bob, part.id, "").await), "reversal_not_yours");
    let back = part.paired_transaction_id.unwrap();
    assert_eq!(code(reverse(&bank, &ada, back, "").await), "reversal_is_final");
    assert_eq!(funds(&bank, &ada, &source).await, "100.00 / 100.00");
    assert_eq!(funds(&bank, &bob, &target).await, "50.00 / 50.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn what_the_receiver_has_spent_does_not_come_back() {
    let bank = bank().await;
    let (ada, bob, source, target) = everybody(&bank).await;
    let sent = order(&bank, &ada, transfer(&source, &target, "40")).await.unwrap();
    order(&bank, &bob, draft(Kind::Withdrawal, &target, "60")).await.unwrap();
    let received = sent.paired_transaction_id.unwrap();
    assert_eq!(code(reverse(&bank, &bob, received, "").await), "insufficient_funds");
    reverse(&bank, &bob, received, "30").await.unwrap();
    assert_eq!(funds(&bank, &bob, &target).await, "0.00 / 0.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn each_type_is_given_back_by_its_opposite_and_only_by_who_may() {
    let bank = bank_with(Settings { users_settle: false, ..settings() }).await;
    let (ada, bob, source, target) = everybody(&bank).await;
    let root = bank.admin().await;
    for (kind, opposite) in [
        (Kind::Deposit, Kind::Withdrawal),
        (Kind::Withdrawal, Kind::Deposit),
        (Kind::Credit, Kind::Debit),
        (Kind::Debit, Kind::Credit),
    ] {
        let id = order(&bank, &root, draft(kind, &source, "5")).await.unwrap().id;
        assert_eq!(code(reverse(&bank, &ada, id, "").await), "settlement_not_allowed");
        assert_eq!(code(reverse(&bank, &bob, id, "").await), "transaction_not_found");
        let back = reverse(&bank, &root, id, "").await.unwrap();
        assert_eq!((back.kind, back.reverses_transaction_id), (opposite, Some(id)));
        assert_eq!(funds(&bank, &ada, &source).await, "100.00 / 100.00", "{kind:?}");
    }
    for by in [&bob, &root] {
        let sent = order(&bank, &ada, transfer(&source, &target, "5")).await.unwrap();
        assert_eq!(code(reverse(&bank, &ada, sent.id, "").await), "reversal_not_yours");
        let received = sent.paired_transaction_id.unwrap();
        let back = reverse(&bank, by, received, "").await.unwrap();
        assert_eq!((back.kind, back.account_id), (Kind::Transfer, target.id));
    }
    assert_eq!(funds(&bank, &bob, &target).await, "50.00 / 50.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_reversals_that_race_on_two_servers_exactly_the_original_comes_back() {
    let bank = bank().await;
    let other = second(&bank).await;
    let (ada, bob, source, target) = everybody(&bank).await;
    for (round, part) in ["", "7", "2", "0.51"].into_iter().enumerate() {
        let sent = order(&bank, &ada, transfer(&source, &target, "10")).await.unwrap();
        let received = sent.paired_transaction_id.unwrap();
        let attempts: Vec<_> = (0..20)
            .map(|n| {
                let platform = if n % 2 == 0 { bank.platform.clone() } else { other.clone() };
                let (bob, part) = (bob.clone(), Amount::parse(part).ok());
                tokio::spawn(async move {
                    let words = (None, Metadata::default());
                    value(orders::reverse(&platform, &bob, received, part, words, None).await)
                })
            })
            .collect();
        let mut back = Money::ZERO;
        for attempt in attempts {
            match attempt.await.unwrap() {
                Ok(reversal) => back = back.plus(reversal.amount).unwrap(),
                Err(Error::Refused { refusal, .. }) => assert!(
                    matches!(
                        refusal,
                        Refusal::AlreadyReversed | Refusal::ReversalExceedsOriginal { .. }
                    ),
                    "{refusal}"
                ),
                Err(error) => panic!("{error:?}"),
            }
        }
        let most = ["10.00", "7.00", "10.00", "9.69"][round];
        assert_eq!(back.to_string(), most);
        assert_eq!(state(&bank, sent.id).await, format!("completed 10.00 of 10.00, {most} back"));
        if most != "10.00" {
            reverse(&bank, &bob, received, "").await.unwrap();
        }
        assert_eq!(funds(&bank, &ada, &source).await, "100.00 / 100.00");
    }
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_history_with_parts_has_pages_without_gap_or_overlap_on_both_sides() {
    let bank = bank().await;
    let (ada, bob, source, target) = everybody(&bank).await;
    let id = order(&bank, &ada, held(transfer(&source, &target, "50"))).await.unwrap().id;
    for _ in 0..7 {
        capture(&bank, &ada, id, "5", false).await.unwrap();
    }
    for (owner, account) in [(&ada, &source), (&bob, &target)] {
        let mut seen = Vec::new();
        let mut place = Position::Number(1);
        let all = EntryFilter { from: None, to: None, order: Order::Descending };
        loop {
            let request = PageRequest::new(3, place).unwrap();
            let page =
                entries::list(&bank.platform, owner, account.id, all, request).await.unwrap();
            seen.extend(page.items.iter().map(|entry| entry.sequence));
            let Some(next) = page.next else { break };
            place = Position::After(next);
        }
        assert_eq!(seen, (1..=8).rev().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_business_date_is_in_the_past_is_the_banks_to_say_and_stands_beside_the_recorded_one() {
    let bank = bank_with(Settings { users_settle: false, ..settings() }).await;
    let (ada, root) = (bank.user("ada@example.com").await, bank.admin().await);
    let account = bank.account(&ada).with("10").await;
    let now = bank.platform.now();
    let yesterday = now - SignedDuration::from_hours(24);
    let dated = |at| Draft { effective: Some(at), ..draft(Kind::Debit, &account, "1") };
    let modest = order(&bank, &ada, held(dated(yesterday))).await;
    assert_eq!(code(modest), "backdating_not_allowed");
    let future = order(&bank, &root, dated(now + SignedDuration::from_secs(1))).await;
    assert_eq!(code(future), "effective_in_future");
    let at_once = order(&bank, &root, dated(yesterday)).await.unwrap();
    assert_eq!((at_once.effective_at, at_once.created_at), (Some(yesterday), now));
    let later = order(&bank, &root, held(dated(yesterday))).await.unwrap();
    bank.clock.advance(SignedDuration::from_hours(1));
    capture(&bank, &root, later.id, "", false).await.unwrap();
    let client = bank.client().await;
    let dated = "wallstreet.entries WHERE effective_at = '2026-01-14 12:00Z' AND recorded_at >= '2026-01-15 12:00Z'";
    assert_eq!(count(&client, dated).await, 2);
    assert_sound(&client).await;
}
