//! The chain of seals in the check of the ledger: signers, kept hashes, audit rows,
//! what waits for its seal, and what was sealed too late.

use crate::money::{draft, order};
use crate::seals::{ENTRY, seal};
use crate::verification::{against, found, names, tamper, world};
use ledger::Kind;
use platform::verification::{self, Pace, Pins};
use tokio_postgres::Client;

#[tokio::test]
async fn a_kept_seal_that_is_gone_and_a_signer_who_is_not_known_are_named() {
    let (bank, client, ..) = world().await;
    let admin = bank.admin().await;
    let (first, second) = (
        platform::seals::get(&bank.platform, &admin, 1).await.unwrap(),
        platform::seals::get(&bank.platform, &admin, 2).await.unwrap(),
    );
    let kept = Pins { seals: vec![(1, first.hash), (2, second.hash)], ..Pins::default() };
    assert_eq!(against(&bank, &kept).await.0, Vec::<&str>::new());
    let keys = bank.platform.signer().public();
    assert_eq!(against(&bank, &Pins { keys, ..Pins::default() }).await.0, Vec::<&str>::new());
    let strange = vec![platform::proof::PublicKey([3; 32])];
    let (names, text) = against(&bank, &Pins { keys: strange.clone(), ..Pins::default() }).await;
    assert_eq!(names, ["seals"], "{text}");
    let (names, text) = against(&bank, &Pins { expected: strange, ..Pins::default() }).await;
    assert!(names.is_empty() && text.contains("2 seals were signed with other keys"), "{text}");
    tamper(
        &client,
        "DELETE FROM wallstreet.seals WHERE number = 2; UPDATE wallstreet.sealing SET newest = 1",
    )
    .await;
    let (names, text) = against(&bank, &kept).await;
    assert!(names == ["seals"] && text.contains("no such seal"), "{text}");
}

#[tokio::test]
async fn an_audit_row_that_was_altered_deleted_or_added_is_named() {
    for (change, named) in [
        ("UPDATE audit_logs SET user_agent = 'x' WHERE number = 3", "audit row 3 ("),
        ("UPDATE audit_logs SET ip_address = '' WHERE number = 3", "audit row 3 ("),
        (
            "UPDATE audit_logs SET details = details || '{\"a\": 1}' WHERE number = 3",
            "audit row 3 (",
        ),
        ("UPDATE audit_logs SET created_at = NULL WHERE number = 3", "audit row 3 ("),
        ("DELETE FROM audit_logs WHERE number = 3", "\"audit row 3\""),
        (
            "INSERT INTO audit_logs (number, action, resource_type) OVERRIDING SYSTEM VALUE VALUES (-4, 'X', 'x')",
            "audit row -4 (",
        ),
    ] {
        let (bank, client, ..) = world().await;
        tamper(&client, change).await;
        let (names, text) = names(&bank).await;
        assert!(names.contains(&"seals") && text.contains(named), "{change}: {text}");
    }
}

#[tokio::test]
async fn an_entry_below_the_first_is_named_whatever_the_first_seal_covers() {
    let (bank, client, one, _) = world().await;
    let forged = format!(
        "INSERT INTO wallstreet.entries (id, transaction_id, source_id, target_id, amount, currency, target_seq,
            target_balance, recorded_at) OVERRIDING SYSTEM VALUE VALUES (-7, gen_random_uuid(),
            '00000000-0000-8000-8001-000000555344', '{}', 1, 'USD', 9, 94.5, now())",
        one.id
    );
    tamper(&client, &forged).await;
    let (_, text) = names(&bank).await;
    assert!(text.contains("\"entry -7\""), "{text}");
    let bank = testkit::bank().await;
    bank.user("ada@example.com").await;
    seal(&bank).await;
    let client = bank.client().await;
    tamper(
        &client,
        &ENTRY
            .replace("(transaction_id", "(id, transaction_id")
            .replace("VALUES (", "OVERRIDING SYSTEM VALUE VALUES (-7, "),
    )
    .await;
    let (_, text) = names(&bank).await;
    assert!(text.contains("\"entry -7\""), "{text}");
}

#[tokio::test]
async fn seals_that_were_deleted_from_the_end_are_missed_also_when_others_were_set_since() {
    let (bank, client, ..) = world().await;
    tamper(&client, "DELETE FROM wallstreet.seals WHERE number = 2").await;
    let (names_before, text) = names(&bank).await;
    assert!(names_before == ["seals"] && text.contains("newest seal"), "{text}");
    seal(&bank).await;
    let (names, text) = names(&bank).await;
    assert_eq!(names, ["seals"], "{text}");
}

#[tokio::test]
async fn what_waits_for_its_seal_for_more_than_a_minute_is_a_difference_that_says_what_to_do() {
    let (bank, ..) = world().await;
    bank.clock.advance(jiff::SignedDuration::from_secs(60));
    assert_eq!(found(&bank).await, []);
    bank.clock.advance(jiff::SignedDuration::from_secs(1));
    let (names, text) = names(&bank).await;
    assert!(
        names == ["seals"] && text.contains("entry 7") && text.contains("wallstreet serve"),
        "{text}"
    );
}

/// As if format 2 had been there from the beginning.
async fn long_since(client: &Client) {
    tamper(client, "UPDATE wallstreet.sealing SET begun_at = '2026-01-01'").await;
}

#[tokio::test]
async fn a_seal_that_is_much_younger_than_what_it_covers_is_a_difference() {
    let (bank, client, ..) = world().await;
    long_since(&client).await;
    bank.clock.advance(jiff::SignedDuration::from_secs(301));
    seal(&bank).await;
    let (names, text) = names(&bank).await;
    assert!(names == ["seals"] && text.contains("sealed at"), "{text}");
    // Whoever kept its hash from then on vouches for it.
    let admin = bank.admin().await;
    let kept = platform::seals::get(&bank.platform, &admin, 3).await.unwrap().hash;
    let (names, text) = against(&bank, &Pins { seals: vec![(3, kept)], ..Pins::default() }).await;
    assert!(names.is_empty(), "{text}");
}

#[tokio::test]
async fn a_start_explains_a_late_seal_only_if_nothing_happened_before_it() {
    let (bank, client, one, _) = world().await;
    long_since(&client).await;
    let hour = jiff::SignedDuration::from_hours(1);
    bank.clock.advance(hour);
    platform::seals::note_start(&bank.platform).await.unwrap();
    seal(&bank).await;
    assert_eq!(found(&bank).await, []);
    // History rewritten, all seals deleted, and sealed anew after a start.
    let ada = bank.admin().await;
    bank.clock.advance(hour);
    order(&bank, &ada, draft(Kind::Deposit, &one, "1")).await.unwrap();
    seal(&bank).await;
    bank.clock.advance(hour);
    platform::seals::note_start(&bank.platform).await.unwrap();
    tamper(&client, "DELETE FROM wallstreet.seals; UPDATE wallstreet.sealing SET newest = 0").await;
    seal(&bank).await;
    let (names, text) = names(&bank).await;
    assert!(names == ["seals"] && text.contains("sealed at"), "{text}");
}

#[tokio::test]
async fn a_forged_signature_is_named() {
    for change in [
        "UPDATE wallstreet.seals SET signature = decode(repeat('00', 64), 'hex') WHERE number = 2",
        "UPDATE wallstreet.seals SET signing_key = decode(repeat('07', 32), 'hex') WHERE number = 2",
        "UPDATE wallstreet.seals SET entry_marks = decode(repeat('00', 16), 'hex') WHERE number = 2",
        "UPDATE wallstreet.seals SET audit_root = root WHERE number = 2",
        "UPDATE wallstreet.seals SET last_audit = last_audit + 1 WHERE number = 2",
        "UPDATE wallstreet.sealing SET salt_key = decode(repeat('00', 32), 'hex')",
    ] {
        let (bank, client, ..) = world().await;
        tamper(&client, change).await;
        let other = platform::Platform::connect(
            &bank.database.url,
            testkit::settings(),
            std::sync::Arc::clone(&bank.clock) as _,
        );
        let report = verification::check(&other.await.unwrap(), Pace::Full, |_| {}).await.unwrap();
        assert!(!report.is_sound(), "{change}");
    }
}
