//! Whether what clients on two servers were told is what a bank that works alone
//! would have said.
//!
//! The outbox numbers the effects while the accounts are locked, so it claims an
//! order. Nothing of it is believed: each effect must be allowed where it stands,
//! acknowledged to exactly one client and to nobody before it was asked; each
//! refusal and each balance read must have been true between question and answer;
//! and what the tables hold at the end must be what the lone bank holds.

use super::{
    bank::{Ask, Bank, State},
    clients::{Record, Said, hour},
};
use ledger::Status;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::Client;
use uuid::Uuid;

/// An effect, as the outbox tells it.
pub struct Row {
    names: String,
    ids: Vec<Uuid>,
    accounts: Vec<Uuid>,
    captured: i64,
    hour: i64,
}

/// What an effect belongs to: the record, and the place in it.
type Claim = (usize, usize);

#[derive(PartialEq, Eq, Hash)]
enum Effect {
    New(Uuid),
    Capture(usize, i64),
    End(usize),
}

fn hundredths(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap()
}

pub async fn rows(client: &Client) -> Vec<Row> {
    let sql =
        "SELECT event_types, parties::text, (extract(epoch FROM created_at) * 1000000)::bigint
                 FROM wallstreet.outbox WHERE event_types LIKE 'transaction.%' ORDER BY id";
    let row = |row: tokio_postgres::Row| {
        let parties: Vec<Value> = serde_json::from_str(row.get(1)).unwrap();
        let payload = &parties[0]["payload"];
        let captured = payload["capturedAmount"].as_str().or(payload["amount"].as_str());
        let account = |party: &Value| party["payload"]["accountId"].as_str()?.parse().ok();
        let id = |party: &Value| party["resourceId"].as_str().unwrap().parse().unwrap();
        Row {
            names: row.get(0),
            ids: parties.iter().map(id).collect(),
            accounts: parties.iter().filter_map(account).collect(),
            captured: captured.map_or(0, hundredths),
            hour: hour(jiff::Timestamp::from_microsecond(row.get(2)).unwrap()),
        }
    };
    client.query(sql, &[]).await.unwrap().into_iter().map(row).collect()
}

pub struct Check<'a> {
    accounts: &'a [Uuid],
    records: &'a [Record],
    rows: &'a [Row],
    /// Which creation an id belongs to.
    roots: HashMap<Uuid, usize>,
    claims: HashMap<Effect, Claim>,
    faults: Vec<String>,
}

/// Everything that is wrong with a history, and the bank as it must stand.
pub fn replay(accounts: &[Uuid], records: &[Record], rows: &[Row]) -> (Bank, Vec<String>) {
    let (roots, claims) = (HashMap::new(), HashMap::new());
    let mut check = Check { accounts, records, rows, roots, claims, faults: Vec::new() };
    check.root();
    check.claim();
    let claimed: Vec<Option<Claim>> = check.rows.iter().map(|row| check.owner(row)).collect();
    check.count(&claimed);
    check.keep_time(&claimed);
    let bank = check.run(&claimed);
    (bank, check.faults)
}

impl Row {
    fn creates(&self) -> bool {
        self.names.starts_with("transaction.created") || self.names == "transaction.rule"
    }
}

impl Check<'_> {
    fn root(&mut self) {
        for (place, row) in self.rows.iter().enumerate().filter(|(_, row)| row.creates()) {
            self.roots.extend(row.ids.iter().map(|id| (*id, place)));
        }
    }

    /// Which effect each acknowledgement speaks of.
    fn claim(&mut self) {
        for (n, record) in self.records.iter().enumerate() {
            for (place, said) in record.said.iter().enumerate() {
                let Said::Done { id, captured, .. } = said else { continue };
                let root = |id: &Uuid| self.roots.get(id).copied().unwrap_or(usize::MAX);
                let ask = match &record.ask {
                    Ask::Modest(ask) => &**ask,
                    ask => ask,
                };
                let effect = match ask {
                    Ask::Complete(id) | Ask::Cancel(id) => Effect::End(root(id)),
                    Ask::Capture { id, .. } => Effect::Capture(root(id), *captured),
                    _ => Effect::New(*id),
                };
                if let Some((other, _)) = self.claims.insert(effect, (n, place)) {
                    let other = &self.records[other];
                    self.faults.push(format!("one effect, two answers: {record:?}, {other:?}"));
                }
            }
        }
    }

    fn owner(&self, row: &Row) -> Option<Claim> {
        let root = || self.roots.get(&row.ids[0]).copied().unwrap_or(usize::MAX);
        let effect = if row.creates() {
            Effect::New(row.ids[0])
        } else if row.names.starts_with("transaction.captured") {
            Effect::Capture(root(), row.captured)
        } else {
            Effect::End(root())
        };
        self.claims.get(&effect).copied()
    }

    /// Every acknowledged effect is there, once.
    fn count(&mut self, claimed: &[Option<Claim>]) {
        let mut seen: BTreeMap<Claim, usize> = BTreeMap::new();
        for claim in claimed.iter().flatten() {
            *seen.entry(*claim).or_default() += 1;
        }
        for claim in self.claims.values() {
            let times = seen.get(claim).copied().unwrap_or(0);
            if times != 1 {
                let record = &self.records[claim.0];
                self.faults.push(format!("an answer with {times} effects: {record:?}"));
            }
        }
    }

    /// Who had an answer before another one asked, comes before them.
    fn keep_time(&mut self, claimed: &[Option<Claim>]) {
        let mut newest = 0;
        for (place, claim) in claimed.iter().enumerate() {
            let Some((n, _)) = claim else { continue };
            let record = &self.records[*n];
            if record.to < newest {
                self.faults.push(format!("effect {place} is out of its time: {record:?}"));
            }
            newest = newest.max(record.from);
        }
    }

    /// For each record that changed nothing, after how many effects it may have been decided.
    fn windows(&self, claimed: &[Option<Claim>]) -> BTreeMap<usize, Vec<(usize, usize)>> {
        let times = claimed.iter().enumerate().filter_map(|(place, claim)| {
            let record = &self.records[claim.as_ref()?.0];
            Some((place, record.from, record.to))
        });
        let mut done: Vec<(u64, usize)> = times.clone().map(|(place, _, to)| (to, place)).collect();
        let mut begun: Vec<(u64, usize)> = times.map(|(place, from, _)| (from, place)).collect();
        done.sort_unstable();
        begun.sort_unstable();
        for next in 1..done.len() {
            done[next].1 = done[next].1.max(done[next - 1].1);
        }
        for next in (1..begun.len()).rev() {
            begun[next - 1].1 = begun[next - 1].1.min(begun[next].1);
        }
        let mut windows: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        for (n, record) in self.records.iter().enumerate() {
            let least = match &record.ask {
                Ask::Read(account) => self.seen(*account, record.from, claimed),
                _ => {
                    let before = done.partition_point(|(to, _)| *to < record.from);
                    before.checked_sub(1).map_or(0, |last| done[last].1 + 1)
                }
            };
            let after = begun.partition_point(|(from, _)| *from <= record.to);
            let most = begun.get(after).map_or(self.rows.len(), |(_, place)| *place);
            if record.wants_a_moment() {
                windows.entry(least).or_default().push((n, most));
            }
        }
        windows
    }

    /// After how many effects somebody reads who takes no lock: all that were told before
    /// and are of that account. One of another account, with an earlier number, may still
    /// be on its way.
    fn seen(&self, account: usize, from: u64, claimed: &[Option<Claim>]) -> usize {
        let told = |place: &usize| {
            let of_it = self.rows[*place].accounts.contains(&self.accounts[account]);
            of_it && claimed[*place].is_some_and(|(n, _)| self.records[n].to < from)
        };
        (0..self.rows.len()).rev().find(told).map_or(0, |last| last + 1)
    }

    fn run(&mut self, claimed: &[Option<Claim>]) -> Bank {
        let mut bank = Bank::new(self.accounts.len());
        let mut windows = self.windows(claimed);
        let mut open: Vec<(usize, usize)> = Vec::new();
        let steps = claimed.iter().copied().map(Some).chain([None]);
        for (place, step) in steps.enumerate() {
            open.extend(windows.remove(&place).unwrap_or_default());
            open.retain(|(n, most)| {
                let record = &self.records[*n];
                let so = record.was_so(&bank);
                if !so && *most <= place {
                    self.faults.push(format!("it was never so: {record:?}"));
                }
                !so && *most > place
            });
            if let Some(claim) = step {
                self.step(&mut bank, place, claim);
            }
        }
        // A window that would end before it begins was never open.
        for (n, _) in windows.into_values().flatten().chain(open) {
            self.faults.push(format!("no moment was left for {:?}", self.records[n]));
        }
        bank
    }

    fn step(&mut self, bank: &mut Bank, place: usize, claim: Option<Claim>) {
        let row = &self.rows[place];
        let Some((n, item)) = claim else {
            // Time completes and ends orders unasked; nothing else happens unasked.
            // A hold of which a part was taken also ends as completed when it expires.
            let (id, hour) = (row.ids[0], row.hour);
            let ended = match row.names.as_str() {
                "transaction.completed" => bank.apply(&Ask::CompleteDue(id), &[], hour),
                _ => Err(("transaction_failed".to_owned(), 0)),
            };
            let ended = ended.or_else(|_| bank.apply(&Ask::Expire(id), &[], hour));
            if row.creates() || ended.is_err() {
                let (names, ids) = (&row.names, &row.ids);
                self.faults.push(format!("nobody was told of {names} ({ended:?}): {ids:?}"));
            }
            return;
        };
        let record = &self.records[n];
        let ask = match &record.ask {
            Ask::Atomic(all) => Ask::Create(all[item].clone()),
            ask => ask.clone(),
        };
        if let Err(refusal) = bank.apply(&ask, &row.ids, row.hour) {
            self.faults.push(format!("effect {place} should be {refusal:?}: {record:?}"));
            return;
        }
        let Said::Done { hour, status, captured, id } = record.said[item] else { return };
        let Some(order) = bank.order(id) else { return };
        let state = match order.state {
            State::Pending => Status::Pending,
            State::Completed => Status::Completed,
            State::Failed => Status::Failed,
        };
        if (hour, status, captured) != (row.hour, state, order.captured) {
            self.faults.push(format!("effect {place} leaves {order:?}, told was {record:?}"));
        }
    }
}

impl Record {
    /// Whether something was said that has to be true, but left no trace.
    fn wants_a_moment(&self) -> bool {
        match &self.ask {
            // Sent again, its items may have been decided at several moments.
            Ask::Atomic(_) => {
                !self.again && self.said.iter().any(|said| matches!(said, Said::Refused(..)))
            }
            _ => matches!(self.said[0], Said::Refused(..) | Said::Funds(..)),
        }
    }

    /// Whether the bank as it now stands says the same.
    fn was_so(&self, bank: &Bank) -> bool {
        if let (Ask::Read(account), Said::Funds(balance, available)) = (&self.ask, &self.said[0]) {
            let account = &bank.accounts[*account];
            return (account.balance, account.available) == (*balance, *available);
        }
        let same = |said: &Said, verdict: Result<(), (String, i64)>| match (said, verdict) {
            (Said::Refused(code, short), Err(refusal)) => (code.clone(), *short) == refusal,
            (Said::Undone, Ok(())) => true,
            _ => false,
        };
        (self.hours.0..=self.hours.1).any(|hour| match &self.ask {
            Ask::Atomic(all) => {
                let verdicts = bank.judge_all(all, hour);
                self.said.iter().zip(verdicts).all(|(said, verdict)| same(said, verdict))
            }
            ask => same(&self.said[0], bank.judge(ask, hour)),
        })
    }
}

/// Where the tables differ from the bank.
pub async fn compare(client: &Client, ids: &[Uuid], bank: &Bank) -> Vec<String> {
    let mut faults = Vec::new();
    let funds = "SELECT balance::text, available_balance::text, spent_amount::text, entry_count,
                        pending_count
                   FROM accounts WHERE id = $1";
    let history = "SELECT delta::text, balance::text FROM (
            SELECT source_seq AS seq, -amount AS delta, source_balance AS balance
              FROM wallstreet.entries WHERE source_id = $1
            UNION ALL SELECT target_seq, amount, target_balance
              FROM wallstreet.entries WHERE target_id = $1) e ORDER BY seq";
    for (place, id) in ids.iter().enumerate() {
        let (account, entries) = (&bank.accounts[place], &bank.entries[place]);
        let row = client.query_one(funds, &[id]).await.unwrap();
        let kept = (hundredths(row.get(0)), hundredths(row.get(1)), hundredths(row.get(2)));
        let count: i64 = row.get(3);
        if kept != (account.balance, account.available, account.spent)
            || usize::try_from(count).unwrap() != entries.len()
            || row.get::<_, i64>(4) != account.pending
        {
            faults.push(format!("account {place} is {kept:?} with {count}, not {account:?}"));
        }
        let rows = client.query(history, &[id]).await.unwrap();
        let kept: Vec<(i64, i64)> =
            rows.iter().map(|row| (hundredths(row.get(0)), hundredths(row.get(1)))).collect();
        if let Some(at) =
            (0..kept.len().max(entries.len())).find(|n| kept.get(*n) != entries.get(*n))
        {
            let (kept, told) = (kept.get(at), entries.get(at));
            faults.push(format!("entry {} of account {place} is {kept:?}, not {told:?}", at + 1));
        }
    }
    faults
}
