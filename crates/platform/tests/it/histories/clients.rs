//! Clients of two servers: each asks at random, notes what was answered and
//! between which moments, and asks again under its key until it knows.

use super::bank::{Ask, New, Rule};
use jiff::Timestamp;
use ledger::{Amount, FreezeScope, Kind, Refusal, Status, TransactionId};
use platform::{
    Actor, Error, Fate, IdempotencyKey, ManualClock, Outcome, Platform,
    accounts::{self, Account},
    error::Conflict,
    orders::{self, Draft, Target},
    transactions::{Metadata, Transaction},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_postgres::Client;
use uuid::Uuid;

/// Where the clock starts, in microseconds.
pub const NOON: i64 = 1_768_478_400_000_000;
const HOUR: i64 = 3_600_000_000;

/// How many transactions of the past are asked about: few, so that many ask of one.
const RECENT: usize = 12;

/// How long an answer is asked for; connections that are cut on a busy machine take a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Done {
        id: Uuid,
        hour: i64,
        status: Status,
        captured: i64,
    },
    Refused(String, i64),
    /// Another order of the batch was refused.
    Undone,
    /// The key was given up before the order came.
    Void,
    /// Balance and available.
    Funds(i64, i64),
    /// Nothing has happened, for a reason that is no rule of the bank's.
    Nothing,
}

/// One thing that was asked, from before its first sending to after its first answer.
#[derive(Clone, Debug)]
pub struct Record {
    pub ask: Ask,
    pub said: Vec<Said>,
    pub from: u64,
    pub to: u64,
    /// The clock before and after, in hours.
    pub hours: (i64, i64),
    /// Whether it was sent more than once.
    pub again: bool,
}

/// What all clients share.
pub struct World {
    pub servers: [Platform; 2],
    pub clock: Arc<ManualClock>,
    pub actor: Actor,
    pub accounts: Vec<Account>,
    /// Counts what is sent and what is answered, so that one is before the other.
    pub ticks: AtomicU64,
    pub recent: Mutex<VecDeque<Uuid>>,
    pub faults: Mutex<Vec<String>>,
    /// Somebody has waited in vain: nobody asks any more.
    pub stuck: AtomicBool,
    /// For an administrator's statements.
    pub admin: Client,
}

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

    fn between(&mut self, least: i64, most: i64) -> i64 {
        least + i64::try_from(self.below(usize::try_from(most - least + 1).unwrap())).unwrap()
    }

    fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }
}

/// Hours from noon to a moment.
pub fn hour(at: Timestamp) -> i64 {
    (at.as_microsecond() - NOON).div_euclid(HOUR)
}

impl World {
    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }

    fn now(&self) -> i64 {
        hour(self.servers[0].now())
    }

    pub fn fault(&self, text: String) {
        self.faults.lock().unwrap().push(text);
    }

    fn draft(&self, new: &New) -> Draft {
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
            effective: None,
            exchange: None,
        }
    }

    fn some_new(&self, random: &mut Random) -> New {
        use Kind::{Credit, Debit, Deposit, Transfer, Withdrawal};
        let kinds = [Deposit, Deposit, Credit, Withdrawal, Debit, Transfer, Transfer, Transfer];
        let kind = kinds[random.below(kinds.len())];
        let from = random.below(self.accounts.len());
        let other = random.below(self.accounts.len());
        let complete = random.percent(50);
        let expires = !complete && random.percent(30);
        New {
            kind,
            from,
            to: if kind == Transfer { other } else { from },
            amount: random.between(1, 5_000),
            complete,
            expires: expires.then(|| self.now() + random.between(1, 6)),
        }
    }

    fn some_rule(&self, random: &mut Random) -> Rule {
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

    fn some_ask(&self, random: &mut Random) -> Ask {
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

    /// Asks so many things; what it noted.
    pub async fn client(self: Arc<Self>, name: String, asks: usize, seed: u64) -> Vec<Record> {
        let mut random = Random(seed);
        let mut records: Vec<Record> = Vec::with_capacity(asks);
        while records.len() < asks && !self.stuck.load(Ordering::Relaxed) {
            let key = format!("{name}-{}", records.len());
            match random.below(200) {
                0 | 199 => self.clock.advance(jiff::SignedDuration::from_hours(1)),
                // What is over is ended by whoever comes by; it is asked of nobody.
                1 | 2 => drop(orders::expire(&self.servers[random.below(2)]).await),
                3..14 => records.extend(self.each(&mut random, &key).await),
                14..18 => {
                    let new = self.some_new(&mut random);
                    records.push(self.race(&mut random, new, &key).await);
                }
                _ => {
                    let ask = self.some_ask(&mut random);
                    let twice = random.percent(15);
                    records.push(self.ask(&mut random, ask, &key, twice).await);
                }
            }
        }
        records
    }

    /// Asks one thing, of one server or of both at once.
    async fn ask(&self, random: &mut Random, ask: Ask, key: &str, twice: bool) -> Record {
        let (from, before, server) = (self.tick(), self.now(), random.below(2));
        let keyed = !matches!(ask, Ask::Read(_) | Ask::Rule(_));
        let both = twice && keyed;
        let first = self.until_known(server, &ask, key);
        let (said, fresh, again) = if both {
            let (one, two) = tokio::join!(first, self.until_known(1 - server, &ask, key));
            if one.0 != two.0 && !matches!(ask, Ask::Atomic(_)) {
                self.fault(format!("{key}: {ask:?}: one key, two answers: {one:?}, {two:?}"));
            }
            (one.0, one.1 + two.1, true)
        } else {
            first.await
        };
        let (to, after) = (self.tick(), self.now());
        // A batch that was refused leaves the keys of what was not refused free, so that
        // another try may refuse those for the first time.
        let done = said.iter().all(|said| matches!(said, Said::Done { .. }));
        if fresh > 1 && (done || !matches!(ask, Ask::Atomic(_))) {
            self.fault(format!("{key}: {ask:?}: one key, {fresh} first answers"));
        }
        if keyed && random.percent(3) {
            self.ask_late(server, &ask, key, &said).await;
        }
        if keyed {
            self.remember(random, &said);
        }
        Record { ask, said, from, to, hours: (before, after), again: again || both }
    }

    /// An answer is the same a while later.
    async fn ask_late(&self, server: usize, ask: &Ask, key: &str, said: &[Said]) {
        let kept = said.iter().all(|said| matches!(said, Said::Done { .. } | Said::Refused(..)));
        if kept {
            let (later, fresh, _) = self.until_known(1 - server, ask, key).await;
            if later != said || fresh > 0 {
                self.fault(format!("{key}: {ask:?}: first {said:?}, later {later:?}"));
            }
        }
    }

    fn remember(&self, random: &mut Random, said: &[Said]) {
        let mut recent = self.recent.lock().unwrap();
        for said in said {
            if let Said::Done { id, .. } = said {
                if recent.len() == RECENT {
                    let place = random.below(RECENT);
                    recent.remove(place);
                }
                recent.push_back(*id);
            }
        }
    }

    /// Orders in one request, each by itself.
    async fn each(&self, random: &mut Random, key: &str) -> Vec<Record> {
        let all: Vec<New> = (0..=random.below(8)).map(|_| self.some_new(random)).collect();
        let (from, before, server) = (self.tick(), self.now(), random.below(2));
        let (said, _, again) = self.all_until_known(server, &all, key, false).await;
        let (to, after) = (self.tick(), self.now());
        self.remember(random, &said);
        let one = |(new, said): (New, Said)| {
            let (ask, hours) = (Ask::Create(new), (before, after));
            Record { ask, said: vec![said], from, to, hours, again }
        };
        all.into_iter().zip(said).map(one).collect()
    }

    /// An order, and the question after its outcome, at once: they agree.
    async fn race(&self, random: &mut Random, new: New, key: &str) -> Record {
        let name = format!("{key}/0");
        let server = &self.servers[random.below(2)];
        let asking = async {
            tokio::time::sleep(Duration::from_micros(random.next() % 4_000)).await;
            orders::outcome(server, &self.actor, &name).await
        };
        let mut other = Random(0);
        let (record, fate) =
            tokio::join!(self.ask(&mut other, Ask::Create(new), key, false), asking);
        let agree = match (fate, &record.said[0]) {
            (Ok(Fate::Committed { value, .. }), Said::Done { id, .. }) => value.id.0 == *id,
            (Ok(Fate::Refused { refusal, .. }), Said::Refused(code, _)) => {
                refusal.as_ref().is_some_and(|refusal| refusal.code() == *code)
            }
            (Ok(Fate::Void { .. }), said) => matches!(said, Said::Void | Said::Nothing),
            (Ok(_), _) => false,
            (Err(Error::Unavailable { .. } | Error::Conflict(Conflict::InFlight)), _) => true,
            (Err(_), _) => false,
        };
        if !agree {
            self.fault(format!("{name}: the outcome that was told is not {:?}", record.said));
        }
        record
    }

    /// Says also how many first answers there were, and whether it was sent again.
    async fn until_known(&self, server: usize, ask: &Ask, key: &str) -> (Vec<Said>, usize, bool) {
        match ask {
            Ask::Create(new) => {
                self.all_until_known(server, std::slice::from_ref(new), key, false).await
            }
            Ask::Atomic(all) => self.all_until_known(server, all, key, true).await,
            Ask::Read(account) => {
                let id = self.accounts[*account].id;
                let read = accounts::get(&self.servers[server], &self.actor, id).await;
                let said = read.map_or(Said::Nothing, |account| {
                    let available = account.available_balance.hundredths();
                    Said::Funds(account.balance.hundredths(), available)
                });
                (vec![said], 0, false)
            }
            Ask::Rule(rule) => (vec![self.rule(rule).await], 0, false),
            _ => {
                let (mut again, since) = (false, Instant::now());
                loop {
                    if let Some((said, fresh)) = self.heard(self.end(server, ask, key).await) {
                        return (vec![said], fresh, again);
                    }
                    if self.in_vain(key, since).await {
                        return (vec![Said::Nothing], 0, true);
                    }
                    again = true;
                }
            }
        }
    }

    async fn end(
        &self,
        server: usize,
        ask: &Ask,
        key: &str,
    ) -> Result<Outcome<Transaction>, Error> {
        let (platform, actor) = (&self.servers[server], &self.actor);
        let amount = |part: &Option<i64>| part.map(|part| Amount::from_hundredths(part).unwrap());
        let name = Some(IdempotencyKey::new(key, format!("{ask:?}").as_bytes()).unwrap());
        match ask {
            Ask::Complete(id) => orders::process(platform, actor, TransactionId(*id), name).await,
            Ask::Cancel(id) => orders::cancel(platform, actor, TransactionId(*id), name).await,
            Ask::Capture { id, part, last } => {
                let id = TransactionId(*id);
                orders::capture(platform, actor, id, amount(part), *last, name).await
            }
            Ask::Reverse { id, part } => {
                let words = (None, Metadata::default());
                let id = TransactionId(*id);
                orders::reverse(platform, actor, id, amount(part), words, name).await
            }
            _ => unreachable!("{ask:?} ends nothing"),
        }
    }

    async fn all_until_known(
        &self,
        server: usize,
        all: &[New],
        key: &str,
        atomic: bool,
    ) -> (Vec<Said>, usize, bool) {
        let name = |n: usize, new: &New| {
            IdempotencyKey::new(&format!("{key}/{n}"), format!("{new:?}").as_bytes()).unwrap()
        };
        let (mut again, since) = (false, Instant::now());
        loop {
            let drafts =
                all.iter().enumerate().map(|(n, new)| (self.draft(new), Some(name(n, new))));
            let (platform, drafts) = (&self.servers[server], drafts.collect());
            let answers = orders::create_all(platform, &self.actor, drafts, atomic).await;
            let heard: Option<Vec<(Said, usize)>> = match answers {
                Ok(answers) => answers.into_iter().map(|answer| self.heard(answer)).collect(),
                Err(error) => self.heard(Err(error)).map(|said| vec![said; all.len()]),
            };
            if let Some(heard) = heard {
                let fresh = heard.iter().map(|(_, fresh)| fresh).max().copied().unwrap_or(0);
                return (heard.into_iter().map(|(said, _)| said).collect(), fresh, again);
            }
            if self.in_vain(key, since).await {
                return (vec![Said::Nothing; all.len()], 0, true);
            }
            again = true;
        }
    }

    /// Waits before it is asked again; says whether that has gone on for too long.
    async fn in_vain(&self, key: &str, since: Instant) -> bool {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if since.elapsed() > PATIENCE && !self.stuck.swap(true, Ordering::Relaxed) {
            self.fault(format!("{key}: no answer within {PATIENCE:?}"));
        }
        self.stuck.load(Ordering::Relaxed)
    }

    /// What was said, and whether for the first time; `None`: ask again.
    fn heard(&self, answer: Result<Outcome<Transaction>, Error>) -> Option<(Said, usize)> {
        Some(match answer {
            Ok(outcome) => {
                let Transaction { id, status, .. } = outcome.value;
                let captured = outcome.value.moved().hundredths();
                let said = Said::Done { id: id.0, hour: hour(outcome.at), status, captured };
                (said, usize::from(!outcome.replayed))
            }
            Err(Error::Refused { refusal, original, .. }) => {
                let short = match &refusal {
                    Refusal::InsufficientFunds { available, .. } => available.hundredths(),
                    _ => 0,
                };
                let said = Said::Refused(refusal.code().to_owned(), short);
                (said, usize::from(original.is_none()))
            }
            Err(Error::Undone) => (Said::Undone, 0),
            Err(Error::Conflict(Conflict::KeyVoid)) => (Said::Void, 0),
            Err(Error::Unavailable { .. } | Error::OutcomeUnknown { .. }) => return None,
            Err(error) => {
                self.fault(format!("an answer that should not be: {error:?}"));
                (Said::Nothing, 0)
            }
        })
    }

    /// Sets an account's rules as an administrator does, with its place in the order of things.
    async fn rule(&self, rule: &Rule) -> Said {
        let id = Uuid::from_u128(u128::from(self.tick()) << 64);
        let money = |hundredths: i64| format!("{}.{:02}", hundredths / 100, hundredths % 100);
        let maybe = |sum: Option<i64>| sum.map_or("NULL".to_owned(), money);
        let (scope, reason, until) = match rule.freeze {
            None => ("NULL".to_owned(), "NULL", "NULL".to_owned()),
            Some((scope, until)) => {
                let until = until.map(|hour| (NOON + hour * HOUR) / 1_000_000);
                let until = until.map_or("NULL".to_owned(), |at| format!("to_timestamp({at})"));
                (format!("'{}'", scope.as_str()), "'a test'", until)
            }
        };
        let sql = format!(
            "WITH ruled AS (UPDATE accounts SET overdraft_limit = {}, transaction_limit = {},
                    daily_limit = {}, freeze_scope = {scope}, freeze_reason = {reason},
                    freeze_until = {until} WHERE id = '{}' RETURNING 1)
             INSERT INTO wallstreet.outbox (event_types, parties, created_at)
             SELECT 'transaction.rule', '[{{\"resourceId\": \"{id}\"}}]', to_timestamp({}) FROM ruled",
            money(rule.overdraft),
            maybe(rule.per_transaction),
            maybe(rule.daily),
            self.accounts[rule.account].id.0,
            NOON / 1_000_000,
        );
        // Below what is used no limit can be set: the table says no.
        match self.admin.batch_execute(&sql).await {
            Ok(()) => Said::Done { id, hour: 0, status: Status::Completed, captured: 0 },
            Err(_) => Said::Nothing,
        }
    }
}
