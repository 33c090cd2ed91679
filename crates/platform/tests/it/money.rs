//! The road of money, through the queue and the database.

use crate::book::{assert_sound, count};
use ledger::{AccountStatus, Amount, Kind, Refusal, Status, TransactionId};
use platform::{
    Actor, Environment, Error, Settings,
    accounts::{self, Account},
    entries::{self, Counterparty, EntryFilter, Order},
    error::{Forbidden, Resource},
    orders::{self, Draft, Target},
    page::PageRequest,
    transactions::{self, Metadata, Transaction},
};
use testkit::{Bank, bank, bank_with, settings};
use uuid::Uuid;

pub fn draft(kind: Kind, account: &Account, amount: &str) -> Draft {
    Draft {
        account: account.id,
        kind,
        amount: Amount::parse(amount).unwrap(),
        currency: None,
        target: None,
        description: None,
        metadata: Metadata::default(),
        complete: true,
        expires: None,
        completes: None,
        effective: None,
        exchange: None,
    }
}

pub fn transfer(from: &Account, to: &Account, amount: &str) -> Draft {
    Draft { target: Some(Target::Id(to.id)), ..draft(Kind::Transfer, from, amount) }
}

pub async fn order(bank: &Bank, by: &Actor, draft: Draft) -> Result<Transaction, Error> {
    orders::create(&bank.platform, by, draft, None).await.map(|outcome| outcome.value)
}

pub async fn funds(bank: &Bank, owner: &Actor, account: &Account) -> String {
    let account = accounts::get(&bank.platform, owner, account.id).await.unwrap();
    format!("{} / {}", account.balance, account.available_balance)
}

#[tokio::test]
async fn a_pending_deposit_becomes_money_when_it_is_processed() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let pending = Draft { complete: false, ..draft(Kind::Deposit, &account, "1000") };
    let pending = order(&bank, &ada, pending).await.unwrap();
    assert_eq!((pending.status, pending.completed_at), (Status::Pending, None));
    assert_eq!(funds(&bank, &ada, &account).await, "0.00 / 0.00");
    let done = orders::process(&bank.platform, &ada, pending.id, None).await.unwrap().value;
    assert_eq!((done.status, done.completed_at), (Status::Completed, Some(bank.platform.now())));
    assert_eq!(funds(&bank, &ada, &account).await, "1000.00 / 1000.00");
    let stored = transactions::get(&bank.platform, &ada, pending.id).await.unwrap();
    assert_eq!(stored.updated_at, done.updated_at, "the answer is what the table holds");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_transfer_stands_in_both_lists_and_in_the_book_once() {
    let bank = bank().await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    let source = bank.account(&ada).with("100").await;
    let target = bank.account(&bob).empty().await;
    let by_number = Draft {
        target: Some(Target::Number(target.number.clone())),
        complete: false,
        ..draft(Kind::Transfer, &source, "30.25")
    };
    let sent = order(&bank, &ada, by_number).await.unwrap();
    assert_eq!(funds(&bank, &ada, &source).await, "100.00 / 69.75");
    orders::process(&bank.platform, &ada, sent.id, None).await.unwrap();
    assert_eq!(funds(&bank, &ada, &source).await, "69.75 / 69.75");
    assert_eq!(funds(&bank, &bob, &target).await, "30.25 / 30.25");
    let received = transactions::get(&bank.platform, &bob, sent.paired_transaction_id.unwrap());
    let received = received.await.unwrap();
    assert_eq!(received.counterparty_account_id, Some(source.id));
    assert_ne!(received.reference_number, sent.reference_number);
    let newest = EntryFilter { from: None, to: None, order: Order::Descending };
    let page = PageRequest::default();
    let entries = entries::list(&bank.platform, &bob, target.id, newest, page).await;
    let entry = entries.unwrap().items.pop().unwrap();
    assert_eq!((entry.sequence, entry.transaction_id), (1, received.id));
    assert_eq!(entry.counterparty, Counterparty::Account(source.id));
    assert_eq!(entry.balance.to_string(), "30.25");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_refusal_leaves_no_trace_and_names_its_reason() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (source, target) = (bank.account(&ada).with("10").await, bank.account(&ada).empty().await);
    let euros = bank.account(&ada).in_currency("EUR").empty().await;
    let client = bank.client().await;
    let before = (count(&client, "transactions").await, count(&client, "audit_logs").await);
    for (draft, code) in [
        (transfer(&source, &target, "10.01"), "insufficient_funds"),
        (draft(Kind::Withdrawal, &target, "0.01"), "insufficient_funds"),
        (transfer(&source, &source, "1"), "same_account"),
        (transfer(&source, &euros, "1"), "currency_mismatch"),
    ] {
        let error = order(&bank, &ada, draft).await.unwrap_err();
        assert!(matches!(error, Error::Refused { original: None, .. }), "{error:?}");
        assert_eq!(error.code(), code);
    }
    let after = (count(&client, "transactions").await, count(&client, "audit_logs").await);
    assert_eq!(before, after);
    assert_eq!(funds(&bank, &ada, &source).await, "10.00 / 10.00");
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_target_belongs_to_a_transfer_and_only_there() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (one, two) = (bank.account(&ada).with("10").await, bank.account(&ada).empty().await);
    for wrong in [
        draft(Kind::Transfer, &one, "1"),
        Draft { target: Some(Target::Id(two.id)), ..draft(Kind::Deposit, &one, "1") },
    ] {
        let error = order(&bank, &ada, wrong).await.unwrap_err();
        let Error::Invalid(violations) = error else { panic!("{error:?}") };
        assert_eq!(violations[0].field, "toAccountId");
    }
}

#[tokio::test]
async fn another_users_money_is_not_there() {
    let bank = bank().await;
    let (ada, eve) = (bank.user("ada@example.com").await, bank.user("eve@example.com").await);
    let (hers, mine) = (bank.account(&ada).with("10").await, bank.account(&eve).empty().await);
    let pending = Draft { complete: false, ..draft(Kind::Withdrawal, &hers, "1") };
    let pending = order(&bank, &ada, pending).await.unwrap().id;
    let platform = &bank.platform;
    for (what, error) in [
        ("transfer", order(&bank, &eve, transfer(&hers, &mine, "1")).await.unwrap_err()),
        ("process", orders::process(platform, &eve, pending, None).await.unwrap_err()),
        ("cancel", orders::cancel(platform, &eve, pending, None).await.unwrap_err()),
        ("read", transactions::get(platform, &eve, pending).await.unwrap_err()),
        (
            "annotate",
            transactions::annotate(platform, &eve, pending, Some(None), None).await.unwrap_err(),
        ),
        ("account", accounts::get(platform, &eve, hers.id).await.unwrap_err()),
        ("close", accounts::close(platform, &eve, hers.id).await.unwrap_err()),
    ] {
        assert!(matches!(error, Error::NotFound(_)), "{what}: {error:?}");
    }
    assert_eq!(funds(&bank, &ada, &hers).await, "10.00 / 9.00");
}

#[tokio::test]
async fn in_production_a_user_does_not_make_money_out_of_nothing() {
    let settings =
        Settings { environment: Environment::Production, users_settle: false, ..settings() };
    let bank = bank_with(settings).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let at_once = order(&bank, &ada, draft(Kind::Deposit, &account, "5")).await.unwrap_err();
    assert!(matches!(at_once, Error::Forbidden(Forbidden::Settlement)), "{at_once:?}");
    let pending = Draft { complete: false, ..draft(Kind::Deposit, &account, "5") };
    let pending = order(&bank, &ada, pending).await.unwrap();
    let own = orders::process(&bank.platform, &ada, pending.id, None).await.unwrap_err();
    assert!(matches!(own, Error::Forbidden(Forbidden::Settlement)), "{own:?}");
    let admin = bank.admin().await;
    orders::process(&bank.platform, &admin, pending.id, None).await.unwrap();
    order(&bank, &ada, draft(Kind::Withdrawal, &account, "2")).await.unwrap();
    assert_eq!(funds(&bank, &ada, &account).await, "3.00 / 3.00");
}

#[tokio::test]
async fn what_ended_once_does_not_end_again_however_many_try_at_once() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    let pending = Draft { complete: false, ..draft(Kind::Withdrawal, &account, "60") };
    let id = order(&bank, &ada, pending).await.unwrap().id;
    let attempts = (0..20).map(|n| {
        let (platform, ada) = (bank.platform.clone(), ada.clone());
        tokio::spawn(async move {
            match n % 2 {
                0 => orders::process(&platform, &ada, id, None).await,
                _ => orders::cancel(&platform, &ada, id, None).await,
            }
        })
    });
    let mut ended = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(_) => ended += 1,
            Err(error) => assert_eq!(error.code(), "transaction_not_pending"),
        }
    }
    assert_eq!(ended, 1);
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn an_account_closes_only_empty_and_at_rest_and_then_for_good() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("1").await;
    let close = async || accounts::close(&bank.platform, &ada, account.id).await;
    assert_eq!(close().await.unwrap_err().code(), "account_not_empty");
    order(&bank, &ada, draft(Kind::Withdrawal, &account, "1")).await.unwrap();
    let expected = Draft { complete: false, ..draft(Kind::Deposit, &account, "1") };
    let expected = order(&bank, &ada, expected).await.unwrap().id;
    assert_eq!(close().await.unwrap_err().code(), "account_has_pending");
    orders::cancel(&bank.platform, &ada, expected, None).await.unwrap();
    assert_eq!(close().await.unwrap().status, AccountStatus::Closed);
    assert_eq!(
        close().await.unwrap().status,
        AccountStatus::Closed,
        "closing twice is closing once"
    );
    let reopen =
        accounts::set_status(&bank.platform, &ada, account.id, AccountStatus::Active).await;
    assert!(matches!(reopen, Err(Error::Refused { refusal: Refusal::AccountClosed, .. })));
    let deposit = order(&bank, &ada, draft(Kind::Deposit, &account, "1")).await.unwrap_err();
    assert_eq!(deposit.code(), "account_closed");
}

#[tokio::test]
async fn metadata_comes_back_digit_for_digit() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let exact = r#"{"invoice": 9007199254740993.01, "rate": 0.1000000000000000055}"#;
    let metadata = Metadata::parse(exact).unwrap();
    let made = Draft { metadata, ..draft(Kind::Deposit, &account, "1") };
    let id = order(&bank, &ada, made).await.unwrap().id;
    let stored = transactions::get(&bank.platform, &ada, id).await.unwrap();
    for digits in ["9007199254740993.01", "0.1000000000000000055"] {
        assert!(stored.metadata.as_str().contains(digits), "{}", stored.metadata.as_str());
    }
}

#[tokio::test]
async fn metadata_the_database_could_not_hold_is_refused_before_it_gets_there() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(8), "]".repeat(8));
    let wide =
        format!("{{{}}}", (0..65).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(","));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(16 * 1024));
    for text in [
        "[]",
        "1",
        "",
        "{",
        r#"{"a":"\u0000"}"#,
        r#"{"\u0000":1}"#,
        r#"{"a":1e400}"#,
        r#"{"a":1e-20000}"#,
        r#"{"a":1e99999999999999999999}"#,
        &format!("{{\"a\":0.{}1e-300}}", "0".repeat(16_090)),
        &format!("{{\"a\":[{}]}}", vec!["1e300"; 60].join(",")),
        r#"{"a":"\ud800"}"#,
        &deep,
        &wide,
        &long,
    ] {
        assert!(Metadata::parse(text).is_err(), "{text:.60}");
    }
    for text in [r#"{"true":true,"e":"1e999"}"#, r#"{"a":1e300,"b":-1.5E-300,"c":false}"#] {
        assert!(Metadata::parse(text).is_ok(), "{text}");
    }
}

#[tokio::test]
async fn one_order_that_the_database_refuses_does_not_hurt_its_neighbours() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (good, bad) = (bank.account(&ada).empty().await, bank.account(&ada).empty().await);
    let client = bank.client().await;
    let bomb = format!(
        "ALTER TABLE transactions ADD CONSTRAINT bomb CHECK (account_id <> '{}') NOT VALID",
        bad.id
    );
    client.batch_execute(&bomb).await.unwrap();
    let attempts: Vec<_> = (0..30)
        .map(|n| {
            let draft = draft(Kind::Deposit, if n % 10 == 0 { &bad } else { &good }, "1");
            let (platform, ada) = (bank.platform.clone(), ada.clone());
            tokio::spawn(async move { orders::create(&platform, &ada, draft, None).await })
        })
        .collect();
    let mut failed = 0;
    for attempt in attempts {
        if let Err(error) = attempt.await.unwrap() {
            assert!(matches!(error, Error::Internal(_)), "{error:?}");
            failed += 1;
        }
    }
    assert_eq!(failed, 3);
    assert_eq!(funds(&bank, &ada, &good).await, "27.00 / 27.00");
    assert_sound(&client).await;
}

#[tokio::test]
async fn nothing_is_found_under_an_id_that_nobody_gave() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let nobody = TransactionId(Uuid::from_u128(1));
    let error = orders::process(&bank.platform, &ada, nobody, None).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Resource::Transaction)));
}

#[tokio::test]
async fn a_transfer_that_a_stranger_announces_keeps_nobody_from_closing() {
    let bank = bank().await;
    let (ada, eve) = (bank.user("ada@example.com").await, bank.user("eve@example.com").await);
    let (hers, mine) = (bank.account(&ada).empty().await, bank.account(&eve).with("1").await);
    let announced = Draft { complete: false, ..transfer(&mine, &hers, "0.01") };
    let announced = order(&bank, &eve, announced).await.unwrap().id;
    assert_eq!(
        accounts::close(&bank.platform, &ada, hers.id).await.unwrap().status,
        AccountStatus::Closed
    );
    let error = orders::process(&bank.platform, &eve, announced, None).await.unwrap_err();
    assert_eq!(error.code(), "account_closed");
    platform::users::close(&bank.platform, &ada).await.unwrap();
    orders::cancel(&bank.platform, &eve, announced, None).await.unwrap();
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_row_written_without_the_platform_is_not_processed_and_moves_no_money() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("10").await;
    let client = bank.client().await;
    for kind in ["withdrawal", "transfer", "deposit"] {
        let insert = "INSERT INTO transactions (account_id, transaction_type, amount)
             VALUES ($1, $2, 3) RETURNING id";
        let id: Uuid = client.query_one(insert, &[&account.id.0, &kind]).await.unwrap().get(0);
        let id = TransactionId(id);
        assert_eq!(transactions::get(&bank.platform, &ada, id).await.unwrap().direction, None);
        for error in [
            orders::process(&bank.platform, &ada, id, None).await.unwrap_err(),
            orders::cancel(&bank.platform, &ada, id, None).await.unwrap_err(),
        ] {
            assert_eq!(error.code(), "transaction_foreign", "{kind}");
        }
    }
    assert_eq!(funds(&bank, &ada, &account).await, "10.00 / 10.00");
}
