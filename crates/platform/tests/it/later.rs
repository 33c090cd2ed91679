//! Orders that complete by themselves, and what stands behind them.

use crate::authority::holding;
use crate::book::{assert_sound, count};
use crate::life::{held, second};
use crate::money::{draft, funds, order, transfer};
use jiff::SignedDuration;
use ledger::{Kind, Status};
use platform::{
    Actor, Credential, Origin, Permission, Role, Settings,
    accounts::Account,
    api_keys::{self, KeyChange},
    housekeeping, login,
    orders::{self, Draft},
    sessions,
    transactions::{self, Lapse, Transaction},
    users::{self, Along, Password, UserChange, UserStatus},
};
use std::time::Duration;
use testkit::{Bank, PASSWORD, bank, bank_with, settings};
use uuid::Uuid;

const WRITES: &[Permission] = &[Permission::WriteTransactions, Permission::ReadTransactions];
const SETTLES: &[Permission] =
    &[Permission::WriteTransactions, Permission::ProcessTransactions, Permission::AdminUsers];
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn key_of(actor: &Actor) -> Uuid {
    match &actor.credential {
        Credential::ApiKey { id, .. } => *id,
        other => panic!("{other:?}"),
    }
}

/// What takes a right away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taking {
    Revoke,
    SwitchOff,
    Expire,
    Reduce,
    Suspend,
    Password,
    Sessions,
}

impl Taking {
    const ALL: [(Self, Lapse); 7] = [
        (Self::Revoke, Lapse::KeyRevoked),
        (Self::SwitchOff, Lapse::KeyInactive),
        (Self::Expire, Lapse::KeyExpired),
        (Self::Reduce, Lapse::PermissionLost),
        (Self::Suspend, Lapse::UserInactive),
        (Self::Password, Lapse::KeyRevoked),
        (Self::Sessions, Lapse::PasswordChanged),
    ];

    async fn take(self, bank: &Bank, owner: &Actor, admin: &Actor, with: &Actor) {
        let platform = &bank.platform;
        let change = match self {
            Self::SwitchOff => KeyChange { is_active: Some(false), ..KeyChange::default() },
            Self::Reduce => KeyChange {
                permissions: Some([Permission::ReadTransactions].into()),
                ..KeyChange::default()
            },
            Self::Expire => KeyChange {
                expires_at: Some(Some(platform.now() + HOUR / 2)),
                ..KeyChange::default()
            },
            Self::Revoke => {
                return api_keys::revoke(platform, owner, key_of(with)).await.unwrap();
            }
            Self::Suspend => {
                let change = UserChange { role: None, status: Some(UserStatus::Suspended) };
                users::change(platform, admin, owner.user_id, change).await.unwrap();
                return;
            }
            Self::Password | Self::Sessions => {
                let along = Along { keys: self == Self::Password, orders: self == Self::Sessions };
                let new = Password::parse("Another-Horse-2").unwrap();
                users::change_password(platform, owner, PASSWORD, new, along).await.unwrap();
                return;
            }
        };
        api_keys::update(platform, owner, key_of(with), change).await.unwrap();
    }

    /// With what the order is given: a key, but for what concerns sessions.
    async fn credential(self, bank: &Bank, owner: &Actor, email: &str) -> Actor {
        match self {
            Self::Sessions => elsewhere(bank, email).await,
            _ => holding(bank, owner, WRITES).await,
        }
    }
}

/// The same user in a session of its own.
pub async fn elsewhere(bank: &Bank, email: &str) -> Actor {
    let login = login::login(&bank.platform, &Origin::default(), email, PASSWORD).await.unwrap();
    bank.actor(&login.token).await
}

fn in_an_hour(bank: &Bank, new: Draft) -> Draft {
    Draft { completes: Some(bank.platform.now() + HOUR), ..held(new) }
}

async fn seen(bank: &Bank, by: &Actor, it: &Transaction) -> (Status, Option<Lapse>) {
    let now = transactions::get(&bank.platform, by, it.id).await.unwrap();
    assert_eq!(now.complete_at, it.complete_at, "what was ordered stays");
    (now.status, now.completion_lapsed)
}

async fn due(bank: &Bank) -> usize {
    orders::complete_due(&bank.platform).await.unwrap()
}

#[tokio::test]
async fn whatever_takes_a_right_away_stops_what_was_to_complete_by_itself() {
    let bank = bank().await;
    let (admin, bob) = (bank.admin().await, bank.user("bob@example.com").await);
    let target = bank.account(&bob).empty().await;
    let client = bank.client().await;
    let mut stopped = Vec::new();
    for (n, (taking, lapse)) in Taking::ALL.into_iter().enumerate() {
        let email = format!("ada{n}@example.com");
        let ada = bank.user(&email).await;
        let source = bank.account(&ada).with("100").await;
        let with = taking.credential(&bank, &ada, &email).await;
        let new = || in_an_hour(&bank, transfer(&source, &target, "10"));
        let it = order(&bank, &with, new()).await.unwrap();
        let own = order(&bank, &ada, new()).await.unwrap();
        taking.take(&bank, &ada, &admin, &with).await;
        let at_once = Some(lapse).filter(|lapse| *lapse != Lapse::KeyExpired);
        assert_eq!(seen(&bank, &admin, &it).await, (Status::Pending, at_once), "{taking:?}");
        let half = it.paired_transaction_id.unwrap();
        let half = transactions::get(&bank.platform, &bob, half).await.unwrap();
        assert_eq!(half.completion_lapsed, at_once.map(|_| Lapse::Sender), "{taking:?}");
        let others = Some(lapse).filter(|lapse| *lapse == Lapse::UserInactive);
        assert_eq!(seen(&bank, &admin, &own).await, (Status::Pending, others), "{taking:?}");
        stopped.push((taking, lapse, ada, source, it));
    }
    bank.clock.advance(HOUR);
    assert_eq!(due(&bank).await, 6, "what their owners ordered themselves");
    for (taking, lapse, _, source, it) in &stopped {
        assert_eq!(seen(&bank, &admin, it).await, (Status::Pending, Some(*lapse)), "{taking:?}");
        let left = if *taking == Taking::Suspend { "100.00 / 80.00" } else { "90.00 / 80.00" };
        assert_eq!(funds(&bank, &admin, source).await, left, "{taking:?}");
    }
    let reasons = "SELECT count(*) FROM audit_logs l JOIN wallstreet.completions c
         ON c.transaction_id = l.resource_id AND c.lapsed = l.details ->> 'reason'
        AND l.resource_type = 'transaction' WHERE l.action = 'COMPLETION_LAPSED'";
    let reasons: i64 = client.query_one(reasons, &[]).await.unwrap().get(0);
    assert_eq!(reasons, 8);
    let told = "wallstreet.outbox WHERE event_types = 'transaction.completion_lapsed'";
    assert_eq!(count(&client, told).await, 8);
    // Nothing is tried again, and nothing comes back by itself.
    let active = UserChange { role: None, status: Some(UserStatus::Active) };
    users::change(&bank.platform, &admin, stopped[4].2.user_id, active).await.unwrap();
    let again = KeyChange { is_active: Some(true), ..KeyChange::default() };
    let row = "SELECT api_key_id FROM wallstreet.completions WHERE transaction_id = $1";
    let key: Uuid = client.query_one(row, &[&stopped[1].4.id.0]).await.unwrap().get(0);
    api_keys::update(&bank.platform, &stopped[1].2, key, again).await.unwrap();
    bank.clock.advance(HOUR);
    assert_eq!(due(&bank).await, 0);
    let tries =
        "wallstreet.completion_retries r JOIN wallstreet.completions c USING (transaction_id)
        WHERE c.lapsed IS NOT NULL AND r.attempts > 1";
    assert_eq!(count(&client, tries).await, 0);
    // Its owner has the last word.
    for (n, (.., ada, _, it)) in stopped.iter().enumerate() {
        let by = if n == 4 { &admin } else { ada };
        let ended = match n % 2 {
            0 => orders::process(&bank.platform, by, it.id, None).await,
            _ => orders::cancel(&bank.platform, by, it.id, None).await,
        };
        assert_eq!(ended.unwrap().value.completion_lapsed, None);
    }
    housekeeping::sweep(&bank.platform).await.unwrap();
    assert_eq!(count(&client, "wallstreet.completions WHERE lapsed <> 'user_inactive'").await, 0);
    assert_sound(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_completes_by_itself_after_its_right_was_taken_away_on_another_server() {
    let bank = bank().await;
    let (admin, bob) = (bank.admin().await, bank.user("bob@example.com").await);
    let target = bank.account(&bob).empty().await;
    let other = second(&bank).await;
    let (mut before, mut after) = (0, 0);
    for round in 0..35_u64 {
        let (taking, _) = Taking::ALL[usize::try_from(round % 7).unwrap()];
        let email = format!("ada{round}@example.com");
        let ada = bank.user(&email).await;
        let source = bank.account(&ada).with("100").await;
        let with = taking.credential(&bank, &ada, &email).await;
        for _ in 0..3 {
            order(&bank, &with, in_an_hour(&bank, transfer(&source, &target, "1"))).await.unwrap();
        }
        // A key expires in half an hour: a little later, to be there first.
        bank.clock.advance(if taking == Taking::Expire { HOUR / 2 } else { HOUR });
        let changing = async {
            tokio::time::sleep(Duration::from_micros(round % 11 * 900)).await;
            taking.take(&bank, &ada, &admin, &with).await;
            funds(&bank, &admin, &source).await
        };
        let completing = tokio::spawn({
            let other = other.clone();
            async move { orders::complete_due(&other).await }
        });
        let at_once = changing.await;
        completing.await.unwrap().unwrap();
        bank.clock.advance(HOUR);
        for _ in 0..2 {
            assert_eq!(due(&bank).await, 0, "round {round}, {taking:?}");
        }
        let left = funds(&bank, &admin, &source).await;
        assert_eq!(left, at_once, "round {round}, {taking:?}");
        if left == "97.00 / 97.00" { before += 1 } else { after += 1 }
    }
    assert!(after > 0, "the change never came first");
    assert!(before + after == 35);
    let client = bank.client().await;
    let open = "wallstreet.completions c JOIN transactions t ON t.id = c.transaction_id
        WHERE t.status = 'pending' AND c.lapsed IS NULL";
    assert_eq!(count(&client, open).await, 0);
    assert_sound(&client).await;
}

#[tokio::test]
async fn an_order_that_was_on_its_way_when_its_key_was_revoked_lapses_when_it_is_due() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    let with = holding(&bank, &ada, WRITES).await;
    let other = holding(&bank, &ada, WRITES).await;
    let new = || in_an_hour(&bank, draft(Kind::Withdrawal, &account, "10"));
    api_keys::revoke(&bank.platform, &ada, key_of(&with)).await.unwrap();
    // It was proven before.
    let it = order(&bank, &with, new()).await.unwrap();
    order(&bank, &other, new()).await.unwrap();
    bank.clock.advance(HOUR);
    assert_eq!(due(&bank).await, 1, "its neighbour in the batch does not suffer");
    assert_eq!(seen(&bank, &ada, &it).await, (Status::Pending, Some(Lapse::KeyRevoked)));
    assert_eq!(funds(&bank, &ada, &account).await, "90.00 / 80.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_role_that_is_taken_away_stops_what_only_it_could_order() {
    let bank = bank_with(Settings { users_settle: false, ..settings() }).await;
    let (admin, ada) = (bank.admin().await, bank.user("ada@example.com").await);
    let role = async |role| {
        let change = UserChange { role: Some(role), status: None };
        users::change(&bank.platform, &admin, ada.user_id, change).await.unwrap();
    };
    role(Role::Admin).await;
    let ada = Actor { role: Role::Admin, ..ada };
    let bob = bank.user("bob@example.com").await;
    let (hers, his) = (bank.account(&ada).empty().await, bank.account(&bob).empty().await);
    let credit = async |by: &Actor, account: &Account| {
        let new = in_an_hour(&bank, draft(Kind::Credit, account, "10"));
        order(&bank, by, new).await.unwrap()
    };
    let key = holding(&bank, &ada, SETTLES).await;
    let stopped = [credit(&ada, &hers).await, credit(&key, &hers).await, credit(&ada, &his).await];
    orders::create(&bank.platform, &admin, draft(Kind::Credit, &hers, "20"), None).await.unwrap();
    let beyond = order(&bank, &ada, in_an_hour(&bank, transfer(&hers, &his, "1"))).await.unwrap();
    let dated = Draft {
        effective: Some(bank.platform.now() - HOUR),
        ..in_an_hour(&bank, draft(Kind::Withdrawal, &hers, "1"))
    };
    let dated = order(&bank, &ada, dated).await.unwrap();
    role(Role::User).await;
    for it in stopped.iter().chain([&dated]) {
        let lapsed = (Status::Pending, Some(Lapse::PermissionLost));
        assert_eq!(seen(&bank, &admin, it).await, lapsed);
    }
    bank.clock.advance(HOUR);
    assert_eq!(due(&bank).await, 1, "for a transfer nobody needs to be one");
    assert_eq!(seen(&bank, &admin, &beyond).await, (Status::Completed, None));
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn a_user_who_is_closed_completes_nothing_on_the_accounts_of_others() {
    let bank = bank().await;
    let (admin, ada) = (bank.admin().await, bank.user("ada@example.com").await);
    let second = bank.user("second@example.com").await;
    let change = async |change| {
        users::change(&bank.platform, &admin, second.user_id, change).await.unwrap();
    };
    change(UserChange { role: Some(Role::Admin), status: None }).await;
    let second = Actor { role: Role::Admin, ..second };
    let account = bank.account(&ada).empty().await;
    let new = in_an_hour(&bank, draft(Kind::Deposit, &account, "10"));
    let it = order(&bank, &second, new).await.unwrap();
    users::close(&bank.platform, &second).await.unwrap();
    assert_eq!(seen(&bank, &ada, &it).await, (Status::Pending, Some(Lapse::UserInactive)));
    bank.clock.advance(HOUR);
    assert_eq!(due(&bank).await, 0);
    let client = bank.client().await;
    let told = format!(
        "wallstreet.outbox WHERE event_types = 'transaction.completion_lapsed'
            AND parties::jsonb @> '[{{\"userId\": \"{}\"}}]'",
        ada.user_id.0
    );
    assert_eq!(count(&client, &told).await, 1, "it is news to whose account it is");
    assert_sound(&client).await;
}

#[tokio::test]
async fn what_a_session_ordered_stands_when_it_ends_and_falls_only_with_a_new_password_that_says_so()
 {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    let thief = elsewhere(&bank, "ada@example.com").await;
    let new = || in_an_hour(&bank, draft(Kind::Withdrawal, &account, "10"));
    let theirs = order(&bank, &thief, new()).await.unwrap();
    let own = order(&bank, &ada, new()).await.unwrap();
    let keys = order(&bank, &holding(&bank, &ada, WRITES).await, new()).await.unwrap();
    let session = thief.require_session().unwrap();
    sessions::end(&bank.platform, &ada, session).await.unwrap();
    let change = async |current: &str, new: &str, orders| {
        let new = Password::parse(new).unwrap();
        let along = Along { keys: false, orders };
        users::change_password(&bank.platform, &ada, current, new, along).await.unwrap().orders
    };
    assert_eq!(change(PASSWORD, "Another-Horse-2", false).await, 0);
    assert_eq!(seen(&bank, &ada, &theirs).await, (Status::Pending, None));
    assert_eq!(change("Another-Horse-2", "Another-Horse-3", true).await, 1);
    assert_eq!(change("Another-Horse-3", "Another-Horse-4", true).await, 0);
    let lapsed = (Status::Pending, Some(Lapse::PasswordChanged));
    assert_eq!(seen(&bank, &ada, &theirs).await, lapsed);
    bank.clock.advance(HOUR);
    assert_eq!(due(&bank).await, 2);
    assert_eq!(seen(&bank, &ada, &own).await, (Status::Completed, None));
    assert_eq!(seen(&bank, &ada, &keys).await, (Status::Completed, None));
    assert_eq!(funds(&bank, &ada, &account).await, "80.00 / 70.00");
    assert_sound(&bank.client().await).await;
}

#[tokio::test]
async fn only_what_completes_by_itself_is_remembered_with_its_credential_and_lapsed_it_expires() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("100").await;
    let with = holding(&bank, &ada, WRITES).await;
    let client = bank.client().await;
    order(&bank, &with, draft(Kind::Withdrawal, &account, "1")).await.unwrap();
    order(&bank, &with, held(draft(Kind::Withdrawal, &account, "1"))).await.unwrap();
    assert_eq!(count(&client, "wallstreet.completions").await, 0);
    let new = in_an_hour(&bank, draft(Kind::Withdrawal, &account, "10"));
    let until = Some(bank.platform.now() + HOUR * 2);
    let it = order(&bank, &with, Draft { expires: until, ..new }).await.unwrap();
    assert_eq!(count(&client, "wallstreet.completions").await, 1);
    api_keys::revoke(&bank.platform, &ada, key_of(&with)).await.unwrap();
    bank.clock.advance(HOUR * 2);
    assert_eq!(due(&bank).await, 0);
    assert_eq!(orders::expire(&bank.platform).await.unwrap(), 1);
    let ended = transactions::get(&bank.platform, &ada, it.id).await.unwrap();
    assert_eq!(ended.failure_reason.as_deref(), Some("expired"));
    assert_eq!((ended.status, ended.completion_lapsed), (Status::Failed, None));
    assert_sound(&client).await;
}
