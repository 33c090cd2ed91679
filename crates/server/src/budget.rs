//! How many bytes of large bodies are held at once, over all connections.
//!
//! A body is let in with all the room it may need, before its first byte is read: so
//! one that has begun can always end, whatever others do. Whoever waits is let in
//! in the order of coming, and nobody holds more than a share. When there is no
//! room, that of bodies which stand still is given away: first of whoever holds
//! most. A body that is complete is never touched.
//!
//! Knows no HTTP.

use crate::windows::Identity;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// The largest body there is, in bytes; see [`crate::routes`].
pub(crate) const LARGEST: usize = 8 << 20;
/// How long room is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// In how many steps a body comes. Small ones, so that a client that sends a byte now
/// and then is seen to stand still.
const STEPS: usize = 16;
/// How long a step may take while others wait. Whoever takes that long for each does
/// not send a body within [`crate::body`]'s time anyway.
const STILL: Duration = Duration::from_secs(1);
/// How often whoever waits looks for bodies that stand still.
const GLANCE: Duration = Duration::from_millis(200);

/// The bytes of all.
pub(crate) struct Budget {
    /// The most bytes of one caller or address.
    share: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    next: u64,
    held: HashMap<Identity, usize>,
    inside: HashMap<u64, Room>,
    /// By number: in the order of coming.
    waiting: BTreeMap<u64, Room>,
}

/// What one body has, or waits for.
struct Room {
    who: Identity,
    bytes: usize,
    /// When it made its last step.
    moved: Instant,
    is_complete: bool,
    /// Called when it is let in, and when it is cut off.
    called: Arc<Notify>,
}

/// The room of one body, until it is dropped.
pub(crate) struct Holding {
    budget: Arc<Budget>,
    number: u64,
    called: Arc<Notify>,
    step: usize,
    /// How much of it is here after the next step.
    next: usize,
}

/// No room came free in time.
#[derive(Debug)]
pub(crate) struct Full;

/// The body stood still, and its room was given to another.
#[derive(Debug)]
pub(crate) struct CutOff;

impl Budget {
    /// `all` bytes, or twice the largest body if that is more. Nobody holds more
    /// than a quarter, but one largest body always.
    pub(crate) fn of(all: usize) -> Arc<Self> {
        let free = all.max(2 * LARGEST);
        let (held, inside, waiting) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        let state = State { free, next: 0, held, inside, waiting };
        Arc::new(Self { share: (free / 4).max(LARGEST), state: Mutex::new(state) })
    }

    /// Room for a body of at most so many bytes, which are at most [`LARGEST`].
    ///
    /// # Errors
    /// [`Full`] when there is none within five seconds.
    pub(crate) async fn open(
        self: &Arc<Self>,
        who: Identity,
        bytes: usize,
    ) -> Result<Holding, Full> {
        let (called, moved) = (Arc::new(Notify::new()), Instant::now());
        let room = Room { who, bytes, moved, is_complete: false, called: Arc::clone(&called) };
        let number = self.state().queue(room);
        let step = bytes.div_ceil(STEPS);
        let holding = Holding { budget: Arc::clone(self), number, called, step, next: step };
        let until = moved + PATIENCE;
        while !self.lets_in(number) {
            let now = Instant::now();
            if now >= until {
                return Err(Full);
            }
            // Whether it was called or just time to look: the next turn tells.
            drop(timeout_at(until.min(now + GLANCE), holding.called.notified()).await);
        }
        Ok(holding)
    }

    fn lets_in(&self, number: u64) -> bool {
        let mut state = self.state();
        if !state.inside.contains_key(&number) {
            state.let_in(self.share);
        }
        state.inside.contains_key(&number)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn queue(&mut self, room: Room) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, room);
        self.next
    }

    /// Lets in all who have room, in the order of coming. Whoever has used up the own
    /// share is passed over; where there is no room at all, nobody overtakes.
    fn let_in(&mut self, share: usize) {
        let mut passed_over = Vec::new();
        let mut last = 0;
        while let Some((number, room)) = self.waiting.range(last + 1..).next() {
            let (number, who, bytes) = (*number, room.who, room.bytes);
            last = number;
            if passed_over.contains(&who) {
                continue;
            }
            let beyond = (self.held(who) + bytes).saturating_sub(share);
            if !self.clear(beyond, Some(who)) {
                passed_over.push(who);
                continue;
            }
            if !self.clear(bytes.saturating_sub(self.free), None) {
                return;
            }
            let Some(room) = self.waiting.remove(&number) else { return };
            self.free -= bytes;
            *self.held.entry(who).or_default() += bytes;
            room.called.notify_one();
            self.inside.insert(number, Room { moved: Instant::now(), ..room });
        }
    }

    /// Cuts off bodies that stand still, of all or of one, until so many bytes have
    /// come free; whether they have.
    fn clear(&mut self, bytes: usize, whose: Option<Identity>) -> bool {
        let mut missing = bytes;
        while missing > 0 {
            let still = |(number, room): (&u64, &Room)| {
                let fits = !room.is_complete
                    && room.moved.elapsed() >= STILL
                    && whose.is_none_or(|who| who == room.who);
                fits.then(|| ((Reverse(self.held(room.who)), room.moved), *number))
            };
            let Some((_, number)) = self.inside.iter().filter_map(still).min() else {
                return false;
            };
            let Some(room) = self.leave(number) else { return false };
            room.called.notify_one();
            missing = missing.saturating_sub(room.bytes);
        }
        true
    }

    fn held(&self, who: Identity) -> usize {
        self.held.get(&who).copied().unwrap_or_default()
    }

    fn leave(&mut self, number: u64) -> Option<Room> {
        let room = self.inside.remove(&number)?;
        self.give_back(room.who, room.bytes);
        Some(room)
    }

    fn give_back(&mut self, who: Identity, bytes: usize) {
        self.free += bytes;
        if let Entry::Occupied(mut held) = self.held.entry(who) {
            *held.get_mut() -= bytes;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

impl Holding {
    /// Notes how many bytes are here by now.
    pub(crate) fn note(&mut self, here: usize) {
        if here < self.next {
            return;
        }
        self.next = here + self.step;
        if let Some(room) = self.budget.state().inside.get_mut(&self.number) {
            room.moved = Instant::now();
        }
    }

    /// Notes that all is here, and gives back what was promised and did not come.
    ///
    /// # Errors
    /// [`CutOff`] if that is too late.
    pub(crate) fn complete(&mut self, here: usize) -> Result<(), CutOff> {
        let mut state = self.budget.state();
        let room = state.inside.get_mut(&self.number).ok_or(CutOff)?;
        let surplus = room.bytes.saturating_sub(here);
        room.is_complete = true;
        room.bytes -= surplus;
        let who = room.who;
        if surplus > 0 {
            state.give_back(who, surplus);
            state.let_in(self.budget.share);
        }
        Ok(())
    }

    /// Ends when its room was given to another.
    pub(crate) async fn cut_off(&self) {
        while self.budget.state().inside.contains_key(&self.number) {
            self.called.notified().await;
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        state.waiting.remove(&self.number);
        state.leave(self.number);
        // One that waited may have stood in the way of others.
        state.let_in(self.budget.share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use tokio::{task::JoinHandle, time::sleep};

    const MIB: usize = 1 << 20;

    fn who(number: u32) -> Identity {
        Identity::at(Some(IpAddr::V4(number.into())))
    }

    async fn take(budget: &Arc<Budget>, number: u32, mib: usize) -> Holding {
        budget.open(who(number), mib * MIB).await.unwrap()
    }

    /// The same for whoever has to wait: it is complete as soon as it is let in.
    fn wait(budget: &Arc<Budget>, number: u32, mib: usize) -> JoinHandle<Result<Holding, Full>> {
        let budget = Arc::clone(budget);
        tokio::spawn(async move {
            let mut holding = budget.open(who(number), mib * MIB).await?;
            holding.complete(mib * MIB).unwrap();
            Ok(holding)
        })
    }

    fn is_empty(budget: &Budget, all: usize) -> bool {
        let state = budget.state();
        let nobody = state.held.is_empty() && state.inside.is_empty() && state.waiting.is_empty();
        nobody && state.free == all
    }

    #[tokio::test(start_paused = true)]
    async fn parallel_bodies_of_one_user_take_turns_and_do_not_wait_for_each_other() {
        for all in [16 * MIB, 64 * MIB] {
            let budget = Budget::of(all);
            let since = Instant::now();
            let bodies = (0..4).map(|_| {
                let budget = Arc::clone(&budget);
                tokio::spawn(async move {
                    let mut holding = take(&budget, 1, 7).await;
                    for mib in 1..=7 {
                        sleep(Duration::from_millis(100)).await;
                        holding.note(mib * MIB);
                    }
                    holding.complete(7 * MIB).unwrap();
                })
            });
            for body in bodies.collect::<Vec<_>>() {
                body.await.unwrap();
            }
            assert!(since.elapsed() < PATIENCE);
            assert!(is_empty(&budget, all));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_takes_more_than_a_quarter_and_the_others_have_theirs() {
        let budget = Budget::of(64 * MIB);
        let mut first = take(&budget, 1, 8).await;
        let mut second = take(&budget, 1, 8).await;
        first.complete(8 * MIB).unwrap();
        second.complete(8 * MIB).unwrap();
        assert!(wait(&budget, 1, 1).await.unwrap().is_err());
        take(&budget, 2, 8).await;
        drop(first);
        take(&budget, 1, 8).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_is_not_overtaken_by_small_ones_and_who_waits_in_vain_is_told() {
        let budget = Budget::of(16 * MIB);
        let mut all = Vec::new();
        for number in 0..2 {
            all.push(wait(&budget, number, 8).await.unwrap().unwrap());
        }
        let large = wait(&budget, 2, 8);
        tokio::task::yield_now().await;
        let small = wait(&budget, 3, 1);
        tokio::task::yield_now().await;
        all.pop();
        let large = large.await.unwrap().unwrap();
        let since = Instant::now();
        assert!(small.await.unwrap().is_err(), "it waits behind the large one");
        assert_eq!(since.elapsed(), PATIENCE);
        drop((all, large));
        assert!(is_empty(&budget, 16 * MIB));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_gets_the_room_of_a_body_that_stands_still() {
        let budget = Budget::of(64 * MIB);
        let (few, many) =
            (take(&budget, 1, 8).await, [take(&budget, 2, 8).await, take(&budget, 2, 8).await]);
        let mut complete = take(&budget, 3, 8).await;
        complete.complete(8 * MIB).unwrap();
        let mut drips = take(&budget, 3, 8).await;
        let mut moves = take(&budget, 4, 8).await;
        let rest = wait(&budget, 4, 8).await.unwrap().unwrap();
        let last = wait(&budget, 5, 8).await.unwrap().unwrap();
        // A byte now and then is no step; a sixteenth of the body is.
        for tick in 1..=12 {
            sleep(STILL / 10).await;
            drips.note(tick);
            moves.note(tick * MIB / 2);
        }
        let mut cut = Vec::new();
        for number in 6..10 {
            cut.push(wait(&budget, number, 8).await.unwrap().unwrap());
            moves.note(8 * MIB);
        }
        // First of whoever holds most.
        for mut still in many {
            still.cut_off().await;
            assert!(still.complete(8 * MIB).is_err());
        }
        few.cut_off().await;
        drips.cut_off().await;
        moves.complete(8 * MIB).unwrap();
        assert!(wait(&budget, 11, 8).await.unwrap().is_err(), "what is complete is not cut off");
        drop((cut, complete, moves, rest, last, few, drips));
        assert!(is_empty(&budget, 64 * MIB));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_promised_and_did_not_come_is_given_back() {
        let budget = Budget::of(16 * MIB);
        let mut first = take(&budget, 1, 8).await;
        first.complete(10).unwrap();
        let second = wait(&budget, 1, 7).await.unwrap().unwrap();
        drop((first, second));
        assert!(is_empty(&budget, 16 * MIB));
    }
}
