//! An import under way: batches are read, sent, and remembered in the order of the file.
//!
//! Invariants: at most so many batches are under way; what is remembered is contiguous; a signal ends it after the
//! batches that are under way, a second one at once.

use super::{
    batch::Batch,
    client::Client,
    progress::Progress,
    refusals::Refusals,
    sending::{Road, Settled, Stop},
    told::Told,
};
use crate::failure::{Exit, Failure};
use std::{collections::VecDeque, fs, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::interval,
};

/// How an import ends that could go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the last line.
    Reached,
    /// By a signal.
    Asked,
}

/// What an import keeps.
pub struct Session {
    /// Where progress is written; standard input has none.
    pub path: Option<PathBuf>,
    /// What is done.
    pub progress: Progress,
    /// What is refused.
    pub refusals: Refusals,
    /// What a person sees.
    pub told: Told,
}

type Sent = JoinHandle<Result<Settled, Stop>>;

/// What there is to wait for.
enum Event {
    Signal,
    Read(Option<io::Result<Batch>>),
    Settled(Result<Settled, Stop>),
    Tick,
}

/// What is under way.
struct Traffic {
    road: Arc<Road>,
    batches: mpsc::Receiver<io::Result<Batch>>,
    sent: VecDeque<Sent>,
    /// Whether more is to be sent.
    reading: bool,
    /// Whether the only batch under way is the probe.
    probing: bool,
}

impl Session {
    /// Sends all batches.
    pub async fn run(
        &mut self,
        client: Client,
        atomic: bool,
        batches: mpsc::Receiver<io::Result<Batch>>,
        width: usize,
    ) -> Result<End, Failure> {
        let (stop, stopped) = watch::channel(false);
        let road = Arc::new(Road::new(client, atomic, stopped));
        let sent = VecDeque::new();
        let mut traffic = Traffic { road, batches, sent, reading: true, probing: false };
        let mut signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut tick = interval(Duration::from_millis(500));
        let mut end = End::Reached;
        while traffic.reading || !traffic.sent.is_empty() {
            let event = tokio::select! {
                () = either(&mut signals) => Event::Signal,
                event = traffic.next(width) => event,
                _ = tick.tick() => Event::Tick,
            };
            let stopped = match event {
                Event::Tick => {
                    self.told.tell(&self.progress, traffic.road.waiting());
                    continue;
                }
                Event::Signal if end == End::Asked => return Ok(end),
                Event::Signal => {
                    end = End::Asked;
                    traffic.reading = false;
                    stop.send_replace(true);
                    continue;
                }
                Event::Read(batch) => traffic.send(batch),
                Event::Settled(settled) => settled.and_then(|settled| self.keep(settled)),
            };
            if let Err(why) = stopped {
                let doubt = !traffic.sent.is_empty() || !matches!(why, Stop::Undone(_));
                self.close(doubt, false)?;
                return match why {
                    Stop::Asked => Ok(End::Asked),
                    Stop::Doubt(failure) | Stop::Undone(failure) => Err(failure),
                };
            }
        }
        self.close(false, end == End::Reached)?;
        Ok(end)
    }

    /// Remembers what became of a batch: the refused lines first, so that none is missing.
    fn keep(&mut self, settled: Settled) -> Result<(), Stop> {
        let Settled { done, replayed, refused, known, batch } = settled;
        if batch.probe && known {
            return Err(Stop::Undone(self.known()));
        }
        self.refusals.add(&refused).map_err(Stop::Doubt)?;
        let progress = &mut self.progress;
        progress.counts.done += done;
        progress.counts.replayed += replayed;
        progress.counts.refused += refused.len() as u64;
        (progress.offset, progress.line) = (batch.end.offset, batch.end.line);
        progress.sha256 = batch.end.hash();
        progress.errors_length = self.refusals.length();
        self.save().map_err(Stop::Doubt)
    }

    /// The first line was sent before, and nothing here knows about it.
    fn known(&self) -> Failure {
        let prefix = &self.progress.key_prefix;
        Failure::new(
            Exit::CouldNot,
            "the first line was sent to this server before: the file was imported already, or begins like one that was",
        )
        .next(format!(
            "to go on with that import, add --key-prefix {prefix}: what is done is not done again; if it is another \
             one, add a --key-prefix of your own"
        ))
    }

    fn save(&mut self) -> Result<(), Failure> {
        match &self.path {
            Some(path) => self.progress.save(path),
            None => Ok(()),
        }
    }

    /// The last thing to remember. Of what did not even begin, nothing is.
    fn close(&mut self, doubt: bool, finished: bool) -> Result<(), Failure> {
        self.told.end();
        (self.progress.open, self.progress.finished) = (doubt, finished);
        match &self.path {
            Some(path) if self.progress.line == 0 && !doubt => Ok(fs::remove_file(path)?),
            _ => self.save(),
        }
    }
}

impl Traffic {
    /// The next batch to be sent, or the outcome of the first that was.
    async fn next(&mut self, width: usize) -> Event {
        let room = self.reading && !self.probing && self.sent.len() < width;
        let first = async {
            match self.sent.front_mut() {
                Some(first) => first.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            settled = first => {
                self.sent.pop_front();
                self.probing = false;
                let failed = |error: tokio::task::JoinError| {
                    Stop::Doubt(Failure::new(Exit::CouldNot, error.to_string()))
                };
                Event::Settled(settled.map_err(failed).flatten())
            }
            batch = self.batches.recv(), if room => Event::Read(batch),
        }
    }

    fn send(&mut self, batch: Option<io::Result<Batch>>) -> Result<(), Stop> {
        let Some(batch) = batch else {
            self.reading = false;
            return Ok(());
        };
        let batch = batch.map_err(|error| {
            Stop::Doubt(Failure::new(Exit::CouldNot, format!("cannot read on: {error}")))
        })?;
        self.probing = batch.probe;
        let road = Arc::clone(&self.road);
        self.sent.push_back(tokio::spawn(async move { road.settle(batch).await }));
        Ok(())
    }
}

async fn either((interrupt, terminate): &mut (Signal, Signal)) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
