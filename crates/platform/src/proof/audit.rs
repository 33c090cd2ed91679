//! One row of the audit trail as it is sealed: every column, and the one text of it.

use super::{Digest, Salts, maybe, merkle, moment};
use jiff::Timestamp;
use std::fmt;
use uuid::Uuid;

/// A row of `audit_logs`, column for column.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the table, by their names")]
pub struct AuditRow {
    pub number: i64,
    pub id: Uuid,
    pub user_id: Option<Uuid>,
    pub action: String,
    pub resource_type: String,
    pub resource_id: Option<Uuid>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    /// As PostgreSQL prints it.
    pub details: Option<String>,
    pub created_at: Option<Timestamp>,
}

impl AuditRow {
    /// Its leaf in the tree of its seal. The salt keeps it from being guessed.
    pub fn leaf(&self, salts: &Salts) -> Digest {
        let salt = salts.salt(&format!("audit|{}", self.number));
        merkle::leaf(format!("{self}|{salt}").as_bytes())
    }
}

/// A free text behind the number of its bytes: so no two rows have one text.
fn free(text: Option<&str>) -> impl fmt::Display {
    maybe(text.map(|text| fmt::from_fn(move |f| write!(f, "{}:{text}", text.len()))))
}

impl fmt::Display for AuditRow {
    /// The text that is hashed, without its salt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}|{}|{}|{}|{}|{}|{}|{}|{}|{}",
            self.number,
            self.id,
            maybe(self.user_id),
            free(Some(&self.action)),
            free(Some(&self.resource_type)),
            maybe(self.resource_id),
            free(self.ip_address.as_deref()),
            free(self.user_agent.as_deref()),
            free(self.details.as_deref()),
            maybe(self.created_at.map(moment)),
        )
    }
}
