//! What came since the sealed entry, and what is held.

use super::{Finding, LEEWAY, finding};
use crate::proof::{Derivation, Hold, Opened, moment, sum};
use ledger::Money;
use std::collections::HashSet;

/// What no entry of this account can be, wherever it stands.
pub(super) fn fault(proof: &Derivation, entry: &Opened) -> Option<String> {
    let Opened { id, amount, currency, .. } = entry;
    if *id < 1 {
        return Some(format!("No entry has the id {id}: the first is 1."));
    }
    if entry.source_id == entry.target_id {
        return Some(format!("Entry {id} has one account on both sides."));
    }
    if entry.moved(proof.account).is_none() {
        return Some(format!("Entry {id} is not an entry of this account."));
    }
    if *currency != proof.currency {
        return Some(format!("Entry {id} is in {currency}, not in {}.", proof.currency));
    }
    if *amount <= Money::ZERO {
        return Some(format!("Entry {id} moves {amount}, and an amount is more than nothing."));
    }
    let effective = entry.effective_at.filter(|effective| *effective > entry.recorded_at);
    effective
        .map(|at| format!("Entry {id} counts from {}, which is after it was made.", moment(at)))
}

/// The entries lead from the sealed balance to the balance.
pub(super) fn since(proof: &Derivation) -> Finding {
    let (mut sequence, mut balance) = match &proof.sealed {
        Some(sealed) => (sealed.sequence, sealed.balance),
        None => (0, Money::ZERO),
    };
    let from = balance;
    let mut newest = proof.sealed.as_ref().map(|sealed| &sealed.entry);
    for entry in &proof.since {
        if let Some(sentence) = misplaced(proof, entry, newest) {
            return Finding { holds: false, sentence };
        }
        match follows(proof, entry, (sequence, balance)) {
            Ok(left) => (sequence, balance) = (entry.sequence, left),
            Err(sentence) => return Finding { holds: false, sentence },
        }
        newest = Some(entry);
    }
    let fault = ((sequence, balance) != (proof.sequence, proof.balance)).then(|| {
        format!(
            "The entries end at number {sequence} with {balance}, and not at number {} with {}.",
            proof.sequence, proof.balance
        )
    });
    let (count, currency) = (proof.since.len(), &proof.currency);
    finding(fault, || {
        format!("From {from}, the entries since (there are {count}) lead to {balance} {currency}.")
    })
}

/// Why the entry cannot stand here, behind the seal and behind `newest`.
fn misplaced(proof: &Derivation, entry: &Opened, newest: Option<&Opened>) -> Option<String> {
    let Opened { id, recorded_at, .. } = entry;
    let at = moment(*recorded_at);
    if let Some(head) = proof.head.filter(|head| *id <= head.last_entry) {
        return Some(format!(
            "Entry {id} would be under a seal: seal {} covers all up to entry {}.",
            head.number, head.last_entry
        ));
    }
    if newest.is_some_and(|newest| newest.id >= *id || newest.recorded_at > *recorded_at) {
        return Some(format!("Entry {id} is older than the one before it."));
    }
    if let Some(head) =
        proof.head.filter(|head| head.sealed_at.duration_since(*recorded_at) > LEEWAY)
    {
        return Some(format!("Entry {id} is of {at}, long before seal {}.", head.number));
    }
    (*recorded_at > proof.as_of).then(|| {
        format!("Entry {id} is of {at}, after the moment of the whole, {}.", moment(proof.as_of))
    })
}

/// What the entry leaves, if it is the next one.
fn follows(
    proof: &Derivation,
    entry: &Opened,
    (sequence, balance): (i64, Money),
) -> Result<Money, String> {
    if let Some(sentence) = fault(proof, entry) {
        return Err(sentence);
    }
    let Opened { id, sequence: place, balance: left, .. } = entry;
    if Some(*place) != sequence.checked_add(1) {
        return Err(format!("Entry {id} is number {place}, and number {sequence} is before it."));
    }
    let moved = entry.moved(proof.account).unwrap_or_default();
    match balance.plus(moved) {
        Some(sum) if sum == *left => Ok(sum),
        _ => Err(format!("Entry {id} left {left}, and {balance} with {moved} is not that.")),
    }
}

/// The holds lead from the balance to what is available.
pub(super) fn holds(proof: &Derivation) -> Finding {
    let held = sum(proof.holds.iter().map(|hold| hold.held));
    let (balance, available) = (proof.balance, proof.available_balance);
    let mut known = HashSet::new();
    let mut faults = proof.holds.iter().filter_map(|hold| {
        let id = hold.transaction_id;
        let again = (!known.insert(id)).then(|| format!("Transaction {id} holds twice."));
        again.or_else(|| no_hold(hold))
    });
    let fault = faults.next().or_else(|| {
        (held.and_then(|held| balance.minus(held)) != Some(available)).then(|| {
            format!("The holds do not lead from {balance} to the {available} that are available.")
        })
    });
    let (count, currency) = (proof.holds.len(), &proof.currency);
    finding(fault, || match held {
        Some(held) if held != Money::ZERO => {
            format!("Open holds ({count}) take {held}: {available} {currency} are available.")
        }
        _ => format!("Nothing is held: {available} {currency} are available."),
    })
}

/// Why this is no hold: it takes something, and not more than its transaction is about.
fn no_hold(hold: &Hold) -> Option<String> {
    let Hold { transaction_id, amount, captured, held } = hold;
    if amount.minus(*captured) != Some(*held) {
        return Some(format!(
            "Transaction {transaction_id} does not hold {held}: it is {amount} less {captured}."
        ));
    }
    (*amount <= Money::ZERO || *captured < Money::ZERO || *held <= Money::ZERO).then(|| {
        format!("Transaction {transaction_id} cannot hold {held}: it is {amount}, {captured} of it taken.")
    })
}
