//! The waiting room of the posting queue.
//!
//! Jobs wait in the order in which they came. A writer takes all that wait, but
//! never a job that has an account or a key in common with what another writer
//! has in hand, nor one behind such a job: so two writers do not wait for each
//! other's locks, and what concerns one account stays in order. While one works,
//! the other lets its batch grow to be worth its price. Bounded: a full room
//! refuses at once. Knows nothing of databases or money.

use super::{Answer, MAX_BATCH, Order};
use std::{
    collections::{HashSet, VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

/// Orders of which all are done or none, and who waits for them.
pub(super) struct Job {
    pub(super) orders: Vec<Order>,
    pub(super) reply: oneshot::Sender<Vec<Answer>>,
    pub(super) since: Instant,
}

/// How long a batch may grow while the other writer works: a few batches' time.
const GROWTH: Duration = Duration::from_millis(50);

/// What a job must have to itself, by hash: a collision only makes a job wait.
type Claim = u64;

/// Why a job was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The room is full.
    Full,
    /// The house closes.
    Closed,
}

/// What one writer has in hand.
pub(super) struct Taken {
    pub(super) jobs: Vec<Job>,
    claims: Vec<Claim>,
}

/// The room.
pub(super) struct Waiting {
    state: Mutex<State>,
    /// Somebody came, left, or the house closes.
    bell: Notify,
    capacity: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<(Job, Vec<Claim>)>,
    orders: usize,
    /// How many orders the writers have in hand.
    in_hand: usize,
    /// What the writers have in hand.
    held: HashSet<Claim>,
    closed: bool,
}

impl Waiting {
    /// An empty room for so many orders.
    pub(super) fn new(capacity: usize) -> Self {
        Self { state: Mutex::new(State::default()), bell: Notify::new(), capacity }
    }

    /// Lets jobs in, all of them or none. Whatever their number, they fit an empty
    /// room.
    pub(super) fn enter(&self, jobs: Vec<Job>) -> Result<(), Refused> {
        let orders: usize = jobs.iter().map(|job| job.orders.len()).sum();
        let jobs: Vec<(Job, Vec<Claim>)> = jobs
            .into_iter()
            .map(|job| {
                let claims = claims(&job.orders);
                (job, claims)
            })
            .collect();
        let mut state = self.state();
        if state.closed {
            return Err(Refused::Closed);
        }
        if !state.jobs.is_empty() && state.orders + orders > self.capacity {
            return Err(Refused::Full);
        }
        state.orders += orders;
        state.jobs.extend(jobs);
        drop(state);
        self.bell.notify_one();
        Ok(())
    }

    /// All that can go now; waits for the first. `None`: closed, and nobody is left.
    pub(super) async fn take(&self) -> Option<Taken> {
        loop {
            let growing = {
                let mut state = self.state();
                if state.worth_while()
                    && let Some(taken) = state.take()
                {
                    if !state.jobs.is_empty() {
                        self.bell.notify_one();
                    }
                    return Some(taken);
                }
                if state.closed && state.jobs.is_empty() {
                    // The next writer is to hear it too.
                    self.bell.notify_one();
                    return None;
                }
                !state.jobs.is_empty()
            };
            if growing {
                // It need not ring: a batch does not grow for ever.
                let _ = timeout(GROWTH, self.bell.notified()).await;
            } else {
                self.bell.notified().await;
            }
        }
    }

    /// Gives back what a writer had in hand.
    pub(super) fn release(&self, claims: Claims) {
        let mut state = self.state();
        state.in_hand -= claims.orders;
        for claim in claims.claims {
            state.held.remove(&claim);
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.bell.notify_one();
    }

    /// How many orders wait.
    pub(super) fn depth(&self) -> usize {
        self.state().orders
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be given back when the work is done.
pub(super) struct Claims {
    orders: usize,
    claims: Vec<Claim>,
}

impl Taken {
    /// The jobs, and what to give back after them.
    pub(super) fn split(self) -> (Vec<Job>, Claims) {
        let orders = self.jobs.iter().map(|job| job.orders.len()).sum();
        (self.jobs, Claims { orders, claims: self.claims })
    }
}

impl State {
    /// A second writer lets a batch grow to half of what the first one has in hand:
    /// the database is busy anyway, and each batch has a price of its own. But not
    /// for long: the first one may be stuck.
    fn worth_while(&self) -> bool {
        let oldest = self.jobs.front().is_some_and(|(job, _)| job.since.elapsed() >= GROWTH);
        self.closed || oldest || self.orders >= self.in_hand / 2
    }

    fn take(&mut self) -> Option<Taken> {
        let mut taken = Taken { jobs: Vec::new(), claims: Vec::new() };
        let (mut orders, mut behind) = (0, HashSet::new());
        let mut waiting = VecDeque::new();
        while let Some((job, claims)) = self.jobs.pop_front() {
            let full = !taken.jobs.is_empty() && orders + job.orders.len() > MAX_BATCH;
            if full {
                waiting.push_back((job, claims));
                break;
            }
            if claims.iter().any(|claim| self.held.contains(claim) || behind.contains(claim)) {
                behind.extend(claims.iter().copied());
                waiting.push_back((job, claims));
                continue;
            }
            orders += job.orders.len();
            taken.claims.extend(claims);
            taken.jobs.push(job);
        }
        waiting.append(&mut self.jobs);
        self.jobs = waiting;
        self.orders -= orders;
        self.in_hand += orders;
        self.held.extend(taken.claims.iter().copied());
        (!taken.jobs.is_empty()).then_some(taken)
    }
}

fn claims(orders: &[Order]) -> Vec<Claim> {
    let mut claims = Vec::with_capacity(orders.len() * 3);
    for order in orders {
        claims.extend(order.touches.iter().map(hash));
        claims.extend(order.key.as_ref().map(|key| hash(&(order.actor.user_id, &key.key))));
    }
    claims
}

fn hash(claimed: &impl Hash) -> Claim {
    let mut hasher = DefaultHasher::new();
    claimed.hash(&mut hasher);
    hasher.finish()
}
