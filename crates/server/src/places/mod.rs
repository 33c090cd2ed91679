//! Who is connected: so many at once, a fair share for each, and a few more for
//! whoever asks how the server is.
//!
//! While there is room, everybody gets in; no address and no user holds more than a
//! quarter, no site (an IPv6 /48) more than half. When all places are taken, a
//! newcomer gets the place of a connection nobody needs: of a stranger, who has shown
//! no credentials, before somebody known; there of one that waits before one that sends or
//! reads; there of whoever holds most; and there of who has rested longest. A stranger gives way when
//! it has had an answer or a second; somebody known when nothing has moved for two.
//! A request that is being worked on is never cut off: what a connection does is one
//! word, which [`Guest::cut`] changes only from what it has seen, and who is cut begins no request. Knows
//! nothing of what is sent.

use crate::windows::Identity;
use ipnet::IpNet;
use std::{
    cmp::Reverse,
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

/// What one address may hold even if that is more than its share.
const FEW: usize = 16;
/// Places beyond the limit, for one short request each.
const RESERVE: usize = 32;
/// How many of those one address has.
const RESERVE_SHARE: usize = 4;
/// How long a stranger has for a head, for a body, and for reading an answer.
const GRACE: Duration = Duration::from_secs(1);
/// How long nothing moves on a connection that is known and not in use.
const REST: Duration = Duration::from_secs(2);

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

/// Who is in, and how many of each holder.
#[derive(Default)]
struct Room {
    guests: HashMap<u64, Arc<Guest>>,
    of: HashMap<Holder, usize>,
}

/// For whom a connection counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    /// An address, or a user.
    Of(Identity),
    /// The first 48 bits of an IPv6 address: who has one of its networks may have them all.
    Site(u64),
}

/// One connection.
pub(crate) struct Guest {
    places: Arc<Places>,
    number: u64,
    /// Its address and its site; none if it stands for many clients.
    at: [Option<Holder>; 2],
    identity: Identity,
    /// Whether a share can be too much for it.
    is_bound: bool,
    /// Who showed credentials on it first.
    user: OnceLock<Uuid>,
    /// What it is doing, in the lowest bits, and since which millisecond of the [`Places`].
    state: AtomicU64,
    has_unread: AtomicBool,
    cut_off: Notify,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Doing {
    /// It has sent no whole head yet.
    Come,
    /// It has had its answer and may ask again.
    Waiting,
    /// It sends a body.
    Sending,
    /// Its request is being worked on.
    Served,
    /// Its answer is on the way, and more of it will follow.
    Answered,
    /// The last of its answer is on the way.
    Leaving,
    /// Its place was given to another.
    Cut,
}

/// The right to one connection, until it is dropped.
pub(crate) struct Place {
    /// Whose it is.
    pub(crate) guest: Arc<Guest>,
    /// Whether it came to the reserve: for one short request.
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
        let is_trusted = self.trusted.iter().any(|net| net.contains(&peer));
        let identity = Identity::at(Some(peer));
        let mut held = self.held();
        let guest = Arc::new(Guest {
            places: Arc::clone(self),
            number: held.next,
            at: if is_trusted { [None; 2] } else { [Some(Holder::Of(identity)), site(peer)] },
            identity,
            is_bound: !is_trusted && !peer.is_loopback(),
            user: OnceLock::new(),
            state: AtomicU64::new(pack(Doing::Come, self.now())),
            has_unread: AtomicBool::new(false),
            cut_off: Notify::new(),
        });
        held.next += 1;
        let is_reserve = !self.make_room(&mut held.usual, &guest);
        if is_reserve && !held.reserve.make_room_in_reserve(identity) {
            return None;
        }
        let room = if is_reserve { &mut held.reserve } else { &mut held.usual };
        room.add(&guest);
        drop(held);
        Some(Place { guest, is_reserve })
    }

    /// Whether there is a usual place for the newcomer, now or after one was taken
    /// from somebody.
    fn make_room(&self, room: &mut Room, newcomer: &Guest) -> bool {
        // Who has a whole share gets the place of a connection of its own.
        let full = newcomer.holders().find(|&holder| room.weight(holder) >= self.share);
        let full = full.filter(|_| newcomer.is_bound);
        if full.is_none() && room.guests.len() < self.all {
            return true;
        }
        let (own, now) = (room.weight_of(newcomer), self.now());
        loop {
            let among = room.guests.values();
            let among = among.filter(|guest| full.is_none_or(|full| guest.is_of(full)));
            let offers = among.filter_map(|guest| Some((room.offer(guest, own, now)?, guest)));
            let Some(((_, seen), guest)) = offers.min_by_key(|((rank, _), _)| *rank) else {
                return false;
            };
            // Whoever has begun a request at this moment keeps the place.
            if guest.cut(seen) {
                let number = guest.number;
                room.remove(number);
                return true;
            }
        }
    }

    fn now(&self) -> u64 {
        millis(self.begun.elapsed())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place that goes first has the least.
type Rank = (bool, bool, bool, Reverse<usize>, u64, u64);

impl Room {
    /// How many places a holder has; a site is worth two addresses, so it counts half.
    fn weight(&self, holder: Holder) -> usize {
        let count = self.of.get(&holder).copied().unwrap_or_default();
        if let Holder::Site(_) = holder { count / 2 } else { count }
    }

    /// The most that one of those holds for whom it counts.
    fn weight_of(&self, guest: &Guest) -> usize {
        guest.holders().map(|holder| self.weight(holder)).max().unwrap_or_default()
    }

    /// How readily this place is given to who holds `own`, and the state in which it is.
    fn offer(&self, guest: &Guest, own: usize, now: u64) -> Option<(Rank, u64)> {
        let seen = guest.state.load(Ordering::Acquire);
        let (doing, since) = unpack(seen);
        let (known, rested) = (guest.is_known(), now.saturating_sub(since));
        if matches!(doing, Doing::Served | Doing::Cut) || known && rested < millis(REST) {
            return None;
        }
        let weight = self.weight_of(guest).max(1);
        let fresh = !known && doing != Doing::Waiting && rested < millis(GRACE);
        if fresh && (doing != Doing::Come || weight <= own + 1) {
            return None;
        }
        let busy = !doing.is_idle();
        Some(((known, busy, fresh, Reverse(weight), since, guest.number), seen))
    }

    fn add(&mut self, guest: &Arc<Guest>) {
        self.guests.insert(guest.number, Arc::clone(guest));
        for holder in guest.holders() {
            *self.of.entry(holder).or_default() += 1;
        }
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Guest>> {
        let guest = self.guests.remove(&number)?;
        for holder in guest.holders() {
            if let Some(count) = self.of.get_mut(&holder) {
                *count -= 1;
                if *count == 0 {
                    self.of.remove(&holder);
                }
            }
        }
        Some(guest)
    }

    /// Whoever has sent no head for longest makes room: an honest question is
    /// there at once.
    fn make_room_in_reserve(&mut self, identity: Identity) -> bool {
        let theirs = |guest: &&Arc<Guest>| guest.identity == identity;
        let full = self.guests.values().filter(theirs).count() >= RESERVE_SHARE;
        if !full && self.guests.len() < RESERVE {
            return true;
        }
        loop {
            let among = self.guests.values().filter(|guest| !full || guest.identity == identity);
            let idle = among.filter_map(|guest| {
                let seen = guest.state.load(Ordering::Acquire);
                unpack(seen).0.is_idle().then_some((guest, seen))
            });
            let Some((oldest, seen)) = idle.min_by_key(|(guest, _)| guest.number) else {
                return false;
            };
            if oldest.cut(seen) {
                let number = oldest.number;
                self.remove(number);
                return true;
            }
        }
    }
}

impl Guest {
    /// For whom it counts: with credentials also for a user, unless it stands for many.
    fn holders(&self) -> impl Iterator<Item = Holder> {
        let user = self.user.get().filter(|_| self.at[0].is_some());
        let user = user.map(|user| Holder::Of(Identity::User(*user)));
        self.at.into_iter().flatten().chain(user)
    }

    fn is_of(&self, holder: Holder) -> bool {
        self.holders().any(|other| other == holder)
    }

    /// Notes that credentials of its were found right. Of a user who has a whole share,
    /// what is beyond it stays a stranger's.
    pub(crate) fn is_proven(&self, user: Uuid) {
        let mut held = self.places.held();
        let holder = Holder::Of(Identity::User(user));
        if self.is_bound && held.usual.weight(holder) >= self.places.share {
            return;
        }
        let held = &mut *held;
        if self.user.set(user).is_ok() && self.is_of(holder) {
            for room in [&mut held.usual, &mut held.reserve] {
                if room.guests.contains_key(&self.number) {
                    *room.of.entry(holder).or_default() += 1;
                }
            }
        }
    }

    /// Whether it has shown who it is.
    pub(crate) fn is_known(&self) -> bool {
        self.user.get().is_some()
    }

    /// Moves it from the reserve to a usual place, if there is one for it.
    pub(crate) fn promote(self: &Arc<Self>) -> bool {
        let held = &mut *self.places.held();
        let promoted = self.places.make_room(&mut held.usual, self);
        if promoted && held.reserve.remove(self.number).is_some() {
            held.usual.add(self);
        }
        promoted
    }

    /// Notes what it is doing from now on; not if its place was given to another.
    pub(crate) fn note(&self, doing: Doing) -> bool {
        self.change(|_| Some(doing))
    }

    /// Notes that somebody reads what is sent.
    pub(crate) fn moved(&self) {
        self.change(Some);
    }

    /// Notes that everything is sent that there was; whether this was all of an answer.
    pub(crate) fn flushed(&self) -> bool {
        let is_over = self.doing() == Doing::Leaving && !self.has_unread();
        is_over && self.change(|doing| (doing == Doing::Leaving).then_some(Doing::Waiting))
    }

    /// What goes on as before wins a stranger no time.
    fn change(&self, to: impl Fn(Doing) -> Option<Doing>) -> bool {
        let (now, known) = (self.places.now(), self.is_known());
        let next = |seen| {
            let doing = unpack(seen).0;
            let next = to(doing).filter(|_| doing != Doing::Cut)?;
            Some(if next == doing && !known { seen } else { pack(next, now) })
        };
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }

    /// Gives the place away, unless the state is another by now.
    fn cut(&self, seen: u64) -> bool {
        let cut = pack(Doing::Cut, 0);
        let is_cut = self.state.compare_exchange(seen, cut, Ordering::AcqRel, Ordering::Acquire);
        if is_cut.is_ok() {
            self.cut_off.notify_one();
        }
        is_cut.is_ok()
    }

    fn doing(&self) -> Doing {
        unpack(self.state.load(Ordering::Acquire)).0
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

impl Doing {
    fn is_idle(self) -> bool {
        matches!(self, Self::Come | Self::Waiting)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.guest.places.held();
        if held.usual.remove(self.guest.number).is_none() {
            held.reserve.remove(self.guest.number);
        }
    }
}

fn site(peer: IpAddr) -> Option<Holder> {
    let IpAddr::V6(peer) = peer else { return None };
    u64::try_from(peer.to_bits() >> 80).ok().map(Holder::Site)
}

fn pack(doing: Doing, since: u64) -> u64 {
    (since << 3) | u64::from(doing as u8)
}

fn unpack(state: u64) -> (Doing, u64) {
    let doing = match state & 7 {
        0 => Doing::Come,
        1 => Doing::Waiting,
        2 => Doing::Sending,
        3 => Doing::Served,
        4 => Doing::Answered,
        5 => Doing::Leaving,
        _ => Doing::Cut,
    };
    (doing, state >> 3)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
