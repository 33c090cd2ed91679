//! Histories of any shape, written straight into the book, for tests that recompute what the bank says of them.

use ledger::{AccountId, Money};
use platform::{accounts::Account, entries::Basis};
use std::fmt::Write;
use testkit::Bank;
use tokio_postgres::Client;

/// 2026-01-01T00:00:00Z in microseconds.
pub const START: i64 = 1_767_225_600_000_000;
/// How far apart the moments of a history are: a few microseconds, so that borders are met.
pub const STEP: u64 = 4;

/// An entry as the book has it: times in microseconds, the amount in hundredths with its sign.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub sequence: i64,
    pub amount: i64,
    pub recorded: i64,
    pub effective: Option<i64>,
}

impl Written {
    /// When it counts.
    pub fn counts(&self, basis: Basis) -> i64 {
        match basis {
            Basis::Recorded => self.recorded,
            Basis::Effective => self.effective.unwrap_or(self.recorded),
        }
    }
}

/// A small generator of numbers, the same on every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// Invents a history: several entries share a moment, as those of a batch do, and one in `backdated` counts earlier.
pub fn invent(dice: &mut Dice, length: i64, backdated: u64) -> Vec<Written> {
    let (mut balance, mut recorded) = (0_i64, START);
    let entry = |sequence| {
        recorded += i64::try_from(dice.below(3) * dice.below(STEP)).unwrap();
        let amount = i64::try_from(dice.below(100_000) + 1).unwrap();
        let amount = if dice.below(2) == 0 && balance >= amount { -amount } else { amount };
        balance += amount;
        let back = i64::try_from(dice.below(STEP * 20) + 1).unwrap();
        let effective = (dice.below(backdated) == 0).then_some(recorded - back);
        Written { sequence, amount, recorded, effective }
    };
    (1..=length).map(entry).collect()
}

/// Writes a history into the book, for an account that has none.
pub async fn write(client: &Client, account: &Account, history: &[Written]) {
    let (mut transactions, mut entries, mut balance) = (Vec::new(), Vec::new(), 0_i64);
    for entry in history {
        balance += entry.amount;
        let (amount, held) = (decimal(entry.amount.abs()), decimal(balance));
        let at = |micros: i64| format!("timestamptz 'epoch' + {micros} * interval '1 microsecond'");
        let effective = entry.effective.map_or("NULL".to_owned(), at);
        let id = format!("md5('{}{}')::uuid", account.id, entry.sequence);
        let (kind, way) = if entry.amount > 0 { ("deposit", "in") } else { ("withdrawal", "out") };
        transactions.push(format!(
            "({id}, '{}', '{kind}', '{way}', {amount}, 'completed', now(), 'Entry {}')",
            account.id, entry.sequence,
        ));
        let bank = "'00000000-0000-8000-8001-000000555344'";
        let (mine, side) = (format!("'{}'", account.id), format!("{}, {held}", entry.sequence));
        let sides = match way {
            "in" => format!("{bank}, {mine}, NULL::bigint, NULL::numeric, {side}"),
            _ => format!("{mine}, {bank}, {side}, NULL::bigint, NULL::numeric"),
        };
        let recorded = at(entry.recorded);
        entries.push(format!("({id}, {sides}, {amount}, 'USD', {recorded}, {effective})"));
    }
    let mut sql = String::new();
    let (transactions, entries) = (transactions.join(","), entries.join(","));
    writeln!(
        sql,
        "INSERT INTO transactions (id, account_id, transaction_type, direction, amount, status, completed_at,
            description) VALUES {transactions};
         INSERT INTO wallstreet.entries (transaction_id, source_id, target_id, source_seq, source_balance, target_seq,
            target_balance, amount, currency, recorded_at, effective_at) VALUES {entries};
         UPDATE accounts SET balance = {balance}, available_balance = {balance}, entry_count = {count} WHERE id = '{id}';",
        balance = decimal(balance), count = history.len(), id = account.id,
    )
    .unwrap();
    client.batch_execute(&sql).await.unwrap();
}

/// Twenty thousand entries, one a second, the last of them in the middle of a busy book.
pub async fn write_long(bank: &Bank, account: AccountId) {
    let sql = format!(
        "INSERT INTO transactions (id, account_id, transaction_type, direction, amount, status, completed_at)
         SELECT md5('{account}' || n)::uuid, '{account}', 'deposit', 'in', 1, 'completed', now()
           FROM generate_series(1, 20000) AS n;
         INSERT INTO wallstreet.entries (transaction_id, source_id, target_id, target_seq, target_balance, amount, currency,
            recorded_at, effective_at)
         SELECT md5('{account}' || n)::uuid, '00000000-0000-8000-8001-000000555344', '{account}', n, n, 1, 'USD',
                timestamptz '2026-01-01Z' + n * interval '1 second',
                CASE WHEN n % 1000 = 0 THEN timestamptz '2026-01-01Z' + (n - 500) * interval '1 second' END
           FROM generate_series(1, 20000) AS n;
         UPDATE accounts SET balance = 20000, available_balance = 20000, entry_count = 20000 WHERE id = '{account}';
         ANALYZE wallstreet.entries; ANALYZE transactions;"
    );
    bank.client().await.batch_execute(&sql).await.unwrap();
}

/// What the entries that count before a moment came to.
pub fn before(history: &[Written], basis: Basis, moment: i64) -> Money {
    let sum = history.iter().filter(|entry| entry.counts(basis) < moment);
    Money::from_hundredths(sum.map(|entry| entry.amount).sum()).unwrap()
}

fn decimal(hundredths: i64) -> String {
    Money::from_hundredths(hundredths).unwrap().to_string()
}
