//! The check of the ledger: whatever an administrator of the database alters, is
//! named. Every test here alters something that the triggers would not allow.

use crate::money::{draft, order, transfer};
use crate::seals::{ENTRY, seal};
use ledger::{Amount, Kind, Rate};
use platform::{
    Error,
    accounts::Account,
    error::Forbidden,
    orders::{self, Draft, Price},
    transactions::{Metadata, RateSource, Transaction},
    verification::{self, Difference, Outcome, Pace, Pins, Report},
};
use testkit::{Bank, bank};
use tokio_postgres::Client;

/// The whole check.
pub async fn report(bank: &Bank) -> Report {
    verification::check(&bank.platform, Pace::Full, |_| {}).await.unwrap()
}

/// What each check finds, by its name.
pub async fn found(bank: &Bank) -> Vec<(&'static str, Vec<Difference>)> {
    let checks = report(bank).await.checks.into_iter();
    checks.filter(|check| check.differences > 0).map(|check| (check.name, check.first)).collect()
}

/// A bank in which everything happens: two sealed halves and a rest.
pub async fn world() -> (Bank, Client, Account, Account) {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (one, two) = (bank.account(&ada).with("100").await, bank.account(&ada).with("50").await);
    bank.account(&ada).in_currency("EUR").with("10").await;
    order(&bank, &ada, transfer(&one, &two, "10")).await.unwrap();
    seal(&bank).await;
    order(&bank, &ada, transfer(&two, &one, "5")).await.unwrap();
    order(&bank, &ada, draft(Kind::Withdrawal, &one, "1.50")).await.unwrap();
    seal(&bank).await;
    let hold = Draft { complete: false, ..draft(Kind::Withdrawal, &one, "20") };
    order(&bank, &ada, hold).await.unwrap();
    let pending = Draft { complete: false, ..transfer(&one, &two, "3") };
    order(&bank, &ada, pending).await.unwrap();
    order(&bank, &ada, draft(Kind::Debit, &two, "0.25")).await.unwrap();
    let client = bank.client().await;
    (bank, client, one, two)
}

/// Does what no trigger allows, as a superuser can.
pub async fn tamper(client: &Client, sql: &str) {
    client
        .batch_execute(&format!(
            "SET session_replication_role = replica; {sql}; RESET session_replication_role"
        ))
        .await
        .unwrap();
}

/// Which checks find something, and all they say.
pub async fn names(bank: &Bank) -> (Vec<&'static str>, String) {
    let found = found(bank).await;
    let text = format!("{found:?}");
    (found.into_iter().map(|(name, _)| name).collect(), text)
}

#[tokio::test]
async fn an_altered_amount_is_named_by_every_rule_that_it_breaks() {
    let (bank, client, one, _) = world().await;
    let disable = "ALTER TABLE wallstreet.entries DISABLE TRIGGER entries_append_only";
    client.batch_execute(disable).await.unwrap();
    client.batch_execute("UPDATE wallstreet.entries SET amount = 11 WHERE id = 4").await.unwrap();
    let (names, text) = names(&bank).await;
    assert_eq!(names, ["balances", "histories", "transactions", "seals"], "{text}");
    for part in [
        format!("account {}", one.id),
        "seal 1 (entries 1 to 4)".to_owned(),
        "running balance".to_owned(),
        "entry 4".to_owned(),
        "\"root\"".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn an_altered_column_that_no_sum_depends_on_is_found_by_its_seal() {
    for change in [
        "transaction_id = gen_random_uuid()",
        "recorded_at = recorded_at + interval '1 microsecond'",
        "effective_at = recorded_at",
    ] {
        let (bank, client, ..) = world().await;
        tamper(&client, &format!("UPDATE wallstreet.entries SET {change} WHERE id = 4")).await;
        let (names, text) = names(&bank).await;
        assert!(names.contains(&"seals"), "{change}: {text}");
    }
}

#[tokio::test]
async fn a_deleted_entry_is_missed() {
    let (bank, client, ..) = world().await;
    tamper(&client, "DELETE FROM wallstreet.entries WHERE id = 4").await;
    let (names, text) = names(&bank).await;
    assert_eq!(names, ["balances", "histories", "transactions", "seals"], "{text}");
    assert!(text.contains("number of entries"), "{text}");
}

#[tokio::test]
async fn an_entry_that_was_slipped_in_among_sealed_ones_is_found() {
    let bank = bank().await;
    let client = bank.client().await;
    client.batch_execute(&format!("{ENTRY}; BEGIN; {ENTRY}; ROLLBACK; {ENTRY}")).await.unwrap();
    seal(&bank).await;
    // Nobody ordered them; the chain does not ask.
    assert_eq!(names(&bank).await.0, ["entries", "rounding"]);
    tamper(
        &client,
        "INSERT INTO wallstreet.entries (id, transaction_id, source_id, target_id, amount, currency, recorded_at)
         OVERRIDING SYSTEM VALUE VALUES (2, gen_random_uuid(), '00000000-0000-8000-8001-000000555344',
         '00000000-0000-8000-8002-000000555344', 1, 'USD', now())",
    )
    .await;
    let (names, text) = names(&bank).await;
    assert_eq!(names, ["entries", "rounding", "seals"], "{text}");
}

#[tokio::test]
async fn a_changed_balance_is_named_with_what_it_should_be() {
    let (bank, client, one, _) = world().await;
    let change = format!(
        "UPDATE accounts SET balance = balance + 1, available_balance = available_balance + 1 WHERE id = '{}'",
        one.id
    );
    tamper(&client, &change).await;
    let found = found(&bank).await;
    let expected = Difference {
        subject: format!("account {}", one.id),
        what: "balance".to_owned(),
        stored: "94.50".to_owned(),
        recomputed: "93.50".to_owned(),
    };
    assert_eq!(found[0], ("balances", vec![expected]));
    assert_eq!(found[1].0, "currencies");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[tokio::test]
async fn a_lost_hold_is_named() {
    let (bank, client, one, _) = world().await;
    let change =
        format!("UPDATE accounts SET available_balance = balance - 3 WHERE id = '{}'", one.id);
    tamper(&client, &change).await;
    let found = found(&bank).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let (name, first) = &found[0];
    assert_eq!((*name, first[0].recomputed.as_str()), ("holds", "70.50"));
}

#[tokio::test]
async fn transactions_that_do_not_fit_their_entries_or_each_other_are_named() {
    for (change, expected) in [
        (
            "UPDATE transactions SET status = 'failed', completed_at = NULL
              WHERE transaction_type = 'deposit' AND currency = 'EUR'",
            vec!["transactions", "orders"],
        ),
        (
            "UPDATE transactions SET status = 'completed', completed_at = now()
              WHERE transaction_type = 'withdrawal' AND status = 'pending'",
            vec!["transactions", "holds", "orders"],
        ),
        (
            "UPDATE transactions SET amount = 4 WHERE status = 'pending' AND direction = 'in'",
            vec!["transfers", "orders"],
        ),
        (
            "DELETE FROM transactions WHERE transaction_type = 'transfer' AND direction = 'in' AND status = 'pending'",
            vec!["transfers", "orders"],
        ),
        (
            "DELETE FROM transactions WHERE transaction_type = 'withdrawal' AND status = 'completed'",
            vec!["entries", "transactions", "spending", "orders"],
        ),
        (
            "UPDATE transactions SET reversed_amount = 1 WHERE transaction_type = 'deposit' AND currency = 'EUR'",
            vec!["reversals"],
        ),
        (
            "UPDATE transactions SET captured_amount = 2 WHERE transaction_type = 'withdrawal' AND status = 'pending'",
            vec!["transactions", "holds", "orders"],
        ),
    ] {
        let (bank, client, ..) = world().await;
        tamper(&client, change).await;
        let (names, text) = names(&bank).await;
        assert_eq!(names, expected, "{change}: {text}");
    }
}

#[tokio::test]
async fn an_overdraft_beyond_the_limit_and_a_foreign_currency_are_named() {
    let (bank, client, one, two) = world().await;
    tamper(
        &client,
        &format!(
            "ALTER TABLE accounts DROP CONSTRAINT accounts_money_sound;
             UPDATE accounts SET available_balance = -1 WHERE id = '{}';
             UPDATE accounts SET currency = 'EUR' WHERE id = '{}'",
            one.id, two.id
        ),
    )
    .await;
    let (names, text) = names(&bank).await;
    assert_eq!(names, ["entries", "holds", "limits", "currencies", "openings"], "{text}");
}

#[tokio::test]
async fn a_rewritten_seal_breaks_itself_or_the_one_after() {
    for change in [
        "UPDATE wallstreet.seals SET sealed_at = sealed_at + interval '1 second' WHERE number = 1",
        "UPDATE wallstreet.seals SET root = previous WHERE number = 1",
        "UPDATE wallstreet.seals SET hash = previous WHERE number = 1",
        "UPDATE wallstreet.seals SET previous = hash WHERE number = 2",
        "UPDATE wallstreet.seals SET entry_count = entry_count + 1 WHERE number = 2",
        "UPDATE wallstreet.seals SET first_entry = first_entry - 1 WHERE number = 2",
        "UPDATE wallstreet.seals SET number = 3 WHERE number = 2",
        "DELETE FROM wallstreet.seals WHERE number = 1",
    ] {
        let (bank, client, ..) = world().await;
        tamper(&client, change).await;
        let (names, text) = names(&bank).await;
        assert_eq!(names, ["seals"], "{change}: {text}");
    }
}

#[tokio::test]
async fn a_forged_chain_is_sound_in_itself_and_betrayed_by_a_pinned_hash() {
    let (bank, client, one, _) = world().await;
    let ada = bank.admin().await;
    let pinned = platform::seals::get(&bank.platform, &ada, 2).await.unwrap().hash;
    tamper(
        &client,
        "UPDATE wallstreet.entries SET recorded_at = recorded_at + interval '1 microsecond' WHERE id >= 6;
         UPDATE accounts SET newest_entry_at = newest_entry_at + interval '1 microsecond' WHERE entry_count > 1;
         DELETE FROM wallstreet.seals WHERE number = 2; UPDATE wallstreet.sealing SET newest = 1",
    )
    .await;
    seal(&bank).await;
    assert_eq!(found(&bank).await, []);
    let forged = platform::seals::explain(&bank.platform, &ada, one.id).await.unwrap();
    let pins = platform::proof::Pins { seal: Some(pinned), key: None };
    let verdict = platform::proof::check(&forged, &pins, forged.as_of);
    let failing: Vec<_> = verdict.findings.iter().filter(|one| !one.holds).collect();
    assert_eq!(failing.len(), 1, "{verdict:?}");
    let pins = Pins { seals: vec![(2, pinned)], ..Pins::default() };
    let (names, text) = against(&bank, &pins).await;
    assert_eq!(names, ["seals"], "{text}");
    assert!(text.contains("against the one that was kept"), "{text}");
}

/// Which checks find something against what is known from elsewhere, and all they say.
pub async fn against(bank: &Bank, pins: &Pins) -> (Vec<&'static str>, String) {
    let report = verification::check_against(&bank.platform, pins, Pace::Full, |_| {});
    let report = report.await.unwrap();
    let wrong = report.checks.iter().filter(|check| check.differences > 0);
    (wrong.map(|check| check.name).collect(), format!("{report:?}"))
}

#[tokio::test]
async fn of_many_differences_the_first_hundred_are_told_and_all_are_counted() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    for _ in 0..3 {
        bank.account(&ada).empty().await;
    }
    let client = bank.client().await;
    let more =
        "INSERT INTO accounts (user_id, account_number, account_type, balance, available_balance)
        SELECT user_id, 'WS' || lpad(n::text, 12, '0'), 'checking', 1, 1 FROM generate_series(1, 150) AS n,
               (SELECT user_id FROM accounts LIMIT 1) AS owner";
    client.batch_execute(more).await.unwrap();
    let report = report(&bank).await;
    let balances = &report.checks[0];
    assert_eq!((balances.differences, balances.first.len()), (150, 100));
    assert_eq!((balances.examined, report.differences()), (153, 301));
    assert!(!report.is_sound());
}

#[tokio::test]
async fn captures_reversals_exchanges_and_business_dates_leave_the_ledger_sound() {
    let bank = bank().await;
    let (ada, admin) = (bank.user("ada@example.com").await, bank.admin().await);
    let (one, two) = (bank.account(&ada).with("100").await, bank.account(&ada).with("50").await);
    let euros = bank.account(&ada).in_currency("EUR").empty().await;
    let amount = |text: &str| Some(Amount::parse(text).unwrap());
    let capture = async |held: Transaction, part, last| {
        orders::capture(&bank.platform, &ada, held.id, amount(part), last, None).await.unwrap();
    };
    let held = |draft: Draft| Draft { complete: false, ..draft };
    let open = order(&bank, &ada, held(draft(Kind::Withdrawal, &one, "20"))).await.unwrap();
    capture(open, "5", false).await;
    let ended = order(&bank, &ada, held(transfer(&one, &two, "10"))).await.unwrap();
    capture(ended.clone(), "4", false).await;
    capture(ended, "1", true).await;
    let parted = order(&bank, &ada, held(transfer(&two, &one, "9"))).await.unwrap();
    capture(parted.clone(), "3", false).await;
    orders::cancel(&bank.platform, &ada, parted.id, None).await.unwrap();

    let reverse = async |id, part: Option<&str>| {
        let words = (None, Metadata::default());
        let part = part.and_then(amount);
        orders::reverse(&bank.platform, &admin, id, part, words, None).await.unwrap();
    };
    let sent = order(&bank, &ada, transfer(&one, &two, "8")).await.unwrap();
    reverse(sent.id, Some("2.50")).await;
    reverse(sent.id, Some("0.50")).await;
    for cents in ["10.01", "1.07", "3.33"] {
        let rate = Rate::parse("0.9137265").unwrap();
        let exchange = Some(Price::Rate(rate, RateSource::parse("a test").unwrap()));
        let bought = Draft { exchange, ..transfer(&one, &euros, cents) };
        let bought = order(&bank, &ada, bought).await.unwrap();
        if cents == "3.33" {
            reverse(bought.id, None).await;
        }
    }
    let earlier = bank.platform.now() - jiff::SignedDuration::from_hours(30);
    let dated = Draft { effective: Some(earlier), ..draft(Kind::Deposit, &two, "6") };
    order(&bank, &admin, dated).await.unwrap();
    seal(&bank).await;
    assert_eq!(found(&bank).await, []);
    for account in [&one, &two, &euros] {
        let proof = platform::seals::explain(&bank.platform, &ada, account.id).await.unwrap();
        let verdict = platform::proof::check(&proof, &Default::default(), proof.as_of);
        assert!(verdict.holds(), "{verdict:?}");
    }
    let client = bank.client().await;
    let taken = "UPDATE transactions SET reversed_amount = 2 WHERE reversed_amount = 3 AND direction = 'in'";
    tamper(&client, taken).await;
    tamper(&client, "UPDATE transactions SET captured_amount = 4 WHERE captured_amount = 5").await;
    let (names, text) = names(&bank).await;
    assert_eq!(names, ["transactions", "reversals", "holds", "spending", "orders"], "{text}");
}

#[tokio::test]
async fn a_sound_ledger_has_no_differences_and_the_checker_keeps_that() {
    let (bank, ..) = world().await;
    assert_eq!(found(&bank).await, []);
    assert!(bank.platform.last_check().is_none());
    assert!(verification::take_turn(&bank.platform).await.unwrap());
    let last = found_last(&bank);
    assert!(last.is_sound());
    assert_eq!((last.at, last.size.entries, last.size.seals), (bank.platform.now(), 7, 2));
    assert_eq!(last.checks.len(), 16);
}

#[tokio::test]
async fn the_checker_finds_what_was_altered_and_one_server_at_a_time_looks() {
    let (bank, client, ..) = world().await;
    tamper(&client, "UPDATE wallstreet.entries SET amount = 11 WHERE id = 4").await;
    let elsewhere = "BEGIN; SELECT pg_try_advisory_xact_lock(2779183160424450937)";
    client.batch_execute(elsewhere).await.unwrap();
    assert!(!verification::take_turn(&bank.platform).await.unwrap());
    assert!(bank.platform.last_check().is_none());
    client.batch_execute("ROLLBACK").await.unwrap();
    let admin = bank.admin().await;
    let state = verification::check_now(&bank.platform, &admin).await.unwrap();
    assert!(!state.running);
    assert!(matches!(state.last, Some(Outcome::Found(report)) if report.differences() >= 4));
    assert!(found_last(&bank).differences() >= 4);
}

/// What the last check of this server found.
fn found_last(bank: &Bank) -> std::sync::Arc<Report> {
    match bank.platform.last_check() {
        Some(Outcome::Found(report)) => report,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_check_that_breaks_off_takes_the_place_of_what_was_found_before() {
    let (bank, client, ..) = world().await;
    assert!(verification::take_turn(&bank.platform).await.unwrap());
    assert!(found_last(&bank).is_sound());
    client.batch_execute("ALTER TABLE wallstreet.rounding RENAME TO rounded").await.unwrap();
    verification::take_turn(&bank.platform).await.unwrap_err();
    let admin = bank.admin().await;
    let state = verification::last(&bank.platform, &admin).unwrap();
    assert!(matches!(state.last, Some(Outcome::Failed(_))), "{state:?}");
    client.batch_execute("ALTER TABLE wallstreet.rounded RENAME TO rounding").await.unwrap();
    assert!(verification::take_turn(&bank.platform).await.unwrap());
    assert!(found_last(&bank).is_sound());
}

#[tokio::test]
async fn only_an_administrator_asks_the_checker() {
    let (bank, ..) = world().await;
    let eve = bank.user("eve@example.com").await;
    for refused in [
        verification::last(&bank.platform, &eve).unwrap_err(),
        verification::check_now(&bank.platform, &eve).await.unwrap_err(),
    ] {
        assert!(matches!(refused, Error::Forbidden(Forbidden::AdminOnly)), "{refused:?}");
    }
    assert!(bank.platform.last_check().is_none());
}
