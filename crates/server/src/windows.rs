//! Fixed windows in the process' memory: how often somebody came since their
//! first request of the window. Exact, and bounded.
//!
//! Knows no HTTP and no clock: the caller says what time it is.

use jiff::{SignedDuration, Timestamp};
use platform::{Actor, Credential};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};
use uuid::Uuid;

/// How many windows are kept; an entry is about 100 bytes.
const CAPACITY: usize = 100_000;

/// By how much two requests of one moment may differ.
const AHEAD: SignedDuration = SignedDuration::from_secs(10);

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// A logged-in user, over all their sessions.
    User(Uuid),
    /// An API key.
    Key(Uuid),
    /// All keys of a user together.
    Keys(Uuid),
    /// An address; of IPv6 the first half, since one household has all of the other.
    Address(IpAddr),
}

impl Identity {
    /// Of somebody proven.
    pub(crate) fn of(actor: &Actor) -> Self {
        match actor.credential {
            Credential::Session(_) | Credential::Schedule(_) => Self::User(actor.user_id.0),
            Credential::ApiKey { id, .. } => Self::Key(id),
        }
    }

    /// Of somebody unknown.
    pub(crate) fn at(address: Option<IpAddr>) -> Self {
        Self::Address(match address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
            address => address,
        })
    }
}

/// What is kept of each, until its window ends.
pub(crate) struct Windows<T> {
    length: SignedDuration,
    open: HashMap<Identity, Window<T>>,
}

/// One window.
pub(crate) struct Window<T> {
    /// When it ends.
    pub(crate) ends: Timestamp,
    /// What is kept in it.
    pub(crate) kept: T,
}

impl<T: Default> Windows<T> {
    /// Windows of one length.
    pub(crate) fn of(length: SignedDuration) -> Self {
        Self { length, open: HashMap::new() }
    }

    /// The open window of somebody; a new one if there is none.
    pub(crate) fn at(&mut self, identity: Identity, now: Timestamp) -> &mut Window<T> {
        if self.open.len() >= CAPACITY && !self.open.contains_key(&identity) {
            self.make_room(now);
        }
        let latest = now.saturating_add(self.length).unwrap_or(Timestamp::MAX);
        let fresh = || Window { ends: latest, kept: T::default() };
        let window = self.open.entry(identity).or_insert_with(fresh);
        // One that ends much later than a new one was opened by a clock that was ahead; a
        // little later, by a request that came at the same moment.
        if window.ends <= now
            || window.ends > latest.saturating_add(AHEAD).unwrap_or(Timestamp::MAX)
        {
            *window = fresh();
        }
        window
    }

    /// Forgets what has ended; if that is not enough, the half that ends first.
    fn make_room(&mut self, now: Timestamp) {
        self.open.retain(|_, window| window.ends > now);
        if self.open.len() >= CAPACITY {
            let mut ends: Vec<Timestamp> = self.open.values().map(|window| window.ends).collect();
            let (_, median, _) = ends.select_nth_unstable(CAPACITY / 2);
            let median = *median;
            self.open.retain(|_, window| window.ends > median);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> Identity {
        Identity::at(Some(IpAddr::V4(number.into())))
    }

    #[test]
    fn a_window_ends_exactly_after_its_length() {
        let mut windows = Windows::<u32>::of(SignedDuration::from_secs(60));
        let start = Timestamp::UNIX_EPOCH;
        let last = start.saturating_add(SignedDuration::from_millis(59_999)).unwrap();
        windows.at(address(1), start).kept += 1;
        windows.at(address(1), last).kept += 1;
        assert_eq!(windows.at(address(1), last).kept, 2);
        let end = start.saturating_add(SignedDuration::from_secs(60)).unwrap();
        assert_eq!(windows.at(address(1), end).kept, 0);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_a_window_longer() {
        let mut windows = Windows::<u32>::of(SignedDuration::from_secs(60));
        let ahead = Timestamp::from_second(8 * 24 * 60 * 60).unwrap();
        windows.at(address(1), ahead).kept += 1;
        assert_eq!(windows.at(address(1), Timestamp::UNIX_EPOCH).kept, 0);
    }

    #[test]
    fn more_addresses_than_fit_do_not_grow_the_memory() {
        let mut windows = Windows::<u32>::of(SignedDuration::from_secs(60));
        for number in 0..u32::try_from(CAPACITY * 2).unwrap() {
            let now = Timestamp::from_millisecond(i64::from(number) / 100).unwrap();
            windows.at(address(number), now).kept += 1;
        }
        assert!(windows.open.len() <= CAPACITY);
        let newest = address(u32::try_from(CAPACITY * 2 - 1).unwrap());
        assert_eq!(windows.open[&newest].kept, 1);
    }

    #[test]
    fn one_household_is_one_address() {
        let at = |text: &str| Identity::at(Some(text.parse().unwrap()));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
