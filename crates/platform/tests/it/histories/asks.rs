//! What clients ask, at random.

use super::{
    bank::{Ask, CURRENCIES, New, Price, Quote, Rule},
    clients::{HOUR, NOON, World, hour},
};
use jiff::Timestamp;
use ledger::{Amount, Currency, FreezeScope, Kind, QuoteId, Rate};
use platform::{
    Outcome, fx,
    orders::{self, Draft, Target},
    transactions::{Metadata, RateSource},
};

/// How many quotes are known: few, so that many use one.
const QUOTES: usize = 6;

/// Random numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        least + i64::try_from(self.below(usize::try_from(most - least + 1).unwrap())).unwrap()
    }

    pub fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }
}

impl World {
    pub fn draft(&self, new: &New) -> Draft {
        let at = |hour: i64| Timestamp::from_microsecond(NOON + hour * HOUR).unwrap();
        let target = Target::Id(self.accounts[new.to].id);
        Draft {
            account: self.accounts[new.from].id,
            kind: new.kind,
            amount: Amount::from_hundredths(new.amount).unwrap(),
            currency: None,
            target: (new.kind == Kind::Transfer).then_some(target),
            description: None,
            metadata: Metadata::default(),
            complete: new.complete,
            expires: new.expires.map(at),
            completes: new.completes.map(at),
            effective: None,
            exchange: new.price.as_ref().map(|price| match price {
                Price::Rate(parts) => orders::Price::Rate(
                    Rate::from_parts(*parts).unwrap(),
                    RateSource::parse("a test").unwrap(),
                ),
                Price::Quote(quote) => orders::Price::Quote(QuoteId(quote.id)),
            }),
        }
    }

    pub fn some_new(&self, random: &mut Random) -> New {
        use Kind::{Credit, Debit, Deposit, Transfer, Withdrawal};
        let kinds = [Deposit, Deposit, Credit, Withdrawal, Debit, Transfer, Transfer, Transfer];
        let kind = kinds[random.below(kinds.len())];
        let from = random.below(self.accounts.len());
        let other = random.below(self.accounts.len());
        let complete = random.percent(50);
        let expires = !complete && random.percent(30);
        let completes = !complete && random.percent(15);
        let to = if kind == Transfer { other } else { from };
        // A price goes where it belongs most of the time, and sometimes where not.
        let across = CURRENCIES[from] != CURRENCIES[to];
        let priced = kind == Transfer && across != random.percent(5);
        New {
            kind,
            from,
            to,
            price: priced.then(|| self.some_price(random)),
            completes: completes.then(|| self.now() + random.between(0, 3)),
            amount: random.between(1, 5_000),
            complete,
            expires: expires.then(|| self.now() + random.between(1, 6)),
        }
    }

    fn some_price(&self, random: &mut Random) -> Price {
        let quotes = self.quotes.lock().unwrap();
        match quotes.len() {
            0 => Price::Rate(9_217_000_000),
            _ if random.percent(20) => Price::Rate(random.next() % 30_000_000_000 + 1),
            offered => Price::Quote(quotes[random.below(offered)].clone()),
        }
    }

    /// Has the bank offer a rate, for whoever takes it first.
    pub async fn quote(&self, random: &mut Random) {
        let pair = if random.percent(50) { ("USD", "EUR") } else { ("EUR", "USD") };
        let both = (Currency::parse(pair.0).unwrap(), Currency::parse(pair.1).unwrap());
        let most = random.percent(50).then(|| Amount::from_hundredths(random.between(100, 4_000)));
        let server = &self.modest[random.below(2)];
        // It has enough of them, or the connection was cut.
        let quoted = fx::quote(server, &self.actor, both, most.flatten(), None).await;
        let Ok(Outcome { value, .. }) = quoted else { return };
        let mut quotes = self.quotes.lock().unwrap();
        if quotes.len() == QUOTES {
            quotes.pop_front();
        }
        quotes.push_back(Quote {
            id: value.id.0,
            pair,
            rate: value.rate.parts(),
            most: value.amount.map(Amount::hundredths),
            expires: hour(value.expires_at),
        });
    }

    pub fn some_rule(&self, random: &mut Random) -> Rule {
        let scope = FreezeScope::ALL[random.below(FreezeScope::ALL.len())];
        let until = random.percent(50).then(|| self.now() + random.between(1, 4));
        Rule {
            account: random.below(self.accounts.len()),
            overdraft: random.between(0, 2_000),
            per_transaction: random.percent(20).then(|| random.between(1_000, 6_000)),
            daily: random.percent(10).then(|| random.between(20_000, 90_000)),
            freeze: random.percent(20).then_some((scope, until)),
        }
    }

    pub fn some_ask(&self, random: &mut Random) -> Ask {
        let id = {
            let recent = self.recent.lock().unwrap();
            if recent.is_empty() { None } else { recent.get(random.below(recent.len())).copied() }
        };
        let part = random.percent(70).then(|| random.between(1, 2_500));
        match (random.below(100), id) {
            (90..97, _) => Ask::Read(random.below(self.accounts.len())),
            (97..100, _) => Ask::Rule(self.some_rule(random)),
            (86..90, _) => {
                Ask::Atomic((0..=random.below(3)).map(|_| self.some_new(random)).collect())
            }
            (40..48, Some(id)) => Ask::Complete(id),
            (48..56, Some(id)) => Ask::Cancel(id),
            (56..72, Some(id)) => Ask::Capture { id, part, last: random.percent(30) },
            (72..86, Some(id)) => Ask::Reverse { id, part },
            _ => Ask::Create(self.some_new(random)),
        }
    }
}
