//! The cost of a transfer beside millions of others, against the same in a new bank.

use super::{
    book::{self, Counts},
    contestants::{BEFORE, Field, warm_up},
    figures::Growth,
    plan::{Contestant, Plan, Shot},
    seed::{self, ACCOUNTS},
    setting::Setting,
};
use crate::{random::Random, workload::Workload};
use anyhow::{Result, ensure};

/// Rounds of their own, since the two figures stand alone.
const ROUNDS: usize = 3;
const SHOT: Shot = Shot { connections: 256, pool: 0 };

/// Fills one bank, leaves another empty, and loads them in turn.
pub fn run(setting: &mut Setting, plan: &Plan, transactions: usize) -> Result<Growth> {
    let rounds = transactions.div_ceil(2 * ACCOUNTS);
    let (few, many) = (setting.keep()?, setting.keep()?);
    let database = setting.open(&many)?;
    seed::add_rounds(&database, setting.user, ACCOUNTS, rounds, |done| {
        if done.is_multiple_of(500_000) {
            eprintln!("bench: growth: {done} of {} transactions", rounds * 2 * ACCOUNTS);
        }
    })?;
    let mut before = Vec::new();
    for name in [&few, &many] {
        before.push(Counts::of(&setting.open(name)?)?);
    }
    let (mut pairs, mut acknowledged) = (Vec::new(), [0, 0]);
    for round in 0..ROUNDS {
        let mut pair = [0.0, 0.0];
        for (place, name) in [&few, &many].into_iter().enumerate() {
            let product = setting.product(name)?;
            if round == 0 {
                warm_up(setting, name)?;
                acknowledged[place] += i64::try_from(BEFORE)?;
            }
            setting.open(name)?.until_sealed()?;
            let seed = Random::new((1000 + 2 * round + place) as u64).next();
            let field = Field { setting, plan, workload: Workload::Uniform, database: name, seed };
            let measured = field.run(Contestant::Product, SHOT, Some(&product))?;
            ensure!(measured.errors == 0, "growth: {:?}", measured.first_error);
            acknowledged[place] += i64::try_from(measured.acknowledged)?;
            pair[place] = measured.per_second;
        }
        eprintln!("bench: growth: {:.0}/s beside few, {:.0}/s beside many", pair[0], pair[1]);
        pairs.push((pair[0], pair[1]));
    }
    for ((name, before), acknowledged) in [&few, &many].into_iter().zip(before).zip(acknowledged) {
        let faults = book::faults(&setting.open(name)?, before, acknowledged)?;
        ensure!(faults.is_empty(), "growth: {}", faults.join("; "));
    }
    drop(database);
    setting.forget(&few)?;
    setting.forget(&many)?;
    Ok(Growth { transactions: rounds * 2 * ACCOUNTS, pairs })
}
