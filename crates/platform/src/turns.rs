//! Few at once, many wait, and addresses take turns: a flood from one address
//! waits for itself, and whoever comes from another is next.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// The most that wait.
const MOST: usize = 512;
/// The most that wait of one address.
const MOST_OF_ONE: usize = 64;

/// Whose turn it is. Clones share everything.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<State>>);

struct State {
    free: usize,
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<Turn>>>,
    /// Every address of `waiting` once; the first is next.
    order: VecDeque<IpAddr>,
    count: usize,
}

/// A turn, until it is dropped; `None`: it was given on.
pub(crate) struct Turn(Option<Turns>);

impl Turns {
    /// So many at once.
    pub(crate) fn of(many: usize) -> Self {
        let (waiting, order) = (HashMap::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(State { free: many, waiting, order, count: 0 })))
    }

    /// Waits for a turn; `None` when too many do.
    pub(crate) async fn take(&self, address: Option<IpAddr>) -> Option<Turn> {
        let address = household(address);
        let turn = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Some(Turn(Some(self.clone())));
            }
            let own = state.waiting.get(&address).map_or(0, VecDeque::len);
            if state.count >= MOST || own >= MOST_OF_ONE {
                return None;
            }
            let (tell, turn) = oneshot::channel();
            if own == 0 {
                state.order.push_back(address);
            }
            state.waiting.entry(address).or_default().push_back(tell);
            state.count += 1;
            turn
        };
        turn.await.ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who is next; others of the same address come after all other addresses.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let address = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&address)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&address);
        } else {
            self.order.push_back(address);
        }
        self.count -= 1;
        next
    }
}

impl Drop for Turn {
    /// Gives the turn on, to whoever is still there.
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = turns.state();
                let next = state.next();
                state.free += usize::from(next.is_none());
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(turns.clone()))) {
                Ok(()) => return,
                // Whoever waited has left: to the next.
                Err(mut unsent) => drop(unsent.0.take()),
            }
        }
    }
}

/// Of IPv6 the first half: one household has all of the other.
fn household(address: Option<IpAddr>) -> IpAddr {
    match address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(number.into()))
    }

    #[tokio::test]
    async fn whoever_comes_from_another_address_is_next() {
        let turns = Turns::of(1);
        let first = turns.take(from(1)).await.unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for number in [1, 1, 1, 2, 3, 2] {
            let (turns, tell) = (turns.clone(), tell.clone());
            tokio::spawn(async move {
                let turn = turns.take(from(number)).await.unwrap();
                tell.send(number).unwrap();
                drop(turn);
            });
            tokio::task::yield_now().await;
        }
        drop((first, tell));
        let mut order = Vec::new();
        while let Some(number) = told.recv().await {
            order.push(number);
        }
        assert_eq!(order, [1, 2, 3, 1, 2, 1]);
    }

    #[tokio::test]
    async fn whoever_leaves_takes_no_turn_along_and_a_queue_has_an_end() {
        let turns = Turns::of(1);
        let first = turns.take(from(1)).await.unwrap();
        let mut waiting: Vec<_> = (0..MOST_OF_ONE)
            .map(|_| {
                tokio::spawn({
                    let turns = turns.clone();
                    async move { turns.take(from(1)).await }
                })
            })
            .collect();
        while turns.state().count < MOST_OF_ONE {
            tokio::task::yield_now().await;
        }
        assert!(turns.take(from(1)).await.is_none());
        for left in waiting.drain(1..) {
            left.abort();
            let _ = left.await;
        }
        let other = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(from(2)).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.remove(0).await.unwrap().is_some());
        assert!(other.await.unwrap());
        let state = turns.state();
        assert_eq!((state.free, state.count, state.waiting.len()), (1, 0, 0));
    }
}
