//! What holds of a derivation and what does not, in sentences.
//!
//! Every number in it is used: nothing can be changed without one of the
//! sentences turning round. Whether the seal itself is the bank's is known only
//! to whoever kept its hash from another day, or another hand.

use super::{Derivation, Digest, Entry, Hold, Sealed, merkle, moment, sum};
use ledger::Money;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is so.
    pub holds: bool,
    /// What is so, or what is not.
    pub sentence: String,
}

/// Looks at everything; `pinned` is the hash that the seal should have.
pub fn check(proof: &Derivation, pinned: Option<Digest>) -> Vec<Finding> {
    let mut findings = vec![whole(proof)];
    if let Some(sealed) = &proof.sealed {
        findings.extend([entry(proof, sealed), place(sealed), seal(sealed)]);
    }
    if let Some(pinned) = pinned {
        findings.push(pin(proof, pinned));
    }
    findings.extend([since(proof), holds(proof)]);
    findings
}

fn finding(fault: Option<String>, otherwise: impl FnOnce() -> String) -> Finding {
    match fault {
        Some(sentence) => Finding { holds: false, sentence },
        None => Finding { holds: true, sentence: otherwise() },
    }
}

fn whole(proof: &Derivation) -> Finding {
    let (told, found) = (proof.digest, proof.recomputed());
    let fault = (told != found).then(|| {
        format!(
            "The file is not as it was made: its digest is {told}, and its contents give {found}."
        )
    });
    finding(fault, || "The file is whole: its digest is that of its contents.".to_owned())
}

fn entry(proof: &Derivation, sealed: &Sealed) -> Finding {
    let Sealed { sequence, balance, entry, .. } = sealed;
    let told = entry.seen_from(proof.account).map(|(sequence, _, balance)| (sequence, balance));
    let id = entry.id;
    let fault = match told {
        None => Some(format!("Entry {id} is not an entry of this account.")),
        Some(told) if told != (*sequence, *balance) || entry.currency != proof.currency => {
            Some(format!(
                "Entry {id} does not say what is said of it: it is number {} and left {} {}.",
                told.0, told.1, entry.currency
            ))
        }
        Some(_) => None,
    };
    let currency = &proof.currency;
    finding(fault, || {
        format!("Entry {id} is number {sequence} of this account's and left {balance} {currency}.")
    })
}

fn place(sealed: &Sealed) -> Finding {
    let Sealed { entry, seal, index, path, .. } = sealed;
    let (id, number, count) = (entry.id, seal.number, seal.entry_count);
    let place = usize::try_from(*index).ok().zip(usize::try_from(count).ok());
    let root = place.and_then(|(index, count)| merkle::climb(entry.leaf(), index, count, path));
    let fault = if !(seal.first_entry..=seal.last_entry).contains(&id) {
        Some(format!("Entry {id} is not among the entries that seal {number} covers."))
    } else if root != Some(seal.root) {
        Some(format!(
            "Entry {id} is not what seal {number} covers: its path leads to another root."
        ))
    } else {
        None
    };
    finding(fault, || {
        format!(
            "Entry {id} is under seal {number}: entry {} of {count} leads to its root.",
            index + 1
        )
    })
}

fn seal(Sealed { seal, .. }: &Sealed) -> Finding {
    let (number, found) = (seal.number, seal.recomputed());
    let fault = (found != seal.hash).then(|| {
        format!(
            "Seal {number} is broken: its hash is {}, and its contents give {found}.",
            seal.hash
        )
    });
    let at = moment(seal.sealed_at);
    finding(fault, || format!("Seal {number} of {at} is unbroken: its hash is {}.", seal.hash))
}

fn pin(proof: &Derivation, pinned: Digest) -> Finding {
    let fault = match &proof.sealed {
        None => Some("Nothing is sealed, so there is no seal to compare.".to_owned()),
        Some(Sealed { seal, .. }) if seal.hash != pinned => Some(format!(
            "Seal {} is another one than the one you kept, which has the hash {pinned}.",
            seal.number
        )),
        Some(_) => None,
    };
    finding(fault, || "The seal is the one you kept.".to_owned())
}

fn since(proof: &Derivation) -> Finding {
    let (mut sequence, mut balance) = match &proof.sealed {
        Some(sealed) => (sealed.sequence, sealed.balance),
        None => (0, Money::ZERO),
    };
    let from = balance;
    let mut newest = proof.sealed.as_ref().map(|sealed| &sealed.entry);
    for entry in &proof.since {
        match follows(proof, entry, newest, (sequence, balance)) {
            Ok(left) => (sequence, balance) = (sequence + 1, left),
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

/// What the entry leaves, if it is the next one.
fn follows(
    proof: &Derivation,
    entry: &Entry,
    newest: Option<&Entry>,
    (sequence, balance): (i64, Money),
) -> Result<Money, String> {
    let id = entry.id;
    let Some((place, moved, left)) = entry.seen_from(proof.account) else {
        return Err(format!("Entry {id} is not an entry of this account."));
    };
    if Some(place) != sequence.checked_add(1) {
        return Err(format!("Entry {id} is number {place}, and number {sequence} is before it."));
    }
    if entry.currency != proof.currency {
        return Err(format!("Entry {id} is in {}, not in {}.", entry.currency, proof.currency));
    }
    if newest.is_some_and(|newest| newest.id >= id || newest.recorded_at > entry.recorded_at) {
        return Err(format!("Entry {id} is older than the one before it."));
    }
    match balance.plus(moved) {
        Some(sum) if sum == left => Ok(left),
        _ => Err(format!("Entry {id} left {left}, and {balance} with {moved} is not that.")),
    }
}

fn holds(proof: &Derivation) -> Finding {
    let wrong = |hold: &&Hold| hold.amount.minus(hold.captured) != Some(hold.held);
    let held = sum(proof.holds.iter().map(|hold| hold.held));
    let (balance, available) = (proof.balance, proof.available_balance);
    let fault = if let Some(hold) = proof.holds.iter().find(wrong) {
        let Hold { transaction_id, amount, captured, held } = hold;
        Some(format!(
            "Transaction {transaction_id} does not hold {held}: it is {amount} less {captured}."
        ))
    } else if held.and_then(|held| balance.minus(held)) != Some(available) {
        Some(format!("The holds do not lead from {balance} to the {available} that are available."))
    } else {
        None
    };
    let (count, currency) = (proof.holds.len(), &proof.currency);
    finding(fault, || match held {
        Some(held) if held != Money::ZERO => {
            format!("Open holds ({count}) take {held}: {available} {currency} are available.")
        }
        _ => format!("Nothing is held: {available} {currency} are available."),
    })
}
