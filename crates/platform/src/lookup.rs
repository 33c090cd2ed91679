//! Many questions of one kind, asked together.
//!
//! Whoever asks while the database is busy with others joins the next statement:
//! one for all that wait, however many they are. An answer is never older than
//! its question, so this is no cache. Bounded: when too many wait, or while the
//! database is silent, the next one is refused at once. Each kind of question has
//! connections of its own, so that who is at the door does not queue with who is
//! inside.

use crate::{
    db::{self, Connection},
    error::{Error, Result},
    settings::PoolSettings,
};
use deadpool_postgres::Pool;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::oneshot};

/// The most questions that wait.
const CAPACITY: usize = 4096;
/// The most questions in one statement.
const MOST: usize = 256;
/// Connections a kind of question has: while one waits, the other asks.
const CONNECTIONS: usize = 2;

/// A database that is away says no at once; one that is silent takes longer.
const SILENCE: Duration = Duration::from_millis(500);

type Waiting<Q, A> = (Q, oneshot::Sender<Result<Option<A>>>);
type Found<Q, A> = Pin<Box<dyn Future<Output = Result<HashMap<Q, A>>> + Send>>;

/// Where questions of one kind are asked; `A` is what is found under a `Q`.
pub(crate) struct Lookup<Q: Key, A: Clone + Send + 'static>(Arc<Desk<Q, A>>);

/// What can be asked about.
pub(crate) trait Key: Clone + Eq + Hash + Send + Sync + 'static {}
impl<Q: Clone + Eq + Hash + Send + Sync + 'static> Key for Q {}

struct Desk<Q, A> {
    pool: Pool,
    find: Box<dyn Fn(Connection, Vec<Q>) -> Found<Q, A> + Send + Sync>,
    state: Mutex<State<Q, A>>,
    /// The database is silent: to wait for it would be in vain.
    shut: AtomicBool,
}

struct State<Q, A> {
    waiting: VecDeque<Waiting<Q, A>>,
    /// How many turns there are at this moment.
    turns: usize,
}

/// The right to use a connection for all that wait. Whoever asks while one is free
/// takes it, so that a lone question needs nobody else; what has come meanwhile gets
/// a turn of its own.
struct Turn<Q: Key, A: Clone + Send + 'static>(Arc<Desk<Q, A>>);

impl<Q: Key, A: Clone + Send + 'static> Lookup<Q, A> {
    /// `find` answers different questions with one statement; what it leaves out
    /// is not there.
    pub(crate) fn open<F, Asked>(database: &str, pool: PoolSettings, find: F) -> Result<Self>
    where
        F: Fn(Connection, Vec<Q>) -> Asked + Send + Sync + 'static,
        Asked: Future<Output = Result<HashMap<Q, A>>> + Send + 'static,
    {
        let pool = PoolSettings { max: CONNECTIONS, ..pool };
        Ok(Self(Arc::new(Desk {
            pool: db::pool(database, pool, &[db::PLANNED_ONCE])?,
            find: Box::new(move |connection, asked| Box::pin(find(connection, asked))),
            state: Mutex::new(State { waiting: VecDeque::new(), turns: 0 }),
            shut: AtomicBool::new(false),
        })))
    }

    /// What is found under `question`, at some moment after now.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait, or the database does not answer.
    pub(crate) async fn find(&self, question: Q) -> Result<Option<A>> {
        if self.0.shut.load(Ordering::Relaxed) {
            return Err(unavailable("the database does not answer"));
        }
        let overrun = || unavailable("too many credentials wait to be looked up");
        let (reply, answer) = oneshot::channel();
        let turn = {
            let mut state = self.0.state();
            if state.waiting.len() >= CAPACITY {
                return Err(overrun());
            }
            state.waiting.push_back((question, reply));
            (state.turns < CONNECTIONS).then(|| {
                state.turns += 1;
                Turn(Arc::clone(&self.0))
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

    /// Borrows a connection; says also whether the database was silent.
    async fn lend(&self) -> (Result<Connection>, bool) {
        let since = Instant::now();
        let lent = Connection::lend(&self.pool).await;
        let silent = lent.is_err() && since.elapsed() >= SILENCE;
        (lent, silent)
    }
}

impl<Q: Key, A: Clone + Send + 'static> Turn<Q, A> {
    /// Asks for all that wait, and answers them.
    async fn ask(self) {
        let desk = &self.0;
        let (connection, silent) = desk.lend().await;
        match connection {
            Ok(connection) => self.answer(connection, desk.take(MOST)).await,
            Err(error) if silent => {
                desk.shut.store(true, Ordering::Relaxed);
                refuse(desk.take(CAPACITY), &error);
                // Nobody waits for this.
                tokio::spawn(async move {
                    while self.0.lend().await.1 {}
                    self.0.shut.store(false, Ordering::Relaxed);
                });
            }
            Err(error) => refuse(desk.take(MOST), &error),
        }
    }

    async fn answer(&self, connection: Connection, asked: Vec<Waiting<Q, A>>) {
        let different: HashSet<Q> = asked.iter().map(|(question, _)| question.clone()).collect();
        match (self.0.find)(connection, different.into_iter().collect()).await {
            Ok(found) => {
                for (question, reply) in asked {
                    // Who has left does not read their answer.
                    let _ = reply.send(Ok(found.get(&question).cloned()));
                }
            }
            Err(error) => refuse(asked, &error),
        }
    }
}

impl<Q: Key, A: Clone + Send + 'static> Drop for Turn<Q, A> {
    /// Also where whoever had it was stopped: nobody is left to wait for ever.
    fn drop(&mut self) {
        let mut state = self.0.state();
        match Handle::try_current() {
            Ok(runtime) if !state.waiting.is_empty() => {
                runtime.spawn(Self(Arc::clone(&self.0)).ask());
            }
            _ => state.turns -= 1,
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
