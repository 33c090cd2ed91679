//! Seals, and the proof of a balance. What is hashed is described in `docs/proof.md`.

use crate::{
    caller::Caller,
    extract::{PathId, PathNumber},
    fields::{Currency, Digest, Moment, Money, Neighbour},
    paging::{Paging, page_of},
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

/// A block of the book, hashed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seal {
    /// Its place in the chain, from 1, without gaps.
    #[schema(minimum = 1)]
    number: i64,
    /// The lowest id of an entry under it.
    #[schema(minimum = 1)]
    first_entry: i64,
    /// The highest.
    #[schema(minimum = 1)]
    last_entry: i64,
    #[schema(minimum = 1, maximum = 4096)]
    entry_count: i64,
    /// The root of the tree over the entries (RFC 6962).
    root: Digest,
    /// The hash of the seal before; of the first, zeros.
    previous: Digest,
    /// Keep this one: whoever has it finds out whether anything up to it is altered later.
    hash: Digest,
    sealed_at: Moment,
}

impl From<proof::Seal> for Seal {
    fn from(seal: proof::Seal) -> Self {
        Self {
            number: seal.number,
            first_entry: seal.first_entry,
            last_entry: seal.last_entry,
            entry_count: seal.entry_count,
            root: Digest(seal.root),
            previous: Digest(seal.previous),
            hash: Digest(seal.hash),
            sealed_at: Moment(seal.sealed_at),
        }
    }
}

page_of! {
    /// A page of seals.
    Seals { seals: Seal }
}

/// An entry of the book as it is sealed: every column, in the order in which they are hashed.
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
    /// Its place in the history of the source; null of the bank's own accounts.
    #[schema(required)]
    source_seq: Option<i64>,
    #[schema(required)]
    source_balance: Option<Money>,
    #[schema(required)]
    target_seq: Option<i64>,
    #[schema(required)]
    target_balance: Option<Money>,
    recorded_at: Moment,
    #[schema(required)]
    effective_at: Option<Moment>,
}

impl From<proof::Entry> for SealedEntry {
    fn from(entry: proof::Entry) -> Self {
        Self {
            id: entry.id,
            transaction_id: entry.transaction_id,
            source_id: entry.source_id,
            target_id: entry.target_id,
            amount: entry.amount.into(),
            currency: entry.currency,
            source_seq: entry.source_seq,
            source_balance: entry.source_balance.map(Into::into),
            target_seq: entry.target_seq,
            target_balance: entry.target_balance.map(Into::into),
            recorded_at: Moment(entry.recorded_at),
            effective_at: entry.effective_at.map(Moment),
        }
    }
}

/// Why a balance is what it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceProof {
    account: Uuid,
    currency: Currency,
    balance: Money,
    available_balance: Money,
    /// How many entries made the balance.
    #[schema(minimum = 0)]
    sequence: i64,
    as_of: Moment,
    /// The account's newest sealed entry; null before the first is sealed.
    #[schema(required)]
    sealed: Option<SealedBalance>,
    /// The entries since, oldest first.
    #[schema(max_items = 10_000)]
    since: Vec<SealedEntry>,
    /// What pending outgoing transactions hold.
    #[schema(max_items = 10_000)]
    holds: Vec<Hold>,
    /// The hash of all of this.
    digest: Digest,
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
            account: proof.account,
            currency: Currency(proof.currency.parse().map_err(Problem::internal)?),
            balance: proof.balance.into(),
            available_balance: proof.available_balance.into(),
            sequence: proof.sequence,
            as_of: Moment(proof.as_of),
            sealed: proof.sealed.map(Into::into),
            since: proof.since.into_iter().map(Into::into).collect(),
            holds: proof.holds.into_iter().map(Into::into).collect(),
            digest: Digest(proof.digest),
        })
    }
}

/// Why a balance is what it is
///
/// The shortest derivation that can be checked: the account's newest sealed entry
/// with the way to its seal, the entries since, and the open holds, all of one
/// moment. Save the answer, and `wallstreet verify proof FILE` checks it without a
/// server and without a database.
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
/// past of the book to what it was then.
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
    Ok(Reply::ok("Seals retrieved successfully", seals.into()))
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
