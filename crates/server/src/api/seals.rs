//! Seals, and the proof of a balance. What is hashed is described in `docs/proof.md`.

use crate::{
    caller::Caller,
    extract::{PathId, PathNumber},
    fields::{Currency, Digest, Moment, Money, Neighbour, PublicKey, Signature},
    paging::{Page, Pagination, Paging},
    problem::Problem,
    query::{List, Unfiltered},
    reply::{Answer, Reply},
};
use axum::extract::State;
use ledger::AccountId;
use platform::{
    Platform,
    proof::{self, merkle},
    seals,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A block of the book and of the audit trail, hashed and signed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seal {
    /// Its place in the chain, from 1, without gaps.
    #[schema(minimum = 1)]
    number: i64,
    /// 2; of seals that older versions set, 1: they are over entries alone, and not signed.
    #[schema(minimum = 1, maximum = 2)]
    format: i16,
    /// The lowest id of an entry under it.
    #[schema(minimum = 1)]
    first_entry: i64,
    /// The highest; without entries, one less than `firstEntry`.
    #[schema(minimum = 0)]
    last_entry: i64,
    #[schema(minimum = 0, maximum = 4096)]
    entry_count: i64,
    /// The root of the tree over the entries (RFC 6962).
    root: Digest,
    /// The lowest number of an audit row under it.
    #[schema(required, minimum = 1)]
    first_audit: Option<i64>,
    /// The highest; without audit rows, one less than `firstAudit`.
    #[schema(required, minimum = 0)]
    last_audit: Option<i64>,
    #[schema(required, minimum = 0, maximum = 4096)]
    audit_count: Option<i64>,
    /// The root of the tree over the audit rows.
    #[schema(required)]
    audit_root: Option<Digest>,
    /// The hash of the seal before; of the first, zeros.
    previous: Digest,
    /// Keep this one: whoever has it finds out whether anything up to it is altered later.
    hash: Digest,
    sealed_at: Moment,
    /// Who signed it; under the hash.
    #[schema(required)]
    key: Option<PublicKey>,
    #[schema(required)]
    signature: Option<Signature>,
}

impl From<proof::Seal> for Seal {
    fn from(seal: proof::Seal) -> Self {
        Self {
            number: seal.number,
            format: seal.format,
            first_entry: seal.first_entry,
            last_entry: seal.last_entry,
            entry_count: seal.entry_count,
            root: Digest(seal.root),
            first_audit: seal.first_audit,
            last_audit: seal.last_audit,
            audit_count: seal.audit_count,
            audit_root: seal.audit_root.map(Digest),
            previous: Digest(seal.previous),
            hash: Digest(seal.hash),
            sealed_at: Moment(seal.sealed_at),
            key: seal.key.map(PublicKey),
            signature: seal.signature.map(Signature),
        }
    }
}

/// A page of seals.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seals {
    /// The keys of this server. The first signs what is sealed and proved now; know it
    /// from here, and `wallstreet verify --key` tells whether a proof is this server's.
    keys: Vec<PublicKey>,
    #[schema(max_items = 100)]
    seals: Vec<Seal>,
    pagination: Pagination,
}

/// An entry of the book as the account may see it: its own side is open, of the other
/// there is a commitment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealedEntry {
    id: i64,
    transaction_id: Uuid,
    source_id: Uuid,
    target_id: Uuid,
    amount: Money,
    #[schema(pattern = "^[A-Z]{3}$", example = "USD")]
    currency: String,
    recorded_at: Moment,
    #[schema(required)]
    effective_at: Option<Moment>,
    /// Its place in the account's history.
    #[schema(minimum = 1)]
    sequence: i64,
    /// What it left on the account.
    balance: Money,
    /// The salt of the account's side.
    salt: Digest,
    /// The commitment to the other side.
    other_side: Digest,
}

impl From<proof::Opened> for SealedEntry {
    fn from(entry: proof::Opened) -> Self {
        Self {
            id: entry.id,
            transaction_id: entry.transaction_id,
            source_id: entry.source_id,
            target_id: entry.target_id,
            amount: entry.amount.into(),
            currency: entry.currency,
            recorded_at: Moment(entry.recorded_at),
            effective_at: entry.effective_at.map(Moment),
            sequence: entry.sequence,
            balance: entry.balance.into(),
            salt: Digest(entry.salt),
            other_side: Digest(entry.other_side),
        }
    }
}

/// Why a balance is what it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceProof {
    #[schema(minimum = 2, maximum = 2)]
    format: i16,
    account: Uuid,
    currency: Currency,
    balance: Money,
    available_balance: Money,
    /// How many entries made the balance.
    #[schema(minimum = 0)]
    sequence: i64,
    as_of: Moment,
    /// The newest seal of that moment; null before the first.
    #[schema(required)]
    head: Option<Head>,
    /// The account's newest sealed entry; null before the first is sealed.
    #[schema(required)]
    sealed: Option<SealedBalance>,
    /// The entries since, oldest first.
    #[schema(max_items = 10_000)]
    since: Vec<SealedEntry>,
    /// What pending outgoing transactions hold.
    #[schema(max_items = 10_000)]
    holds: Vec<Hold>,
    /// Who signed.
    key: PublicKey,
    /// The hash of all of this.
    digest: Digest,
    /// The signature of the digest.
    signature: Signature,
}

/// The newest seal of a moment.
#[derive(Serialize, ToSchema)]
#[schema(as = ProofHead)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head {
    #[schema(minimum = 1)]
    number: i64,
    hash: Digest,
    /// No entry up to this one is unsealed.
    #[schema(minimum = 0)]
    last_entry: i64,
    sealed_at: Moment,
}

impl From<proof::Head> for Head {
    fn from(head: proof::Head) -> Self {
        let proof::Head { number, hash, last_entry, sealed_at } = head;
        Self { number, hash: Digest(hash), last_entry, sealed_at: Moment(sealed_at) }
    }
}

/// A balance as a sealed entry left it, and the way from the entry to its seal.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealedBalance {
    #[schema(minimum = 1)]
    sequence: i64,
    balance: Money,
    entry: SealedEntry,
    seal: Seal,
    /// The entry's place among those of the seal, from 0.
    #[schema(minimum = 0, maximum = 4095)]
    index: i64,
    /// From the entry up to the root.
    #[schema(max_items = 12)]
    path: Vec<Step>,
}

/// One step of the way up.
#[derive(Serialize, ToSchema)]
#[schema(as = ProofStep)]
pub(crate) struct Step {
    side: Neighbour,
    hash: Digest,
}

/// What one pending transaction holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hold {
    transaction_id: Uuid,
    amount: Money,
    /// What of it was taken already.
    captured: Money,
    /// The rest.
    held: Money,
}

impl From<proof::Hold> for Hold {
    fn from(hold: proof::Hold) -> Self {
        let proof::Hold { transaction_id, amount, captured, held } = hold;
        Self { transaction_id, amount: amount.into(), captured: captured.into(), held: held.into() }
    }
}

impl From<proof::Sealed> for SealedBalance {
    fn from(sealed: proof::Sealed) -> Self {
        let step =
            |step: merkle::Step| Step { side: Neighbour(step.side), hash: Digest(step.hash) };
        Self {
            sequence: sealed.sequence,
            balance: sealed.balance.into(),
            entry: sealed.entry.into(),
            seal: sealed.seal.into(),
            index: sealed.index,
            path: sealed.path.into_iter().map(step).collect(),
        }
    }
}

impl TryFrom<proof::Derivation> for BalanceProof {
    type Error = Problem;

    fn try_from(proof: proof::Derivation) -> Result<Self, Problem> {
        Ok(Self {
            format: proof.format,
            account: proof.account,
            currency: Currency(proof.currency.parse().map_err(Problem::internal)?),
            balance: proof.balance.into(),
            available_balance: proof.available_balance.into(),
            sequence: proof.sequence,
            as_of: Moment(proof.as_of),
            head: proof.head.map(Into::into),
            sealed: proof.sealed.map(Into::into),
            since: proof.since.into_iter().map(Into::into).collect(),
            holds: proof.holds.into_iter().map(Into::into).collect(),
            key: PublicKey(proof.key),
            digest: Digest(proof.digest),
            signature: Signature(proof.signature),
        })
    }
}

/// Why a balance is what it is
///
/// The shortest derivation that can be checked: the account's newest sealed entry
/// with the way to its seal, the entries since, and the open holds, all of one
/// moment, and signed. Of the other side of an entry nothing is shown. Save the
/// answer, and `wallstreet verify proof FILE` checks it without a server and without a
/// database.
#[utoipa::path(
    get, path = "/accounts/{id}/balance/explain", operation_id = "explain_balance", tag = "Ledger",
    params(("id" = crate::fields::Id, Path)),
    responses(
        (status = 200, description = "The derivation", body = BalanceProof),
        (status = 503, description = "`derivation_too_long`: more than 10,000 entries are not sealed yet, or more than 10,000 holds are open"),
    ),
)]
pub(crate) async fn explain(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathId(id): PathId<AccountId>,
) -> Answer<BalanceProof> {
    let derivation = seals::explain(&platform, &actor, id).await?;
    Ok(Reply::ok("Balance explained successfully", derivation.try_into()?))
}

/// The seals of the book
///
/// Each names the hash of the one before: whoever keeps one hash holds the whole
/// past of the book to what it was then. The answer names the server's key, too.
#[utoipa::path(
    get, path = "/ledger/seals", operation_id = "list_seals", tag = "Ledger",
    params(Paging),
    responses((status = 200, description = "Newest first", body = Seals)),
)]
pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    List(Unfiltered {}, page): List<Unfiltered>,
) -> Answer<Seals> {
    let seals = seals::list(&platform, &actor, page).await?;
    let Page { items, pagination } = seals.into();
    let keys = platform.signer().public().into_iter().map(PublicKey).collect();
    let seals = items.into_iter().map(Into::into).collect();
    Ok(Reply::ok("Seals retrieved successfully", Seals { keys, seals, pagination }))
}

/// One seal
#[utoipa::path(
    get, path = "/ledger/seals/{number}", operation_id = "get_seal", tag = "Ledger",
    params(("number" = i64, Path, minimum = 1)),
    responses((status = 200, description = "The seal", body = Seal)),
)]
pub(crate) async fn get(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    PathNumber(number): PathNumber,
) -> Answer<Seal> {
    let seal = seals::get(&platform, &actor, number).await?;
    Ok(Reply::ok("Seal retrieved successfully", seal.into()))
}
