//! Holds that complete by themselves.

use crate::book::{assert_sound, count};
use crate::life::{amount, held, second};
use crate::money::{draft, funds, order, transfer};
use jiff::{SignedDuration, Timestamp};
use ledger::{FreezeScope, Kind, Status};
use platform::{
    Settings,
    accounts::{self, FreezeReason},
    housekeeping,
    orders::{self, Draft},
    transactions,
};
use testkit::{Bank, bank, bank_with, settings};

fn in_hours(bank: &Bank, hours: i64) -> Timestamp {
    bank.platform.now() + SignedDuration::from_hours(hours)
}

fn due(at: Timestamp, new: Draft) -> Draft {
    Draft { completes: Some(at), ..held(new) }
}

#[tokio::test]
async fn the_bank_completes_a_hold_when_it_is_due_once_and_in_nobodys_name() {
    let bank = bank_with(Settings { users_settle: false, ..settings() }).await;
    let other = second(&bank).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    let at = in_hours(&bank, 2);
    let mut holds = Vec::new();
    for _ in 0..5 {
        holds.push(
            order(&bank, &ada, due(at, draft(Kind::Withdrawal, &account, "10"))).await.unwrap(),
        );
    }
    assert_eq!(holds[0].complete_at, Some(at));
    bank.clock.advance(SignedDuration::from_mins(119));
    assert_eq!(orders::complete_due(&bank.platform).await.unwrap(), 0);
    orders::cancel(&bank.platform, &ada, holds[0].id, None).await.unwrap();
    orders::capture(&bank.platform, &ada, holds[1].id, Some(amount("4")), false, None)
        .await
        .unwrap();
    bank.clock.advance(SignedDuration::from_mins(1));
    let (one, two) =
        tokio::join!(orders::complete_due(&bank.platform), orders::complete_due(&other));
    assert_eq!(one.unwrap() + two.unwrap(), 4);
    assert_eq!(orders::complete_due(&bank.platform).await.unwrap(), 0);
    assert_eq!(funds(&bank, &ada, &account).await, "60.00 / 60.00");
    let done = transactions::get(&bank.platform, &ada, holds[1].id).await.unwrap();
    assert_eq!(
        (done.status, done.moved(), done.complete_at),
        (Status::Completed, amount("10").into(), Some(at))
    );
    let client = bank.client().await;
    assert_eq!(
        count(&client, "audit_logs WHERE action = 'TRANSACTION_COMPLETED' AND user_id IS NULL")
            .await,
        4
    );
    let told =
        "audit_logs WHERE action = 'TRANSACTION_CREATED' AND details->>'completeAt' IS NOT NULL";
    assert_eq!(count(&client, told).await, 5);
    assert!(client.batch_execute("UPDATE transactions SET complete_at = now()").await.is_err());
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_transfer_that_is_due_reaches_its_target() {
    let bank = bank().await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    let (source, target) = (bank.account(&ada).with("100").await, bank.account(&bob).empty().await);
    let at = in_hours(&bank, 1);
    let sent = order(&bank, &ada, due(at, transfer(&source, &target, "25"))).await.unwrap();
    let got =
        transactions::get(&bank.platform, &bob, sent.paired_transaction_id.unwrap()).await.unwrap();
    assert_eq!(got.complete_at, Some(at));
    order(&bank, &ada, due(at, draft(Kind::Deposit, &source, "7"))).await.unwrap();
    bank.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(orders::complete_due(&bank.platform).await.unwrap(), 2);
    assert_eq!(funds(&bank, &bob, &target).await, "25.00 / 25.00");
    assert_eq!(funds(&bank, &ada, &source).await, "82.00 / 82.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn what_cannot_be_ordered_so_is_refused() {
    let bank = bank_with(Settings { users_settle: false, ..settings() }).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    let (now, later) = (bank.platform.now(), in_hours(&bank, 1));
    let withdrawal = || draft(Kind::Withdrawal, &account, "1");
    let at_once = Draft { completes: Some(later), ..withdrawal() };
    let expires = Draft { expires: Some(later), ..due(later, withdrawal()) };
    for (new, code) in [
        (due(now, withdrawal()), "completion_in_past"),
        (at_once, "validation_failed"),
        (expires, "completion_after_expiry"),
        (due(later, draft(Kind::Deposit, &account, "1")), "settlement_not_allowed"),
        (due(later, draft(Kind::Debit, &account, "1")), "settlement_not_allowed"),
    ] {
        assert_eq!(order(&bank, &ada, new).await.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn what_the_bank_refuses_when_it_is_due_is_tried_again_ever_later_until_it_ends() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    let admin = bank.admin().await;
    let at = in_hours(&bank, 1);
    let new = due(at, draft(Kind::Withdrawal, &account, "10"));
    let hold = order(&bank, &ada, new.clone()).await.unwrap();
    let short = Draft { expires: Some(in_hours(&bank, 2)), ..new };
    order(&bank, &ada, short).await.unwrap();
    let freeze = (FreezeScope::Debits, FreezeReason::parse("a court's order").unwrap(), None);
    accounts::freeze(&bank.platform, &admin, account.id, freeze).await.unwrap();
    bank.clock.advance(SignedDuration::from_hours(1));
    let client = bank.client().await;
    let tries = async || {
        let sum = "SELECT coalesce(max(attempts), 0), coalesce(min(code), '') FROM wallstreet.completion_retries";
        let row = client.query_one(sum, &[]).await.unwrap();
        (row.get::<_, i32>(0), row.get::<_, String>(1))
    };
    for (wait, attempts) in [(0, 1), (0, 1), (1, 2), (1, 2), (1, 3), (4, 4), (4, 4), (4, 5)] {
        bank.clock.advance(SignedDuration::from_secs(wait));
        assert_eq!(orders::complete_due(&bank.platform).await.unwrap(), 0);
        assert_eq!(tries().await, (attempts, "account_frozen".to_owned()));
    }
    let still = transactions::get(&bank.platform, &ada, hold.id).await.unwrap();
    assert_eq!(still.status, Status::Pending, "its owner sees that it waits");
    bank.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(orders::expire(&bank.platform).await.unwrap(), 1, "what expires does so");
    accounts::unfreeze(&bank.platform, &admin, account.id).await.unwrap();
    assert_eq!(orders::complete_due(&bank.platform).await.unwrap(), 1);
    assert_eq!(funds(&bank, &ada, &account).await, "90.00 / 90.00");
    housekeeping::sweep(&bank.platform).await.unwrap();
    assert_eq!(count(&client, "wallstreet.completion_retries").await, 0);
    assert_sound(&client).await;
}
