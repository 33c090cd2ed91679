//! A movement of money, as the audit trail and the world are told of it. What else
//! happened, and who hears of it, is on the page of [`super::vocabulary`].

use super::{Party, news::raw};
use crate::proof::Digest;
use jiff::Timestamp;
use ledger::{
    AccountId, Amount, Currency, Direction, Exchange, Kind, Money, Pair, QuoteId, Status,
    TransactionId, UserId,
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt::{self, Write as _};

/// A transaction, as far as the world may know.
#[derive(Clone, Debug)]
pub struct Movement {
    /// The transaction.
    pub id: TransactionId,
    /// In whose list it stands.
    pub account: AccountId,
    /// Whose account that is.
    pub owner: UserId,
    /// What it is.
    pub kind: Kind,
    /// How much.
    pub amount: Amount,
    /// In what.
    pub currency: Currency,
    /// Where it stands.
    pub status: Status,
    /// How much of it has moved, if it moves in parts.
    pub captured: Option<Money>,
    /// The transaction that it gives back.
    pub reverses: Option<TransactionId>,
    /// `TXN-…`.
    pub reference: Option<String>,
    /// Which way it moves its account.
    pub direction: Direction,
    /// The other half of a transfer.
    pub pair: Option<Pair>,
    /// From when on nothing of it moves any more.
    pub expires: Option<Timestamp>,
    /// When it completes by itself.
    pub completes: Option<Timestamp>,
    /// The business date, where it is not the recorded one.
    pub effective: Option<Timestamp>,
    /// What was agreed for a transfer between currencies, and where the rate is from.
    pub exchange: Option<(Exchange, String)>,
    /// Of a new one, the quote that it used up.
    pub quote: Option<QuoteId>,
    /// Of a new one, the fingerprint of its words, see [`words`].
    pub words: Option<String>,
}

/// What a subscriber reads. Written for every transfer, hence not as a
/// [`serde_json::Value`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'m> {
    account_id: AccountId,
    #[serde(serialize_with = "decimal")]
    amount: Amount,
    #[serde(serialize_with = "maybe_decimal", skip_serializing_if = "Option::is_none")]
    captured_amount: Option<Money>,
    currency: Currency,
    id: TransactionId,
    reference_number: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reverses_transaction_id: Option<TransactionId>,
    status: Status,
    transaction_type: Kind,
    user_id: UserId,
}

/// What stands in the trail; what it does not concern is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'m> {
    account_id: AccountId,
    #[serde(serialize_with = "decimal")]
    amount: Amount,
    #[serde(serialize_with = "maybe_decimal", skip_serializing_if = "Option::is_none")]
    captured_amount: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_at: Option<Timestamp>,
    currency: Currency,
    /// Of a new one, what neither half can change any more, see [`Movement::digest`].
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<Agreed<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quote_id: Option<QuoteId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'m str>,
    reference: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reversal_id: Option<TransactionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reverses_transaction_id: Option<TransactionId>,
    status: Status,
    r#type: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'m str>,
}

/// An exchange, as far as the rows of both halves do not say it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Agreed<'m> {
    rate: String,
    rate_source: &'m str,
    remainder: String,
}

impl Movement {
    pub(super) fn party(&self) -> Party {
        let payload = raw(&Payload {
            account_id: self.account,
            amount: self.amount,
            captured_amount: self.captured,
            currency: self.currency,
            id: self.id,
            reference_number: self.reference.as_deref(),
            reverses_transaction_id: self.reverses,
            status: self.status,
            transaction_type: self.kind,
            user_id: self.owner,
        });
        Party { user_id: self.owner, resource_id: self.id.0, payload }
    }

    /// Of one that was there, with the reason of a failure.
    pub(super) fn details(&self, reason: Option<&str>) -> Box<RawValue> {
        raw(&Details { reason, ..self.plain() })
    }

    /// Of a new one with its other half, and the id of the reversal that it is: all
    /// that the check of the ledger holds against the rows.
    pub(super) fn details_of_new(
        &self,
        paired: Option<&Self>,
        reversal_id: Option<TransactionId>,
    ) -> Box<RawValue> {
        let exchange = self.exchange.as_ref().map(|(terms, source)| Agreed {
            rate: terms.rate.to_string(),
            rate_source: source,
            remainder: terms.remainder.to_string(),
        });
        raw(&Details {
            complete_at: self.completes,
            digest: Some(self.digest(paired)),
            effective_at: self.effective,
            exchange,
            expires_at: self.expires,
            quote_id: self.quote,
            reversal_id,
            words: self.words.as_deref(),
            ..self.plain()
        })
    }

    fn plain(&self) -> Details<'_> {
        Details {
            account_id: self.account,
            amount: self.amount,
            captured_amount: self.captured,
            complete_at: None,
            currency: self.currency,
            digest: None,
            effective_at: None,
            exchange: None,
            expires_at: None,
            quote_id: None,
            reason: None,
            reference: self.reference.as_deref(),
            reversal_id: None,
            reverses_transaction_id: self.reverses,
            status: self.status,
            r#type: self.kind,
            words: None,
        }
    }

    /// The fingerprint of what neither half can change any more: a line each, as
    /// `docs/proof.md` has it. So the trail need not spell both rows out.
    fn digest(&self, paired: Option<&Self>) -> String {
        let mut lines = String::with_capacity(512);
        for half in [Some(self), paired].into_iter().flatten() {
            // A string takes all that is written to it.
            let _ = half.write_fixed(&mut lines);
        }
        fingerprint(&lines)
    }

    fn write_fixed(&self, out: &mut String) -> fmt::Result {
        let Self { id, account, amount, currency, .. } = self;
        let (kind, direction) = (self.kind.as_str(), self.direction.as_str());
        write!(out, "{id}|{account}|{kind}|{direction}|{amount}|{currency}|")?;
        out.write_str(self.reference.as_deref().unwrap_or_default())?;
        match self.pair {
            Some(Pair { account, transaction }) => write!(out, "|{account}|{transaction}|")?,
            None => out.write_str("|||")?,
        }
        if let Some(reverses) = self.reverses {
            write!(out, "{reverses}")?;
        }
        for at in [self.expires, self.effective, self.completes] {
            out.write_char('|')?;
            if let Some(at) = at {
                write!(out, "{}", at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ"))?;
            }
        }
        out.write_char('\n')
    }
}

/// The first half of a text's SHA-256, as 32 hexadecimal digits.
fn fingerprint(text: &str) -> String {
    let mut digits = Digest::of(&[text.as_bytes()]).to_string();
    digits.truncate(32);
    digits
}

/// The fingerprint of what an owner hangs on a transaction; `None` where that is
/// nothing. The metadata are as PostgreSQL prints them: so without a line end.
pub(crate) fn words(description: Option<&str>, metadata: &str) -> Option<String> {
    if description.is_none() && metadata == "{}" {
        return None;
    }
    let quote = if description.is_some() { "\"" } else { "" };
    Some(fingerprint(&format!("{quote}{}\n{metadata}", description.unwrap_or_default())))
}

fn decimal<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

fn maybe_decimal<S: Serializer>(money: &Option<Money>, serializer: S) -> Result<S::Ok, S::Error> {
    match money {
        Some(money) => serializer.collect_str(money),
        None => serializer.serialize_none(),
    }
}
