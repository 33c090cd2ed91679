//! Moments, as RFC 3339 writes them. Answers are in UTC with milliseconds; what is
//! said of the book has its microseconds, so that it can be asked about again.

use super::{read_text, string};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, OneOfBuilder, RefOr, Schema, SchemaFormat},
};

const REFUSED: &str = "must be an RFC 3339 time such as 2026-01-28T12:00:00Z";

/// A moment: `2026-01-28T12:00:00.000Z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_text(deserializer, |text| moment(text).map(Self).ok_or(REFUSED))
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        date_time().examples(["2031-01-28T12:00:00.000Z"]).into()
    }
}

impl ToSchema for Time {}

/// A moment as the book keeps it: `2026-01-28T12:00:00.000000Z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", self.0))
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        date_time().examples(["2031-01-28T12:00:00.000000Z"]).into()
    }
}

impl ToSchema for Moment {}

/// From here on; of a day (UTC), its first moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begin(pub(crate) Timestamp);

/// Up to, but not at, this moment; of a day (UTC), its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End(pub(crate) Timestamp, Option<Date>);

macro_rules! bounds {
    ($($name:ident = $of_moment:expr, $of_day:expr;)*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let of_day: fn(Date) -> Option<Self> = $of_day;
                read_text(deserializer, |text| {
                    moment(text)
                        .map($of_moment)
                        .or_else(|| day(text).and_then(of_day))
                        .ok_or_else(|| format!("{REFUSED}, or a date"))
                })
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let date = SchemaFormat::KnownFormat(KnownFormat::Date);
                OneOfBuilder::new().item(date_time()).item(string().format(Some(date))).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

bounds! {
    Begin = Begin, |day| midnight(day).map(Begin);
    End = |at| End(at, None), |day| Some(End(midnight(day.tomorrow().ok()?)?, Some(day)));
}

impl End {
    /// The end, if it is one: a day that is not over has none yet.
    pub(crate) fn by(self, now: Timestamp) -> Option<Timestamp> {
        let begun = self.1.and_then(midnight).is_some_and(|midnight| midnight <= now);
        (!begun || self.0 <= now).then_some(self.0)
    }
}

fn date_time() -> ObjectBuilder {
    string().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

fn midnight(date: Date) -> Option<Timestamp> {
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The shape is checked first, by the grammar of RFC 3339 section 5.6, since jiff reads
/// more than that: hours without minutes, and offsets of more than a day. A second
/// of 60 is read as the one before it.
fn moment(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_at_checked(10)?;
    day(date)?;
    let (clock, rest) = time.strip_prefix(['T', 't'])?.split_at_checked(8)?;
    let (clock, seconds) = clock.split_at_checked(6)?;
    let (minutes, colon) = clock.split_at_checked(5)?;
    let fraction = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
    let (fraction, offset) = rest.split_at_checked(fraction)?;
    let is_fraction = match fraction.strip_prefix('.') {
        Some(digits) => {
            (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        }
        None => fraction.is_empty(),
    };
    let is_offset = match offset.split_at_checked(1)? {
        ("Z" | "z", "") => true,
        ("+" | "-", time) => is_time_of_day(time),
        _ => false,
    };
    let is_whole = is_time_of_day(minutes) && colon == ":" && two_digits(seconds, 60);
    if is_whole && is_fraction && is_offset { text.parse().ok() } else { None }
}

/// Whether it is hours and minutes: `23:59` at most.
fn is_time_of_day(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(hours, minutes)| two_digits(hours, 23) && two_digits(minutes, 59))
}

fn two_digits(text: &str, most: u8) -> bool {
    let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    digits && text.parse::<u8>().is_ok_and(|number| number <= most)
}

fn day(text: &str) -> Option<Date> {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(place, b)| match place {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    if shape { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_by_the_grammar_of_rfc_3339_and_nothing_else_is() {
        for (text, same) in [
            ("2026-01-28T12:00:00Z", "2026-01-28T12:00:00Z"),
            ("2026-01-28t12:00:00.5z", "2026-01-28T12:00:00.5Z"),
            ("2026-01-28T12:00:00.123456789+05:30", "2026-01-28T06:30:00.123456789Z"),
            ("2026-01-28T00:00:00-23:59", "2026-01-28T23:59:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ] {
            assert_eq!(moment(text), Some(same.parse().unwrap()), "{text}");
        }
        for text in [
            "2026-01-28T12Z",
            "2026-01-28T12:00Z",
            "2026-01-28T120000Z",
            "2026-01-28T12:00:00",
            "2026-01-28T12:00:00+25:59",
            "2026-01-28T12:00:00+24:00",
            "2026-01-28T12:00:00+05:60",
            "2026-01-28T12:00:00+05",
            "2026-01-28T12:00:00+0530",
            "2026-01-28T12:00:00+05:30:00",
            "2026-01-28T24:00:00Z",
            "2026-01-28T12:60:00Z",
            "2026-01-28T12:00:61Z",
            "2026-01-28T12:00:00.Z",
            "2026-01-28T12:00:00.1234567890Z",
            "2026-01-28T12:00:00,5Z",
            "2026-01-28T12:00:00..5Z",
            "2026-01-28T12:00:00ZZ",
            "2026-01-28 12:00:00Z",
            "2026-01-28T12:00:00 Z",
            "2026-01-28T12:00:00−05:00",
            "2026-01-28T12:00:00[UTC]",
            "2026-01-28T１２:00:00Z",
            "2026/01/28T12:00:00Z",
            "20260128T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-13-01T00:00:00Z",
            "+2026-01-28T12:00:00Z",
            "2026-01-28",
            "",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_has_four_two_and_two_digits() {
        assert!(day("2026-01-28").is_some());
        for text in
            ["2026-1-28", "20260128", "2026/01/28", "2026-02-30", "２026-01-28", "+026-01-28"]
        {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
