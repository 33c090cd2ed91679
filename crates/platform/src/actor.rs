//! Who is acting, from where, and what they are allowed to.

use crate::error::{Error, Forbidden, Result};
use ledger::{Authority, UserId, words};
use serde_json::Value;
use std::{collections::BTreeSet, net::IpAddr};
use uuid::Uuid;

/// Where a request comes from; goes into the audit trail.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The client's own name for itself, at most 512 bytes.
    pub user_agent: Option<String>,
    /// The id of the request.
    pub request_id: String,
}

words! {
    /// The documented roles.
    Role {
        /// Own money.
        User = "user",
        /// Everybody's.
        Admin = "admin",
    }
}

words! {
    /// What an API key can be allowed: one closed catalogue, by the names in
    /// `api_keys.permissions`.
    Permission {
        /// See the owner's profile.
        ReadProfile = "read:profile",
        /// See accounts and their entries.
        ReadAccounts = "read:accounts",
        /// Open, suspend, restore and close accounts.
        WriteAccounts = "write:accounts",
        /// See transactions.
        ReadTransactions = "read:transactions",
        /// Create transactions; complete transfers and withdrawals; cancel.
        WriteTransactions = "write:transactions",
        /// Complete deposits, credits and debits.
        ProcessTransactions = "process:transactions",
        /// See webhooks and deliveries.
        ReadWebhooks = "read:webhooks",
        /// Manage webhooks.
        WriteWebhooks = "write:webhooks",
        /// See the audit trail; needs an owner with the role admin.
        ReadAudit = "read:audit",
        /// Manage users; needs an owner with the role admin.
        AdminUsers = "admin:users",
    }
}

/// How the actor showed who they are.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A login; allowed what the role allows.
    Session(Uuid),
    /// A key; allowed what the role *and* the key allow.
    ApiKey {
        /// Which.
        id: Uuid,
        /// What it was given.
        permissions: BTreeSet<Permission>,
        /// Requests per rate-limit window; 0: unlimited.
        rate_limit: u32,
    },
    /// A schedule that is due; what it may do is what stands behind it when it is
    /// posted. Nobody comes in with it.
    Schedule(Uuid),
}

/// The permissions in the documented object of booleans; what is not `true`, or not
/// in the catalogue, is not granted.
pub(crate) fn permissions(stored: &Value) -> BTreeSet<Permission> {
    let granted = stored.as_object().into_iter().flatten();
    granted
        .filter(|(_, granted)| granted.as_bool() == Some(true))
        .filter_map(|(name, _)| name.parse().ok())
        .collect()
}

/// Somebody, proven.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The user.
    pub user_id: UserId,
    /// Their role.
    pub role: Role,
    /// How they showed it.
    pub credential: Credential,
    /// From where.
    pub origin: Origin,
}

impl Actor {
    /// The bank itself, for what time does. Nobody comes in as this.
    pub(crate) fn bank() -> Self {
        Self {
            user_id: UserId(Uuid::nil()),
            role: Role::Admin,
            credential: Credential::Session(Uuid::nil()),
            origin: Origin::default(),
        }
    }

    /// Passes who may.
    ///
    /// # Errors
    /// [`Forbidden::Permission`] for a key without it.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if matches!(permission, Permission::ReadAudit | Permission::AdminUsers) {
            self.require_admin()?;
        }
        if self.has(permission) { Ok(()) } else { Err(Error::Forbidden(Forbidden::Permission)) }
    }

    /// Passes a person who logged in, for what a key must not do: manage logins and keys.
    ///
    /// # Errors
    /// [`Forbidden::SessionOnly`] for a key.
    pub fn require_session(&self) -> Result<Uuid> {
        match self.credential {
            Credential::Session(id) => Ok(id),
            Credential::ApiKey { .. } | Credential::Schedule(_) => {
                Err(Error::Forbidden(Forbidden::SessionOnly))
            }
        }
    }

    /// Whether the actor is an administrator, by role.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    fn require_admin(&self) -> Result<()> {
        if self.is_admin() { Ok(()) } else { Err(Error::Forbidden(Forbidden::AdminOnly)) }
    }

    fn has(&self, permission: Permission) -> bool {
        match &self.credential {
            Credential::Session(_) | Credential::Schedule(_) => true,
            Credential::ApiKey { permissions, .. } => permissions.contains(&permission),
        }
    }

    /// Whose things the actor sees: `None` means everybody's. A key of an
    /// administrator sees everybody's only if it was given `admin:users`.
    pub fn scope(&self) -> Option<UserId> {
        let everybody = self.is_admin() && self.has(Permission::AdminUsers);
        (!everybody).then_some(self.user_id)
    }

    /// What the actor may do with money. `users_settle` is the setting that lets
    /// users complete their own deposits, as the documented quick start does;
    /// without it only an administrator, or an administrator's key with
    /// `process:transactions`, completes them: a key never exceeds its owner.
    pub fn authority(&self, users_settle: bool) -> Authority {
        Authority {
            only: self.scope(),
            settles: (users_settle || self.is_admin()) && self.may_process(users_settle),
        }
    }

    fn may_process(&self, users_settle: bool) -> bool {
        let ordinary = users_settle && self.has(Permission::WriteTransactions);
        ordinary || self.has(Permission::ProcessTransactions)
    }
}
