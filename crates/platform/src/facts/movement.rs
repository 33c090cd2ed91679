//! A movement of money, as the audit trail and the world are told of it. What else
//! happened, and who hears of it, is on the page of [`super::vocabulary`].

use super::vocabulary::{Party, raw};
use jiff::Timestamp;
use ledger::{AccountId, Amount, Currency, Kind, Money, QuoteId, Status, TransactionId, UserId};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

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
    /// When it completes by itself; said once, when it is ordered.
    pub complete_at: Option<Timestamp>,
    /// The quote that it used up; said once, when it is ordered.
    pub quote: Option<QuoteId>,
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

    /// With the reason of a failure, or the id of the reversal that it is.
    pub(super) fn details(
        &self,
        reason: Option<&str>,
        reversal_id: Option<TransactionId>,
    ) -> Box<RawValue> {
        raw(&Details {
            account_id: self.account,
            amount: self.amount,
            captured_amount: self.captured,
            complete_at: self.complete_at,
            currency: self.currency,
            quote_id: self.quote,
            reason,
            reference: self.reference.as_deref(),
            reversal_id,
            reverses_transaction_id: self.reverses,
            status: self.status,
            r#type: self.kind,
        })
    }
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
