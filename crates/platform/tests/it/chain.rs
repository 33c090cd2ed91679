//! The chain of seals in the check of the ledger: signers, kept hashes, audit rows,
//! what waits for its seal, and what was sealed too late.

use crate::money::{draft, order};
use crate::seals::{ENTRY, seal};
use crate::verification::{against, found, names, tamper, world};
use jiff::SignedDuration;
use ledger::Kind;
use platform::{
    seals::Sealer,
    verification::{self, Pace, Pins},
};
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
    let (names, text) = against(&bank, &Pins { keys: strange, ..Pins::default() }).await;
    assert_eq!(names, ["seals"], "{text}");
    let (names, text) = against(&bank, &Pins::default()).await;
    assert!(names.is_empty() && text.contains("whose the seals are was not compared"), "{text}");
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
    bank.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(found(&bank).await, []);
    bank.clock.advance(SignedDuration::from_secs(1));
    let (names, text) = names(&bank).await;
    assert!(
        names == ["seals"] && text.contains("entry 7") && text.contains("wallstreet serve"),
        "{text}"
    );
}

/// As if format 2 had been there from the beginning.
async fn long_since(client: &Client) {
    let since = "UPDATE wallstreet.sealing SET begun_at = '2026-01-01';
        UPDATE wallstreet.migrations SET applied_at = '2026-01-01' WHERE number = 12";
    tamper(client, since).await;
}

#[tokio::test]
async fn a_seal_that_is_much_younger_than_what_it_covers_is_a_difference() {
    let (bank, client, ..) = world().await;
    long_since(&client).await;
    bank.clock.advance(SignedDuration::from_secs(61));
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
    let hour = SignedDuration::from_hours(1);
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
    // The start names a seal that is not there any more.
    assert!(names == ["trail", "seals"] && text.contains("sealed at"), "{text}");
}

#[tokio::test]
async fn what_a_crash_left_unsealed_is_explained_by_a_start_much_later() {
    let (bank, client, one, _) = world().await;
    long_since(&client).await;
    let ada = bank.admin().await;
    platform::seals::note_start(&bank.platform).await.unwrap();
    seal(&bank).await;
    // The last moments before the crash, and starts that do not come far.
    for after in [0, 5, 9] {
        bank.clock.advance(SignedDuration::from_secs(after));
        order(&bank, &ada, draft(Kind::Deposit, &one, "1")).await.unwrap();
    }
    for _ in 0..2 {
        bank.clock.advance(SignedDuration::from_hours(30));
        platform::seals::note_start(&bank.platform).await.unwrap();
    }
    bank.clock.advance(SignedDuration::from_secs(3));
    seal(&bank).await;
    assert_eq!(found(&bank).await, []);
}

#[tokio::test]
async fn a_start_does_not_explain_what_an_earlier_run_would_have_sealed() {
    let (bank, client, one, _) = world().await;
    long_since(&client).await;
    let ada = bank.admin().await;
    // A run of twenty seconds, whose seals are gone; then another start.
    for after in [0, 10, 10] {
        bank.clock.advance(SignedDuration::from_secs(after));
        order(&bank, &ada, draft(Kind::Deposit, &one, "1")).await.unwrap();
    }
    let gone = "DELETE FROM wallstreet.seals; UPDATE wallstreet.sealing SET newest = 0";
    tamper(&client, gone).await;
    bank.clock.advance(SignedDuration::from_hours(2));
    platform::seals::note_start(&bank.platform).await.unwrap();
    seal(&bank).await;
    let (names, text) = names(&bank).await;
    assert!(names == ["seals"] && text.contains("sealed at"), "{text}");
}

#[tokio::test]
async fn a_stop_as_it_was_asked_for_shows_that_a_server_ran() {
    let bank = testkit::bank().await;
    let client = bank.client().await;
    long_since(&client).await;
    platform::seals::note_start(&bank.platform).await.unwrap();
    bank.user("ada@example.com").await;
    bank.clock.advance(SignedDuration::from_hours(1));
    platform::seals::run(bank.platform.clone(), std::future::ready(())).await;
    tamper(&client, "DELETE FROM wallstreet.seals; UPDATE wallstreet.sealing SET newest = 0").await;
    bank.clock.advance(SignedDuration::from_hours(1));
    platform::seals::note_start(&bank.platform).await.unwrap();
    seal(&bank).await;
    let (names, text) = names(&bank).await;
    assert!(names == ["seals"] && text.contains("sealed at"), "{text}");
}

#[tokio::test]
async fn a_wait_for_an_open_transaction_is_recorded_and_explains_what_came_meanwhile() {
    let (bank, client, one, _) = world().await;
    long_since(&client).await;
    let ada = bank.admin().await;
    seal(&bank).await;
    let open = bank.client().await;
    open.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    order(&bank, &ada, draft(Kind::Deposit, &one, "1")).await.unwrap();
    let mut sealer = Sealer::new(&bank.platform);
    for _ in 0..60 {
        assert_eq!(sealer.tick().await.unwrap(), 0);
        bank.clock.advance(SignedDuration::from_secs(10));
        order(&bank, &ada, draft(Kind::Deposit, &one, "1")).await.unwrap();
    }
    let delays = "SELECT FROM audit_logs WHERE action = 'SEALING_DELAYED'";
    let noted = client.query(delays, &[]).await.unwrap().len();
    assert!((10..=15).contains(&noted), "{noted}");
    open.batch_execute("ROLLBACK").await.unwrap();
    sealer.settle().await.unwrap();
    assert_eq!(found(&bank).await, []);
    let (_, text) = against(&bank, &Pins::default()).await;
    assert!(text.contains("seals came late, as the trail explains"), "{text}");
}

#[tokio::test]
async fn a_start_names_the_newest_seal_so_another_chain_contradicts_it() {
    let (bank, client, one, _) = world().await;
    long_since(&client).await;
    platform::seals::note_start(&bank.platform).await.unwrap();
    let ada = bank.admin().await;
    order(&bank, &ada, draft(Kind::Deposit, &one, "1")).await.unwrap();
    seal(&bank).await;
    assert_eq!(found(&bank).await, []);
    // All within a minute, which no time betrays.
    let again =
        "UPDATE audit_logs SET user_agent = 'x' WHERE number = 1; DELETE FROM wallstreet.seals;
        UPDATE wallstreet.sealing SET newest = 0";
    tamper(&client, again).await;
    seal(&bank).await;
    let (names, text) = names(&bank).await;
    assert!(names == ["trail"] && text.contains("newest seal that it found"), "{text}");
}

#[tokio::test]
async fn when_format_2_began_is_held_against_its_migration_and_the_first_start() {
    for (moment, also) in
        [("now() - interval '10 s'", false), ("'infinity'", false), ("now()", true)]
    {
        let (bank, client, ..) = world().await;
        long_since(&client).await;
        platform::seals::note_start(&bank.platform).await.unwrap();
        seal(&bank).await;
        assert_eq!(found(&bank).await, [], "{moment}");
        let mut change = format!("UPDATE wallstreet.sealing SET begun_at = {moment}");
        if also {
            change += "; UPDATE wallstreet.migrations SET applied_at = now() WHERE number = 12";
        }
        tamper(&client, &format!("BEGIN; {change}; COMMIT")).await;
        let (names, text) = names(&bank).await;
        assert!(names == ["seals"] && text.contains("\"sealing\""), "{moment}: {text}");
    }
}

#[tokio::test]
async fn seals_of_a_key_that_is_neither_this_server_s_nor_a_former_one_are_differences() {
    let (bank, ..) = world().await;
    let sealed = bank.platform.signer().public();
    let with = async |former: &[platform::proof::PublicKey]| {
        let settings = platform::Settings {
            signing_seeds: vec![platform::Secret::new([7; 32])],
            former_keys: former.to_vec(),
            ..testkit::settings()
        };
        let clock = std::sync::Arc::clone(&bank.clock) as _;
        let other = platform::Platform::connect(&bank.database.url, settings, clock).await.unwrap();
        Sealer::new(&other).settle().await.unwrap();
        verification::check(&other, Pace::Full, |_| {}).await.unwrap()
    };
    let report = with(&[]).await;
    assert_eq!(report.differences(), 2, "{report:?}");
    assert!(format!("{report:?}").contains("signing key"));
    let report = with(&sealed).await;
    assert!(report.is_sound(), "{report:?}");
    // And the server that seals with the old key does not know the new one.
    let (names, text) = names(&bank).await;
    assert_eq!(names, ["seals"], "{text}");
}

/// A row as it was written before the platform, and a book that knows it.
const UNDIRECTED: &str = "INSERT INTO transactions (id, account_id, transaction_type, amount, currency, status,
        completed_at, created_at)
    SELECT md5('old')::uuid, id, 'deposit', 5, 'USD', 'completed', '2026-01-02', '2026-01-02' FROM accounts LIMIT 1";

#[tokio::test]
async fn a_transaction_without_a_direction_is_one_that_was_there_before_format_2() {
    let (bank, client, ..) = world().await;
    tamper(&client, UNDIRECTED).await;
    let (names_of_new, text) = names(&bank).await;
    assert!(names_of_new == ["orders"] && text.contains("\"direction\""), "{text}");
    let known = "UPDATE wallstreet.sealing SET undirected = 1, undirected_digest = (
        SELECT encode(sha256(sha256(convert_to(concat(id, '|', account_id, '|deposit|5.00|USD|completed|',
               '2026-01-02T00:00:00|'), 'UTF8'))), 'hex') FROM transactions WHERE direction IS NULL)";
    tamper(&client, known).await;
    assert_eq!(found(&bank).await, []);
    for change in [
        "UPDATE transactions SET amount = 6 WHERE direction IS NULL",
        "DELETE FROM transactions WHERE direction IS NULL",
    ] {
        tamper(&client, change).await;
        let (names, text) = names(&bank).await;
        assert!(names == ["orders"] && text.contains("without a direction"), "{change}: {text}");
    }
}

#[tokio::test]
async fn what_waits_for_its_seal_is_not_of_a_time_to_come() {
    let (bank, client, ..) = world().await;
    let forged = "INSERT INTO audit_logs (action, resource_type, created_at) VALUES ('X', 'x', '2031-01-01')";
    tamper(&client, forged).await;
    let (names, text) = names(&bank).await;
    assert!(names == ["seals"] && text.contains("2031-01-01"), "{text}");
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
