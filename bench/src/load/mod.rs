//! The load: connections that each ask, wait for the answer, check it and ask again.
//!
//! A process of its own with one thread, so that its work does not count as the server's. Every answer is checked in
//! full; a connection that got a wrong one asks no more.

mod asking;
mod wire;

use crate::{
    measured::{Measured, Stopwatch, Timing},
    random::Random,
    workload::Workload,
};
use anyhow::Result;
use asking::Asking;
use serde::{Deserialize, Serialize};
use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Instant};
use tokio::task::LocalSet;
use wire::Wire;

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Specification {
    /// Where the server is.
    pub address: SocketAddr,
    /// The path of what is posted to, or nothing for reads.
    pub path: String,
    /// For the product.
    pub api_key: Option<String>,
    /// What to ask.
    pub task: Task,
    /// On how many connections at once.
    pub connections: usize,
    /// For how long.
    pub timing: Timing,
    /// Where the random numbers begin.
    pub seed: u64,
}

/// What to ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One transfer a request.
    Transfers { workload: Workload, accounts: usize },
    /// So many transfers a request.
    Bulk { workload: Workload, accounts: usize, size: usize },
    /// One of these, at random.
    Reads(Vec<Read>),
}

/// A read, and what its answer must be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Read {
    /// The path.
    pub path: String,
    /// What must stand in the answer, and how often.
    pub holds: Vec<(String, usize)>,
}

/// Runs to the end.
pub fn run(specification: Specification) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, run_all(Rc::new(specification)))
}

/// One question on a connection of its own: status and body.
pub async fn exchange(address: SocketAddr, request: &str) -> std::io::Result<(u16, String)> {
    let mut wire = Wire::connect(address).await?;
    let (status, body) = wire.exchange(request.as_bytes()).await?;
    Ok((status, String::from_utf8_lossy(body).into_owned()))
}

async fn run_all(specification: Rc<Specification>) -> Result<Measured> {
    let mut wires = Vec::with_capacity(specification.connections);
    for _ in 0..specification.connections {
        wires.push(Wire::connect(specification.address).await?);
    }
    let watch = Rc::new(RefCell::new(Stopwatch::start(specification.timing)));
    let mut seeds = Random::new(specification.seed);
    let asking = Rc::new(Asking::new(&specification));
    let connections: Vec<_> = wires
        .into_iter()
        .map(|wire| {
            let random = Random::new(seeds.next());
            tokio::task::spawn_local(ask(Rc::clone(&asking), wire, random, Rc::clone(&watch)))
        })
        .collect();
    for connection in connections {
        connection.await?;
    }
    let watch = Rc::into_inner(watch).expect("every connection is done");
    Ok(watch.into_inner().stop())
}

/// One connection, until the time is over.
async fn ask(
    asking: Rc<Asking>,
    mut wire: Wire,
    mut random: Random,
    watch: Rc<RefCell<Stopwatch>>,
) {
    let mut request = Vec::with_capacity(1024);
    while !watch.borrow().is_over() {
        request.clear();
        let expected = asking.next(&mut random, &mut request);
        let asked = Instant::now();
        let answer = wire.exchange(&request).await;
        let checked = match answer {
            Ok((status, body)) => asking.check(&expected, status, body),
            Err(error) => Err(format!("no answer: {error}")),
        };
        match checked {
            Ok(stands_for) => watch.borrow_mut().right(asked, stands_for),
            Err(error) => {
                watch.borrow_mut().wrong(error);
                return;
            }
        }
    }
}
