//! Texts: each read by the rule of whoever owns its meaning.

use super::{read_text, string};
use ledger::{AccountId, QuoteId, TransactionId, UserId};
use platform::{accounts, api_keys, schedules, transactions, users};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, RefOr, Schema, SchemaFormat},
};
use uuid::Uuid;

macro_rules! text_fields {
    ($($(#[$doc:meta])* $name:ident($inner:ty) = $rule:expr, $schema:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub(crate) $inner);

        impl $name {
            /// Reads it, or says what is wrong, as the end of a sentence that begins
            /// with the field's name.
            pub(crate) fn parse(text: &str) -> Result<Self, String> {
                let rule: fn(&str) -> Result<$inner, String> = $rule;
                rule(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_text(deserializer, Self::parse)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

text_fields! {
    /// An address to log in with.
    Email(users::Email) = users::Email::parse, string()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
        .max_length(Some(255))
        .pattern(Some(concat!(
            r"^(?=[^@]{1,64}@)[!#-'*+\-/-9=?A-Z^-~]+(\.[!#-'*+\-/-9=?A-Z^-~]+)*",
            r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$",
        )))
        .examples(["ada@example.com"]);
    /// A new password.
    Password(users::Password) = users::Password::parse, string()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .description(Some("At least 8 characters with upper and lower case, a digit and a special \
            character; at most 72 bytes; not a common one."))
        .min_length(Some(8))
        .max_length(Some(72))
        .pattern(Some(r"^(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?=.*[^A-Za-z0-9])[^\x00]*$"))
        .examples(["Correct-Horse-7"]);
    /// A first or last name.
    PersonName(users::Name) = users::Name::parse, string()
        .min_length(Some(1))
        .max_length(Some(100))
        .pattern(Some(r"^(?=.*\S)[^\x00-\x1f\x7f-\x9f]*$"))
        .examples(["Ada"]);
    /// A telephone number.
    Phone(users::Phone) = users::Phone::parse, string()
        .description(Some("In the international form of E.164."))
        .pattern(Some(r"^\+[1-9][0-9]{6,14}$"))
        .examples(["+14155550123"]);
    /// The name of an API key.
    KeyName(api_keys::KeyName) = api_keys::KeyName::parse, string()
        .min_length(Some(1))
        .max_length(Some(100))
        .pattern(Some(r"^(?=[^\x00]*\S)[^\x00]*$"))
        .examples(["Nightly export"]);
    /// Whatever somebody typed to show who they are: not judged, only bounded.
    Typed(String) = |text| bounded(text, 1, 4096), string()
        .min_length(Some(1))
        .max_length(Some(4096))
        .pattern(Some(r"^[^\x00]*$"));
    /// What a transaction is for.
    Description(transactions::Description) = transactions::Description::parse, string()
        .max_length(Some(1000))
        .pattern(Some(r"^[^\x00]*$"))
        .examples(["Rent for May"]);
    /// Why an account is frozen, for its owner to read.
    FreezeReason(accounts::FreezeReason) = accounts::FreezeReason::parse, string()
        .min_length(Some(1))
        .max_length(Some(200))
        .pattern(Some(r"^[^\x00]*\S[^\x00]*$"))
        .examples(["Card reported stolen"]);
    /// Where an exchange rate comes from.
    RateSource(transactions::RateSource) = transactions::RateSource::parse, string()
        .min_length(Some(1))
        .max_length(Some(100))
        .pattern(Some(r"^[^\x00]*\S[^\x00]*$"))
        .examples(["ECB 2026-11-23"]);
    /// Words to look for.
    Search(String) = |text| bounded(text, 1, 100), string()
        .min_length(Some(1))
        .max_length(Some(100))
        .pattern(Some(r"^[^\x00]*$"));
    /// A word of the audit trail.
    Term(String) = |text| bounded(text, 1, 100), string()
        .min_length(Some(1))
        .max_length(Some(100))
        .pattern(Some(r"^[^\x00]*$"));
    /// An ISO 4217 code.
    Currency(ledger::Currency) =
        |text| ledger::Currency::parse(text).map_err(|error| error.to_string()), string()
        .description(Some("An ISO 4217 currency of at most two decimals."))
        .pattern(Some(currencies()))
        .examples(["USD"]);
    /// `WS` and 12 digits.
    AccountNumber(ledger::AccountNumber) =
        |text| ledger::AccountNumber::parse(text).map_err(|error| error.to_string()), string()
        .description(Some("WS and 12 digits, of which the last is a check digit (Luhn)."))
        .pattern(Some("^WS[0-9]{12}$"))
        .examples(["WS123456789015"]);
    /// A place whose calendar and clocks count, as the IANA database calls it.
    TimeZone(jiff::tz::TimeZone) = schedules::zone, string()
        .max_length(Some(64))
        .pattern(Some("^[A-Za-z0-9/_+-]+$"))
        .examples(["Europe/Zurich"]);
    /// The id of a thing.
    Id(Uuid) = hyphenated, string()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
}

/// Reads the one form in which ids are written; the `uuid` crate knows more.
fn hyphenated(text: &str) -> Result<Uuid, String> {
    let id = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
    id.ok_or_else(|| "must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057".to_owned())
}

/// Every code that can be read. A pattern says so in one line where a reader of
/// the document would scroll through a list.
fn currencies() -> String {
    let letters = || 'A'..='Z';
    let codes = letters()
        .flat_map(move |a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])))
        .map(String::from_iter)
        .filter(|code| ledger::Currency::parse(code).is_ok());
    format!("^({})$", codes.collect::<Vec<_>>().join("|"))
}

macro_rules! ids {
    ($($name:ident),*) => {$(
        impl From<Id> for $name {
            fn from(id: Id) -> Self {
                Self(id.0)
            }
        }
    )*};
}
ids!(AccountId, QuoteId, TransactionId, UserId);

impl From<Id> for Uuid {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.code())
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl Serialize for AccountNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// A text of `min..=max` characters without NUL, which the database cannot store.
fn bounded(text: &str, min: usize, max: usize) -> Result<String, String> {
    if text.contains('\0') {
        return Err("must not contain the character U+0000".to_owned());
    }
    match text.chars().count() {
        length if length < min => Err("must not be empty".to_owned()),
        length if length > max => Err(format!("must have at most {max} characters")),
        _ => Ok(text.to_owned()),
    }
}
