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
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// The most questions that wait.
const CAPACITY: usize = 4096;
/// The most questions in one statement.
const MOST: usize = 256;
/// Connections a kind of question has: while one waits, the other asks.
const CONNECTIONS: usize = 2;

/// A database that is away says no at once; one that is silent takes longer.
const SILENCE: Duration = Duration::from_millis(500);

type Waiting<Q, A> = (Q, oneshot::Sender<Result<Option<A>>>);

/// Where questions of one kind are asked; `A` is what is found under a `Q`.
pub(crate) struct Lookup<Q, A> {
    questions: mpsc::Sender<Waiting<Q, A>>,
    /// The database is silent: to wait for it would be in vain.
    shut: Arc<AtomicBool>,
}

impl<Q, A> Lookup<Q, A>
where
    Q: Clone + Eq + Hash + Send + Sync + 'static,
    A: Clone + Send + 'static,
{
    /// `find` answers different questions with one statement; what it leaves out
    /// is not there.
    pub(crate) fn open<F, Found>(database: &str, pool: PoolSettings, find: F) -> Result<Self>
    where
        F: Fn(Connection, Vec<Q>) -> Found + Send + Sync + 'static,
        Found: Future<Output = Result<HashMap<Q, A>>> + Send,
    {
        let pool =
            db::pool(database, PoolSettings { max: CONNECTIONS, ..pool }, &[db::PLANNED_ONCE])?;
        let (sender, mut questions) = mpsc::channel::<Waiting<Q, A>>(CAPACITY);
        let find = Arc::new(find);
        let shut = Arc::new(AtomicBool::new(false));
        let door = Arc::clone(&shut);
        tokio::spawn(async move {
            while let Some(first) = questions.recv().await {
                let mut asked = vec![first];
                let (connection, mut silent) = lend(&pool).await;
                while asked.len() < MOST
                    && let Ok(next) = questions.try_recv()
                {
                    asked.push(next);
                }
                match connection {
                    Ok(connection) => {
                        let find = Arc::clone(&find);
                        tokio::spawn(async move { answer(&*find, connection, asked).await });
                    }
                    Err(error) => {
                        if silent {
                            door.store(true, Ordering::Relaxed);
                            while let Ok(next) = questions.try_recv() {
                                asked.push(next);
                            }
                        }
                        refuse(asked, &error);
                        while silent {
                            silent = lend(&pool).await.1;
                        }
                        door.store(false, Ordering::Relaxed);
                    }
                }
            }
        });
        Ok(Self { questions: sender, shut })
    }

    /// What is found under `question`, at some moment after now.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait, or the database does not answer.
    pub(crate) async fn find(&self, question: Q) -> Result<Option<A>> {
        if self.shut.load(Ordering::Relaxed) {
            return Err(unavailable("the database does not answer"));
        }
        let overrun = || unavailable("too many credentials wait to be looked up");
        let (reply, answer) = oneshot::channel();
        self.questions.try_send((question, reply)).map_err(|_| overrun())?;
        answer.await.map_err(|_| overrun())?
    }
}

/// Borrows a connection; says also whether the database was silent.
async fn lend(pool: &Pool) -> (Result<Connection>, bool) {
    let since = Instant::now();
    let lent = Connection::lend(pool).await;
    let silent = lent.is_err() && since.elapsed() >= SILENCE;
    (lent, silent)
}

async fn answer<Q, A, F, Found>(find: &F, connection: Connection, asked: Vec<Waiting<Q, A>>)
where
    Q: Clone + Eq + Hash,
    A: Clone,
    F: Fn(Connection, Vec<Q>) -> Found,
    Found: Future<Output = Result<HashMap<Q, A>>>,
{
    let different: HashSet<Q> = asked.iter().map(|(question, _)| question.clone()).collect();
    match find(connection, different.into_iter().collect()).await {
        Ok(found) => {
            for (question, reply) in asked {
                // Who has left does not read their answer.
                let _ = reply.send(Ok(found.get(&question).cloned()));
            }
        }
        Err(error) => refuse(asked, &error),
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
