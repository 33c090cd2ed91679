//! What holds of a derivation and what does not, in sentences; and of what holds,
//! how much is proved.
//!
//! Two results are kept apart. The seal proves what a sealed entry left on the
//! account, to whoever kept its hash. That nothing but the entries named came
//! since, and what is held, is the server's claim, which its signature proves to
//! whoever knows its key.

mod tail;

use super::{Derivation, Digest, PublicKey, Sealed, merkle, moment};
use jiff::{SignedDuration, Timestamp};

/// How far clocks may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// What the reader knows from another day, or another hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pins {
    /// The hash that the seal should have.
    pub seal: Option<Digest>,
    /// Who should have signed the whole.
    pub key: Option<PublicKey>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is so.
    pub holds: bool,
    /// What is so, or what is not.
    pub sentence: String,
}

/// What a proof comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
    /// What the seal proves; `None` where no entry of the account is sealed.
    pub sealed: Option<Claim>,
    /// What the server claims beyond it.
    pub beyond: Claim,
    /// What is not proved and which option proves it; `None` when nothing is left.
    pub unproved: Option<String>,
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whether it is proved to this reader.
    pub proved: bool,
    /// What it says.
    pub sentence: String,
}

impl Verdict {
    /// Whether nothing in it is false.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.holds)
    }
}

/// Looks at everything, at this moment.
pub fn check(proof: &Derivation, pins: &Pins, now: Timestamp) -> Verdict {
    let mut findings = vec![whole(proof), signed(proof)];
    if let Some(key) = pins.key {
        findings.push(pinned_key(proof, key));
    }
    if let Some(sealed) = &proof.sealed {
        findings.extend([entry(proof, sealed), place(proof, sealed), seal(sealed)]);
    }
    if let Some(hash) = pins.seal {
        findings.push(pinned_seal(proof, hash));
    }
    findings.extend([head(proof), time(proof, now), tail::since(proof), tail::holds(proof)]);
    let sealed = proof.sealed.as_ref().map(|sealed| Claim {
        proved: pins.seal == Some(sealed.seal.hash) || pins.key == Some(proof.key),
        sentence: format!(
            "entry {} is number {} of account {} and left {} {}, under seal {}",
            sealed.entry.id,
            sealed.sequence,
            proof.account,
            sealed.balance,
            proof.currency,
            sealed.seal.number
        ),
    });
    let beyond = Claim { proved: is_beyond_proved(proof, pins), sentence: beyond(proof) };
    let unproved = unproved(proof, sealed.as_ref(), &beyond);
    Verdict { findings, sealed, beyond, unproved }
}

/// Proved by the pinned key; or, where the balance is what the sealed entry left,
/// by the key that stands under the hash of the pinned seal.
fn is_beyond_proved(proof: &Derivation, pins: &Pins) -> bool {
    let nothing = proof.since.is_empty() && proof.holds.is_empty();
    let by_seal = proof.sealed.as_ref().is_some_and(|Sealed { seal, .. }| {
        nothing && pins.seal == Some(seal.hash) && seal.key == Some(proof.key)
    });
    by_seal || pins.key == Some(proof.key)
}

fn beyond(proof: &Derivation) -> String {
    let (since, holds) = (proof.since.len(), proof.holds.len());
    let from = match &proof.head {
        Some(head) => format!("after seal {}, the newest of that moment", head.number),
        None => "while nothing was sealed".to_owned(),
    };
    format!(
        "{from}, the account had {since} more entries and {holds} holds, no others, and at {} a balance of {} {}, of which {} were available",
        moment(proof.as_of),
        proof.balance,
        proof.currency,
        proof.available_balance
    )
}

fn unproved(proof: &Derivation, sealed: Option<&Claim>, beyond: &Claim) -> Option<String> {
    let key = proof.key;
    let known = "if that is the key that the server has at GET /api/v1/ledger/seals";
    match (sealed, beyond.proved) {
        (Some(Claim { proved: false, .. }), _) => {
            let hash = proof.sealed.as_ref().map(|sealed| sealed.seal.hash);
            let hash = super::maybe(hash);
            Some(format!(
                "Not proved: that the seal and the rest are the bank's. --key {key} proves both, {known}; --seal {hash} proves the first result, if you kept that hash."
            ))
        }
        (_, false) => Some(format!(
            "Not proved: what the server claims beyond the seal. --key {key} proves it, {known}."
        )),
        (_, true) => None,
    }
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

fn signed(proof: &Derivation) -> Finding {
    let key = proof.key;
    let fault = (!proof.is_signed())
        .then(|| format!("The signature of the file was not made with the key {key}."));
    finding(fault, || format!("The file is signed with the key {key}."))
}

fn pinned_key(proof: &Derivation, pinned: PublicKey) -> Finding {
    let fault = (proof.key != pinned).then(|| {
        format!("The file is signed with another key than the one you know, which is {pinned}.")
    });
    finding(fault, || "That key is the one you know.".to_owned())
}

fn entry(proof: &Derivation, sealed: &Sealed) -> Finding {
    let Sealed { sequence, balance, entry, .. } = sealed;
    let (id, currency) = (entry.id, &proof.currency);
    let fault = tail::fault(proof, entry).or_else(|| {
        let alike = (entry.sequence, entry.balance) == (*sequence, *balance) && *sequence > 0;
        (!alike).then(|| {
            format!(
                "Entry {id} does not say what is said of it: it is number {} and left {} {currency}.",
                entry.sequence, entry.balance
            )
        })
    });
    finding(fault, || {
        format!("Entry {id} is number {sequence} of this account's and left {balance} {currency}.")
    })
}

fn place(proof: &Derivation, sealed: &Sealed) -> Finding {
    let Sealed { entry, seal, index, path, .. } = sealed;
    let (id, number, count) = (entry.id, seal.number, seal.entry_count);
    let place = usize::try_from(*index).ok().zip(usize::try_from(count).ok());
    let root = place
        .zip(entry.leaf(proof.account))
        .and_then(|((index, count), leaf)| merkle::climb(leaf, index, count, path));
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
            index.saturating_add(1)
        )
    })
}

fn seal(Sealed { seal, .. }: &Sealed) -> Finding {
    let (number, found) = (seal.number, seal.recomputed());
    let fault = if seal.format != 2 {
        Some(format!("Seal {number} is of format {}, and proofs have format 2.", seal.format))
    } else if found != seal.hash {
        let hash = seal.hash;
        Some(format!("Seal {number} is broken: its hash is {hash}, and its contents give {found}."))
    } else if !seal.is_signed() {
        let key = super::maybe(seal.key);
        Some(format!("The signature of seal {number} was not made with the key {key}."))
    } else {
        None
    };
    let at = moment(seal.sealed_at);
    finding(fault, || {
        format!("Seal {number} of {at} is unbroken and signed: its hash is {}.", seal.hash)
    })
}

fn pinned_seal(proof: &Derivation, pinned: Digest) -> Finding {
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

/// The newest seal of the moment is not before the one that the entry is under.
fn head(proof: &Derivation) -> Finding {
    let sealed = proof.sealed.as_ref().map(|sealed| &sealed.seal);
    let fault = match (&proof.head, sealed) {
        (None, Some(seal)) => {
            Some(format!("No seal is named as the newest, and there is seal {}.", seal.number))
        }
        (Some(head), Some(seal)) if head.number == seal.number => (*head != seal.into())
            .then(|| format!("The newest seal, {}, is not as it is said to be.", head.number)),
        (Some(head), Some(seal))
            if head.number < seal.number || head.last_entry < seal.last_entry =>
        {
            Some(format!(
                "Seal {} cannot be the newest: seal {} is there and ends with entry {}.",
                head.number, seal.number, seal.last_entry
            ))
        }
        (Some(head), _) if head.number < 1 || head.last_entry < 0 => {
            Some(format!("There is no seal {} up to entry {}.", head.number, head.last_entry))
        }
        _ => None,
    };
    finding(fault, || match &proof.head {
        Some(head) => {
            format!("The newest seal was {}, up to entry {}.", head.number, head.last_entry)
        }
        None => "Nothing was sealed yet.".to_owned(),
    })
}

/// The moment of the whole is behind the newest seal and not still to come.
fn time(proof: &Derivation, now: Timestamp) -> Finding {
    let at = moment(proof.as_of);
    let late = proof.as_of.duration_since(now) > LEEWAY;
    let newest = [
        proof.head.map(|head| head.sealed_at),
        proof.sealed.as_ref().map(|sealed| sealed.seal.sealed_at),
    ];
    let fault = match newest.into_iter().flatten().find(|sealed| *sealed > proof.as_of) {
        _ if late => Some(format!("The moment {at} is still to come.")),
        Some(sealed) => Some(format!("The moment {at} is before the seal of {}.", moment(sealed))),
        None => None,
    };
    finding(fault, || format!("All of it is of {at}."))
}
