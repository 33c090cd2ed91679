//! What stands pending costs nothing, so there is no more of it than a quota, and it
//! ends by itself.

use crate::book::{assert_sound, count};
use crate::life::{held, reverse, second};
use crate::money::{draft, order, transfer};
use jiff::SignedDuration;
use ledger::{Amount, Kind, Status, TransactionId};
use platform::{
    Actor, Error, PendingSettings, Platform, Quota, Settings,
    accounts::Account,
    migrations,
    orders::{self, Draft},
    transactions::{self, Description, Metadata, Transaction},
};
use std::{sync::Arc, time::Duration};
use testkit::{Bank, bank, bank_with, settings};

/// A bank in which so much may stand pending on an account.
async fn bank_within(count: i64, bytes: i64) -> Bank {
    bank_with(within(count, bytes)).await
}

fn within(count: i64, bytes: i64) -> Settings {
    let quota = Quota { count: Some(count), bytes: Some(bytes) };
    Settings { pending: PendingSettings { quota, expiry: None }, ..settings() }
}

fn announced(account: &Account) -> Draft {
    held(draft(Kind::Deposit, account, "1"))
}

/// A pending deposit with this written on it.
fn written(account: &Account, description: &str, metadata: &str) -> Draft {
    Draft {
        description: Some(Description::parse(description).unwrap()),
        metadata: Metadata::parse(metadata).unwrap(),
        ..announced(account)
    }
}

fn code(answer: Result<Transaction, Error>) -> &'static str {
    answer.map_or_else(|error| error.code(), |_| "done")
}

/// What each of so many pending deposits in one request came to.
async fn announce(
    bank: &Bank,
    by: &Actor,
    account: &Account,
    many: usize,
    atomic: bool,
) -> Vec<&'static str> {
    let drafts = (0..many).map(|_| (announced(account), None)).collect();
    let answers = orders::create_all(&bank.platform, by, drafts, atomic).await.unwrap();
    answers.into_iter().map(|answer| code(answer.map(|outcome| outcome.value))).collect()
}

/// What the account says that it has pending: how many, and how many bytes.
async fn pending(bank: &Bank, account: &Account) -> (i64, i64) {
    let client = bank.client().await;
    let sql = "SELECT pending_count, pending_bytes FROM accounts WHERE id = $1";
    let row = client.query_one(sql, &[&account.id.0]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn fifteen_hundred_pending_deposits_in_three_requests_become_a_thousand_rows() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    assert_eq!(announce(&bank, &ada, &account, 500, false).await, ["done"; 500]);
    assert_eq!(announce(&bank, &ada, &account, 500, true).await, ["done"; 500]);
    assert_eq!(announce(&bank, &ada, &account, 500, false).await, ["too_many_pending"; 500]);
    let client = bank.client().await;
    assert_eq!(count(&client, "transactions").await, 1_000);
    assert_eq!(pending(&bank, &account).await.0, 1_000);
    assert_sound(&client).await;
}

#[tokio::test]
async fn a_batch_that_crosses_the_quota_stops_there_and_an_atomic_one_is_undone() {
    let bank = bank_within(5, 1_000).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    announce(&bank, &ada, &account, 3, false).await;
    let undone = announce(&bank, &ada, &account, 4, true).await;
    assert_eq!(undone, ["batch_undone", "batch_undone", "too_many_pending", "too_many_pending"]);
    assert_eq!(pending(&bank, &account).await.0, 3);
    let partly = announce(&bank, &ada, &account, 4, false).await;
    assert_eq!(partly, ["done", "done", "too_many_pending", "too_many_pending"]);
    let at_once = draft(Kind::Deposit, &account, "1");
    order(&bank, &ada, at_once).await.expect("what is completed at once needs no room");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn two_servers_at_the_edge_of_the_quota_let_in_what_it_holds() {
    let bank = bank_within(10, 1_000).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let clock = Arc::clone(&bank.clock) as _;
    let other = Platform::connect(&bank.database.url, within(10, 1_000), clock).await.unwrap();
    let tries = (0..30).map(|n| {
        let platform = if n % 2 == 0 { other.clone() } else { bank.platform.clone() };
        let (ada, new) = (ada.clone(), announced(&account));
        tokio::spawn(async move { orders::create(&platform, &ada, new, None).await.is_ok() })
    });
    let mut done = 0;
    for one in tries.collect::<Vec<_>>() {
        done += i64::from(one.await.unwrap());
    }
    assert_eq!((done, pending(&bank, &account).await.0), (10, 10));
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn strangers_cannot_use_up_a_quota() {
    let bank = bank_within(2, 1_000).await;
    let (ada, eve) = (bank.user("ada@example.com").await, bank.user("eve@example.com").await);
    let victim = bank.account(&ada).empty().await;
    for _ in 0..3 {
        let hers = bank.account(&eve).with("10").await;
        for _ in 0..2 {
            order(&bank, &eve, held(transfer(&hers, &victim, "0.01"))).await.unwrap();
        }
        let third = order(&bank, &eve, held(transfer(&hers, &victim, "0.01"))).await;
        assert_eq!(code(third), "too_many_pending");
    }
    assert_eq!(pending(&bank, &victim).await, (0, 0));
    order(&bank, &ada, announced(&victim)).await.unwrap();
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn every_way_to_an_end_makes_room_once() {
    let bank = bank_within(4, 1_000).await;
    let ada = bank.user("ada@example.com").await;
    let (source, target) = (bank.account(&ada).with("100").await, bank.account(&ada).empty().await);
    let until = bank.platform.now() + SignedDuration::from_mins(1);
    let expires = |new| Draft { expires: Some(until), ..new };
    let captured = order(&bank, &ada, held(transfer(&source, &target, "10"))).await.unwrap();
    let done = order(&bank, &ada, announced(&source)).await.unwrap();
    let gone = order(&bank, &ada, held(draft(Kind::Withdrawal, &source, "1"))).await.unwrap();
    let late = order(&bank, &ada, expires(announced(&source))).await.unwrap();
    assert_eq!(code(order(&bank, &ada, announced(&source)).await), "too_many_pending");
    let part = async |id: TransactionId, part: &str| {
        let part = Amount::parse(part).ok();
        orders::capture(&bank.platform, &ada, id, part, false, None).await.unwrap();
    };
    part(captured.id, "4").await;
    assert_eq!(pending(&bank, &source).await.0, 4, "what is taken in part still stands");
    part(captured.id, "6").await;
    orders::process(&bank.platform, &ada, done.id, None).await.unwrap();
    orders::cancel(&bank.platform, &ada, gone.id, None).await.unwrap();
    orders::cancel(&bank.platform, &ada, gone.id, None).await.unwrap_err();
    assert_eq!(pending(&bank, &source).await, (1, 2));
    bank.clock.advance(SignedDuration::from_mins(2));
    assert_eq!(orders::expire(&bank.platform).await.unwrap(), 1);
    assert_eq!(pending(&bank, &source).await, (0, 0));
    let ended = transactions::get(&bank.platform, &ada, late.id).await.unwrap();
    assert_eq!(ended.failure_reason.as_deref(), Some("expired"));
    reverse(&bank, &ada, captured.id, "").await.unwrap();
    assert_eq!((pending(&bank, &source).await, pending(&bank, &target).await), ((0, 0), (0, 0)));
    order(&bank, &ada, announced(&source)).await.unwrap();
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn what_is_written_on_pending_orders_is_counted_as_the_database_keeps_it() {
    let bank = bank_within(100, 200).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    // {"a": 1, "b": [1, 2]} and two letters of two bytes.
    let first = order(&bank, &ada, written(&account, "äö", r#"{"b":[1,2],"a":1}"#)).await.unwrap();
    assert_eq!(pending(&bank, &account).await, (1, 25));
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(167));
    let error = order(&bank, &ada, written(&account, "", &large)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "176 more bytes of description and metadata on top of the 25 of the account's pending \
         transactions are above the limit of 200: send less, process or cancel some, or wait until \
         they expire"
    );
    let fits = format!(r#"{{"x":"{}"}}"#, "x".repeat(166));
    order(&bank, &ada, written(&account, "", &fits)).await.unwrap();
    assert_eq!(pending(&bank, &account).await, (2, 200));
    orders::cancel(&bank.platform, &ada, first.id, None).await.unwrap();
    assert_eq!(pending(&bank, &account).await, (1, 175));
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn other_words_on_a_pending_order_are_counted_and_on_one_that_ended_are_not() {
    let bank = bank_within(100, 100).await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    let (account, other) = (bank.account(&ada).with("9").await, bank.account(&bob).empty().await);
    let it = order(&bank, &ada, held(transfer(&account, &other, "1"))).await.unwrap();
    let annotate = async |by: &Actor, id, text: &str, metadata: &str| {
        let description = (!text.is_empty()).then(|| Some(Description::parse(text).unwrap()));
        let metadata = Metadata::parse(metadata).ok();
        code(transactions::annotate(&bank.platform, by, id, description, metadata).await)
    };
    assert_eq!(annotate(&ada, it.id, &"d".repeat(98), "").await, "done");
    assert_eq!(pending(&bank, &account).await, (1, 100));
    assert_eq!(annotate(&ada, it.id, &"d".repeat(99), "").await, "pending_too_large");
    assert_eq!(annotate(&ada, it.id, &"e".repeat(98), "").await, "done", "no more than before");
    assert_eq!(annotate(&ada, it.id, "e", r#"{"a":1e3}"#).await, "done");
    assert_eq!(pending(&bank, &account).await, (1, 12));
    let theirs = it.paired_transaction_id.unwrap();
    assert_eq!(annotate(&bob, theirs, &"t".repeat(500), "").await, "done", "it is not his order");
    assert_eq!(pending(&bank, &account).await, (1, 12), "nor does he use up her quota");
    assert_eq!(pending(&bank, &other).await, (0, 0));
    orders::process(&bank.platform, &ada, it.id, None).await.unwrap();
    assert_eq!(pending(&bank, &account).await, (0, 0));
    assert_eq!(annotate(&ada, it.id, &"d".repeat(500), "").await, "done");
    assert_eq!(pending(&bank, &account).await, (0, 0));
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn what_stands_on_the_receivers_half_is_bounded_and_never_uses_up_the_senders_quota() {
    let bank = bank_within(100, 6_000).await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    let (account, other) = (bank.account(&ada).with("9").await, bank.account(&bob).empty().await);
    let write = async |by: &Actor, id, letters: usize| {
        let metadata = Metadata::parse(&format!(r#"{{"a":"{}"}}"#, "x".repeat(letters))).ok();
        code(transactions::annotate(&bank.platform, by, id, None, metadata).await)
    };
    let it = order(&bank, &ada, held(transfer(&account, &other, "1"))).await.unwrap();
    let theirs = it.paired_transaction_id.unwrap();
    // The order counts two bytes; around the letters are nine.
    assert_eq!(write(&bob, theirs, 1_018).await, "half_too_large");
    assert_eq!(write(&bob, theirs, 1_017).await, "done");
    assert_eq!((pending(&bank, &account).await.1, pending(&bank, &other).await.1), (2, 0));
    // What the sender ordered with, and wrote less of afterwards, still stands on that half.
    let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(3_991));
    let large = Draft {
        metadata: Metadata::parse(&text).unwrap(),
        ..held(transfer(&account, &other, "1"))
    };
    let it = order(&bank, &ada, large.clone()).await.unwrap();
    let theirs = it.paired_transaction_id.unwrap();
    assert_eq!(write(&ada, it.id, 1).await, "done");
    assert_eq!(pending(&bank, &account).await, (2, 2_978));
    assert_eq!(code(order(&bank, &ada, large).await), "pending_too_large");
    assert_eq!(write(&bob, theirs, 3_992).await, "half_too_large");
    assert_eq!(write(&bob, theirs, 2_991).await, "done");
    assert_eq!(pending(&bank, &account).await, (2, 1_978));
    assert_sound(&bank.client().await).await;
    orders::cancel(&bank.platform, &ada, it.id, None).await.unwrap();
    assert_eq!(pending(&bank, &account).await, (1, 2));
    assert_eq!(write(&bob, theirs, 5_000).await, "done", "it does not stand pending any more");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn words_that_change_while_orders_end_are_counted_once() {
    let bank = bank_within(1_000, 1 << 20).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let other = second(&bank).await;
    let mut racing = Vec::new();
    for n in 0..20 {
        let it = order(&bank, &ada, announced(&account)).await.unwrap().id;
        let (platform, by) = (other.clone(), ada.clone());
        racing.push(tokio::spawn(async move {
            let text = Description::parse(&"d".repeat(n)).unwrap();
            transactions::annotate(&platform, &by, it, Some(Some(text)), None).await.unwrap();
        }));
        let (platform, by) = (bank.platform.clone(), ada.clone());
        racing.push(tokio::spawn(async move {
            orders::cancel(&platform, &by, it, None).await.unwrap();
        }));
    }
    for one in racing {
        one.await.unwrap();
    }
    assert_eq!(pending(&bank, &account).await, (0, 0));
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn every_form_of_json_takes_as_many_bytes_as_the_database_says() {
    let texts = [
        r#"{}"#,
        r#"{"a":[]  ,"b":{}, "c":null,"d":true,"e":false}"#,
        r#"{"n":[0,-0,0.0,-0.0,-0.00e1,1,-1,10,1.50,0.001,-0.010,123.456]}"#,
        r#"{"n":[1e3,1E+3,1.5e-3,1.50e1,1.50e2,1.50e3,0e5,0.0e-2,-2e-4,100e-2,100e-5,12e0]}"#,
        r#"{"s":"\"\\\/\b\f\n\r\t\u0001\u001f\u007f\u00e4\ud83d\ude00 / ä 😀"}"#,
        r#"{"k\"\n":1,"\u0061":2,"aa":33,"z":{"a":1,"ab":{"b":[1,2,[3,{"c":4}]]}}}"#,
    ];
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let client = bank.client().await;
    for text in texts {
        let before = pending(&bank, &account).await.1;
        order(&bank, &ada, written(&account, "", text)).await.unwrap();
        let row = client.query_one("SELECT octet_length($1::text::jsonb::text)", &[&text]).await;
        let database = i64::from(row.unwrap().get::<_, i32>(0));
        assert_eq!(pending(&bank, &account).await.1 - before, database, "{text}");
    }
    assert_sound(&client).await;
}

/// Random JSON, the same at every run.
struct Scribbler(u64);

impl Scribbler {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one_of(&mut self, words: &[&str]) -> String {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()].to_owned()
    }

    fn number(&mut self) -> String {
        let mut text = self.one_of(&["", "-"]) + &self.one_of(&["0", "7", "10", "1200", "305"]);
        for _ in 0..self.below(2) {
            text += &(".".to_owned() + &self.one_of(&["0", "00", "5", "50", "005", "1020"]));
        }
        for _ in 0..self.below(2) {
            text += &(self.one_of(&["e", "E"])
                + &self.one_of(&["", "+", "-"])
                + &self.below(12).to_string());
        }
        text
    }

    fn string(&mut self) -> String {
        let pieces = [
            "a",
            "ä",
            "\\n",
            "\\u0009",
            "\\u000b",
            "\\\"",
            "\\/",
            "\\ud83d\\ude00",
            "😀",
            " ",
            "}",
            ",",
        ];
        let inner: String = (0..self.below(5)).map(|_| self.one_of(&pieces)).collect();
        format!("\"{inner}\"")
    }

    fn object(&mut self, depth: u64) -> String {
        let pairs: Vec<String> = (0..self.below(5))
            .map(|place| {
                // No key twice: each begins with its place.
                let key = self.string().replacen('"', &format!("\"{place}"), 1);
                format!(
                    "{}{key}:{} {}",
                    self.one_of(&["", " "]),
                    self.one_of(&["", "  "]),
                    self.value(depth)
                )
            })
            .collect();
        format!("{{{}}}", pairs.join(","))
    }

    fn value(&mut self, depth: u64) -> String {
        match self.below(if depth == 0 { 3 } else { 5 }) {
            0 => self.number(),
            1 => self.string(),
            2 => self.one_of(&["true", "false", "null"]),
            3 => self.object(depth - 1),
            _ => {
                let items: Vec<String> =
                    (0..self.below(4)).map(|_| self.value(depth - 1)).collect();
                format!("[{}]", items.join(" , "))
            }
        }
    }
}

#[tokio::test]
async fn a_thousand_random_objects_take_as_many_bytes_as_the_database_says() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let mut scribbler = Scribbler(17);
    let texts: Vec<String> = (0..1_000).map(|_| scribbler.object(4)).collect();
    let drafts = texts.iter().map(|text| (written(&account, "", text), None)).collect();
    for answer in orders::create_all(&bank.platform, &ada, drafts, true).await.unwrap() {
        answer.unwrap();
    }
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn thousands_that_are_due_at_once_are_ended_and_make_room() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let end = bank.platform.now() + SignedDuration::from_mins(1);
    let mut accounts = Vec::new();
    for _ in 0..3 {
        let account = bank.account(&ada).empty().await;
        let until = || Draft { expires: Some(end), ..announced(&account) };
        let drafts = (0..1_000).map(|_| (until(), None)).collect();
        orders::create_all(&bank.platform, &ada, drafts, true).await.unwrap();
        accounts.push(account);
    }
    bank.clock.advance(SignedDuration::from_mins(1));
    let mut ended = 0;
    loop {
        match orders::expire(&bank.platform).await.unwrap() {
            0 => break,
            some => ended += some,
        }
    }
    assert_eq!(ended, 3_000);
    for account in &accounts {
        assert_eq!(pending(&bank, account).await, (0, 0));
    }
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_pending_order_that_names_no_end_gets_one() {
    let expiry = Some(Duration::from_secs(3_600));
    let pending = PendingSettings { expiry, ..PendingSettings::default() };
    let bank = bank_with(Settings { pending, ..settings() }).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("10").await;
    let now = bank.platform.now();
    let hour = now + SignedDuration::from_hours(1);
    let day = now + SignedDuration::from_hours(24);
    let usual = order(&bank, &ada, announced(&account)).await.unwrap();
    assert_eq!(usual.expires_at, Some(hour));
    let hold = held(draft(Kind::Withdrawal, &account, "5"));
    let own = order(&bank, &ada, Draft { expires: Some(day), ..hold }).await.unwrap();
    assert_eq!(own.expires_at, Some(day));
    let root = bank.admin().await;
    let hers = order(&bank, &root, announced(&account)).await.unwrap();
    assert_eq!(hers.expires_at, Some(hour), "an administrator's order as well");
    let done = order(&bank, &ada, draft(Kind::Deposit, &account, "1")).await.unwrap();
    assert_eq!(done.expires_at, None);
    bank.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(orders::expire(&bank.platform).await.unwrap(), 2);
    let ended = transactions::get(&bank.platform, &ada, usual.id).await.unwrap();
    assert_eq!((ended.status, ended.failure_reason.as_deref()), (Status::Failed, Some("expired")));
    assert_eq!(
        transactions::get(&bank.platform, &ada, own.id).await.unwrap().status,
        Status::Pending
    );
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn the_migration_counts_what_stood_pending_before_it() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let (source, target) = (bank.account(&ada).with("9").await, bank.account(&ada).empty().await);
    order(&bank, &ada, held(transfer(&source, &target, "1"))).await.unwrap();
    order(&bank, &ada, written(&source, "for rent", r#"{"month":1}"#)).await.unwrap();
    let gone = order(&bank, &ada, written(&target, "x", "{}")).await.unwrap();
    orders::cancel(&bank.platform, &ada, gone.id, None).await.unwrap();
    let client = bank.client().await;
    let figures = async || {
        let sql = "SELECT string_agg(to_jsonb(a)::text, ' ' ORDER BY id) FROM accounts a";
        client.query_one(sql, &[]).await.unwrap().get::<_, String>(0)
    };
    let (before, counted) = (figures().await, pending(&bank, &source).await);
    assert_eq!(counted, (2, 2 + 8 + 12));
    migrations::down(&bank.database.url, 15).await.unwrap();
    migrations::up(&bank.database.url, None).await.unwrap();
    assert_eq!(figures().await, before);
}

#[tokio::test]
async fn a_limit_of_none_is_none() {
    let pending = PendingSettings { quota: Quota::default(), expiry: None };
    let bank = bank_with(Settings { pending, ..settings() }).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    for _ in 0..2 {
        assert_eq!(announce(&bank, &ada, &account, 1_000, true).await, ["done"; 1_000]);
    }
    assert_sound(&bank.client().await).await;
}
