//! Who is connected: so many at once, a fair share for each address, and a few
//! more for whoever asks how the server is.
//!
//! While there is room, everybody gets in; no address holds more than a quarter.
//! When all places are taken, a newcomer gets the place of somebody who is not
//! being served: first of an address that holds more than its fair share, there
//! first of those who have not shown who they are; an address that has its share
//! gets one of its own that rests. A request that is being worked on is never cut off. Knows nothing of what is sent.

use crate::windows::Identity;
use ipnet::IpNet;
use std::{
    cmp::Reverse,
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// What one address may hold even if that is more than its share.
const FEW: usize = 16;
/// Places beyond the limit, for one short request each.
const RESERVE: usize = 32;
/// How many of those one address has.
const RESERVE_SHARE: usize = 4;
/// How long a newcomer without credentials keeps the place of a small address.
const GRACE: Duration = Duration::from_secs(1);

/// Who holds what.
pub(crate) struct Places {
    all: usize,
    share: usize,
    /// Behind these one address stands for many clients.
    trusted: Vec<IpNet>,
    begun: Instant,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    next: u64,
    usual: Room,
    reserve: Room,
}

/// Who is in, and how many of each address.
#[derive(Default)]
struct Room {
    guests: HashMap<u64, Arc<Guest>>,
    of: HashMap<Identity, usize>,
}

/// One connection.
pub(crate) struct Guest {
    identity: Identity,
    /// Whether it stands for itself alone, so that a share can be too much.
    is_bound: bool,
    is_trusted: bool,
    /// What it is doing, see [`Doing`].
    doing: AtomicU8,
    /// Since when, in milliseconds of the [`Places`].
    since: AtomicU64,
    is_known: AtomicBool,
    has_unread: AtomicBool,
    cut_off: Notify,
}

/// What a connection is doing, in the order in which its place is given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Doing {
    /// It sends a head, or nothing.
    Waiting,
    /// It sends a body, or reads a long answer.
    Moving,
    /// Its request is being worked on.
    Served,
}

/// The right to one connection, until it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
    /// Whose it is.
    pub(crate) guest: Arc<Guest>,
    /// Whether it is of the reserve: for one short request.
    pub(crate) is_reserve: bool,
}

impl Places {
    /// `all` places; a quarter of them for each address, except for trusted ones.
    pub(crate) fn among(all: usize, trusted: Vec<IpNet>) -> Arc<Self> {
        let share = (all / 4).max(FEW);
        Arc::new(Self { all, share, trusted, begun: Instant::now(), held: Mutex::default() })
    }

    /// A place for the peer, if need be another's or one of the reserve; `None`
    /// when not even that is left.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        let identity = Identity::at(Some(peer));
        let is_trusted = self.trusted.iter().any(|net| net.contains(&peer));
        let guest = Arc::new(Guest {
            identity,
            is_bound: !is_trusted && !peer.is_loopback(),
            is_trusted,
            doing: AtomicU8::new(Doing::Waiting as u8),
            since: AtomicU64::new(self.now()),
            is_known: AtomicBool::new(false),
            has_unread: AtomicBool::new(false),
            cut_off: Notify::new(),
        });
        let mut held = self.held();
        let number = held.next;
        let is_reserve = !self.make_room(&mut held.usual, &guest);
        if is_reserve && !held.reserve.make_room_in_reserve(identity) {
            return None;
        }
        held.next += 1;
        let room = if is_reserve { &mut held.reserve } else { &mut held.usual };
        room.add(number, &guest);
        drop(held);
        Some(Place { places: Arc::clone(self), number, guest, is_reserve })
    }

    /// Whether there is a usual place for the newcomer, now or after one was taken
    /// from somebody.
    fn make_room(&self, room: &mut Room, newcomer: &Guest) -> bool {
        let own = room.count(newcomer.identity);
        let has_its_share = newcomer.is_bound && own >= self.share;
        if !has_its_share && room.guests.len() < self.all {
            return true;
        }
        let addresses = room.of.len() + usize::from(own == 0);
        let fair = (self.all / addresses).max(1);
        // Whoever has enough gets the place of an idle connection of their own.
        let own_only = has_its_share || own >= fair && !newcomer.is_trusted;
        let now = self.now();
        let grace = u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX);
        let standing = |(number, guest): (&u64, &Arc<Guest>)| {
            let (doing, since) = (guest.doing(), guest.since.load(Ordering::Relaxed));
            let theirs = if guest.is_trusted { 0 } else { room.count(guest.identity) };
            let crowds = theirs > fair;
            let stranger = doing == Doing::Waiting && !guest.is_known.load(Ordering::Relaxed);
            let rests = now.saturating_sub(since) >= grace;
            let fits = match own_only {
                true => guest.identity == newcomer.identity && doing == Doing::Waiting && rests,
                false => doing != Doing::Served && (crowds || stranger && rests),
            };
            fits.then_some(((!crowds, doing, !stranger, Reverse(theirs), since), *number))
        };
        let Some((_, number)) = room.guests.iter().filter_map(standing).min() else {
            return false;
        };
        room.cut_off(number);
        true
    }

    /// Moves whoever is in the reserve to a usual place, if one is free.
    pub(crate) fn promote(&self, place: &Place) -> bool {
        let mut held = self.held();
        let free = held.usual.guests.len() < self.all
            && (!place.guest.is_bound || held.usual.count(place.guest.identity) < self.share);
        if free && held.reserve.remove(place.number) {
            held.usual.add(place.number, &place.guest);
        }
        free
    }

    /// Notes what somebody is doing from now on.
    pub(crate) fn note(&self, guest: &Guest, doing: Doing) {
        guest.since.store(self.now(), Ordering::Relaxed);
        guest.doing.store(doing as u8, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn count(&self, identity: Identity) -> usize {
        self.of.get(&identity).copied().unwrap_or_default()
    }

    fn add(&mut self, number: u64, guest: &Arc<Guest>) {
        self.guests.insert(number, Arc::clone(guest));
        *self.of.entry(guest.identity).or_default() += 1;
    }

    fn remove(&mut self, number: u64) -> bool {
        let Some(guest) = self.guests.remove(&number) else { return false };
        let left = self.count(guest.identity).saturating_sub(1);
        if left == 0 {
            self.of.remove(&guest.identity);
        } else {
            self.of.insert(guest.identity, left);
        }
        true
    }

    fn cut_off(&mut self, number: u64) {
        if let Some(guest) = self.guests.get(&number) {
            guest.cut_off.notify_one();
        }
        self.remove(number);
    }

    /// Whoever has sent no head for longest makes room: an honest question is
    /// there at once.
    fn make_room_in_reserve(&mut self, identity: Identity) -> bool {
        let own = self.count(identity) >= RESERVE_SHARE;
        if !own && self.guests.len() < RESERVE {
            return true;
        }
        let waiting = |(number, guest): (&u64, &Arc<Guest>)| {
            let fits = guest.doing() == Doing::Waiting && (!own || guest.identity == identity);
            fits.then_some(*number)
        };
        let Some(oldest) = self.guests.iter().filter_map(waiting).min() else { return false };
        self.cut_off(oldest);
        true
    }
}

impl Guest {
    fn doing(&self) -> Doing {
        match self.doing.load(Ordering::Relaxed) {
            0 => Doing::Waiting,
            1 => Doing::Moving,
            _ => Doing::Served,
        }
    }

    /// Notes that credentials of its were found right.
    pub(crate) fn is_proven(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }

    /// Whether it has shown who it is.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// Whether a part of a body is on its way that nobody will read.
    pub(crate) fn has_unread(&self) -> bool {
        self.has_unread.load(Ordering::Relaxed)
    }

    /// Notes whether there is such a part.
    pub(crate) fn set_unread(&self, unread: bool) {
        self.has_unread.store(unread, Ordering::Relaxed);
    }

    /// Ends when the place was given to another.
    pub(crate) async fn cut_off(&self) {
        self.cut_off.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        if !held.usual.remove(self.number) {
            held.reserve.remove(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn fill(places: &Arc<Places>, address: &str, count: usize) -> Vec<Place> {
        let usual = |_| places.take(ip(address)).filter(|place| !place.is_reserve);
        (0..count).map_while(usual).collect()
    }

    fn has_lost(places: &Places, place: &Place) -> bool {
        !places.held().usual.guests.contains_key(&place.number)
    }

    #[tokio::test]
    async fn nobody_holds_more_than_a_quarter_and_a_place_given_back_is_free() {
        let places = Places::among(80, Vec::new());
        let mut taken = fill(&places, "192.0.2.1", 30);
        assert_eq!(taken.len(), 20);
        assert!(places.take(ip("::ffff:192.0.2.1")).unwrap().is_reserve, "the same, in IPv6");
        assert!(!places.take(ip("192.0.2.2")).unwrap().is_reserve);
        taken.pop();
        taken.extend(fill(&places, "192.0.2.1", 30));
        assert_eq!(taken.len(), 20);
        taken.clear();
        let held = places.held();
        assert!(held.usual.of.is_empty() && held.reserve.of.is_empty(), "forgotten");
    }

    #[tokio::test]
    async fn where_there_is_little_room_an_address_still_gets_sixteen() {
        let places = Places::among(20, Vec::new());
        assert_eq!(fill(&places, "192.0.2.1", 20).len(), 16);
    }

    #[tokio::test]
    async fn a_trusted_proxy_stands_for_many_clients_and_loses_no_place_that_is_in_use() {
        let places = Places::among(64, vec!["10.0.0.0/8".parse().unwrap()]);
        let proxy = fill(&places, "10.0.0.1", 64);
        assert_eq!(proxy.len(), 64);
        assert!(places.take(ip("192.0.2.1")).unwrap().is_reserve);
        assert!(proxy.iter().all(|place| !has_lost(&places, place)));
    }

    #[tokio::test]
    async fn a_newcomer_gets_the_place_of_who_crowds_and_is_not_served() {
        let places = Places::among(64, Vec::new());
        let mut crowd = Vec::new();
        for number in 1..=4 {
            crowd.extend(fill(&places, &format!("192.0.2.{number}"), 16));
        }
        crowd.iter().for_each(|place| places.note(&place.guest, Doing::Served));
        assert!(places.take(ip("198.51.100.1")).unwrap().is_reserve, "all are being served");
        places.note(&crowd[20].guest, Doing::Waiting);
        crowd[20].guest.is_proven();
        places.note(&crowd[40].guest, Doing::Waiting);
        places.note(&crowd[50].guest, Doing::Moving);
        for loser in [40, 20, 50] {
            let newcomer = places.take(ip("198.51.100.1")).unwrap();
            assert!(!newcomer.is_reserve);
            assert!(has_lost(&places, &crowd[loser]), "{loser}");
            crowd[loser].guest.cut_off().await;
            places.note(&newcomer.guest, Doing::Served);
            std::mem::forget(newcomer);
        }
        assert!(places.take(ip("192.0.2.1")).unwrap().is_reserve, "it has its share");
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_addresses_who_shows_nothing_for_a_second_makes_room() {
        let places = Places::among(4, Vec::new());
        let taken: Vec<Place> =
            (1..=4).map(|number| places.take(ip(&format!("192.0.2.{number}"))).unwrap()).collect();
        taken[0].guest.is_proven();
        assert!(places.take(ip("198.51.100.1")).unwrap().is_reserve);
        tokio::time::advance(GRACE).await;
        assert!(!places.take(ip("198.51.100.1")).unwrap().is_reserve);
        assert!(!has_lost(&places, &taken[0]), "it has shown who it is");
    }

    #[tokio::test]
    async fn the_reserve_goes_to_the_newest_question() {
        let places = Places::among(1, Vec::new());
        let only = places.take(ip("127.0.0.1")).unwrap();
        places.note(&only.guest, Doing::Served);
        let waiting: Vec<Place> = (0..8).map(|_| places.take(ip("127.0.0.1")).unwrap()).collect();
        assert!(waiting.iter().all(|place| place.is_reserve));
        let left = |places: &Places| {
            let held = places.held();
            let of = |place: &&Place| held.reserve.guests.contains_key(&place.number);
            waiting.iter().filter(of).map(|place| place.number).collect::<Vec<_>>()
        };
        assert_eq!(left(&places), [5, 6, 7, 8]);
        assert!(!places.promote(&waiting[7]));
        drop(only);
        assert!(places.promote(&waiting[7]));
        assert_eq!(left(&places), [5, 6, 7]);
    }
}
