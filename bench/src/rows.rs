//! What one transfer writes, as the product writes it: ids, texts, times. The baselines differ in how the rows
//! get into the database, not in the rows.

use crate::{random::Random, workload::Transfer};
use jiff::Timestamp;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};
use uuid::Uuid;

/// What the trail shows as the client's address and program; the load's HTTP client says the same.
pub const ADDRESS: &str = "127.0.0.1";
/// See [`ADDRESS`].
pub const AGENT: &str = "wallstreet-bench/1";

/// The rows of one transfer, but for what only the locked accounts tell.
pub struct Rows {
    /// The order.
    pub transfer: Transfer,
    /// As the database wants it.
    pub amount: Decimal,
    /// The key's text.
    pub key: String,
    /// What must not differ under the key.
    pub fingerprint: Vec<u8>,
    /// The transaction in the source's list, and the one in the target's.
    pub ids: [Uuid; 2],
    /// Their references.
    pub references: [String; 2],
    /// The audit row's id.
    pub audit_id: Uuid,
    /// The audit row's details, as JSON.
    pub details: String,
    /// Whom it is news to, as JSON: both sides.
    pub parties: String,
    /// The outcome under the key, as JSON.
    pub outcome: String,
    /// The request's id.
    pub request_id: String,
    /// When.
    pub at: SystemTime,
}

impl Rows {
    /// Makes them up.
    pub fn new(user: Uuid, transfer: Transfer, request: &[u8], random: &mut Random) -> Self {
        let at =
            Timestamp::from_microsecond(Timestamp::now().as_microsecond()).expect("now is a time");
        let ids = [Uuid::now_v7(), Uuid::now_v7()];
        let references = [reference(at, random), reference(at, random)];
        let amount = Decimal::new(transfer.cents, 2);
        let accounts = [transfer.source, transfer.target];
        let party = |side: usize| party(user, ids[side], accounts[side], amount, &references[side]);
        let parties = format!("[{},{}]", party(0), party(1));
        Self {
            transfer,
            amount,
            key: transfer.key.to_string(),
            fingerprint: Sha256::digest(request).to_vec(),
            ids,
            audit_id: Uuid::now_v7(),
            details: details(transfer, ids, amount, &references),
            parties,
            outcome: outcome(transfer, ids, &references[0], at.into()),
            request_id: Uuid::now_v7().to_string(),
            references,
            at: at.into(),
        }
    }

    /// The answer to a client, shaped as the product's.
    pub fn answer(&self) -> String {
        let Self { transfer: Transfer { source, target, .. }, ids: [id, pair], .. } = self;
        let (amount, reference, at) = (self.amount, &self.references[0], iso(self.at));
        format!(
            r#"{{"success":true,"message":"Transaction created successfully","data":{{"id":"{id}","accountId":"{source}","transactionType":"transfer","direction":"out","amount":{amount:.2},"currency":"USD","status":"completed","description":null,"referenceNumber":"{reference}","metadata":{{}},"counterpartyAccountId":"{target}","pairedTransactionId":"{pair}","failureReason":null,"createdAt":"{at}","updatedAt":"{at}","completedAt":"{at}"}},"timestamp":"{at}"}}"#
        )
    }
}

/// Six letters after the second. Random ones would meet: of 20,000 in one second two are the same every few seconds. A
/// counter times an odd number runs through all 2³⁰ before it comes back.
fn reference(at: Timestamp, random: &mut Random) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    static COUNTER: OnceLock<AtomicU64> = OnceLock::new();
    let counter = COUNTER.get_or_init(|| AtomicU64::new(random.next()));
    let place = counter.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let letter = |sixth: u32| char::from(LETTERS[(place >> (5 * sixth)) as usize % 32]);
    let tail: String = (0..6).map(letter).collect();
    format!("TXN-{}-{tail}", at.as_second())
}

fn details(
    transfer: Transfer,
    ids: [Uuid; 2],
    amount: Decimal,
    references: &[String; 2],
) -> String {
    let (Transfer { source, target, .. }, [out, into]) = (transfer, ids);
    let [own, other] = references;
    let fixed = format!(
        "{out}|{source}|transfer|out|{amount:.2}|USD|{own}|{target}|{into}||||\n\
         {into}|{target}|transfer|in|{amount:.2}|USD|{other}|{source}|{out}||||\n"
    );
    let digest: String =
        Sha256::digest(fixed)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        r#"{{"accountId":"{source}","type":"transfer","amount":"{amount:.2}","currency":"USD","digest":"{digest}","status":"completed","reference":"{own}"}}"#
    )
}

fn party(user: Uuid, id: Uuid, account: Uuid, amount: Decimal, reference: &str) -> String {
    format!(
        r#"{{"userId":"{user}","resourceId":"{id}","payload":{{"accountId":"{account}","amount":"{amount:.2}","currency":"USD","id":"{id}","referenceNumber":"{reference}","status":"completed","transactionType":"transfer","userId":"{user}"}}}}"#
    )
}

fn outcome(transfer: Transfer, [id, pair]: [Uuid; 2], reference: &str, at: SystemTime) -> String {
    let (Transfer { source, target, cents, .. }, at) = (transfer, iso(at));
    format!(
        r#"{{"done":{{"id":"{id}","account_id":"{source}","kind":"transfer","direction":"out","amount":{cents},"currency":"USD","status":"completed","description":null,"reference_number":"{reference}","metadata":{{}},"counterparty_account_id":"{target}","paired_transaction_id":"{pair}","reversed_amount":0,"failure_reason":null,"created_at":"{at}","updated_at":"{at}","completed_at":"{at}"}}}}"#
    )
}

fn iso(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).expect("it was one before")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_hundred_thousand_references_of_one_second_all_differ() {
        let (at, mut random) = (Timestamp::UNIX_EPOCH, Random::new(1));
        let references: HashSet<String> =
            (0..100_000).map(|_| reference(at, &mut random)).collect();
        assert_eq!(references.len(), 100_000);
    }
}
