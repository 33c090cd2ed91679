//! When a schedule is due: pure arithmetic on the calendar of a place.
//!
//! Occurrence `n` is the start plus `n` steps, always counted from the start and
//! never from the one before: so the 31st of a month comes back after February.
//! A day that a month lacks is its last one; asked for, it is the last one of every
//! month. A time of day that the clocks skip
//! is later by as much as they skip; of one that comes twice it is the first.
//! Knows no clock: what "now" is, the caller says.

use crate::error::{Error, Result};
use jiff::{Span, Timestamp, tz::TimeZone};
use ledger::words;
use serde::{Deserialize, Serialize};

words! {
    /// A step of the calendar.
    Unit {
        /// At the same time the next day, be it 23 hours away or 25.
        Day = "day",
        /// Seven days.
        Week = "week",
        /// On the same day of the next month.
        Month = "month",
        /// On the same day of the next year.
        Year = "year",
    }
}

words! {
    /// A day that every month has, whatever its number.
    MonthDay {
        /// The last one: the 28th, 29th, 30th or 31st.
        Last = "last",
    }
}

/// How far it is from one occurrence to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Every {
    /// Steps of what.
    pub unit: Unit,
    /// How many, at least one.
    pub count: i64,
    /// On which day of the month; absent: on the day of the start.
    #[serde(default)]
    pub day: Option<MonthDay>,
}

/// All occurrences of a schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rhythm {
    /// The first; of last days, it lies in the month of the first.
    pub start_at: Timestamp,
    /// Whose calendar and clocks count.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub zone: TimeZone,
    /// The distance; absent: there is only the first.
    pub every: Option<Every>,
    /// None is later than this.
    pub until: Option<Timestamp>,
    /// There are no more than this many.
    pub runs: Option<i64>,
}

/// A place's calendar and clocks, by their name in the IANA database. The
/// database is part of the program, so that all servers of one version agree.
///
/// # Errors
/// What is wrong, as the end of a sentence that begins with the field's name.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    let known = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown());
    known
        .ok_or_else(|| "must be a time zone of the IANA database, such as Europe/Zurich".to_owned())
}

impl Rhythm {
    /// Passes if an occurrence follows from what is asked for.
    ///
    /// # Errors
    /// An end without a repetition, or before the beginning.
    pub fn check(&self) -> Result<()> {
        let ends = [("until", self.until.is_some()), ("runs", self.runs.is_some())];
        if let Some((field, _)) = ends.iter().find(|(_, given)| *given && self.every.is_none()) {
            let text = "belongs to a schedule that repeats: say every as well";
            return Err(Error::invalid(field, "unexpected", text));
        }
        let monthly = |every: Every| matches!(every.unit, Unit::Month | Unit::Year);
        if self.every.is_some_and(|every| every.day.is_some() && !monthly(every)) {
            let text = "belongs to the units month and year: leave it out";
            return Err(Error::invalid("every.day", "unexpected", text));
        }
        if self.at(0).is_none() {
            let text = "must not lie before the first occurrence";
            return Err(Error::invalid("until", "out_of_range", text));
        }
        Ok(())
    }

    /// When occurrence `n` is, from 0; `None` behind the last one.
    pub fn at(&self, n: i64) -> Option<Timestamp> {
        if n < 0 || self.runs.is_some_and(|runs| n >= runs) {
            return None;
        }
        let at = match (n, self.every) {
            (0, None) => self.start_at,
            (0, Some(every)) if every.day.is_none() => self.start_at,
            (_, None) => return None,
            (_, Some(every)) => self.step(every, n)?,
        };
        self.until.is_none_or(|until| at <= until).then_some(at)
    }

    fn step(&self, every: Every, n: i64) -> Option<Timestamp> {
        let distance = n.checked_mul(every.count)?;
        let span = match every.unit {
            Unit::Day => Span::new().try_days(distance),
            Unit::Week => Span::new().try_weeks(distance),
            Unit::Month => Span::new().try_months(distance),
            Unit::Year => Span::new().try_years(distance),
        };
        let start = self.start_at.to_zoned(self.zone.clone());
        if every.day.is_none() {
            return Some(start.checked_add(span.ok()?).ok()?.timestamp());
        }
        let date = start.date().first_of_month().checked_add(span.ok()?).ok()?.last_of_month();
        // Its own time of day is what it is, also where it comes twice.
        let at = match date == start.date() {
            true => start,
            false => date.to_datetime(start.time()).to_zoned(self.zone.clone()).ok()?,
        };
        Some(at.timestamp())
    }

    /// How many occurrences lie at `now` or before it. Since none lies before the
    /// one that precedes it, halving finds out.
    pub fn due(&self, now: Timestamp) -> i64 {
        let is_due = |n| self.at(n).is_some_and(|at| at <= now);
        let (mut due, mut not_due) = (0, 1);
        while is_due(not_due - 1) {
            (due, not_due) = (not_due, not_due * 2);
        }
        // All before `due` are due, and from `not_due - 1` on none is.
        not_due -= 1;
        while due < not_due {
            let middle = due + (not_due - due) / 2;
            if is_due(middle) {
                due = middle + 1;
            } else {
                not_due = middle;
            }
        }
        due
    }
}
