//! Which accounts a transfer is between.

use crate::random::Random;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How the transfers lie over the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Both sides anywhere.
    Uniform,
    /// Four of five transfers touch the first account, half of them as source.
    Hot,
    /// Both sides among the first ten.
    Ten,
    /// Both sides by Zipf's law with exponent 1.
    Zipf,
}

impl Workload {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 4] = [Self::Uniform, Self::Hot, Self::Ten, Self::Zipf];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Hot => "hot",
            Self::Ten => "ten",
            Self::Zipf => "zipf",
        }
    }
}

/// One transfer to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// From this account,
    pub source: Uuid,
    /// to this one,
    pub target: Uuid,
    /// so many cents,
    pub cents: i64,
    /// under this key.
    pub key: Uuid,
}

/// Picks transfers.
pub struct Picker {
    workload: Workload,
    accounts: usize,
    /// For Zipf: the share of all that falls on this rank and those before it.
    shares: Vec<f64>,
}

impl Picker {
    /// Over the accounts `0..accounts`, of which there are at least ten.
    pub fn new(workload: Workload, accounts: usize) -> Self {
        let shares = if workload == Workload::Zipf { shares(accounts) } else { Vec::new() };
        Self { workload, accounts, shares }
    }

    /// The next transfer: two different accounts, 0.01 to 1.00.
    pub fn transfer(&self, random: &mut Random) -> Transfer {
        let (source, target) = self.pair(random);
        let cents = i64::try_from(1 + random.below(100)).expect("at most 100");
        Transfer { source: account(source), target: account(target), cents, key: random.uuid() }
    }

    /// The places of two different accounts.
    fn pair(&self, random: &mut Random) -> (usize, usize) {
        match self.workload {
            Workload::Hot if random.below(5) < 4 => {
                let other = 1 + random.below(self.accounts - 1);
                if random.below(2) == 0 { (0, other) } else { (other, 0) }
            }
            Workload::Uniform | Workload::Hot => different(|| random.below(self.accounts)),
            Workload::Ten => different(|| random.below(10)),
            Workload::Zipf => different(|| {
                let share = random.fraction();
                self.shares.partition_point(|upto| *upto <= share).min(self.accounts - 1)
            }),
        }
    }
}

fn different(mut pick: impl FnMut() -> usize) -> (usize, usize) {
    let first = pick();
    loop {
        let second = pick();
        if second != first {
            return (first, second);
        }
    }
}

/// For each rank the share of all that falls on it and those before it, if rank n gets 1/n.
fn shares(ranks: usize) -> Vec<f64> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=ranks)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    sums.into_iter().map(|upto| upto / sum).collect()
}

/// The id of the account at a place: UUIDs of version 7 made one after the other,
/// as `seed.sql` makes them.
pub fn account(place: usize) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + place as u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 100_000;

    /// How often each of the first accounts is touched.
    fn touches(workload: Workload) -> Vec<usize> {
        let (picker, mut random) = (Picker::new(workload, 1000), Random::new(7));
        let mut touches = vec![0; 1000];
        for _ in 0..MANY {
            let (source, target) = picker.pair(&mut random);
            assert_ne!(source, target);
            touches[source] += 1;
            touches[target] += 1;
        }
        touches
    }

    #[test]
    fn no_transfer_of_the_uniform_workload_prefers_an_account() {
        let touches = touches(Workload::Uniform);
        assert!(touches.iter().all(|count| (100..320).contains(count)), "{touches:?}");
    }

    #[test]
    fn four_of_five_hot_transfers_touch_the_first_account() {
        let share = touches(Workload::Hot)[0] as f64 / MANY as f64;
        assert!((0.79..0.81).contains(&share), "{share}");
    }

    #[test]
    fn ten_accounts_are_ten() {
        assert!(touches(Workload::Ten)[10..].iter().all(|count| *count == 0));
    }

    #[test]
    fn by_zipf_the_tenth_account_has_a_tenth_of_the_first() {
        let touches = touches(Workload::Zipf);
        let ratio = touches[0] as f64 / touches[9] as f64;
        assert!((8.0..11.0).contains(&ratio), "{ratio}");
        let last: usize = touches[990..].iter().sum();
        assert!(last > 0, "nobody is left out");
    }
}
