//! The judgement of time, on a machine whose clocks a test moves.

use super::guard::{Doubt, Guard, Heard, Limits};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;
/// Noon of some day.
const NOON: i64 = 20_000 * DAY + DAY / 2;

/// A machine whose clocks a test moves.
struct Machine {
    guard: Guard,
    counted: i64,
    machine: i64,
    database: i64,
    newest: Option<i64>,
}

impl Machine {
    /// Started at noon by both clocks, when the counter had run for an hour.
    fn new() -> Self {
        Self::started([0, 0], Some(NOON), None)
    }

    /// Started with the clocks so far ahead of noon.
    fn started([machine, database]: [i64; 2], newest: Option<i64>, began: Option<i64>) -> Self {
        let limits = Limits { tolerance: 10 * SECOND, settle: 5 * MINUTE };
        let counted = 60 * MINUTE;
        let (machine, database) = (NOON - counted + machine, NOON - counted + database);
        let guard = Guard::new(limits, counted, counted + machine);
        let mut all = Self { guard, counted, machine, database, newest };
        all.ask(began);
        all
    }

    fn ask(&mut self, began: Option<i64>) {
        let Self { counted, database, newest, .. } = *self;
        let heard =
            Heard { before: counted, after: counted, database: counted + database, newest, began };
        self.guard.hear(heard);
    }

    /// Goes on so long, with a tick and a question every second.
    fn run(&mut self, time: i64) {
        for _ in 0..time / SECOND {
            self.counted += SECOND;
            self.guard.tick(self.counted, self.counted + self.machine);
            self.ask(None);
        }
    }

    /// How far our time is from the right one.
    fn off(&self) -> i64 {
        self.guard.now() - (self.counted - 60 * MINUTE + NOON)
    }

    fn is_sure(&self) -> bool {
        self.guard.is_sure()
    }
}

#[test]
fn where_all_agree_time_is_sure_at_once_and_for_long_later() {
    let mut all = Machine::new();
    assert!(all.is_sure() && !all.guard.is_sure_for_long());
    all.run(10 * MINUTE);
    assert!(all.guard.is_sure_for_long());
    assert_eq!(all.off(), 0);
}

#[test]
fn a_jump_of_the_machines_clock_is_not_followed_while_the_database_disagrees() {
    for jump in [11 * SECOND, MINUTE, 60 * MINUTE, 8 * DAY, 4000 * DAY] {
        for way in [1, -1] {
            let mut all = Machine::new();
            all.run(10 * MINUTE);
            all.machine += way * jump;
            all.run(SECOND);
            assert!(!all.is_sure(), "{jump} {way}");
            all.run(60 * MINUTE);
            assert!(!all.is_sure() && all.off().abs() < SECOND, "{jump} {way}");
            all.machine -= way * jump;
            all.run(SECOND);
            assert!(all.is_sure() && !all.guard.is_sure_for_long(), "it goes on by itself");
            all.run(10 * MINUTE);
            assert!(all.guard.is_sure_for_long());
        }
    }
}

#[test]
fn a_jump_of_the_databases_clock_is_a_doubt_as_long_as_it_lasts() {
    for jump in [8 * DAY, -8 * DAY] {
        let mut all = Machine::new();
        all.database += jump;
        all.run(60 * MINUTE);
        assert!(!all.is_sure() && all.off() == 0);
        all.database -= jump;
        all.run(SECOND);
        assert!(all.is_sure());
    }
}

#[test]
fn a_jump_of_both_clocks_is_followed_once_they_have_stood_there() {
    for jump in [8 * DAY, -8 * DAY] {
        let mut all = Machine::new();
        all.machine += jump;
        all.database += jump;
        all.run(4 * MINUTE);
        assert!(!all.is_sure() && all.off() == 0);
        all.run(2 * MINUTE);
        assert_eq!(all.off(), jump);
        assert!(!all.guard.is_sure_for_long());
        // Back, before, the newest record lies ahead: one more time to settle.
        all.run(10 * MINUTE);
        assert!(all.is_sure());
    }
}

#[test]
fn clocks_that_come_back_before_they_were_followed_were_never_followed() {
    let mut all = Machine::new();
    for _ in 0..100 {
        all.machine += 8 * DAY;
        all.database += 8 * DAY;
        all.run(4 * MINUTE);
        all.machine -= 8 * DAY;
        all.database -= 8 * DAY;
        all.run(SECOND);
        assert_eq!(all.off(), 0);
        assert!(all.is_sure());
    }
}

#[test]
fn a_small_correction_is_followed_slowly_and_is_no_doubt() {
    for step in [8 * SECOND, -8 * SECOND] {
        let mut all = Machine::new();
        all.machine += step;
        all.database += step;
        all.run(60 * SECOND);
        assert_eq!(all.off(), step / 8 * 6 / 10);
        assert!(all.is_sure());
        all.run(15 * MINUTE);
        assert_eq!(all.off(), step);
    }
}

#[test]
fn many_small_steps_are_a_jump_too() {
    let mut all = Machine::new();
    for _ in 0..600 {
        all.machine += 5 * SECOND;
        all.database += 5 * SECOND;
        all.run(SECOND);
    }
    assert!(!all.is_sure());
    assert!(all.off() < 11 * SECOND, "not followed by {} s", all.off() / SECOND);
}

#[test]
fn at_a_start_the_earliest_clock_that_is_not_before_the_newest_record_is_believed() {
    let hour_ago = Some(NOON - 60 * MINUTE);
    let began = Some(NOON - 60 * MINUTE);
    for (clocks, newest, began, off) in [
        ([8 * DAY, 0], hour_ago, None, 0),
        ([0, 8 * DAY], hour_ago, None, 0),
        ([-8 * DAY, 0], hour_ago, None, 0),
        ([0, -8 * DAY], hour_ago, None, 0),
        ([-8 * DAY, 8 * DAY], hour_ago, None, 8 * DAY),
        ([8 * DAY, 8 * DAY], hour_ago, began, 0),
        ([-8 * DAY, -8 * DAY], hour_ago, began, 0),
        ([8 * DAY, 0], None, None, 0),
        ([0, 0], Some(NOON + 8 * DAY), None, 0),
    ] {
        let mut all = Machine::started(clocks, newest, began);
        all.run(4 * MINUTE);
        assert_eq!(
            all.off().abs() / (5 * SECOND),
            off / (5 * SECOND),
            "{clocks:?} {newest:?} {began:?}"
        );
        assert!(!all.is_sure(), "{clocks:?} {newest:?} {began:?}");
    }
}

#[test]
fn after_a_long_pause_time_is_sure_when_the_clocks_have_agreed_for_a_while() {
    let mut all = Machine::started([0, 0], Some(NOON - 3 * DAY), None);
    assert!(matches!(all.guard.doubts()[..], [Doubt::Pause(_)]));
    all.run(4 * MINUTE);
    assert!(!all.is_sure());
    all.run(2 * MINUTE);
    assert!(all.is_sure());
    let known = Machine::started([0, 0], Some(NOON - 3 * DAY), Some(NOON - 60 * MINUTE));
    assert!(known.is_sure(), "the counter tells that the pause was one");
    assert!(Machine::started([0, 0], Some(NOON - DAY / 2), None).is_sure());
}

#[test]
fn a_record_that_lies_ahead_is_a_doubt_until_the_clocks_have_outvoted_it() {
    let mut all = Machine::started([0, 0], Some(NOON + 8 * DAY), None);
    all.run(4 * MINUTE);
    assert!(matches!(all.guard.doubts()[..], [Doubt::Ahead(_)]));
    all.run(2 * MINUTE);
    assert!(all.is_sure() && all.guard.newest_ahead().is_some());
    // Somebody goes on writing by a clock that is ahead.
    for _ in 0..20 {
        all.newest = Some(all.guard.now() + 9 * DAY);
        all.run(MINUTE);
        assert!(!all.is_sure());
    }
}

#[test]
fn a_database_that_does_not_answer_leaves_time_in_doubt() {
    let mut all = Machine::new();
    for _ in 0..11 {
        all.counted += SECOND;
        all.guard.tick(all.counted, all.counted + all.machine);
    }
    assert_eq!(all.guard.doubts(), [Doubt::Unheard]);
    all.ask(None);
    assert!(all.is_sure());
}

#[test]
fn an_answer_that_took_long_tells_nothing() {
    let mut all = Machine::new();
    let (before, after) = (all.counted - MINUTE, all.counted);
    let database = NOON + 8 * DAY;
    all.guard.hear(Heard { before, after, database, newest: None, began: None });
    assert!(all.is_sure());
}

#[test]
fn what_was_followed_is_noted_only_when_it_has_proved_itself() {
    let mut all = Machine::new();
    assert!(all.guard.is_worth_noting());
    all.machine += 8 * DAY;
    all.database += 8 * DAY;
    all.run(6 * MINUTE);
    assert!(all.is_sure() && !all.guard.is_worth_noting());
    all.run(10 * MINUTE);
    assert!(all.guard.is_worth_noting());
}
