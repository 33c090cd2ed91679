//! One workload of one round: every contestant in turn, each on a fresh copy, each book verified after.

use super::{
    book::{self, Counts},
    cpu,
    database::Database,
    figures::{Figures, Memory, Run},
    plan::{Contestant, Plan, Shot},
    seed::ACCOUNTS,
    setting::{Running, Setting},
};
use crate::{
    baseline::Design,
    batched,
    load::{Specification, Task},
    measured::{Measured, Timing},
    random::Random,
    sql,
    workload::Workload,
};
use anyhow::{Result, ensure};

/// How many transfers a bulk request has.
const BULK: usize = 1000;

/// How many transfers a bank has seen before it is measured: so many that no page is touched for the first time since
/// the checkpoint. Such a page is written into the log as a whole, which would be a tax on whoever has few seconds.
pub const BEFORE: u64 = 30_000;

/// Runs them.
pub fn run(
    setting: &mut Setting,
    plan: &Plan,
    round: usize,
    workload: Workload,
    figures: &mut Figures,
) -> Result<()> {
    for (contestant, shots) in plan.contestants(workload) {
        let name = setting.copy()?;
        warm_up(setting, &name)?;
        let before = Counts::of(&setting.open(&name)?)?;
        let product = match contestant {
            Contestant::Product | Contestant::Bulk => Some(setting.product(&name)?),
            _ => None,
        };
        if contestant == Contestant::Bulk
            && let Some(why) = product.as_ref().and_then(|product| no_bulk(setting, product))
        {
            eprintln!("bench: {}: left out, {why}", contestant.name());
            figures.note(format!("bulk was left out: {why}"));
            continue;
        }
        if product.is_some() {
            setting.open(&name)?.until_sealed()?;
        }
        let mut acknowledged = 0;
        for shot in shots {
            let seed = Random::new(figures.runs.len() as u64).next();
            let field = Field { setting, plan, workload, database: &name, seed };
            let measured = field.run(contestant, shot, product.as_ref())?;
            acknowledged += i64::try_from(measured.acknowledged)?;
            tell(round, plan.rounds, workload, contestant, shot, &measured);
            let what =
                || format!("{} {} at {}", contestant.name(), workload.name(), shot.connections);
            if let Some(error) = &measured.first_error {
                figures.fault(format!("{}: {} wrong answers: {error}", what(), measured.errors));
            }
            figures.runs.push(Run { round, workload, contestant, shot, measured });
        }
        if let Some(product) = &product {
            figures.memory.push(Memory::of(product.pid())?);
        }
        drop(product);
        if round == 1 {
            compare(&setting.open(&name)?, contestant, figures)?;
        }
        for fault in book::faults(&setting.open(&name)?, before, acknowledged)? {
            figures.fault(format!("{} {}: {fault}", contestant.name(), workload.name()));
        }
    }
    Ok(())
}

/// Nobody writes out another's pages, and every page has been touched since.
pub fn warm_up(setting: &Setting, database: &str) -> Result<()> {
    setting.checkpoint()?;
    let specification = batched::Specification {
        database: setting.url(database),
        user: setting.user,
        batch: 500,
        workload: Workload::Uniform,
        accounts: ACCOUNTS,
        timing: Timing { warm_up: 0.0, measured: 600.0 },
        most: Some(BEFORE),
        seed: 0,
    };
    let measured: Measured = setting.measure("batched", &specification)?;
    ensure!(measured.errors == 0, "warming up: {:?}", measured.first_error);
    Ok(())
}

fn tell(
    round: usize,
    rounds: usize,
    workload: Workload,
    who: Contestant,
    shot: Shot,
    m: &Measured,
) {
    eprintln!(
        "bench: {round}/{rounds} {:8} {:16} {:4} {:>8.0}/s  p50 {:8.2} ms  p99 {:8.2} ms  cpu {:>4.0} + {:>4.0} µs",
        workload.name(),
        who.name(),
        shot.connections,
        m.per_second,
        m.p50,
        m.p99,
        m.postgres_cpu,
        m.server_cpu
    );
}

/// All write the same rows, or they are not to be compared.
fn compare(database: &Database<'_>, who: Contestant, figures: &mut Figures) -> Result<()> {
    let rows = database.query(sql::SHAPES, &[])?;
    let shapes: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if shapes.len() != sql::ROWS {
        figures.fault(format!(
            "{} writes {} rows a transfer: {shapes:?}",
            who.name(),
            shapes.len()
        ));
    }
    if figures.shapes.is_empty() {
        figures.shapes = shapes;
        return Ok(());
    }
    let only = |ones: &[String], others: &[String]| -> Vec<String> {
        ones.iter().filter(|shape| !others.contains(shape)).cloned().collect()
    };
    let (theirs, ours) = (only(&shapes, &figures.shapes), only(&figures.shapes, &shapes));
    if !theirs.is_empty() || !ours.is_empty() {
        let name = who.name();
        figures.fault(format!(
            "{name} does not write the product's rows: it has\n{}\nand the product\n{}",
            theirs.join("\n"),
            ours.join("\n")
        ));
    }
    Ok(())
}

/// Why the product takes no bulk, if it does not.
fn no_bulk(setting: &Setting, product: &Running) -> Option<String> {
    let header = format!("x-api-key: {}\r\n", setting.api_key);
    let nothing = serde_json::json!({});
    let asked = setting.ask(product, "POST", BULK_PATH, &header, Some(&nothing)).err()?;
    let said = asked.to_string();
    let absent = [": 404 ", ": 405 "].iter().any(|status| said.contains(status));
    absent.then(|| format!("this version has no POST {BULK_PATH}"))
}

const BULK_PATH: &str = "/api/v1/transactions/batch";

/// What one run needs to know.
pub struct Field<'s> {
    pub setting: &'s Setting,
    pub plan: &'s Plan,
    pub workload: Workload,
    pub database: &'s str,
    pub seed: u64,
}

impl Field<'_> {
    /// One run.
    pub fn run(
        &self,
        contestant: Contestant,
        shot: Shot,
        product: Option<&Running>,
    ) -> Result<Measured> {
        let before = self.setting.postgres_cpu();
        let mut measured = self.run_plainly(contestant, shot, product)?;
        let taken = self.setting.postgres_cpu().saturating_sub(before);
        measured.postgres_cpu = taken as f64 / measured.acknowledged.max(1) as f64;
        Ok(measured)
    }

    fn run_plainly(
        &self,
        contestant: Contestant,
        shot: Shot,
        product: Option<&Running>,
    ) -> Result<Measured> {
        let Self { setting, workload, database, .. } = *self;
        let single = Task::Transfers { workload, accounts: ACCOUNTS };
        let bulk = Task::Bulk { workload, accounts: ACCOUNTS, size: BULK };
        match (contestant, product) {
            (Contestant::Product, Some(product)) => {
                self.load(product, "/api/v1/transactions", single, shot)
            }
            (Contestant::Bulk, Some(product)) => self.load(product, BULK_PATH, bulk, shot),
            (Contestant::Function, _) => {
                let server = setting.baseline(Design::Function, database, shot.pool)?;
                self.load(&server, "/transfers", single, shot)
            }
            (Contestant::Batched, _) => {
                let specification = batched::Specification {
                    database: setting.url(database),
                    user: setting.user,
                    batch: shot.connections,
                    workload,
                    accounts: ACCOUNTS,
                    timing: self.plan.timing,
                    most: None,
                    seed: self.seed,
                };
                setting.measure("batched", &specification)
            }
            (Contestant::Naive | Contestant::Product | Contestant::Bulk, _) => {
                let server = setting.baseline(Design::Naive, database, shot.pool)?;
                self.load(&server, "/transfers", single, shot)
            }
        }
    }

    fn load(&self, server: &Running, path: &str, task: Task, shot: Shot) -> Result<Measured> {
        let specification = Specification {
            address: server.address,
            path: path.to_owned(),
            api_key: Some(self.setting.api_key.clone()),
            task,
            connections: shot.connections,
            timing: self.plan.timing,
            seed: self.seed,
        };
        let before = cpu::micros(server.pid());
        let mut measured = self.setting.measure("load", &specification)?;
        let taken = cpu::micros(server.pid()).saturating_sub(before);
        measured.server_cpu = taken as f64 / measured.acknowledged.max(1) as f64;
        Ok(measured)
    }
}
