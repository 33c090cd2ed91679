//! A book in which everything has happened that its tables can tell of.

use crate::exchange::at;
use crate::life::{amount, held, reverse};
use crate::money::{draft, order, transfer};
use crate::seals::seal;
use jiff::SignedDuration;
use ledger::{AccountStatus, Amount, FreezeScope, Kind, Limits, Money};
use platform::{
    Actor,
    accounts::{self, Account, AccountType, FreezeReason},
    orders::{self, Draft},
    transactions::{self, Description, Metadata, Transaction},
};
use testkit::{Bank, bank};

/// The bank, and the accounts of two people.
pub struct World {
    pub bank: Bank,
    ada: Actor,
    admin: Actor,
    one: Account,
    two: Account,
}

/// Everything, and all of it sealed.
pub async fn world() -> World {
    let bank = bank().await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    let admin = bank.admin().await;
    let one = bank.account(&ada).with("1000").await;
    let two = bank.account(&bob).of(AccountType::Savings).with("500").await;
    let world = World { bank, ada, admin, one, two };
    world.payments().await;
    world.next_day();
    world.holds().await;
    seal(&world.bank).await;
    world.exchanges().await;
    world.next_day();
    world.words().await;
    world.restraints().await;
    world.payments().await;
    world.bank.seal().await;
    world
}

fn limits(overdraft: &str, per_transaction: &str, daily: &str) -> Limits {
    let limit = |text| Amount::parse(text).ok();
    let overdraft = Money::parse(overdraft).unwrap();
    Limits { overdraft, per_transaction: limit(per_transaction), daily: limit(daily) }
}

impl World {
    fn later(&self) {
        self.bank.clock.advance(SignedDuration::from_micros(1_000_003));
    }

    fn next_day(&self) {
        self.bank.clock.advance(SignedDuration::from_hours(24));
    }

    async fn order(&self, draft: Draft) -> Transaction {
        self.later();
        order(&self.bank, &self.admin, draft).await.unwrap()
    }

    async fn give_back(&self, of: &Transaction, part: &str) {
        self.later();
        reverse(&self.bank, &self.admin, of.id, part).await.unwrap();
    }

    async fn capture(&self, of: &Transaction, part: &str, last: bool) {
        self.later();
        let part = Some(amount(part));
        orders::capture(&self.bank.platform, &self.admin, of.id, part, last, None).await.unwrap();
    }

    async fn process(&self, of: &Transaction) {
        self.later();
        orders::process(&self.bank.platform, &self.admin, of.id, None).await.unwrap();
    }

    async fn cancel(&self, of: &Transaction) {
        self.later();
        orders::cancel(&self.bank.platform, &self.admin, of.id, None).await.unwrap();
    }

    /// Of every type, some given back, one of another day.
    async fn payments(&self) {
        let (one, two) = (&self.one, &self.two);
        for kind in [Kind::Deposit, Kind::Withdrawal, Kind::Credit, Kind::Debit] {
            let done = self.order(draft(kind, one, "12.50")).await;
            self.give_back(&done, "2.50").await;
        }
        let sent = self.order(transfer(one, two, "40")).await;
        self.give_back(&sent, "5").await;
        self.give_back(&sent, "6").await;
        self.order(transfer(two, one, "1.01")).await;
        let earlier = self.bank.platform.now() - SignedDuration::from_hours(30);
        self.order(Draft { effective: Some(earlier), ..draft(Kind::Deposit, two, "6") }).await;
    }

    /// Open, done, called off, run out, and taken in parts.
    async fn holds(&self) {
        let (one, two) = (&self.one, &self.two);
        let soon = self.bank.platform.now() + SignedDuration::from_hours(1);
        let late = soon + SignedDuration::from_hours(1000);
        let (out, sent) = (draft(Kind::Withdrawal, one, "20"), transfer(one, two, "9"));
        for order in [&out, &sent, &draft(Kind::Deposit, two, "7")] {
            let order = held(order.clone());
            self.order(order.clone()).await;
            self.order(Draft { expires: Some(late), ..order.clone() }).await;
            self.order(Draft { expires: Some(soon), ..order.clone() }).await;
            self.order(Draft { completes: Some(late), ..order.clone() }).await;
            let done = self.order(order.clone()).await;
            self.process(&done).await;
            let ended = self.order(order).await;
            self.cancel(&ended).await;
        }
        for order in [out, sent] {
            let parted = self.order(held(order.clone())).await;
            self.capture(&parted, "2", false).await;
            self.capture(&parted, "1", false).await;
            let done = self.order(held(order.clone())).await;
            self.capture(&done, "3", false).await;
            self.process(&done).await;
            let last = self.order(held(order.clone())).await;
            self.capture(&last, "4", true).await;
            let ended = self.order(held(order)).await;
            self.capture(&ended, "0.50", false).await;
            self.cancel(&ended).await;
        }
        self.bank.clock.advance(SignedDuration::from_hours(2));
        assert_eq!(orders::expire(&self.bank.platform).await.unwrap(), 3);
    }

    /// Between currencies: done, given back, and open.
    async fn exchanges(&self) {
        for (code, rate) in [("EUR", "0.9137265"), ("JPY", "151.3")] {
            let other = self.bank.account(&self.ada).in_currency(code).empty().await;
            for sum in ["10.01", "7.07", "3.33"] {
                let bought = self.order(at(rate, transfer(&self.one, &other, sum))).await;
                if sum == "3.33" {
                    self.give_back(&bought, "").await;
                }
            }
            self.order(held(at(rate, transfer(&self.one, &other, "1.11")))).await;
        }
    }

    /// What hangs on transactions, in every shape that is printed in another way.
    async fn words(&self) {
        let metadata = Metadata::parse(
            r#"{"b":1e2, "aa": [1.50, -0.0, 12e-3, 1.25E+1, {"x":null,"y":true}], "a":"\u00e9\n\u001f\"\\/" }"#,
        );
        let words = Draft {
            description: Description::parse("rent | \"May\"\n").ok(),
            metadata: metadata.unwrap(),
            ..transfer(&self.one, &self.two, "3")
        };
        let told = self.order(words.clone()).await;
        self.order(words).await;
        let plain = self.order(transfer(&self.two, &self.one, "0.25")).await;
        let platform = &self.bank.platform;
        for text in ["first", "second"] {
            self.later();
            let description = Some(Description::parse(text).ok());
            transactions::annotate(platform, &self.admin, plain.id, description, None)
                .await
                .unwrap();
        }
        self.later();
        let metadata = Metadata::parse(r#"{"z": 1, "b": 2}"#).ok();
        transactions::annotate(platform, &self.admin, told.id, Some(None), metadata).await.unwrap();
    }

    /// Limited, frozen, overdrawn, suspended, restored and closed.
    async fn restraints(&self) {
        let (bank, root) = (&self.bank, &self.admin);
        let platform = &bank.platform;
        let open = async |funds: &str| {
            self.later();
            let account = bank.account(&self.ada).with(funds).await;
            self.later();
            account
        };
        let overdrawn = open("5").await;
        accounts::set_limits(platform, root, overdrawn.id, limits("10", "", "")).await.unwrap();
        accounts::set_limits(platform, root, overdrawn.id, limits("20", "50", "900"))
            .await
            .unwrap();
        self.order(draft(Kind::Withdrawal, &overdrawn, "17")).await;
        let reason = |text| FreezeReason::parse(text).unwrap();
        let frozen = open("1").await;
        let until = Some(platform.now() + SignedDuration::from_nanos(3_600_123_456_789));
        accounts::freeze(platform, root, frozen.id, (FreezeScope::All, reason("first"), None))
            .await
            .unwrap();
        accounts::freeze(
            platform,
            root,
            frozen.id,
            (FreezeScope::Debits, reason("court order 7"), until),
        )
        .await
        .unwrap();
        let thawed = open("1").await;
        accounts::freeze(platform, root, thawed.id, (FreezeScope::All, reason("first"), None))
            .await
            .unwrap();
        accounts::unfreeze(platform, root, thawed.id).await.unwrap();
        let closed = bank.account(&self.ada).empty().await;
        accounts::close(platform, root, closed.id).await.unwrap();
        for (last, funds) in [(AccountStatus::Suspended, "2"), (AccountStatus::Active, "3")] {
            let account = open(funds).await;
            for status in [AccountStatus::Suspended, AccountStatus::Active, last] {
                self.later();
                accounts::set_status(platform, root, account.id, status).await.unwrap();
            }
        }
        bank.account(&self.ada).empty().await;
    }
}
