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

/// The shape is checked first, since jiff reads more than RFC 3339 allows.
fn moment(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_at_checked(10)?;
    let shape = time.starts_with(['T', 't']) && time.ends_with(['Z', 'z'])
        || time.len() >= 15 && time.as_bytes().get(time.len() - 3) == Some(&b':');
    let plain = time.bytes().all(|b| b.is_ascii_digit() || b"Tt:.Zz+-".contains(&b));
    day(date)?;
    if shape && plain { text.parse().ok() } else { None }
}

fn day(text: &str) -> Option<Date> {
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()))
    };
    let shape = text.len() == 10 && digits(0..4) && digits(5..7) && digits(8..10);
    if shape { text.parse().ok() } else { None }
}
