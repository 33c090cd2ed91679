//! How many connections one address may hold, so that nobody takes the room of
//! all. Knows nothing of what is sent over them.

use crate::windows::Identity;
use ipnet::IpNet;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What one address may hold even if that is more than its share.
const FEW: usize = 16;

/// Who holds how many.
pub(crate) struct Places {
    most: usize,
    /// Behind these, and on this machine, one address stands for many clients.
    trusted: Vec<IpNet>,
    held: Mutex<HashMap<Identity, usize>>,
}

/// The right to one connection, until it is dropped.
pub(crate) struct Place(Option<(Arc<Places>, Identity)>);

impl Places {
    /// A quarter of `all` for each address, except for trusted ones.
    pub(crate) fn among(all: usize, trusted: Vec<IpNet>) -> Arc<Self> {
        let most = (all / 4).max(FEW);
        Arc::new(Self { most, trusted, held: Mutex::default() })
    }

    /// A place for the peer, unless it holds all of its own.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        if peer.is_loopback() || self.trusted.iter().any(|net| net.contains(&peer)) {
            return Some(Place(None));
        }
        let identity = Identity::at(Some(peer));
        let mut held = self.held();
        let count = held.entry(identity).or_default();
        let free = *count < self.most;
        *count += usize::from(free);
        free.then(|| Place(Some((Arc::clone(self), identity))))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Identity, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((places, identity)) = self.0.take() else { return };
        let mut held = places.held();
        let left = held.get(&identity).map_or(0, |count| count - 1);
        if left == 0 {
            held.remove(&identity);
        } else {
            held.insert(identity, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_holds_more_than_a_quarter_and_a_place_given_back_is_free() {
        let places = Places::among(80, Vec::new());
        let mut taken: Vec<Place> = (0..20).map_while(|_| places.take(ip("192.0.2.1"))).collect();
        assert_eq!(taken.len(), 20);
        assert!(places.take(ip("192.0.2.1")).is_none());
        assert!(places.take(ip("::ffff:192.0.2.1")).is_none(), "the same address in IPv6");
        assert!(places.take(ip("192.0.2.2")).is_some());
        taken.pop();
        taken.extend(places.take(ip("192.0.2.1")));
        assert_eq!(taken.len(), 20);
        taken.clear();
        assert!(places.held().is_empty(), "who holds nothing is still remembered");
    }

    #[test]
    fn where_there_is_little_room_an_address_still_gets_sixteen() {
        let places = Places::among(20, Vec::new());
        let taken: Vec<Place> = (0..20).map_while(|_| places.take(ip("192.0.2.1"))).collect();
        assert_eq!(taken.len(), 16);
    }

    #[test]
    fn a_trusted_proxy_and_this_machine_stand_for_many_clients() {
        let places = Places::among(64, vec!["10.0.0.0/8".parse().unwrap()]);
        for peer in ["10.0.0.1", "127.0.0.1", "::1", "::ffff:10.0.0.1"] {
            let taken: Vec<Place> = (0..40).map_while(|_| places.take(ip(peer))).collect();
            assert_eq!(taken.len(), 40, "{peer}");
        }
    }
}
