//! The proof of a balance: what was touched anywhere is false, what is invented is
//! never called proved, and the other side of an entry stays hidden.

use crate::money::{draft, order, transfer};
use crate::seals::seal;
use ledger::Kind;
use platform::{
    Error,
    accounts::Account,
    error::Resource,
    orders::Draft,
    proof::{self, Derivation, Digest, Pins, SigningKey, Verdict},
    seals,
};
use testkit::{Bank, bank};

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

fn verdict(derivation: &Derivation, pins: Pins) -> Verdict {
    proof::check(derivation, &pins, derivation.as_of)
}

fn failing(derivation: &Derivation, seal: Option<Digest>) -> Vec<String> {
    let findings = verdict(derivation, Pins { seal, key: None }).findings;
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
async fn a_derivation_that_was_touched_does_not_hold_even_signed_anew() {
    let bank = bank().await;
    let (_, derivation) = explained(&bank).await;
    assert_eq!(failing(&derivation, None), Vec::<String>::new());
    let touched = |touch: &dyn Fn(&mut Derivation)| {
        let mut derivation = derivation.clone();
        touch(&mut derivation);
        let derivation = derivation.signed(&SigningKey::of(&[7; 32]).unwrap());
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

/// The sealed entry alone, as it was before what came since.
fn cut(derivation: &Derivation) -> Derivation {
    let mut cut = derivation.clone();
    let sealed = derivation.sealed.as_ref().unwrap();
    (cut.sequence, cut.balance) = (sealed.sequence, sealed.balance);
    cut.available_balance = cut.balance;
    (cut.since, cut.holds) = (Vec::new(), Vec::new());
    cut
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one list of forgeries")]
async fn an_invented_tail_is_refused_as_false_or_never_called_proved() {
    let bank = bank().await;
    let (_, honest) = explained(&bank).await;
    let (seal, key) = (honest.sealed.as_ref().unwrap().seal.hash, honest.key);
    let forger = SigningKey::of(&[7; 32]).unwrap();
    let forged = |forge: &dyn Fn(&mut Derivation)| {
        let mut forged = honest.clone();
        forge(&mut forged);
        forged.signed(&forger)
    };
    let money = |text: &str| text.parse_money();
    // Adds to the balance what an entry is said to have brought.
    let entry = |d: &mut Derivation, id: i64, amount: ledger::Money| {
        let mut more = d.since.last().unwrap().clone();
        (more.source_id, more.target_id) = (uuid_of(9), d.account);
        (more.id, more.amount, more.sequence) = (id, amount, d.sequence + 1);
        more.balance = d.balance.plus(amount).unwrap();
        (d.sequence, d.balance) = (more.sequence, more.balance);
        d.available_balance = d.available_balance.plus(amount).unwrap();
        d.since.push(more);
    };
    let hold = |d: &mut Derivation, held: ledger::Money| {
        let again = proof::Hold {
            amount: held,
            captured: ledger::Money::ZERO,
            held,
            transaction_id: uuid_of(9),
        };
        d.available_balance = d.available_balance.minus(held).unwrap();
        d.holds.push(again);
    };
    let minus = |text: &str| money(text).negated();
    let later = jiff::SignedDuration::from_hours(24 * 365 * 5);
    for (false_because, forged) in [
        (
            "would be under a seal",
            forged(&|d| {
                d.since.clear();
                d.holds.clear();
                *d = Derivation { since: honest.since.clone(), ..cut(d) };
                let last = d.head.unwrap().last_entry;
                d.since.truncate(1);
                d.since[0].id = last;
                (d.sequence, d.balance) = (d.since[0].sequence, d.since[0].balance);
                d.available_balance = d.balance;
            }),
        ),
        ("an amount is more than nothing", forged(&|d| entry(d, 99, minus("5")))),
        ("an amount is more than nothing", forged(&|d| entry(d, 99, ledger::Money::ZERO))),
        (
            "is older than the one before it",
            forged(&|d| {
                let id = d.since.last().unwrap().id;
                entry(d, id, money("5"));
            }),
        ),
        (
            "one account on both sides",
            forged(&|d| {
                entry(d, 99, money("5"));
                d.since.last_mut().unwrap().source_id = d.account;
            }),
        ),
        (
            "is older than the one before it",
            forged(&|d| {
                entry(d, 99, money("5"));
                d.since.last_mut().unwrap().recorded_at -= later;
            }),
        ),
        (
            "after the moment of the whole",
            forged(&|d| {
                entry(d, 99, money("5"));
                d.since.last_mut().unwrap().recorded_at += later;
            }),
        ),
        ("cannot hold -100.00", forged(&|d| hold(d, minus("100")))),
        ("cannot hold 0.00", forged(&|d| hold(d, ledger::Money::ZERO))),
        (
            "holds twice",
            forged(&|d| {
                hold(d, money("1"));
                hold(d, money("1"));
            }),
        ),
        (
            "cannot hold",
            forged(&|d| {
                hold(d, money("1"));
                let last = d.holds.last_mut().unwrap();
                last.captured = minus("1");
                last.amount = ledger::Money::ZERO;
            }),
        ),
        ("is before the seal", forged(&|d| d.as_of -= later)),
        ("cannot be the newest", forged(&|d| d.head.as_mut().unwrap().number -= 1)),
        ("No seal is named as the newest", forged(&|d| d.head = None)),
    ] {
        let verdict = verdict(&forged, Pins { seal: Some(seal), key: None });
        let said: Vec<_> = verdict
            .findings
            .iter()
            .filter(|one| !one.holds)
            .map(|one| one.sentence.clone())
            .collect();
        assert!(
            said.iter().any(|one| one.contains(false_because)),
            "{false_because}: {verdict:#?}"
        );
    }
    let future = forged(&|d| d.as_of += later);
    let said = proof::check(&future, &Pins::default(), honest.as_of);
    assert!(!said.holds(), "{said:#?}");
    // What nobody can call false is a claim, and one of somebody else.
    for invented in [forged(&|d| entry(d, 99, money("1000000"))), forged(&|d| *d = cut(d))] {
        let by_seal = verdict(&invented, Pins { seal: Some(seal), key: None });
        assert!(by_seal.holds() && by_seal.sealed.as_ref().unwrap().proved, "{by_seal:#?}");
        assert!(!by_seal.beyond.proved && by_seal.unproved.is_some(), "{by_seal:#?}");
        assert!(!verdict(&invented, Pins { seal: Some(seal), key: Some(key) }).holds());
    }
    // Without the server's key, its signature cannot be kept either.
    let kept =
        Derivation { signature: honest.signature, key, ..forged(&|d| entry(d, 99, money("5"))) };
    assert!(!verdict(&kept, Pins { seal: Some(seal), key: None }).holds());
}

#[tokio::test]
async fn what_is_proved_depends_on_what_the_reader_knows() {
    let bank = bank().await;
    let (account, honest) = explained(&bank).await;
    let (seal, key) = (honest.sealed.as_ref().unwrap().seal.hash, honest.key);
    let left = |derivation: &Derivation, seal: bool, known: bool| {
        let hash = derivation.sealed.as_ref().unwrap().seal.hash;
        let pins = Pins { seal: seal.then_some(hash), key: known.then_some(key) };
        let verdict = verdict(derivation, pins);
        assert!(verdict.holds(), "{verdict:#?}");
        (verdict.sealed.unwrap().proved, verdict.beyond.proved, verdict.unproved)
    };
    let (first, beyond, unproved) = left(&honest, false, false);
    assert!(!first && !beyond);
    let unproved = unproved.unwrap();
    assert!(unproved.contains("--key") && unproved.contains(&seal.to_string()), "{unproved}");
    let (first, beyond, unproved) = left(&honest, true, false);
    assert!(first && !beyond && unproved.unwrap().contains(&key.to_string()));
    assert_eq!(left(&honest, false, true), (true, true, None));
    assert_eq!(left(&honest, true, true), (true, true, None));
    // The key stands under the hash of the seal: a balance without a tail needs no more.
    let admin = bank.admin().await;
    for held in honest.holds {
        let id = ledger::TransactionId(held.transaction_id);
        platform::orders::cancel(&bank.platform, &admin, id, None).await.unwrap();
    }
    crate::seals::seal(&bank).await;
    let whole = seals::explain(&bank.platform, &admin, account.id).await.unwrap();
    assert_eq!(left(&whole, true, false), (true, true, None));
    let unsealed = bank.account(&admin).empty().await;
    let unsealed = seals::explain(&bank.platform, &admin, unsealed.id).await.unwrap();
    let nothing = verdict(&unsealed, Pins::default());
    assert!(nothing.holds() && nothing.sealed.is_none() && nothing.unproved.is_some());
    assert_eq!(verdict(&unsealed, Pins { seal: None, key: Some(key) }).unproved, None);
}

#[tokio::test]
async fn a_proof_shows_its_owners_side_alone_and_a_wrong_side_does_not_open() {
    let bank = bank().await;
    let (ada, eve) = (bank.user("ada@example.com").await, bank.user("eve@example.com").await);
    let (rich, poor) =
        (bank.account(&ada).with("77777.77").await, bank.account(&eve).with("1").await);
    order(&bank, &eve, transfer(&poor, &rich, "0.01")).await.unwrap();
    seal(&bank).await;
    let seen = seals::explain(&bank.platform, &eve, poor.id).await.unwrap();
    let sealed = seen.sealed.as_ref().unwrap();
    assert_eq!((sealed.entry.sequence, sealed.entry.balance.to_string()), (2, "0.99".to_owned()));
    let text = format!("{seen:?}");
    assert!(!text.contains("7777778") && !text.contains("77777.78"), "{text}");
    // The one salt that is shown opens no other side.
    let balance: String = "77777.78".to_owned();
    let guess = format!("wallstreet side 2|2|{balance}|{}", sealed.entry.salt);
    assert_ne!(sealed.entry.other_side, Digest::of(&[guess.as_bytes()]));
    let mut other = seen.clone();
    other.account = rich.id.0;
    let other = other.signed(&SigningKey::of(&[7; 32]).unwrap());
    assert!(!verdict(&other, Pins::default()).holds());
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
