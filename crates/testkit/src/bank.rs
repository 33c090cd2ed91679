//! A running bank on a database of its own, and people and accounts in it in a line each.
//!
//! Everything goes through the bank's own use cases, so what a builder makes is what a client could have made.

use crate::{Database, database};
use jiff::Timestamp;
use ledger::{Amount, Currency, Kind};
use platform::{
    Actor, Environment, Error, ManualClock, Origin, PendingSettings, Platform, PoolSettings,
    Secret, Settings, Shares,
    accounts::{self, Account, AccountType},
    login::{self, Registration},
    orders::{self, Draft},
    seals::Sealer,
    sessions,
    transactions::Metadata,
    users::{Email, Name, Password},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

/// Everybody's password.
pub const PASSWORD: &str = "Correct-Horse-1";

/// A bank of one's own.
pub struct Bank {
    /// The bank.
    pub platform: Platform,
    /// Its clock; starts at noon on 15 January 2026, UTC, and stands still.
    pub clock: Arc<ManualClock>,
    /// Its database.
    pub database: Database,
    admin: OnceCell<Actor>,
}

/// A bank with [`settings`].
pub async fn bank() -> Bank {
    bank_with(settings()).await
}

/// A bank with settings of the test's own.
pub async fn bank_with(settings: Settings) -> Bank {
    let noon: Timestamp = "2026-01-15T12:00:00Z".parse().expect("a timestamp");
    let clock = Arc::new(ManualClock::at(noon));
    let database = database().await;
    let platform = Platform::connect(&database.url, settings, Arc::clone(&clock) as _).await;
    Bank { platform: done(platform), clock, database, admin: OnceCell::new() }
}

/// Development, where users complete their own deposits; cheap hashes; few connections, because many tests run at once.
pub fn settings() -> Settings {
    Settings {
        environment: Environment::Development,
        jwt_secret: Secret::new("a secret for tests, of 32 bytes!"),
        access_ttl: Duration::from_secs(24 * 60 * 60),
        refresh_ttl: Duration::from_secs(7 * 24 * 60 * 60),
        api_key_salt: Secret::new("a salt for tests, of 32 bytes .."),
        signing_seeds: Vec::new(),
        former_keys: Vec::new(),
        bcrypt_cost: 4,
        users_settle: true,
        // Tests that say nothing of it see no other end than their own.
        pending: PendingSettings { expiry: None, ..PendingSettings::default() },
        shares: Shares { key_requests: 0, ..Shares::default() },
        fx_pending_expiry: Duration::from_secs(60),
        fx_quote_expiry: Duration::from_secs(30),
        pool: PoolSettings { max: 4, connect: Duration::from_secs(20), ..PoolSettings::default() },
    }
}

impl Bank {
    /// Registers a user, who is logged in.
    pub async fn user(&self, email: &str) -> Actor {
        let registration = Registration {
            email: parsed(Email::parse(email)),
            password: parsed(Password::parse(PASSWORD)),
            first_name: parsed(Name::parse("Ada")),
            last_name: parsed(Name::parse("Lovelace")),
            phone: None,
        };
        let login = login::register(&self.platform, &Origin::default(), registration).await;
        self.actor(&done(login).token).await
    }

    /// The administrator, who is logged in. Always the same one: `admin@example.com`.
    pub async fn admin(&self) -> Actor {
        let appoint = async || {
            let email = parsed(Email::parse("admin@example.com"));
            let (first, last) = (parsed(Name::parse("Grace")), parsed(Name::parse("Hopper")));
            let password = parsed(Password::parse(PASSWORD));
            done(login::create_admin(&self.platform, email, password, first, last).await);
            let origin = Origin::default();
            let login = login::login(&self.platform, &origin, "admin@example.com", PASSWORD).await;
            self.actor(&done(login).token).await
        };
        self.admin.get_or_init(appoint).await.clone()
    }

    /// Who comes with an access token.
    pub async fn actor(&self, token: &str) -> Actor {
        done(sessions::authenticate(&self.platform, Origin::default(), token).await)
    }

    /// Opens an account: a checking account in USD unless said otherwise. Ends with `with` or `empty`.
    pub fn account<'a>(&'a self, owner: &'a Actor) -> Opening<'a> {
        Opening { bank: self, owner, account_type: AccountType::Checking, currency: Currency::USD }
    }

    /// Seals everything that is there; says how many rows.
    pub async fn seal(&self) -> u64 {
        done(Sealer::new(&self.platform).settle().await)
    }

    /// A connection for statements of the test's own.
    pub async fn client(&self) -> Client {
        self.database.client().await
    }
}

/// An account that is about to be opened.
#[must_use = "say how much it holds: `with` or `empty`"]
pub struct Opening<'a> {
    bank: &'a Bank,
    owner: &'a Actor,
    account_type: AccountType,
    currency: Currency,
}

impl Opening<'_> {
    /// Of another type.
    pub fn of(self, account_type: AccountType) -> Self {
        Self { account_type, ..self }
    }

    /// In another currency, e.g. `EUR`.
    pub fn in_currency(self, code: &str) -> Self {
        let currency = code.parse().unwrap_or_else(|error| panic!("{code}: {error}"));
        Self { currency, ..self }
    }

    /// Without money.
    pub async fn empty(self) -> Account {
        let Self { bank, owner, account_type, currency } = self;
        let opened = accounts::open(&bank.platform, owner, account_type, Some(currency), None);
        done(opened.await).value
    }

    /// With the money of one deposit, e.g. `1000.00`.
    pub async fn with(self, amount: &str) -> Account {
        let (bank, owner) = (self.bank, self.owner);
        let account = self.empty().await;
        let deposit = Draft {
            account: account.id,
            kind: Kind::Deposit,
            amount: Amount::parse(amount).unwrap_or_else(|error| panic!("{amount} {error}")),
            currency: None,
            target: None,
            description: None,
            metadata: Metadata::default(),
            complete: true,
            expires: None,
            completes: None,
            effective: None,
            exchange: None,
        };
        let teller = match bank.platform.settings().users_settle {
            true => owner.clone(),
            false => bank.admin().await,
        };
        done(orders::create(&bank.platform, &teller, deposit, None).await);
        done(accounts::get(&bank.platform, owner, account.id).await)
    }
}

fn parsed<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|message| panic!("it {message}"))
}

fn done<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("{error:?}"))
}
