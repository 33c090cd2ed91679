//! The one error of the platform.
//!
//! What the client may read is in the variants; what only the log may see is in
//! `cause`. Knows no HTTP: which status goes with a variant is the server's business.

use jiff::Timestamp;
use ledger::Refusal;
use std::{error::Error as StdError, time::Duration};
use thiserror::Error;

/// What a use case answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a use case did not happen. Nothing has changed, unless a variant says otherwise.
#[derive(Debug, Error)]
pub enum Error {
    /// The input breaks rules that hold for every caller.
    #[error("Validation failed")]
    Invalid(Vec<Violation>),
    /// Nobody, or nobody we can trust.
    #[error("{0}")]
    Unauthenticated(Unauthenticated),
    /// Somebody, but not allowed to.
    #[error("{0}")]
    Forbidden(Forbidden),
    /// Not there, or not the caller's to see.
    #[error("{0} not found")]
    NotFound(Resource),
    /// Another state of things forbids it.
    #[error("{0}")]
    Conflict(Conflict),
    /// The same idempotency key came with another request.
    #[error("This Idempotency-Key was used with a different request")]
    KeyReused,
    /// The bank says no.
    #[error("{refusal}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// When it was decided, if its key may have kept it.
        at: Option<Timestamp>,
        /// Set when this is the replay of an earlier refusal.
        original: Option<Original>,
    },
    /// Cannot be done now; may be tried again.
    #[error("{what} is not available at the moment")]
    Unavailable {
        /// What is missing.
        what: &'static str,
        /// When to come back.
        retry_after: Duration,
        /// For the log.
        cause: String,
    },
    /// The connection broke between COMMIT and its answer, and the database could
    /// not be asked since. It may have happened: the same key will tell.
    #[error(
        "The outcome is not known yet: send the same request again with the same Idempotency-Key"
    )]
    OutcomeUnknown {
        /// For the log.
        cause: String,
    },
    /// More than can be shown at once is not sealed yet, or held.
    #[error(
        "The derivation of this balance has more than {most} entries since the last seal, or holds. Try again in a minute: the sealer catches up unless a transaction stays open in the database; holds have to be completed or cancelled"
    )]
    DerivationTooLong {
        /// What can be shown.
        most: usize,
    },
    /// Another order of the same atomic batch was refused.
    #[error("Not done, because another order of the same atomic batch was refused")]
    Undone,
    /// A fault of ours. The text is for the log only.
    #[error("internal error: {0}")]
    Internal(Box<dyn StdError + Send + Sync>),
}

impl Error {
    /// One broken rule.
    pub fn invalid(field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation { field: field.to_owned(), code, message: message.into() }])
    }

    /// A fault of ours, told in words.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// The same bad news for another one who waited for it.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Unavailable { what, retry_after, cause } => {
                Self::Unavailable { what, retry_after: *retry_after, cause: cause.clone() }
            }
            Self::OutcomeUnknown { cause } => Self::OutcomeUnknown { cause: cause.clone() },
            Self::Undone => Self::Undone,
            other => Self::internal(other.to_string()),
        }
    }

    /// As it was decided at this moment: a replay tells the same.
    pub(crate) fn decided(self, now: Timestamp) -> Self {
        match self {
            Self::Refused { refusal, original, .. } => {
                Self::Refused { refusal, at: Some(now), original }
            }
            other => other,
        }
    }

    /// The stable code clients switch on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "validation_failed",
            Self::Unauthenticated(reason) => reason.code(),
            Self::Forbidden(reason) => reason.code(),
            Self::NotFound(resource) => resource.code(),
            Self::Conflict(conflict) => conflict.code(),
            Self::KeyReused => "idempotency_key_reused",
            Self::Refused { refusal, .. } => refusal.code(),
            Self::Unavailable { .. } => "unavailable",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::DerivationTooLong { .. } => "derivation_too_long",
            Self::Undone => "batch_undone",
            Self::Internal(_) => "internal_error",
        }
    }
}

impl From<Refusal> for Error {
    /// What is missing from the caller's view is `NotFound`, whoever found out.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::AccountNotFound | Refusal::TargetAccountNotFound => {
                Self::NotFound(Resource::Account)
            }
            Refusal::TransactionNotFound => Self::NotFound(Resource::Transaction),
            Refusal::QuoteNotFound => Self::NotFound(Resource::Quote),
            Refusal::TransferNotYours => Self::Forbidden(Forbidden::NotTheSender),
            Refusal::ReversalNotYours => Self::Forbidden(Forbidden::NotTheReceiver),
            Refusal::BackdatingNotAllowed => Self::Forbidden(Forbidden::Backdating),
            Refusal::RateNotAllowed => Self::Forbidden(Forbidden::Rate),
            Refusal::SettlementNotAllowed => Self::Forbidden(Forbidden::Settlement),
            refusal => Self::Refused { refusal, at: None, original: None },
        }
    }
}

/// One broken rule of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's name in the request.
    pub field: String,
    /// Stable: `required`, `invalid`, `too_long` …
    pub code: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

/// The request an outcome was first given to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// When.
    pub at: Timestamp,
    /// Under which id.
    pub request_id: String,
}

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
        pub enum $name {
            $($(#[$vdoc])* #[error($text)] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }
        }
    };
}

coded! {
    /// Why a caller is nobody.
    Unauthenticated {
        /// No credentials came.
        Missing = "authentication_required", "Authentication is required: send Authorization: Bearer <token> or x-api-key";
        /// The token is not ours, or altered.
        InvalidToken = "invalid_token", "The token is not valid: log in again";
        /// The token was good once.
        ExpiredToken = "token_expired", "The token has expired: refresh it or log in again";
        /// The login behind the token has ended.
        EndedSession = "session_ended", "This session has ended: log in again";
        /// The key is unknown, revoked, expired or mistyped.
        InvalidKey = "invalid_api_key", "The API key is not valid: it is unknown, revoked or expired";
        /// Unknown user or wrong password, alike.
        InvalidCredentials = "invalid_credentials", "Invalid email or password";
        /// The user may not come in.
        InactiveUser = "user_inactive", "This user is suspended or closed: contact an administrator";
    }
}

coded! {
    /// Why somebody may not.
    Forbidden {
        /// Needs the role `admin`.
        AdminOnly = "admin_required", "This needs the role admin";
        /// The key lacks a permission.
        Permission = "permission_required", "The API key lacks the permission for this";
        /// Only as much authority as suspended an account undoes it.
        Suspended = "suspended_by_administrator", "An administrator suspended this account: only an administrator restores or closes it, so ask one";
        /// Only an administrator resumes what one paused.
        Paused = "paused_by_administrator", "An administrator paused this schedule: only an administrator resumes it, so ask one";
        /// Nothing stands behind a schedule any more.
        Lapsed = "schedule_lapsed", "What this schedule was made with may no longer give the order: its owner resumes it, or makes a new one";
        /// Keys do not manage people's sessions and keys.
        SessionOnly = "session_required", "This needs a logged-in user, not an API key";
        /// See `Refusal::TransferNotYours`.
        NotTheSender = "transfer_not_yours", "Only the sender can process or cancel this transfer";
        /// See `Refusal::ReversalNotYours`.
        NotTheReceiver = "reversal_not_yours", "Only the receiver can give a transfer back, or an administrator";
        /// See `Refusal::BackdatingNotAllowed`.
        Backdating = "backdating_not_allowed", "A business date needs an administrator, or a key of theirs with process:transactions";
        /// See `Refusal::RateNotAllowed`.
        Rate = "rate_not_allowed", "Naming an exchange rate, or reversing an exchange at its old rate, needs an administrator, or a key of theirs with process:transactions: ask for a quote instead";
        /// See `Refusal::SettlementNotAllowed`.
        Settlement = "settlement_not_allowed", "Completing a deposit, credit or debit, or cancelling a credit or debit, needs an administrator, or a key of theirs with process:transactions";
    }
}

coded! {
    /// What was not found.
    Resource {
        /// A user.
        User = "user_not_found", "User";
        /// An account.
        Account = "account_not_found", "Account";
        /// A transaction.
        Transaction = "transaction_not_found", "Transaction";
        /// An API key.
        ApiKey = "api_key_not_found", "API key";
        /// A session.
        Session = "session_not_found", "Session";
        /// A seal.
        Seal = "seal_not_found", "Seal";
        /// A schedule.
        Schedule = "schedule_not_found", "Schedule";
        /// An exchange rate.
        FxRate = "fx_rate_not_found", "Exchange rate";
        /// A quote.
        Quote = "quote_not_found", "Quote";
    }
}

coded! {
    /// Which state of things forbids it.
    Conflict {
        /// Another user has the address.
        EmailTaken = "email_taken", "A user with this email already exists";
        /// The last administrator cannot leave or be demoted.
        LastAdmin = "last_admin", "This is the last active administrator: appoint another one first";
        /// Somebody asked for its outcome before it came, and was told "never".
        KeyVoid = "idempotency_key_void", "This Idempotency-Key was declared void when its outcome was asked for: use a new one";
        /// The key was used more than a week ago: see [`crate::idempotency`].
        KeyExpired = "idempotency_key_expired", "This Idempotency-Key was used more than 7 days ago and its answer is not kept any more: ask /transactions/outcome with the key, or look into the list of transactions, and use a new key only if it was not done";
        /// The same idempotency key is at work at this moment.
        InFlight = "idempotency_in_flight", "A request with this Idempotency-Key is still running: try again in a second";
    }
}
