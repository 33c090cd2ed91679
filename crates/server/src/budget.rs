//! How many bytes of bodies are held at once, over all connections.
//!
//! Bytes are taken as they arrive, not as they are announced, and given back when
//! the request has been handled. Whoever needs more than is free waits a bounded
//! time. Two bodies that are half here could wait for each other for ever: so the
//! room of one largest body is kept, and one body at a time may end in it.
//!
//! Knows no HTTP.

use crate::windows::Identity;
use std::{
    collections::{HashMap, hash_map::Entry},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// The largest body there is, in bytes; see [`crate::routes`].
pub(crate) const LARGEST: usize = 8 << 20;
/// How long one more byte is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The bytes of all.
pub(crate) struct Budget {
    /// The most bytes of one caller or address.
    share: usize,
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    /// Beside the kept room.
    free: usize,
    held: HashMap<Identity, Held>,
    /// Whether a body ends in the kept room.
    kept_is_used: bool,
}

/// What somebody holds.
#[derive(Clone, Copy, Default)]
struct Held {
    bytes: usize,
    bodies: usize,
}

/// The bytes of one body, until it is dropped.
pub(crate) struct Holding {
    budget: Arc<Budget>,
    who: Identity,
    bytes: usize,
    uses_kept: bool,
}

/// No room came free in time.
#[derive(Debug)]
pub(crate) struct Full;

impl Budget {
    /// `all` bytes, or twice the largest body if that is more. Nobody holds more
    /// than a quarter, but one largest body always.
    pub(crate) fn of(all: usize) -> Arc<Self> {
        let all = all.max(2 * LARGEST);
        let state = State { free: all - LARGEST, held: HashMap::new(), kept_is_used: false };
        let share = (all / 4).max(LARGEST);
        Arc::new(Self { share, state: Mutex::new(state), freed: Notify::new() })
    }

    /// One more body of somebody who has less than `most` of them.
    ///
    /// # Errors
    /// [`Full`] when that does not come true within five seconds.
    pub(crate) async fn open(
        self: &Arc<Self>,
        who: Identity,
        most: usize,
    ) -> Result<Holding, Full> {
        let open = || {
            let mut state = self.state();
            let held = state.held.entry(who).or_default();
            let free = held.bodies < most;
            held.bodies += usize::from(free);
            free
        };
        self.wait_until(open).await?;
        Ok(Holding { budget: Arc::clone(self), who, bytes: 0, uses_kept: false })
    }

    async fn wait_until(&self, mut done: impl FnMut() -> bool) -> Result<(), Full> {
        if done() {
            return Ok(());
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if done() {
                return Ok(());
            }
            timeout_at(until, freed).await.map_err(|_| Full)?;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    /// Takes more bytes. All of one body are at most [`LARGEST`].
    ///
    /// # Errors
    /// [`Full`] when they do not come free within five seconds.
    pub(crate) async fn grow(&mut self, more: usize) -> Result<(), Full> {
        let Self { budget, who, bytes, uses_kept } = self;
        let budget = Arc::clone(budget);
        budget
            .wait_until(|| {
                let mut state = budget.state();
                if *uses_kept {
                    return true;
                }
                let own = state.held.get(who).map_or(0, |held| held.bytes);
                if own + more > budget.share {
                    return false;
                }
                if more <= state.free {
                    state.free -= more;
                    *bytes += more;
                    state.held.entry(*who).or_default().bytes += more;
                    return true;
                }
                *uses_kept = !state.kept_is_used;
                state.kept_is_used = true;
                *uses_kept
            })
            .await
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        state.free += self.bytes;
        state.kept_is_used &= !self.uses_kept;
        if let Entry::Occupied(mut held) = state.held.entry(self.who) {
            let left = held.get_mut();
            left.bytes -= self.bytes;
            left.bodies -= 1;
            if left.bodies == 0 {
                held.remove();
            }
        }
        drop(state);
        self.budget.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const MIB: usize = 1 << 20;

    fn who(number: u32) -> Identity {
        Identity::at(Some(IpAddr::V4(number.into())))
    }

    async fn take(budget: &Arc<Budget>, number: u32, bytes: usize) -> Holding {
        let mut holding = budget.open(who(number), usize::MAX).await.unwrap();
        holding.grow(bytes).await.unwrap();
        holding
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_goes_to_who_waits_and_who_waits_in_vain_is_told() {
        let budget = Budget::of(64 * MIB);
        let mut all = Vec::new();
        for number in 0..7 {
            all.push(take(&budget, number, 8 * MIB).await);
        }
        // One more ends in the room that is kept, and the next waits for it.
        let ends = take(&budget, 7, 8 * MIB).await;
        let mut late = budget.open(who(8), usize::MAX).await.unwrap();
        let since = Instant::now();
        assert!(late.grow(1).await.is_err());
        assert_eq!(since.elapsed(), PATIENCE);
        let waits = tokio::spawn(async move { late.grow(8 * MIB).await.map(|()| late) });
        tokio::task::yield_now().await;
        drop(ends);
        let late = waits.await.unwrap().unwrap();
        drop((all, late));
        let state = budget.state();
        assert_eq!((state.free, state.held.len(), state.kept_is_used), (56 * MIB, 0, false));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_takes_more_than_a_quarter_and_the_others_have_theirs() {
        let budget = Budget::of(64 * MIB);
        let first = take(&budget, 1, 8 * MIB).await;
        let second = take(&budget, 1, 8 * MIB).await;
        let mut third = budget.open(who(1), usize::MAX).await.unwrap();
        assert!(third.grow(1).await.is_err());
        take(&budget, 2, 8 * MIB).await;
        drop(first);
        third.grow(8 * MIB).await.unwrap();
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_are_half_here_do_not_wait_for_each_other() {
        let budget = Budget::of(16 * MIB);
        let mut halves = Vec::new();
        for number in 0..2 {
            halves.push(take(&budget, number, 4 * MIB).await);
        }
        let since = Instant::now();
        let ending = halves
            .into_iter()
            .map(|mut half| tokio::spawn(async move { half.grow(4 * MIB).await.is_ok() }));
        for ended in ending.collect::<Vec<_>>() {
            assert!(ended.await.unwrap());
        }
        assert!(since.elapsed() < PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_so_many_bodies_at_once_and_no_more() {
        let budget = Budget::of(0);
        let first = budget.open(who(1), 1).await.unwrap();
        assert!(budget.open(who(1), 1).await.is_err());
        budget.open(who(2), 1).await.unwrap();
        drop(first);
        budget.open(who(1), 1).await.unwrap();
    }
}
