//! The whole vocabulary of the bank on one page, and every statement it asks of the database.

use ledger::{
    AccountId, Amount, Currency, Direction, Exchange, Kind, Limits, Money, Pair, QuoteId, Rate,
    Spread, Status, TransactionId, UserId,
};
use platform::{
    Role,
    facts::{Fact, Movement, Offer},
    statements,
};
use std::fmt::Write;
use testkit::database;
use uuid::Uuid;

fn movement(status: Status) -> Movement {
    Movement {
        id: TransactionId(Uuid::from_u128(7)),
        account: AccountId(Uuid::from_u128(3)),
        owner: UserId(Uuid::from_u128(1)),
        kind: Kind::Transfer,
        amount: Amount::parse("12.50").unwrap(),
        currency: Currency::USD,
        status,
        captured: None,
        reverses: None,
        reference: Some("TXN-1768478400-ABC123".to_owned()),
        direction: Direction::Out,
        pair: None,
        expires: None,
        completes: None,
        effective: None,
        exchange: None,
        quote: None,
        words: None,
    }
}

/// A transfer between currencies with all that can be said of one.
fn exchange() -> Movement {
    let (rate, euros) = (Rate::parse("0.9137265").unwrap(), "EUR".parse().unwrap());
    let terms = Exchange::at(rate, Amount::parse("12.50").unwrap(), Currency::USD, euros).unwrap();
    Movement {
        pair: Some(Pair {
            transaction: TransactionId(Uuid::from_u128(8)),
            account: AccountId(Uuid::from_u128(6)),
        }),
        expires: Some("2026-02-01T00:00:00Z".parse().unwrap()),
        completes: Some("2026-01-16T12:00:00Z".parse().unwrap()),
        effective: Some("2026-01-14T00:00:00.5Z".parse().unwrap()),
        exchange: Some((terms, "ECB 2026-01-15".to_owned())),
        quote: Some(QuoteId(Uuid::from_u128(8))),
        words: Some("0123456789abcdef0123456789abcdef".to_owned()),
        ..movement(Status::Pending)
    }
}

fn offer(spread: Option<&str>, amount: Option<&str>) -> Offer {
    Offer {
        id: Uuid::from_u128(8),
        source_currency: Currency::USD,
        target_currency: Currency::parse("EUR").unwrap(),
        rate: Rate::parse("0.9217").unwrap(),
        spread: spread.map(|text| Spread::parse(text).unwrap()),
        rate_source: "ECB 2026-01-15".to_owned(),
        amount: amount.map(|text| Amount::parse(text).unwrap()),
        until: Some("2026-01-15T12:00:30Z".parse().unwrap()),
    }
}

#[expect(clippy::too_many_lines, reason = "a list with an item a fact")]
fn every_fact() -> Vec<Fact> {
    let (user, session, key) = (UserId(Uuid::from_u128(1)), Uuid::from_u128(2), Uuid::from_u128(4));
    let (account, owner) = (AccountId(Uuid::from_u128(3)), user);
    let email = "ada@example.com".to_owned();
    let other = |status| Some(Movement { owner: UserId(Uuid::from_u128(9)), ..movement(status) });
    vec![
        Fact::SealingStarted { newest: None },
        Fact::SealingStarted { newest: Some((7, platform::proof::Digest([7; 32]))) },
        Fact::SealingDelayed { since: "2026-01-15T12:00:30Z".parse().unwrap() },
        Fact::SealingStopped,
        Fact::UserRegistered { user, email: email.clone() },
        Fact::AdminCreated { user, email: email.clone() },
        Fact::LoginSucceeded { user, session },
        Fact::LoginFailed { user: None, email, reason: "unknown_user" },
        Fact::SessionRefreshed { session },
        Fact::SessionReplayed { session },
        Fact::LoggedOut { session },
        Fact::SessionEnded { session },
        Fact::ProfileUpdated { user, fields: vec!["firstName"] },
        Fact::PasswordChanged { user },
        Fact::UserChanged { user, role: Some(Role::Admin), status: Some("active") },
        Fact::UserClosed { user },
        Fact::ApiKeyCreated { key, name: "ci".to_owned(), permissions: vec!["read:accounts"] },
        Fact::ApiKeyUpdated { key, fields: vec!["name"] },
        Fact::ApiKeyRevoked { key },
        Fact::AccountCreated {
            account,
            owner,
            number: "WS123456789015".to_owned(),
            account_type: "checking",
            currency: Currency::USD,
        },
        Fact::AccountUpdated {
            account,
            owner,
            status: "suspended",
            account_type: "checking",
            by: "owner",
        },
        Fact::AccountClosed { account, owner },
        Fact::TransactionCreated { movement: movement(Status::Pending), paired: None },
        Fact::TransactionCreated {
            movement: movement(Status::Completed),
            paired: other(Status::Completed),
        },
        Fact::TransactionCreated { movement: exchange(), paired: None },
        Fact::TransactionCompleted { movement: movement(Status::Completed), paired: None },
        Fact::TransactionFailed {
            movement: movement(Status::Failed),
            paired: None,
            reason: "cancelled",
        },
        Fact::TransactionCaptured {
            movement: Movement {
                captured: Money::from_hundredths(500),
                ..movement(Status::Pending)
            },
            paired: None,
        },
        Fact::TransactionReversed {
            original: TransactionId(Uuid::from_u128(7)),
            movement: Movement {
                reverses: Some(TransactionId(Uuid::from_u128(7))),
                ..movement(Status::Completed)
            },
            paired: None,
        },
        Fact::TransactionUpdated {
            transaction: TransactionId(Uuid::from_u128(7)),
            fields: vec!["metadata"],
            words: None,
        },
        Fact::FxRateSet(offer(Some("0.005"), None)),
        Fact::FxRateRemoved(offer(Some("0.005"), None)),
        Fact::FxQuoted(offer(None, Some("250"))),
        Fact::KeyVoided { user, key: "an-order".to_owned() },
    ]
}

fn every_restraint() -> Vec<Fact> {
    let (account, owner) = (AccountId(Uuid::from_u128(3)), UserId(Uuid::from_u128(1)));
    vec![
        Fact::AccountLimitsChanged {
            account,
            owner,
            limits: Limits {
                overdraft: Money::from_hundredths(5000).unwrap(),
                per_transaction: Amount::parse("12.50").ok(),
                daily: None,
            },
        },
        Fact::AccountFrozen {
            account,
            owner,
            scope: "debits",
            reason: "court order 7".to_owned(),
            until: Some("2026-02-01T00:00:00Z".parse().unwrap()),
        },
        Fact::AccountUnfrozen { account, owner },
    ]
}

fn every_fact_of_a_schedule() -> Vec<Fact> {
    let (schedule, owner) = (Uuid::from_u128(5), UserId(Uuid::from_u128(1)));
    vec![
        Fact::ScheduleCreated {
            schedule,
            owner,
            account: AccountId(Uuid::from_u128(3)),
            kind: Kind::Transfer,
            amount: Amount::parse("12.50").unwrap(),
            currency: Currency::USD,
            start_at: "2026-01-31T08:00:00Z".parse().unwrap(),
            api_key: None,
        },
        Fact::ScheduleUpdated { schedule, owner, status: "paused", api_key: None },
        Fact::ScheduleUpdated {
            schedule,
            owner,
            status: "active",
            api_key: Some(Uuid::from_u128(4)),
        },
        Fact::SchedulePaused { schedule, owner, reason: "api_key_revoked" },
        Fact::CompletionLapsed {
            transaction: TransactionId(Uuid::from_u128(7)),
            owner,
            reason: "api_key_revoked",
        },
        Fact::ScheduleEnded { schedule, owner, reason: None },
        Fact::ScheduleEnded { schedule, owner, reason: Some("account_closed") },
        Fact::ScheduleSkipped { schedule, owner, first: 3, last: 5 },
        Fact::ScheduleRun {
            schedule,
            owner,
            n: 0,
            transaction: Some(TransactionId(Uuid::from_u128(7))),
            code: None,
            status: "active",
        },
        Fact::ScheduleRun {
            schedule,
            owner,
            n: 1,
            transaction: None,
            code: Some("insufficient_funds".to_owned()),
            status: "ended",
        },
    ]
}

#[test]
fn everything_that_can_happen_is_on_this_page() {
    let all = [every_fact(), every_restraint(), every_fact_of_a_schedule()].concat();
    let page = all.iter().fold(String::new(), |mut page, fact| {
        let line = fact.audit();
        writeln!(page, "{} {} {}", line.action, line.resource_type, line.details).unwrap();
        if let Some(news) = fact.news() {
            for party in &news.parties {
                writeln!(page, "    {}: {}", news.names, party.payload).unwrap();
            }
        }
        page
    });
    insta::assert_snapshot!(page);
}

#[tokio::test]
async fn every_statement_of_the_product_fits_the_migrated_schema() {
    let database = database().await;
    let client = database.client().await;
    let mut faults = Vec::new();
    let all = statements::all();
    for (slice, name, sql) in &all {
        if let Err(error) = client.prepare(sql).await {
            let reason = error.as_db_error().map(ToString::to_string);
            faults.push(format!("{slice}::{name}: {}", reason.unwrap_or_default()));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(all.len() > 50, "the list is the product's: {} statements", all.len());
}
