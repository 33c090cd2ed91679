//! Everything that can happen in the bank, and what is told of it.
//!
//! Owns the writes of `audit_logs` and of the outbox `wallstreet.events`.
//! Every mutation ends with one call here, inside its own transaction: so there
//! is no change without its audit row and no event without its change.
//! Knows nobody who listens.

use crate::{
    actor::{Actor, Origin, Role},
    db::{Param, Tx, Utc, statements},
    error::Result,
};
use jiff::Timestamp;
use ledger::{AccountId, Amount, Currency, Kind, Status, TransactionId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

/// Who did it, from where, when.
#[derive(Clone, Debug)]
pub struct By<'a> {
    /// Absent when nobody is known, as in a failed login.
    pub user: Option<UserId>,
    /// From where.
    pub origin: &'a Origin,
    /// When.
    pub at: Timestamp,
}

impl<'a> By<'a> {
    /// An actor, now.
    pub(crate) fn actor(actor: &'a Actor, at: Timestamp) -> Self {
        Self {
            user: Some(actor.user_id),
            origin: &actor.origin,
            at,
        }
    }
}

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
    /// `TXN-…`.
    pub reference: Option<String>,
}

impl Movement {
    fn payload(&self) -> Value {
        json!({
            "id": self.id, "accountId": self.account, "userId": self.owner,
            "transactionType": self.kind, "amount": self.amount.to_string(),
            "currency": self.currency, "status": self.status,
            "referenceNumber": self.reference,
        })
    }

    fn event(&self, event_type: &'static str) -> Event {
        Event {
            event_type,
            user: self.owner,
            resource: self.id.0,
            payload: self.payload(),
        }
    }

    fn details(&self) -> Value {
        json!({
            "accountId": self.account, "type": self.kind, "amount": self.amount.to_string(),
            "currency": self.currency, "status": self.status, "reference": self.reference,
        })
    }
}

/// What can happen. Closed: an arm says its audit line, and its events if the
/// world may know.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "an arm is its own sentence; audit() and events() spell it out"
)]
pub enum Fact {
    UserRegistered {
        user: UserId,
        email: String,
    },
    AdminCreated {
        user: UserId,
        email: String,
    },
    LoginSucceeded {
        user: UserId,
        session: Uuid,
    },
    LoginFailed {
        user: Option<UserId>,
        email: String,
        reason: &'static str,
    },
    SessionRefreshed {
        session: Uuid,
    },
    SessionReplayed {
        session: Uuid,
    },
    LoggedOut {
        session: Uuid,
    },
    SessionEnded {
        session: Uuid,
    },
    ProfileUpdated {
        user: UserId,
        fields: Vec<&'static str>,
    },
    PasswordChanged {
        user: UserId,
    },
    UserChanged {
        user: UserId,
        role: Option<Role>,
        status: Option<&'static str>,
    },
    UserClosed {
        user: UserId,
    },
    ApiKeyCreated {
        key: Uuid,
        name: String,
        permissions: Vec<&'static str>,
    },
    ApiKeyUpdated {
        key: Uuid,
        fields: Vec<&'static str>,
    },
    ApiKeyRevoked {
        key: Uuid,
    },
    AccountCreated {
        account: AccountId,
        owner: UserId,
        number: String,
        account_type: &'static str,
        currency: Currency,
    },
    AccountUpdated {
        account: AccountId,
        owner: UserId,
        status: &'static str,
    },
    AccountClosed {
        account: AccountId,
        owner: UserId,
    },
    TransactionCreated {
        movement: Movement,
        paired: Option<Movement>,
    },
    TransactionCompleted {
        movement: Movement,
        paired: Option<Movement>,
    },
    TransactionFailed {
        movement: Movement,
        paired: Option<Movement>,
        reason: &'static str,
    },
    TransactionUpdated {
        transaction: TransactionId,
        fields: Vec<&'static str>,
    },
}

/// A row of `audit_logs`, but for who and when.
#[derive(Debug)]
pub struct AuditLine {
    /// `USER_REGISTERED` and so on.
    pub action: &'static str,
    /// The kind of thing it happened to.
    pub resource_type: &'static str,
    /// Which thing.
    pub resource_id: Option<Uuid>,
    /// What else is worth knowing; never a secret.
    pub details: Value,
}

/// A row of the outbox.
#[derive(Debug)]
pub struct Event {
    /// `transaction.completed` and so on.
    pub event_type: &'static str,
    /// Whose event it is.
    pub user: UserId,
    /// Of which thing.
    pub resource: Uuid,
    /// What a subscriber reads.
    pub payload: Value,
}

impl Fact {
    /// Its one line in the audit trail.
    pub fn audit(&self) -> AuditLine {
        let (action, resource_type, resource_id, details) = match self {
            Self::UserRegistered { user, email } => (
                "USER_REGISTERED",
                "user",
                Some(user.0),
                json!({ "email": email }),
            ),
            Self::AdminCreated { user, email } => (
                "ADMIN_CREATED",
                "user",
                Some(user.0),
                json!({ "email": email }),
            ),
            Self::LoginSucceeded { user, session } => (
                "LOGIN_SUCCESS",
                "user",
                Some(user.0),
                json!({ "sessionId": session }),
            ),
            Self::LoginFailed {
                user,
                email,
                reason,
            } => (
                "LOGIN_FAILED",
                "user",
                user.map(|user| user.0),
                json!({ "email": email, "reason": reason }),
            ),
            Self::SessionRefreshed { session } => {
                ("SESSION_REFRESHED", "session", Some(*session), json!({}))
            }
            Self::SessionReplayed { session } => (
                "REFRESH_REUSE_DETECTED",
                "session",
                Some(*session),
                json!({}),
            ),
            Self::LoggedOut { session } => ("LOGOUT", "session", Some(*session), json!({})),
            Self::SessionEnded { session } => {
                ("SESSION_ENDED", "session", Some(*session), json!({}))
            }
            Self::ProfileUpdated { user, fields } => (
                "PROFILE_UPDATED",
                "user",
                Some(user.0),
                json!({ "fields": fields }),
            ),
            Self::PasswordChanged { user } => ("PASSWORD_CHANGED", "user", Some(user.0), json!({})),
            Self::UserChanged { user, role, status } => (
                "USER_UPDATED",
                "user",
                Some(user.0),
                json!({ "role": role, "status": status }),
            ),
            Self::UserClosed { user } => ("USER_CLOSED", "user", Some(user.0), json!({})),
            Self::ApiKeyCreated {
                key,
                name,
                permissions,
            } => (
                "API_KEY_CREATED",
                "api_key",
                Some(*key),
                json!({ "name": name, "permissions": permissions }),
            ),
            Self::ApiKeyUpdated { key, fields } => (
                "API_KEY_UPDATED",
                "api_key",
                Some(*key),
                json!({ "fields": fields }),
            ),
            Self::ApiKeyRevoked { key } => ("API_KEY_REVOKED", "api_key", Some(*key), json!({})),
            Self::AccountCreated {
                account,
                number,
                account_type,
                currency,
                ..
            } => (
                "ACCOUNT_CREATED",
                "account",
                Some(account.0),
                json!({ "accountNumber": number, "accountType": account_type, "currency": currency }),
            ),
            Self::AccountUpdated {
                account, status, ..
            } => (
                "ACCOUNT_UPDATED",
                "account",
                Some(account.0),
                json!({ "status": status }),
            ),
            Self::AccountClosed { account, .. } => {
                ("ACCOUNT_CLOSED", "account", Some(account.0), json!({}))
            }
            Self::TransactionCreated { movement, .. } => (
                "TRANSACTION_CREATED",
                "transaction",
                Some(movement.id.0),
                movement.details(),
            ),
            Self::TransactionCompleted { movement, .. } => (
                "TRANSACTION_COMPLETED",
                "transaction",
                Some(movement.id.0),
                movement.details(),
            ),
            Self::TransactionFailed {
                movement, reason, ..
            } => {
                let mut details = movement.details();
                details["reason"] = json!(reason);
                (
                    "TRANSACTION_FAILED",
                    "transaction",
                    Some(movement.id.0),
                    details,
                )
            }
            Self::TransactionUpdated {
                transaction,
                fields,
            } => (
                "TRANSACTION_UPDATED",
                "transaction",
                Some(transaction.0),
                json!({ "fields": fields }),
            ),
        };
        AuditLine {
            action,
            resource_type,
            resource_id,
            details,
        }
    }

    /// What the world may know of it. A transfer is news to both sides.
    pub fn events(&self) -> Vec<Event> {
        match self {
            Self::ProfileUpdated { user, fields } => {
                let payload = json!({ "id": user, "fields": fields });
                vec![Event {
                    event_type: "user.updated",
                    user: *user,
                    resource: user.0,
                    payload,
                }]
            }
            Self::UserChanged { user, role, status } => {
                let payload = json!({ "id": user, "role": role, "status": status });
                vec![Event {
                    event_type: "user.updated",
                    user: *user,
                    resource: user.0,
                    payload,
                }]
            }
            Self::AccountCreated {
                account,
                owner,
                number,
                account_type,
                currency,
            } => {
                let payload = json!({
                    "id": account, "userId": owner, "accountNumber": number,
                    "accountType": account_type, "currency": currency,
                });
                vec![Event {
                    event_type: "account.created",
                    user: *owner,
                    resource: account.0,
                    payload,
                }]
            }
            Self::AccountUpdated {
                account,
                owner,
                status,
            } => {
                let payload = json!({ "id": account, "userId": owner, "status": status });
                vec![Event {
                    event_type: "account.updated",
                    user: *owner,
                    resource: account.0,
                    payload,
                }]
            }
            Self::AccountClosed { account, owner } => {
                let payload = json!({ "id": account, "userId": owner });
                vec![Event {
                    event_type: "account.closed",
                    user: *owner,
                    resource: account.0,
                    payload,
                }]
            }
            Self::TransactionCreated { movement, paired } => [Some(movement), paired.as_ref()]
                .into_iter()
                .flatten()
                .flat_map(|leg| {
                    let completed = leg.status == Status::Completed;
                    std::iter::once(leg.event("transaction.created"))
                        .chain(completed.then(|| leg.event("transaction.completed")))
                })
                .collect(),
            Self::TransactionCompleted { movement, paired } => {
                both("transaction.completed", movement, paired.as_ref())
            }
            Self::TransactionFailed {
                movement, paired, ..
            } => both("transaction.failed", movement, paired.as_ref()),
            _ => Vec::new(),
        }
    }
}

fn both(event_type: &'static str, movement: &Movement, paired: Option<&Movement>) -> Vec<Event> {
    [Some(movement), paired]
        .into_iter()
        .flatten()
        .map(|leg| leg.event(event_type))
        .collect()
}

statements! {
    /// One row of the trail for each fact.
    INSERT_AUDIT = "INSERT INTO audit_logs
            (id, user_id, action, resource_type, resource_id, ip_address, user_agent, details, created_at)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[],
                             $6::text[], $7::text[], $8::jsonb[], $9::timestamp[])";
    /// The outbox, in the order of the facts.
    INSERT_EVENTS = "INSERT INTO wallstreet.events (event_type, user_id, resource_id, payload, created_at)
        SELECT t.event_type, t.user_id, t.resource_id, t.payload, t.created_at
          FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::jsonb[], $5::timestamptz[])
               WITH ORDINALITY AS t (event_type, user_id, resource_id, payload, created_at, place)
         ORDER BY t.place";
}

/// Records one fact in its change's transaction.
pub(crate) async fn record_in(tx: &Tx<'_>, id: Uuid, by: By<'_>, fact: Fact) -> Result<()> {
    record_all_in(tx, &[(id, by, fact)]).await
}

/// Records the facts of a batch; the id is that of the audit row.
pub(crate) async fn record_all_in(tx: &Tx<'_>, facts: &[(Uuid, By<'_>, Fact)]) -> Result<()> {
    let lines: Vec<AuditLine> = facts.iter().map(|(_, _, fact)| fact.audit()).collect();
    let ids: Vec<Uuid> = facts.iter().map(|(id, ..)| *id).collect();
    let users: Vec<Option<Uuid>> = facts
        .iter()
        .map(|(_, by, _)| by.user.map(|user| user.0))
        .collect();
    let actions: Vec<&str> = lines.iter().map(|line| line.action).collect();
    let types: Vec<&str> = lines.iter().map(|line| line.resource_type).collect();
    let resources: Vec<Option<Uuid>> = lines.iter().map(|line| line.resource_id).collect();
    let addresses: Vec<Option<String>> = facts
        .iter()
        .map(|(_, by, _)| by.origin.ip.map(|ip| ip.to_string()))
        .collect();
    let agents: Vec<Option<&str>> = facts
        .iter()
        .map(|(_, by, _)| by.origin.user_agent.as_deref())
        .collect();
    let details: Vec<&Value> = lines.iter().map(|line| &line.details).collect();
    let times: Vec<Utc> = facts.iter().map(|(_, by, _)| Utc(by.at)).collect();
    let params: [Param<'_>; 9] = [
        &ids, &users, &actions, &types, &resources, &addresses, &agents, &details, &times,
    ];
    tx.execute(INSERT_AUDIT, &params).await?;
    record_events_in(tx, facts).await
}

async fn record_events_in(tx: &Tx<'_>, facts: &[(Uuid, By<'_>, Fact)]) -> Result<()> {
    let events: Vec<(Event, Utc)> = facts
        .iter()
        .flat_map(|(_, by, fact)| fact.events().into_iter().map(|event| (event, Utc(by.at))))
        .collect();
    if events.is_empty() {
        return Ok(());
    }
    let types: Vec<&str> = events.iter().map(|(event, _)| event.event_type).collect();
    let users: Vec<Uuid> = events.iter().map(|(event, _)| event.user.0).collect();
    let resources: Vec<Uuid> = events.iter().map(|(event, _)| event.resource).collect();
    let payloads: Vec<&Value> = events.iter().map(|(event, _)| &event.payload).collect();
    let times: Vec<Utc> = events.iter().map(|(_, at)| *at).collect();
    tx.execute(
        INSERT_EVENTS,
        &[&types, &users, &resources, &payloads, &times],
    )
    .await?;
    Ok(())
}
