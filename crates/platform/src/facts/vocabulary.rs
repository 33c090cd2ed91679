//! The vocabulary of the bank: every fact there is, its line in the audit
//! trail, and what the world may know of it. One page, and a snapshot test of it.

use super::{
    AuditLine, News,
    fx::Offer,
    movement::Movement,
    news::{both, later_news, own, raw},
};
use crate::{actor::Role, proof::Digest};
use jiff::Timestamp;
use ledger::{AccountId, Amount, Currency, Kind, Limits, Status, TransactionId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

/// What can happen. Closed: an arm says its audit line, and its news if the
/// world may know.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "an arm is its own sentence; audit() and news() spell it out")]
pub enum Fact {
    /// With the newest seal that was found.
    SealingStarted {
        newest: Option<(i64, Digest)>,
    },
    /// Since when nothing could be sealed.
    SealingDelayed {
        since: Timestamp,
    },
    SealingStopped,
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
        account_type: &'static str,
        by: &'static str,
    },
    AccountLimitsChanged {
        account: AccountId,
        owner: UserId,
        limits: Limits,
    },
    AccountFrozen {
        account: AccountId,
        owner: UserId,
        scope: &'static str,
        reason: String,
        until: Option<Timestamp>,
    },
    AccountUnfrozen {
        account: AccountId,
        owner: UserId,
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
    TransactionCaptured {
        movement: Movement,
        paired: Option<Movement>,
    },
    TransactionReversed {
        original: TransactionId,
        movement: Movement,
        paired: Option<Movement>,
    },
    TransactionUpdated {
        transaction: TransactionId,
        fields: Vec<&'static str>,
        words: Option<String>,
    },
    CompletionLapsed {
        transaction: TransactionId,
        owner: UserId,
        reason: &'static str,
    },
    KeyVoided {
        user: UserId,
        key: String,
    },
    FxRateSet(Offer),
    FxRateRemoved(Offer),
    FxQuoted(Offer),
    ScheduleCreated {
        schedule: Uuid,
        owner: UserId,
        account: AccountId,
        kind: Kind,
        amount: Amount,
        currency: Currency,
        start_at: Timestamp,
        api_key: Option<Uuid>,
    },
    ScheduleUpdated {
        schedule: Uuid,
        owner: UserId,
        status: &'static str,
        api_key: Option<Uuid>,
    },
    SchedulePaused {
        schedule: Uuid,
        owner: UserId,
        reason: &'static str,
    },
    ScheduleEnded {
        schedule: Uuid,
        owner: UserId,
        reason: Option<&'static str>,
    },
    ScheduleSkipped {
        schedule: Uuid,
        owner: UserId,
        first: i64,
        last: i64,
    },
    ScheduleRun {
        schedule: Uuid,
        owner: UserId,
        n: i64,
        transaction: Option<TransactionId>,
        code: Option<String>,
        status: &'static str,
    },
}

impl Fact {
    /// Its one line in the audit trail.
    pub fn audit(&self) -> AuditLine {
        let (resource_type, resource_id) = self.resource();
        let details = match self {
            Self::TransactionCreated { movement, paired } => {
                movement.details_of_new(paired.as_ref(), None)
            }
            Self::FxRateSet(offer) | Self::FxRateRemoved(offer) | Self::FxQuoted(offer) => {
                offer.details()
            }
            Self::TransactionReversed { movement, paired, .. } => {
                movement.details_of_new(paired.as_ref(), Some(movement.id))
            }
            Self::TransactionCompleted { movement, .. }
            | Self::TransactionCaptured { movement, .. } => movement.details(None),
            Self::TransactionFailed { movement, reason, .. } => movement.details(Some(reason)),
            other => raw(&other.details()),
        };
        AuditLine { action: self.action(), resource_type, resource_id, details }
    }

    fn action(&self) -> &'static str {
        match self {
            Self::SealingStarted { .. } => "SEALING_STARTED",
            Self::SealingDelayed { .. } => "SEALING_DELAYED",
            Self::SealingStopped => "SEALING_STOPPED",
            Self::UserRegistered { .. } => "USER_REGISTERED",
            Self::AdminCreated { .. } => "ADMIN_CREATED",
            Self::LoginSucceeded { .. } => "LOGIN_SUCCESS",
            Self::LoginFailed { .. } => "LOGIN_FAILED",
            Self::SessionRefreshed { .. } => "SESSION_REFRESHED",
            Self::SessionReplayed { .. } => "REFRESH_REUSE_DETECTED",
            Self::LoggedOut { .. } => "LOGOUT",
            Self::SessionEnded { .. } => "SESSION_ENDED",
            Self::ProfileUpdated { .. } => "PROFILE_UPDATED",
            Self::PasswordChanged { .. } => "PASSWORD_CHANGED",
            Self::UserChanged { .. } => "USER_UPDATED",
            Self::UserClosed { .. } => "USER_CLOSED",
            Self::ApiKeyCreated { .. } => "API_KEY_CREATED",
            Self::ApiKeyUpdated { .. } => "API_KEY_UPDATED",
            Self::ApiKeyRevoked { .. } => "API_KEY_REVOKED",
            Self::AccountCreated { .. } => "ACCOUNT_CREATED",
            Self::AccountUpdated { .. } => "ACCOUNT_UPDATED",
            Self::AccountLimitsChanged { .. } => "ACCOUNT_LIMITS_CHANGED",
            Self::AccountFrozen { .. } => "ACCOUNT_FROZEN",
            Self::AccountUnfrozen { .. } => "ACCOUNT_UNFROZEN",
            Self::AccountClosed { .. } => "ACCOUNT_CLOSED",
            Self::TransactionCreated { .. } => "TRANSACTION_CREATED",
            Self::TransactionCompleted { .. } => "TRANSACTION_COMPLETED",
            Self::TransactionFailed { .. } => "TRANSACTION_FAILED",
            Self::TransactionCaptured { .. } => "TRANSACTION_CAPTURED",
            Self::TransactionReversed { .. } => "TRANSACTION_REVERSED",
            Self::TransactionUpdated { .. } => "TRANSACTION_UPDATED",
            Self::CompletionLapsed { .. } => "COMPLETION_LAPSED",
            Self::KeyVoided { .. } => "IDEMPOTENCY_KEY_VOIDED",
            Self::FxRateSet(_) => "FX_RATE_SET",
            Self::FxRateRemoved(_) => "FX_RATE_REMOVED",
            Self::FxQuoted(_) => "FX_QUOTE_CREATED",
            Self::ScheduleCreated { .. } => "SCHEDULE_CREATED",
            Self::ScheduleUpdated { .. } => "SCHEDULE_UPDATED",
            Self::SchedulePaused { .. } => "SCHEDULE_PAUSED",
            Self::ScheduleEnded { .. } => "SCHEDULE_ENDED",
            Self::ScheduleSkipped { .. } => "SCHEDULE_SKIPPED",
            Self::ScheduleRun { .. } => "SCHEDULE_RUN",
        }
    }

    fn resource(&self) -> (&'static str, Option<Uuid>) {
        match self {
            Self::SealingStarted { .. } | Self::SealingDelayed { .. } | Self::SealingStopped => {
                ("ledger", None)
            }
            Self::LoginFailed { user, .. } => ("user", user.map(|user| user.0)),
            Self::UserRegistered { user, .. }
            | Self::AdminCreated { user, .. }
            | Self::LoginSucceeded { user, .. }
            | Self::ProfileUpdated { user, .. }
            | Self::PasswordChanged { user }
            | Self::UserChanged { user, .. }
            | Self::UserClosed { user } => ("user", Some(user.0)),
            Self::SessionRefreshed { session }
            | Self::SessionReplayed { session }
            | Self::LoggedOut { session }
            | Self::SessionEnded { session } => ("session", Some(*session)),
            Self::ApiKeyCreated { key, .. }
            | Self::ApiKeyUpdated { key, .. }
            | Self::ApiKeyRevoked { key } => ("api_key", Some(*key)),
            Self::AccountCreated { account, .. }
            | Self::AccountUpdated { account, .. }
            | Self::AccountLimitsChanged { account, .. }
            | Self::AccountFrozen { account, .. }
            | Self::AccountUnfrozen { account, .. }
            | Self::AccountClosed { account, .. } => ("account", Some(account.0)),
            Self::TransactionCreated { movement, .. }
            | Self::TransactionCompleted { movement, .. }
            | Self::TransactionCaptured { movement, .. }
            | Self::TransactionFailed { movement, .. } => ("transaction", Some(movement.id.0)),
            Self::TransactionReversed { original, .. } => ("transaction", Some(original.0)),
            Self::TransactionUpdated { transaction, .. }
            | Self::CompletionLapsed { transaction, .. } => ("transaction", Some(transaction.0)),
            Self::KeyVoided { user, .. } => ("user", Some(user.0)),
            Self::FxRateSet(offer) | Self::FxRateRemoved(offer) => ("fx_rate", Some(offer.id)),
            Self::FxQuoted(offer) => ("fx_quote", Some(offer.id)),
            Self::ScheduleCreated { schedule, .. }
            | Self::ScheduleUpdated { schedule, .. }
            | Self::SchedulePaused { schedule, .. }
            | Self::ScheduleEnded { schedule, .. }
            | Self::ScheduleSkipped { schedule, .. }
            | Self::ScheduleRun { schedule, .. } => ("schedule", Some(*schedule)),
        }
    }

    /// Of all but the movements.
    fn details(&self) -> Value {
        match self {
            Self::SealingStarted { newest } => json!({
                "seal": newest.map_or(0, |(number, _)| number),
                "hash": newest.map(|(_, hash)| hash.to_string()),
            }),
            Self::SealingDelayed { since } => json!({ "since": since }),
            Self::UserRegistered { email, .. } | Self::AdminCreated { email, .. } => {
                json!({ "email": email })
            }
            Self::LoginSucceeded { session, .. } => json!({ "sessionId": session }),
            Self::LoginFailed { email, reason, .. } => json!({ "email": email, "reason": reason }),
            Self::ProfileUpdated { fields, .. } | Self::ApiKeyUpdated { fields, .. } => {
                json!({ "fields": fields })
            }
            Self::TransactionUpdated { fields, words, .. } => {
                json!({ "fields": fields, "words": words })
            }
            Self::UserChanged { role, status, .. } => json!({ "role": role, "status": status }),
            Self::ApiKeyCreated { name, permissions, .. } => {
                json!({ "name": name, "permissions": permissions })
            }
            Self::AccountCreated { owner, number, account_type, currency, .. } => json!({
                "accountNumber": number, "accountType": account_type, "currency": currency,
                "userId": owner,
            }),
            Self::AccountLimitsChanged { limits, .. } => told(limits),
            Self::AccountFrozen { scope, reason, until, .. } => {
                json!({ "scope": scope, "reason": reason, "until": until })
            }
            Self::KeyVoided { key, .. } => json!({ "key": key }),
            Self::AccountUpdated { status, account_type, by, .. } => {
                json!({ "status": status, "type": account_type, "by": by })
            }
            Self::ScheduleUpdated { status, api_key, .. } => {
                with_key(json!({ "status": status }), *api_key)
            }
            Self::SchedulePaused { reason, .. }
            | Self::CompletionLapsed { reason, .. }
            | Self::ScheduleEnded { reason: Some(reason), .. } => json!({ "reason": reason }),
            Self::ScheduleCreated {
                account, kind, amount, currency, start_at, api_key, ..
            } => {
                let details = json!({
                    "accountId": account, "type": kind, "amount": amount.to_string(),
                    "currency": currency, "startAt": start_at,
                });
                with_key(details, *api_key)
            }
            Self::ScheduleSkipped { first, last, .. } => json!({ "first": first, "last": last }),
            Self::ScheduleRun { n, transaction, code, status, .. } => json!({
                "n": n, "transactionId": transaction, "code": code, "scheduleStatus": status,
            }),
            _ => json!({}),
        }
    }

    /// What the world may know of it. A transfer is news to both sides.
    pub fn news(&self) -> Option<News> {
        let news = match self {
            Self::ProfileUpdated { user, fields } => {
                own("user.updated", *user, user.0, &json!({ "id": user, "fields": fields }))
            }
            Self::UserChanged { user, role, status } => {
                let payload = json!({ "id": user, "role": role, "status": status });
                own("user.updated", *user, user.0, &payload)
            }
            Self::TransactionCreated { movement, paired } => {
                let names = match movement.status {
                    Status::Completed => "transaction.created transaction.completed",
                    _ => "transaction.created",
                };
                both(names, movement, paired.as_ref())
            }
            Self::TransactionCompleted { movement, paired } => {
                both("transaction.completed", movement, paired.as_ref())
            }
            Self::TransactionCaptured { movement, paired } => {
                let names = match movement.status {
                    Status::Completed => "transaction.captured transaction.completed",
                    _ => "transaction.captured",
                };
                both(names, movement, paired.as_ref())
            }
            Self::TransactionReversed { movement, paired, .. } => {
                let names = "transaction.created transaction.completed transaction.reversed";
                both(names, movement, paired.as_ref())
            }
            Self::TransactionFailed { movement, paired, .. } => {
                both("transaction.failed", movement, paired.as_ref())
            }
            Self::CompletionLapsed { transaction, owner, .. } => {
                let name = "transaction.completion_lapsed";
                later_news(name, *owner, transaction.0, self.details())
            }
            Self::ScheduleCreated { schedule, owner, .. } => {
                later_news("schedule.created", *owner, *schedule, self.details())
            }
            Self::ScheduleUpdated { schedule, owner, .. } => {
                later_news("schedule.updated", *owner, *schedule, self.details())
            }
            Self::SchedulePaused { schedule, owner, .. } => {
                later_news("schedule.paused", *owner, *schedule, self.details())
            }
            Self::ScheduleEnded { schedule, owner, .. } => {
                later_news("schedule.ended", *owner, *schedule, self.details())
            }
            Self::ScheduleSkipped { schedule, owner, .. } => {
                later_news("schedule.skipped", *owner, *schedule, self.details())
            }
            Self::ScheduleRun { schedule, owner, transaction, .. } => {
                let done = transaction.is_some();
                let name = if done { "schedule.completed" } else { "schedule.refused" };
                later_news(name, *owner, *schedule, self.details())
            }
            _ => return self.account_news(),
        };
        Some(news)
    }

    fn account_news(&self) -> Option<News> {
        let news = match self {
            Self::AccountCreated { account, owner, number, account_type, currency } => {
                let payload = json!({
                    "id": account, "userId": owner, "accountNumber": number,
                    "accountType": account_type, "currency": currency,
                });
                own("account.created", *owner, account.0, &payload)
            }
            Self::AccountUpdated { account, owner, status, .. } => {
                let payload = json!({ "id": account, "userId": owner, "status": status });
                own("account.updated", *owner, account.0, &payload)
            }
            Self::AccountLimitsChanged { account, owner, limits } => {
                let payload = json!({ "id": account, "userId": owner, "limits": told(limits) });
                own("account.updated", *owner, account.0, &payload)
            }
            Self::AccountFrozen { account, owner, scope, reason, until } => {
                let freeze = json!({ "scope": scope, "reason": reason, "until": until });
                let payload = json!({ "id": account, "userId": owner, "freeze": freeze });
                own("account.frozen", *owner, account.0, &payload)
            }
            Self::AccountUnfrozen { account, owner } => {
                let payload = json!({ "id": account, "userId": owner });
                own("account.unfrozen", *owner, account.0, &payload)
            }
            Self::AccountClosed { account, owner } => {
                let payload = json!({ "id": account, "userId": owner });
                own("account.closed", *owner, account.0, &payload)
            }
            _ => return None,
        };
        Some(news)
    }
}

/// Names the API key that did it, if one did.
fn with_key(mut details: Value, api_key: Option<Uuid>) -> Value {
    if let Some(key) = api_key {
        details["apiKeyId"] = json!(key);
    }
    details
}

/// Limits as decimals; what is not limited is null.
fn told(limits: &Limits) -> Value {
    json!({
        "overdraft": limits.overdraft.to_string(),
        "perTransaction": limits.per_transaction.map(|limit| limit.to_string()),
        "daily": limits.daily.map(|limit| limit.to_string()),
    })
}
