//! The judgement of time: arithmetic on what the witnesses say, without asking any.
//!
//! There are four: the machine's clock, the database's clock, the newest moment that
//! is recorded, and a counter that only counts (see [`super::source`]). Ours is the
//! counter plus an offset. The offset follows the machine's clock slowly, so a clock
//! that is set right by a network is followed, and one that jumps is not. Every
//! figure is in microseconds; a moment is counted from 1970.

use std::fmt;

/// How much faster or slower than the counter our time may go: by a hundredth.
const SLEW: i64 = 100;
/// How long an answer of the database is believed.
const FRESH: i64 = 10_000_000;
/// How far a clock that has jumped may wander while it is waited for to stand.
const STANDING: i64 = 1_000_000;
/// A pause between the newest record and a start that is long enough to ask whether
/// it was one: a day.
const LONG_PAUSE: i64 = 24 * 60 * 60 * 1_000_000;

/// What the operator decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How far witnesses may be apart.
    pub(super) tolerance: i64,
    /// How long they must agree until a jump is followed.
    pub(super) settle: i64,
}

/// What the database said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// The counter before it was asked.
    pub before: i64,
    /// The counter when the answer had come.
    pub after: i64,
    /// Its clock in between.
    pub database: i64,
    /// The newest moment that is recorded.
    pub newest: Option<i64>,
    /// When this machine's counter began, as it was noted by an earlier process.
    pub began: Option<i64>,
}

/// What is wrong with the time; figures are seconds by which a witness is ahead of us.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doubt {
    /// The machine's clock has jumped.
    Machine(f64),
    /// The database's clock shows another time.
    Database(f64),
    /// The database does not tell its time.
    Unheard,
    /// Something is recorded for a moment that is still to come.
    Ahead(f64),
    /// The newest record is so old at the start that the clocks may be ahead.
    Pause(f64),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(ahead) => write!(f, "the machine's clock is {}", apart(*ahead)),
            Self::Database(ahead) => write!(f, "the database's clock is {}", apart(*ahead)),
            Self::Unheard => write!(f, "the database does not tell its time"),
            Self::Ahead(ahead) => write!(f, "the newest record is {}", apart(*ahead)),
            Self::Pause(pause) => write!(
                f,
                "the newest record is {pause:.0} s old, so the clocks may have been set ahead before the start"
            ),
        }
    }
}

fn apart(ahead: f64) -> String {
    let way = if ahead < 0.0 { "behind" } else { "ahead of" };
    format!("{:.1} s {way} the server's time", ahead.abs())
}

/// The database's clock against the counter.
#[derive(Clone, Copy, Debug)]
struct Other {
    offset: i64,
    /// Half of the round trip.
    uncertain: i64,
    at: i64,
}

/// What is known so far.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    limits: Limits,
    counted: i64,
    /// Our time minus the counter.
    offset: i64,
    /// The machine's clock minus the counter.
    machine: i64,
    database: Option<Other>,
    anchored: bool,
    /// Where the machine's clock has jumped to, and since when it stands there with
    /// the database's agreement.
    jumped: Option<(i64, i64)>,
    followed: bool,
    newest: Option<i64>,
    /// A newest record that lies ahead, and since when it is known.
    ahead: Option<(i64, i64)>,
    /// Up to here, what lies ahead is known to be wrong.
    excused: i64,
    pause: Option<i64>,
    /// Since when both clocks agree with ours.
    agreed: Option<i64>,
    sure: Option<i64>,
}

impl Guard {
    /// Begins with the machine's clock, and unsure until the database was heard.
    pub(super) fn new(limits: Limits, counted: i64, machine: i64) -> Self {
        Self {
            limits,
            counted,
            offset: machine - counted,
            machine: machine - counted,
            database: None,
            anchored: false,
            jumped: None,
            followed: false,
            newest: None,
            ahead: None,
            excused: i64::MIN,
            pause: None,
            agreed: None,
            sure: None,
        }
    }

    /// Whether the database was heard at all.
    pub(super) fn has_begun(&self) -> bool {
        self.anchored
    }

    /// Our time at the last tick.
    pub(super) fn now(&self) -> i64 {
        self.counted + self.offset
    }

    /// When the counter began, by our time.
    pub(super) fn began(&self) -> i64 {
        self.offset
    }

    /// Looks at the counter and at the machine's clock.
    pub(super) fn tick(&mut self, counted: i64, machine: i64) {
        let elapsed = (counted - self.counted).max(0);
        self.counted = counted;
        self.machine = machine - counted;
        if self.is_near(self.machine, 0) {
            self.jumped = None;
            self.slew(self.machine, elapsed);
        } else {
            self.wait_for_the_machine();
            if let Some(other) = self.fresh().filter(|other| self.is_near(other.offset, 0)) {
                self.slew(other.offset, elapsed);
            }
        }
        self.judge();
    }

    /// Listens to the database.
    pub(super) fn hear(&mut self, heard: Heard) {
        let middle = heard.before + (heard.after - heard.before) / 2;
        let uncertain = (heard.after - heard.before).max(0) / 2;
        let other = Other { offset: heard.database - middle, uncertain, at: heard.after };
        self.newest = self.newest.max(heard.newest);
        // An answer that took long tells little.
        if uncertain <= self.limits.tolerance / 2 || !self.anchored {
            self.database = Some(other);
        }
        if !self.anchored {
            self.anchor(other.offset, heard.began);
        }
        self.judge();
    }

    /// Chooses the first offset: the earliest that is not before the newest record.
    /// What is recorded too early is a nuisance; what is recorded ahead stays ahead.
    fn anchor(&mut self, database: i64, began: Option<i64>) {
        self.anchored = true;
        let newest = self.newest.map_or(i64::MIN, |newest| newest - self.limits.tolerance);
        let possible = |offset: &i64| self.counted + offset >= newest;
        let offsets = || [Some(self.machine), Some(database), began].into_iter().flatten();
        let earliest = offsets().filter(possible).min().or_else(|| offsets().max());
        let chosen = earliest.unwrap_or(self.machine);
        let near = (chosen - self.machine).abs() <= self.limits.tolerance;
        self.offset = if near { self.machine } else { chosen };
        // A counter that was seen before tells how long the pause was.
        let continued = began.is_some_and(|began| self.is_near(began, 0));
        let pause = self.newest.map(|newest| self.now() - newest).filter(|_| !continued);
        self.pause = pause.filter(|pause| *pause > LONG_PAUSE);
    }

    /// Follows a clock within the tolerance, slowly.
    fn slew(&mut self, towards: i64, elapsed: i64) {
        let step = elapsed / SLEW;
        self.offset += (towards - self.offset).clamp(-step, step);
    }

    /// Follows a jump when the clock has stood there long enough, with the database's
    /// agreement all the time.
    fn wait_for_the_machine(&mut self) {
        let agreed = self.fresh().is_some_and(|other| {
            (other.offset - self.machine).abs() <= self.limits.tolerance + other.uncertain
        });
        match self.jumped.filter(|_| agreed) {
            Some((to, since)) if (self.machine - to).abs() <= STANDING => {
                if self.counted - since >= self.limits.settle {
                    self.offset = self.machine;
                    self.followed = true;
                    self.jumped = None;
                }
            }
            _ => self.jumped = agreed.then_some((self.machine, self.counted)),
        }
    }

    fn judge(&mut self) {
        let agreed = self.clocks().is_empty();
        self.agreed = agreed.then(|| self.agreed.unwrap_or(self.counted));
        let settled = |since: i64, now: i64| now - since >= self.limits.settle;
        if self.agreed.is_some_and(|since| settled(since, self.counted)) {
            self.pause = None;
        }
        match self.newest.filter(|newest| *newest > self.excused && self.lies_ahead(*newest)) {
            None => self.ahead = None,
            // Somebody goes on writing ahead: it begins anew.
            Some(newest) => match self.ahead {
                Some((known, since)) if newest - known <= self.limits.tolerance => {
                    let since = self.agreed.map(|agreed| agreed.max(since));
                    if since.is_some_and(|since| settled(since, self.counted)) {
                        (self.excused, self.ahead) = (newest, None);
                    }
                }
                _ => self.ahead = Some((newest, self.counted)),
            },
        }
        let sure = self.doubts().is_empty();
        self.sure = sure.then(|| self.sure.unwrap_or(self.counted));
    }

    /// What stands against our time; nothing: it is sure.
    pub(super) fn doubts(&self) -> Vec<Doubt> {
        let mut doubts = self.clocks();
        doubts.extend(self.ahead.map(|(newest, _)| Doubt::Ahead(seconds(newest - self.now()))));
        doubts.extend(self.pause.map(|pause| Doubt::Pause(seconds(pause))));
        doubts
    }

    fn clocks(&self) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        if !self.is_near(self.machine, 0) {
            doubts.push(Doubt::Machine(seconds(self.machine - self.offset)));
        }
        match self.fresh() {
            None => doubts.push(Doubt::Unheard),
            Some(other) if !self.is_near(other.offset, other.uncertain) => {
                doubts.push(Doubt::Database(seconds(other.offset - self.offset)));
            }
            Some(_) => {}
        }
        doubts
    }

    /// Whether nothing stands against our time.
    pub(super) fn is_sure(&self) -> bool {
        self.sure.is_some()
    }

    /// Whether that has been so for twice the time to settle.
    pub(super) fn is_sure_for_long(&self) -> bool {
        self.sure.is_some_and(|since| self.counted - since >= self.limits.settle.saturating_mul(2))
    }

    /// Whether our time may be noted for the next process: what was followed proves
    /// itself first.
    pub(super) fn is_worth_noting(&self) -> bool {
        if self.followed { self.is_sure_for_long() } else { self.is_sure() }
    }

    /// How far the machine's clock is ahead of us.
    pub(super) fn machine_ahead(&self) -> i64 {
        self.machine - self.offset
    }

    /// How far the database's clock is ahead of us.
    pub(super) fn database_ahead(&self) -> Option<i64> {
        self.fresh().map(|other| other.offset - self.offset)
    }

    /// The newest record, while it lies ahead.
    pub(super) fn newest_ahead(&self) -> Option<i64> {
        self.newest.filter(|newest| self.lies_ahead(*newest))
    }

    fn lies_ahead(&self, newest: i64) -> bool {
        newest - self.now() > self.limits.tolerance
    }

    fn fresh(&self) -> Option<Other> {
        self.database.filter(|other| self.counted - other.at <= FRESH)
    }

    fn is_near(&self, offset: i64, uncertain: i64) -> bool {
        let apart = (offset - self.offset).abs();
        apart <= self.limits.tolerance + uncertain
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people, who do not count microseconds")]
pub(super) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
