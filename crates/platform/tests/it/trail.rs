//! Every change leaves exactly one line in the trail, with who, from where and
//! with what; and its events, if the world may know.

use crate::money::{draft, order, transfer};
use ledger::{AccountStatus, Kind};
use platform::{
    Actor, Error, Origin, accounts,
    api_keys::{self, KeyChange, KeyName, NewApiKey},
    audit_logs::{self, AuditFilter},
    login,
    orders::{self, Draft},
    page::PageRequest,
    sessions,
    transactions::{self, Metadata},
    users::{self, Name, Password, ProfileChange},
};
use std::collections::BTreeSet;
use testkit::{Bank, PASSWORD, bank};
use tokio_postgres::Client;

/// Everything that anybody hears of, one row a name and a party.
const NEWS: &str = "(SELECT o.id, name, place, seat FROM wallstreet.outbox o,
    regexp_split_to_table(o.event_types, ' ') WITH ORDINALITY AS names (name, place),
    json_array_elements(o.parties) WITH ORDINALITY AS parties (party, seat)) news";

/// Watches the trail and the outbox.
struct Watch {
    client: Client,
    seen: i64,
    told: i64,
}

impl Watch {
    async fn new(bank: &Bank) -> Self {
        let mut watch = Self { client: bank.client().await, seen: 0, told: 0 };
        watch.seen = watch.count("audit_logs").await;
        watch.told = watch.count(NEWS).await;
        watch
    }

    async fn count(&self, table: &str) -> i64 {
        crate::book::count(&self.client, table).await
    }

    /// Fails unless this, and only this, has been added since the last look.
    async fn saw(&mut self, action: &str, events: &[&str]) {
        let rows =
            "SELECT action, ip_address, user_agent FROM audit_logs ORDER BY id DESC LIMIT $1";
        let added = self.count("audit_logs").await - self.seen;
        assert_eq!(added, 1, "{action} leaves one line");
        let row = self.client.query_one(rows, &[&added]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), action);
        let from = (row.get::<_, Option<&str>>(1), row.get::<_, Option<&str>>(2));
        assert_eq!(from, (Some("192.0.2.7"), Some("a test")), "{action}");
        let added = self.count(NEWS).await - self.told;
        let rows =
            format!("SELECT name FROM {NEWS} ORDER BY id DESC, place DESC, seat DESC LIMIT $1");
        let mut told: Vec<String> = self
            .client
            .query(&rows, &[&added])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get::<_, String>(0))
            .collect();
        told.reverse();
        assert_eq!(told, events, "{action}");
        self.seen += 1;
        self.told += added;
    }

    /// Fails if anything has been added.
    async fn saw_nothing(&self) {
        assert_eq!(self.count("audit_logs").await, self.seen);
        assert_eq!(self.count(NEWS).await, self.told);
    }
}

fn origin() -> Origin {
    Origin {
        ip: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some("a test".to_owned()),
        request_id: "r-1".to_owned(),
    }
}

async fn come_in(bank: &Bank, email: &str) -> (login::Login, Actor) {
    let login = login::login(&bank.platform, &origin(), email, PASSWORD).await.unwrap();
    let actor = sessions::authenticate(&bank.platform, origin(), &login.token).await.unwrap();
    (login, actor)
}

#[tokio::test]
async fn every_movement_of_money_leaves_one_line_and_tells_both_sides() {
    let bank = bank().await;
    bank.user("ada@example.com").await;
    let (_, ada) = come_in(&bank, "ada@example.com").await;
    let mut watch = Watch::new(&bank).await;
    let account = bank.account(&ada).empty().await;
    watch.saw("ACCOUNT_CREATED", &["account.created"]).await;
    let target = bank.account(&ada).empty().await;
    watch.saw("ACCOUNT_CREATED", &["account.created"]).await;

    order(&bank, &ada, draft(Kind::Deposit, &account, "10")).await.unwrap();
    watch.saw("TRANSACTION_CREATED", &["transaction.created", "transaction.completed"]).await;
    let pending = Draft { complete: false, ..transfer(&account, &target, "4") };
    let first = order(&bank, &ada, pending.clone()).await.unwrap().id;
    watch.saw("TRANSACTION_CREATED", &["transaction.created"; 2]).await;
    orders::process(&bank.platform, &ada, first, None).await.unwrap();
    watch.saw("TRANSACTION_COMPLETED", &["transaction.completed"; 2]).await;
    let second = order(&bank, &ada, pending).await.unwrap().id;
    watch.saw("TRANSACTION_CREATED", &["transaction.created"; 2]).await;
    orders::cancel(&bank.platform, &ada, second, None).await.unwrap();
    watch.saw("TRANSACTION_FAILED", &["transaction.failed"; 2]).await;
    let metadata = Some(Metadata::parse(r#"{"a":1}"#).unwrap());
    transactions::annotate(&bank.platform, &ada, first, None, metadata).await.unwrap();
    watch.saw("TRANSACTION_UPDATED", &[]).await;

    let too_much = order(&bank, &ada, draft(Kind::Withdrawal, &account, "99")).await;
    assert!(matches!(too_much, Err(Error::Refused { .. })));
    orders::process(&bank.platform, &ada, first, None).await.unwrap_err();
    watch.saw_nothing().await;

    for (status, action, event) in [
        (AccountStatus::Suspended, "ACCOUNT_UPDATED", "account.updated"),
        (AccountStatus::Active, "ACCOUNT_UPDATED", "account.updated"),
    ] {
        accounts::set_status(&bank.platform, &ada, target.id, status).await.unwrap();
        watch.saw(action, &[event]).await;
    }
    order(&bank, &ada, draft(Kind::Withdrawal, &target, "4")).await.unwrap();
    watch.saw("TRANSACTION_CREATED", &["transaction.created", "transaction.completed"]).await;
    accounts::close(&bank.platform, &ada, target.id).await.unwrap();
    watch.saw("ACCOUNT_CLOSED", &["account.closed"]).await;
}

#[tokio::test]
async fn everything_a_person_does_leaves_one_line() {
    let bank = bank().await;
    bank.user("ada@example.com").await;
    let mut watch = Watch::new(&bank).await;
    let (login, ada) = come_in(&bank, "ada@example.com").await;
    watch.saw("LOGIN_SUCCESS", &[]).await;
    login::login(&bank.platform, &origin(), "ada@example.com", "wrong").await.unwrap_err();
    watch.saw("LOGIN_FAILED", &[]).await;
    login::refresh(&bank.platform, &origin(), &login.refresh_token).await.unwrap();
    watch.saw("SESSION_REFRESHED", &[]).await;
    let name = Some(Name::parse("Augusta").unwrap());
    let change = ProfileChange { first_name: name, ..ProfileChange::default() };
    users::update_profile(&bank.platform, &ada, change).await.unwrap();
    watch.saw("PROFILE_UPDATED", &["user.updated"]).await;
    let new = Password::parse("Another-Horse-2").unwrap();
    users::change_password(&bank.platform, &ada, PASSWORD, new, users::Along::default())
        .await
        .unwrap();
    watch.saw("PASSWORD_CHANGED", &[]).await;
    let new = NewApiKey {
        name: KeyName::parse("ci").unwrap(),
        permissions: BTreeSet::new(),
        rate_limit: 100,
        expires_at: None,
    };
    let key = api_keys::issue(&bank.platform, &ada, new, None).await.unwrap().value.key.id;
    watch.saw("API_KEY_CREATED", &[]).await;
    let off = KeyChange { is_active: Some(false), ..KeyChange::default() };
    api_keys::update(&bank.platform, &ada, key, off).await.unwrap();
    watch.saw("API_KEY_UPDATED", &[]).await;
    api_keys::revoke(&bank.platform, &ada, key).await.unwrap();
    watch.saw("API_KEY_REVOKED", &[]).await;
    sessions::logout(&bank.platform, &ada).await.unwrap();
    watch.saw("LOGOUT", &[]).await;
}

#[tokio::test]
async fn an_administrator_finds_a_line_by_who_what_and_when() {
    let bank = bank().await;
    let (admin, ada) = (bank.admin().await, bank.user("ada@example.com").await);
    let account = bank.account(&ada).with("1").await;
    bank.account(&admin).empty().await;
    let find = async |filter| {
        let page = PageRequest::default();
        audit_logs::list(&bank.platform, &admin, filter, page).await.unwrap()
    };
    let hers = AuditFilter { user: Some(ada.user_id), ..AuditFilter::default() };
    let actions: Vec<String> =
        find(hers.clone()).await.items.into_iter().map(|line| line.action).collect();
    assert_eq!(actions, ["TRANSACTION_CREATED", "ACCOUNT_CREATED", "USER_REGISTERED"]);
    let opened = AuditFilter { resource_id: Some(account.id.0), ..hers.clone() };
    assert_eq!(find(opened).await.total, Some(1));
    let now = bank.platform.now();
    assert_eq!(find(AuditFilter { to: Some(now), ..hers.clone() }).await.total, Some(0));
    assert_eq!(find(AuditFilter { from: Some(now), ..hers }).await.total, Some(3));
    let none = AuditFilter { action: Some("NO_SUCH".to_owned()), ..AuditFilter::default() };
    assert_eq!(find(none).await.total, Some(0));
}
