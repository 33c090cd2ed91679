//! Many questions of one kind, asked together.
//!
//! Whoever asks while the database is busy with others joins the next statement:
//! one for all that wait, however many they are. An answer is never older than
//! its question, so this is no cache. Bounded: when too many wait, or while the
//! database is silent, the next one is refused at once. Each kind of question has
//! connections of its own, so that who is at the door does not queue with who is
//! inside.

use crate::{
    db::{self, Flight},
    error::{Error, Result},
    settings::PoolSettings,
};
use deadpool_postgres::Pool;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

/// The most questions that wait.
const CAPACITY: usize = 4096;
/// The most questions in one statement.
const MOST: usize = 256;
/// Connections a kind of question has: while one waits, the other asks.
const CONNECTIONS: usize = 2;

/// A database that is away says no at once; one that is silent takes longer.
const SILENCE: Duration = Duration::from_millis(500);
/// How long an answer is waited for at all.
const PATIENCE: Duration = Duration::from_secs(2);

type Waiting<Q, A> = (Q, oneshot::Sender<Result<Option<A>>>);
type Find<Q, A> = Box<dyn Fn(Arc<Flight>, Vec<Q>) -> Found<Q, A> + Send + Sync>;
type Found<Q, A> = Pin<Box<dyn Future<Output = Result<HashMap<Q, A>>> + Send>>;

/// Where questions of one kind are asked; `A` is what is found under a `Q`.
pub(crate) struct Lookup<Q: Key, A: Clone + Send + 'static>(Arc<Desk<Q, A>>);

/// What can be asked about.
pub(crate) trait Key: Clone + Eq + Hash + Send + Sync + 'static {}
impl<Q: Clone + Eq + Hash + Send + Sync + 'static> Key for Q {}

struct Desk<Q, A> {
    pool: Pool,
    find: Find<Q, A>,
    state: Mutex<State<Q, A>>,
}

struct State<Q, A> {
    waiting: VecDeque<Waiting<Q, A>>,
    /// How many turns there are at this moment.
    turns: usize,
    /// The database is silent: to wait for it would be in vain.
    shut: bool,
}

/// The right to use a connection for all that wait. Whoever asks while one is free
/// takes it, so that a lone question needs nobody else; what has come meanwhile gets
/// a turn of its own.
struct Turn<Q: Key, A: Clone + Send + 'static> {
    desk: Arc<Desk<Q, A>>,
    begun: bool,
}

impl<Q: Key, A: Clone + Send + 'static> Lookup<Q, A> {
    /// `find` answers different questions with one statement; what it leaves out
    /// is not there.
    pub(crate) fn open<F, Asked>(database: &str, pool: PoolSettings, find: F) -> Result<Self>
    where
        F: Fn(Arc<Flight>, Vec<Q>) -> Asked + Send + Sync + 'static,
        Asked: Future<Output = Result<HashMap<Q, A>>> + Send + 'static,
    {
        let pool = PoolSettings { max: CONNECTIONS, ..pool };
        Ok(Self(Arc::new(Desk {
            pool: db::pool(database, pool, &[db::PLANNED_ONCE])?,
            find: Box::new(move |connection, asked| Box::pin(find(connection, asked))),
            state: Mutex::new(State { waiting: VecDeque::new(), turns: 0, shut: false }),
        })))
    }

    /// What is found under `question`, at some moment after now.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait, or the database does not answer.
    pub(crate) async fn find(&self, question: Q) -> Result<Option<A>> {
        let overrun = || unavailable("too many credentials wait to be looked up");
        let (reply, answer) = oneshot::channel();
        let turn = {
            let mut state = self.0.state();
            if state.shut {
                return Err(unavailable("the database does not answer"));
            }
            if state.waiting.len() >= CAPACITY {
                return Err(overrun());
            }
            state.waiting.push_back((question, reply));
            (state.turns < CONNECTIONS).then(|| {
                state.turns += 1;
                Turn { desk: Arc::clone(&self.0), begun: false }
            })
        };
        if let Some(turn) = turn {
            turn.ask().await;
        }
        answer.await.map_err(|_| overrun())?
    }
}

impl<Q, A> Desk<Q, A> {
    fn state(&self) -> MutexGuard<'_, State<Q, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who wait longest, so many at most.
    fn take(&self, most: usize) -> Vec<Waiting<Q, A>> {
        let mut state = self.state();
        let count = state.waiting.len().min(most);
        state.waiting.drain(..count).collect()
    }

    /// Opens the door or shuts it; says who waits behind a shut one.
    fn shut(&self, shut: bool) -> Vec<Waiting<Q, A>> {
        let mut state = self.state();
        state.shut = shut;
        if shut { state.waiting.drain(..).collect() } else { Vec::new() }
    }

    /// Whether the database, if it is asked anything, says neither yes nor no.
    async fn is_silent(&self) -> bool {
        let since = Instant::now();
        let asking = async {
            let flight = Flight::lend(&self.pool, &[]).await?;
            flight.say("SELECT 1").await?;
            flight.land();
            Ok::<_, Error>(())
        };
        let asked = timeout(PATIENCE, asking).await;
        !matches!(asked, Ok(Ok(()))) && since.elapsed() >= SILENCE
    }
}

impl<Q: Key, A: Clone + Send + 'static> Turn<Q, A> {
    /// Asks for all that wait, and answers them.
    async fn ask(mut self) {
        self.begun = true;
        let since = Instant::now();
        let lent = timeout(PATIENCE, Flight::lend(&self.desk.pool, &[])).await;
        let asked = self.desk.take(MOST);
        let different: HashSet<Q> = asked.iter().map(|(question, _)| question.clone()).collect();
        let found = match lent {
            Ok(Ok(flight)) => {
                let flight = Arc::new(flight);
                let different = different.into_iter().collect();
                let asking = (self.desk.find)(Arc::clone(&flight), different);
                let found = timeout(PATIENCE, asking).await;
                // A connection that was not answered on is closed.
                if let (Ok(_), Some(flight)) = (&found, Arc::into_inner(flight)) {
                    flight.land();
                }
                found.unwrap_or_else(|_| Err(unavailable("the database does not answer")))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(unavailable("the database does not answer")),
        };
        match found {
            Ok(found) => {
                for (question, reply) in asked {
                    // Who has left does not read their answer.
                    let _ = reply.send(Ok(found.get(&question).cloned()));
                }
            }
            Err(error) => {
                refuse(asked, &error);
                if since.elapsed() >= SILENCE {
                    refuse(self.desk.shut(true), &error);
                    // Nobody waits for this.
                    tokio::spawn(async move {
                        while self.desk.is_silent().await {}
                        self.desk.shut(false);
                    });
                }
            }
        }
    }
}

impl<Q: Key, A: Clone + Send + 'static> Drop for Turn<Q, A> {
    /// Also where whoever had it was stopped: nobody is left to wait for ever.
    fn drop(&mut self) {
        let mut state = self.desk.state();
        match Handle::try_current() {
            Ok(runtime) if self.begun && !state.waiting.is_empty() => {
                // A runtime that closes drops what is spawned at once.
                drop(state);
                let next = Self { desk: Arc::clone(&self.desk), begun: false };
                runtime.spawn(next.ask());
            }
            _ => {
                state.turns -= 1;
                if !self.begun {
                    state.waiting.clear();
                }
            }
        }
    }
}

fn refuse<Q, A>(asked: Vec<Waiting<Q, A>>, error: &Error) {
    for (_, reply) in asked {
        let _ = reply.send(Err(error.again()));
    }
}

fn unavailable(cause: &str) -> Error {
    let retry_after = Duration::from_secs(1);
    Error::Unavailable { what: "The server", retry_after, cause: cause.to_owned() }
}
