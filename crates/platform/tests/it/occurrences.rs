//! When a schedule is due, checked against a calendar that counts on its fingers
//! and clocks that are searched minute by minute.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use platform::schedules::{Every, MonthDay, Rhythm, Unit, zone};
use proptest::prelude::*;

fn rhythm(start: &str, place: &str, unit: Unit, count: i64) -> Rhythm {
    Rhythm {
        start_at: start.parse().unwrap(),
        zone: zone(place).unwrap(),
        every: Some(Every { unit, count, day: None }),
        until: None,
        runs: None,
    }
}

fn local(rhythm: &Rhythm, n: i64) -> String {
    rhythm.at(n).unwrap().to_zoned(rhythm.zone.clone()).strftime("%F %R %:z").to_string()
}

#[test]
fn the_31st_comes_back_after_a_short_month() {
    let monthly = rhythm("2027-01-31T08:00:00Z", "UTC", Unit::Month, 1);
    let days: Vec<String> = (0..14).map(|n| local(&monthly, n)[..10].to_owned()).collect();
    assert_eq!(
        days.join(" "),
        "2027-01-31 2027-02-28 2027-03-31 2027-04-30 2027-05-31 2027-06-30 2027-07-31 2027-08-31 \
         2027-09-30 2027-10-31 2027-11-30 2027-12-31 2028-01-31 2028-02-29"
    );
    let leap = rhythm("2028-02-29T08:00:00Z", "UTC", Unit::Year, 1);
    assert_eq!(local(&leap, 1), "2029-02-28 08:00 +00:00");
    assert_eq!(local(&leap, 4), "2032-02-29 08:00 +00:00");
}

fn on_the_last_day(start: &str, place: &str, unit: Unit, count: i64) -> Rhythm {
    let every = Every { unit, count, day: Some(MonthDay::Last) };
    Rhythm { every: Some(every), ..rhythm(start, place, unit, count) }
}

#[test]
fn the_last_day_is_the_last_of_every_month_wherever_it_starts() {
    let days = |rhythm: &Rhythm, count| {
        (0..count).map(|n| local(rhythm, n)[..10].to_owned()).collect::<Vec<_>>().join(" ")
    };
    let february = on_the_last_day("2027-02-28T08:00:00Z", "UTC", Unit::Month, 1);
    assert_eq!(
        days(&february, 13),
        "2027-02-28 2027-03-31 2027-04-30 2027-05-31 2027-06-30 2027-07-31 2027-08-31 2027-09-30 \
         2027-10-31 2027-11-30 2027-12-31 2028-01-31 2028-02-29"
    );
    let middle = on_the_last_day("2026-01-15T08:00:00Z", "UTC", Unit::Month, 3);
    assert_eq!(days(&middle, 3), "2026-01-31 2026-04-30 2026-07-31");
    let yearly = on_the_last_day("2027-02-28T08:00:00Z", "UTC", Unit::Year, 1);
    assert_eq!(days(&yearly, 3), "2027-02-28 2028-02-29 2029-02-28");
    // In Auckland it is the 1st already, in Honolulu still the 31st.
    let east = on_the_last_day("2026-01-31T20:00:00Z", "Pacific/Auckland", Unit::Month, 1);
    assert_eq!(local(&east, 0), "2026-02-28 09:00 +13:00");
    assert_eq!(local(&east, 2), "2026-04-30 09:00 +12:00", "the clocks went back in between");
    let west = on_the_last_day("2026-02-01T05:00:00Z", "Pacific/Honolulu", Unit::Month, 1);
    assert_eq!(local(&west, 0), "2026-01-31 19:00 -10:00");
}

#[test]
fn a_last_day_on_which_the_clocks_change_is_like_any_other() {
    // Easter Sunday 2024 was 31 March, and the clocks went forward at two.
    let skipped = on_the_last_day("2024-02-29T02:30:00+01:00", "Europe/Zurich", Unit::Month, 1);
    assert_eq!(local(&skipped, 1), "2024-03-31 03:30 +02:00");
    assert_eq!(local(&skipped, 2), "2024-04-30 02:30 +02:00");
    let second = on_the_last_day("2021-10-31T02:30:00+01:00", "Europe/Zurich", Unit::Month, 1);
    assert_eq!(local(&second, 0), "2021-10-31 02:30 +01:00", "the start is what was said");
    assert_eq!(second.due(second.start_at), 1);
}

#[test]
fn a_last_day_needs_months_and_an_end_behind_it() {
    for unit in [Unit::Day, Unit::Week] {
        let wrong = on_the_last_day("2026-01-31T08:00:00Z", "UTC", unit, 1);
        assert!(format!("{:?}", wrong.check()).contains("every.day"), "{unit:?}");
    }
    let middle = on_the_last_day("2026-01-15T08:00:00Z", "UTC", Unit::Month, 1);
    let early = Rhythm { until: Some("2026-01-31T07:59:59Z".parse().unwrap()), ..middle.clone() };
    assert!(format!("{:?}", early.check()).contains("until"));
    middle.check().unwrap();
}

#[test]
fn the_time_of_day_stays_when_the_clocks_change() {
    let daily = rhythm("2026-03-28T07:30:00+01:00", "Europe/Zurich", Unit::Day, 1);
    assert_eq!(local(&daily, 0), "2026-03-28 07:30 +01:00");
    assert_eq!(local(&daily, 1), "2026-03-29 07:30 +02:00");
}

#[test]
fn a_skipped_time_is_later_and_a_repeated_one_is_the_first() {
    let skipped = rhythm("2026-03-28T02:30:00+01:00", "Europe/Zurich", Unit::Day, 1);
    assert_eq!(local(&skipped, 1), "2026-03-29 03:30 +02:00");
    assert_eq!(local(&skipped, 2), "2026-03-30 02:30 +02:00", "counted from the start");
    let repeated = rhythm("2026-10-24T02:30:00+02:00", "Europe/Zurich", Unit::Day, 1);
    assert_eq!(local(&repeated, 1), "2026-10-25 02:30 +02:00");
    let second = rhythm("2026-10-25T02:30:00+01:00", "Europe/Zurich", Unit::Day, 1);
    assert_eq!(local(&second, 0), "2026-10-25 02:30 +01:00", "the start is what was said");
}

#[test]
fn there_is_nothing_behind_the_end() {
    let daily = rhythm("2026-01-01T00:00:00Z", "UTC", Unit::Day, 1);
    let three = Rhythm { runs: Some(3), ..daily.clone() };
    assert!(three.at(2).is_some() && three.at(3).is_none() && three.at(-1).is_none());
    let until = Rhythm { until: Some("2026-01-04T00:00:00Z".parse().unwrap()), ..daily.clone() };
    assert!(until.at(3).is_some() && until.at(4).is_none());
    let once = Rhythm { every: None, ..daily.clone() };
    assert!(once.at(0).is_some() && once.at(1).is_none());
    assert_eq!(daily.at(i64::MAX), None, "nor behind the end of the calendar");
    assert_eq!(daily.at(4_000_000), None);
    for (rhythm, due) in [(three, 3), (until, 4), (once, 1)] {
        assert_eq!(rhythm.due(Timestamp::MAX), due);
    }
}

#[test]
fn a_place_that_nobody_knows_is_refused_and_the_usual_ones_need_no_files_of_the_system() {
    for wrong in ["", "Europe/Atlantis", "Etc/Unknown", "+02:00", "../etc/passwd", "CET-1CEST"] {
        assert!(zone(wrong).is_err(), "{wrong}");
    }
    for (name, canonical) in [("UTC", "UTC"), ("europe/zurich", "Europe/Zurich")] {
        assert_eq!(zone(name).unwrap().iana_name(), Some(canonical));
    }
}

/// The date a number of steps later, one day at a time; or by the months' lengths.
fn stepped(start: DateTime, every: Every, n: i64) -> DateTime {
    let days = |count: i64| {
        let mut date = start.date();
        (0..count).for_each(|_| date = date.tomorrow().unwrap());
        date.to_datetime(start.time())
    };
    let months = |count: i64| {
        let (mut year, mut month) = (start.year(), start.month());
        for _ in 0..count {
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        }
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let day = start.day().min(length);
        start.with().year(year).month(month).day(day).build().unwrap()
    };
    match every.unit {
        Unit::Day => days(n * every.count),
        Unit::Week => days(7 * n * every.count),
        Unit::Month => months(n * every.count),
        Unit::Year => months(12 * n * every.count),
    }
}

/// The first minute at which the clocks of the place show this; if they never do,
/// what they would show had they not been put forward.
fn searched(place: &TimeZone, shown: DateTime) -> Timestamp {
    let offset = |minute: i64| {
        i64::from(place.to_offset(Timestamp::from_second(minute * 60).unwrap()).seconds()) / 60
    };
    let wanted = TimeZone::UTC.to_timestamp(shown).unwrap().as_second() / 60;
    let day = 26 * 60;
    for minute in wanted - day..wanted + day {
        if minute + offset(minute) == wanted {
            return Timestamp::from_second(minute * 60).unwrap();
        }
        if minute + offset(minute) > wanted {
            return Timestamp::from_second((wanted - offset(minute - 1)) * 60).unwrap();
        }
    }
    panic!("{shown} is in no reach");
}

const PLACES: [&str; 8] = [
    "UTC",
    "Europe/Zurich",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",
];

fn any_rhythm() -> impl Strategy<Value = Rhythm> {
    // Minutes of 2005 to 2045.
    let anywhere = 18_408_960_i64..39_446_880;
    let units = prop::sample::select(Unit::ALL);
    (anywhere, prop::sample::select(&PLACES[..]), units, 1_i64..5).prop_map(
        |(minute, place, unit, count)| {
            let start_at = Timestamp::from_second(minute * 60).unwrap();
            let every = Some(Every { unit, count, day: None });
            Rhythm { start_at, zone: zone(place).unwrap(), every, until: None, runs: None }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_occurrence_is_what_calendar_and_clock_say(rhythm in any_rhythm(), n in 1_i64..60) {
        let start = rhythm.start_at.to_zoned(rhythm.zone.clone()).datetime();
        let shown = stepped(start, rhythm.every.unwrap(), n);
        prop_assert_eq!(rhythm.at(n), Some(searched(&rhythm.zone, shown)));
    }

    #[test]
    fn occurrences_come_in_their_order(rhythm in any_rhythm(), n in 0_i64..3000) {
        prop_assert!(rhythm.at(n) <= rhythm.at(n + 1));
    }

    #[test]
    fn what_is_due_is_counted_as_one_by_one(
        rhythm in any_rhythm(), days in -10_i64..900, runs in prop::option::of(1_i64..50),
    ) {
        let rhythm = Rhythm { runs, ..rhythm };
        let now = rhythm.start_at + jiff::SignedDuration::from_hours(24 * days);
        let counted = (0..).take_while(|n| rhythm.at(*n).is_some_and(|at| at <= now)).count();
        prop_assert_eq!(rhythm.due(now), i64::try_from(counted).unwrap());
    }
}

#[test]
fn every_night_of_changing_clocks_is_right() {
    for place in PLACES {
        let zone = zone(place).unwrap();
        let from: Timestamp = "2016-01-01T00:00:00Z".parse().unwrap();
        let changes = zone.following(from).take_while(|change| {
            change.timestamp() < "2030-01-01T00:00:00Z".parse::<Timestamp>().unwrap()
        });
        for change in changes {
            for minutes in [-31, 0, 15, 30, 59] {
                let around = change.timestamp() + jiff::SignedDuration::from_mins(minutes);
                // The same time of day the day before leads into the night in question.
                let before = around - jiff::SignedDuration::from_hours(24);
                let every = Some(Every { unit: Unit::Day, count: 1, day: None });
                let (until, runs) = (None, None);
                let daily = Rhythm { start_at: before, zone: zone.clone(), every, until, runs };
                let shown = before.to_zoned(zone.clone()).datetime();
                let shown = stepped(shown, daily.every.unwrap(), 1);
                assert_eq!(daily.at(1), Some(searched(&zone, shown)), "{place} {shown}");
            }
        }
    }
}
