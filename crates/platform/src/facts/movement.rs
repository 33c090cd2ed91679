//! A movement of money, as the audit trail and the world are told of it. What else
//! happened, and who hears of it, is on the page of [`super::vocabulary`].

use super::vocabulary::Party;
use ledger::{AccountId, Amount, Currency, Kind, Money, Status, TransactionId, UserId};
use serde_json::{Value, json};

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
}

impl Movement {
    pub(super) fn payload(&self) -> Value {
        self.with_more(json!({
            "id": self.id, "accountId": self.account, "userId": self.owner,
            "transactionType": self.kind, "amount": self.amount.to_string(),
            "currency": self.currency, "status": self.status,
            "referenceNumber": self.reference,
        }))
    }

    pub(super) fn party(&self) -> Party {
        Party { user_id: self.owner, resource_id: self.id.0, payload: self.payload() }
    }

    pub(super) fn details(&self) -> Value {
        self.with_more(json!({
            "accountId": self.account, "type": self.kind, "amount": self.amount.to_string(),
            "currency": self.currency, "status": self.status, "reference": self.reference,
        }))
    }

    /// What only some have.
    fn with_more(&self, mut told: Value) -> Value {
        if let Some(captured) = self.captured {
            told["capturedAmount"] = json!(captured.to_string());
        }
        if let Some(reverses) = self.reverses {
            told["reversesTransactionId"] = json!(reverses);
        }
        told
    }
}
