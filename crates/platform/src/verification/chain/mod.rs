//! The chain of seals against the rows under it, hashed anew, and against what
//! somebody kept of it.
//!
//! Walks seals, entries and audit rows once, side by side, in pages: memory stays
//! small however long the book is. A chain that began with format 1 is walked
//! over the entries twice, once for each format.

mod marks;
mod walk;

use super::report::Difference;
use crate::{
    db::Tx,
    error::Result,
    proof::{Digest, PublicKey, Salts, Seal, merkle},
    seals::{self, Begun},
};
use jiff::{SignedDuration, Timestamp};
use walk::{Row, Rows, Walk};

/// Seals that are read at a time.
const PAGE: i32 = 256;
/// As many differences as are shown.
const FIRST: usize = 100;
/// How long what was recorded may wait for its seal, and how much younger a seal may be.
const PATIENCE: SignedDuration = seals::PUNCTUAL;
/// How far the clocks of the database and of servers are never apart.
const APART: SignedDuration = SignedDuration::from_hours(24);

/// What is known of the chain from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    /// Seals by number, with the hash that somebody kept.
    pub seals: Vec<(i64, Digest)>,
    /// Who may have signed; empty: anybody, and that is noted.
    pub keys: Vec<PublicKey>,
}

/// What the walk needs besides the database.
pub(super) struct Ground<'a> {
    pub(super) salts: &'a Salts,
    pub(super) pins: &'a Pins,
    pub(super) now: Timestamp,
}

/// What differs: how many, and the first of them; and what is worth knowing.
#[derive(Default)]
pub(super) struct Found {
    pub(super) total: i64,
    pub(super) first: Vec<Difference>,
    pub(super) notes: Vec<String>,
}

pub(super) async fn check_in(
    tx: &Tx<'_>,
    ground: &Ground<'_>,
    mut progress: impl FnMut(i64),
) -> Result<Found> {
    let begun = seals::begun_in(tx).await?;
    let mut chain = Chain::new(tx, ground, begun);
    let mut seals = seals::chain_in(tx, PAGE);
    loop {
        let page = seals.next().await?;
        if page.is_empty() {
            return chain.end().await;
        }
        for (seal, entry_marks, audit_marks) in page {
            progress(seal.last_entry);
            chain.next(seal, entry_marks.as_deref(), audit_marks.as_deref()).await?;
        }
    }
}

/// The chain so far.
struct Chain<'a> {
    tx: &'a Tx<'a>,
    ground: &'a Ground<'a>,
    begun: Begun,
    /// Entries under seals of format 1, and of format 2; the audit trail.
    former: Walk<'a>,
    entries: Walk<'a>,
    trail: Walk<'a>,
    /// The last entry under a seal of format 1.
    formerly_sealed: i64,
    before: Option<Seal>,
    /// Seals that are much younger than what they cover: number, oldest row.
    late: Vec<(Seal, Timestamp)>,
    /// The latest time of what is sealed.
    latest: Option<Timestamp>,
    kept: i64,
    found: Found,
}

impl<'a> Chain<'a> {
    fn new(tx: &'a Tx<'a>, ground: &'a Ground<'a>, begun: Begun) -> Self {
        Self {
            tx,
            ground,
            begun,
            former: Walk::over(tx, ground.salts, Rows::Former),
            entries: Walk::over(tx, ground.salts, Rows::Entries),
            trail: Walk::over(tx, ground.salts, Rows::Trail),
            formerly_sealed: 0,
            before: None,
            late: Vec::new(),
            latest: None,
            kept: 0,
            found: Found::default(),
        }
    }

    async fn next(
        &mut self,
        seal: Seal,
        entry_marks: Option<&[u8]>,
        audit_marks: Option<&[u8]>,
    ) -> Result<()> {
        self.link(&seal);
        self.pin(&seal);
        if seal.format == 1 {
            let entries = self.former.up_to(seal.last_entry).await?;
            let [from, to, count] = [seal.first_entry, seal.last_entry, seal.entry_count];
            let told = Told { range: [from, to, count], root: seal.root, marks: None };
            self.found.contents(&seal, Rows::Former, &told, &entries);
            self.formerly_sealed = seal.last_entry;
        } else {
            self.signature(&seal);
            let entries = self.entries.up_to(seal.last_entry).await?;
            let range = [seal.first_entry, seal.last_entry, seal.entry_count];
            let told =
                Told { range, root: seal.root, marks: Some(entry_marks.unwrap_or_default()) };
            self.found.contents(&seal, Rows::Entries, &told, &entries);
            let trail = self.trail.up_to(seal.last_audit.unwrap_or(0)).await?;
            let range = [seal.first_audit, seal.last_audit, seal.audit_count];
            let range = range.map(Option::unwrap_or_default);
            let root = seal.audit_root.unwrap_or(Digest::ZERO);
            let told = Told { range, root, marks: Some(audit_marks.unwrap_or_default()) };
            self.found.contents(&seal, Rows::Trail, &told, &trail);
            self.found.impossible(Rows::Entries, &entries);
            self.found.impossible(Rows::Trail, &trail);
            self.punctual(&seal, &entries, &trail);
        }
        self.before = Some(seal);
        Ok(())
    }

    /// Whether it continues the chain.
    fn link(&mut self, seal: &Seal) {
        let (number, previous, format) = match &self.before {
            Some(before) => (before.number.saturating_add(1), before.hash, before.format),
            None => (1, Digest::ZERO, 1),
        };
        let found = &mut self.found;
        found.compare(seal, "number", &seal.number, &number);
        found.compare(seal, "previous hash", &seal.previous, &previous);
        found.compare(seal, "hash", &seal.hash, &seal.recomputed());
        if seal.format == 2 && format == 1 {
            found.compare(
                seal,
                "number of the first seal of format 2",
                &seal.number,
                &self.begun.after.saturating_add(1),
            );
        } else {
            found.compare(seal, "format", &seal.format, &format);
        }
    }

    /// Whether it is the seal that somebody kept.
    fn pin(&mut self, seal: &Seal) {
        for (_, hash) in self.ground.pins.seals.iter().filter(|(number, _)| *number == seal.number)
        {
            self.found.compare(seal, "hash, against the one that was kept", &seal.hash, hash);
            if seal.hash == *hash {
                self.kept = self.kept.max(seal.number);
            }
        }
    }

    /// Whether it was signed, and by whom.
    fn signature(&mut self, seal: &Seal) {
        let key = seal.key.map(|key| key.to_string()).unwrap_or_default();
        if !seal.is_signed() {
            let wrong = format!("not made with the key {key}");
            self.found.compare(
                seal,
                "signature",
                &wrong,
                &"made with the key that the seal names".to_owned(),
            );
        }
        let keys = &self.ground.pins.keys;
        if !keys.is_empty() && !seal.key.is_some_and(|key| keys.contains(&key)) {
            let known: Vec<String> = keys.iter().map(ToString::to_string).collect();
            self.found.compare(seal, "signing key", &key, &known.join(" or "));
        }
    }

    /// Remembers a seal that is much younger than what it covers. What format 1
    /// covers, or what is older than format 2, was there before it could be sealed.
    fn punctual(&mut self, seal: &Seal, entries: &[Row], trail: &[Row]) {
        let known = |row: &&Row| row.impossible().is_none();
        let latest = entries.iter().chain(trail).filter(known).filter_map(|row| row.at).max();
        self.latest = self.latest.max(latest);
        let entries = entries.iter().filter(|row| row.place > self.formerly_sealed);
        let times = entries.chain(trail).filter_map(|row| row.at);
        let oldest = times.filter(|at| *at > self.begun.at).min();
        if let Some(oldest) = oldest.filter(|at| seal.sealed_at.duration_since(*at) > PATIENCE) {
            self.late.push((seal.clone(), oldest));
        }
    }

    async fn end(mut self) -> Result<Found> {
        let mut explained = 0;
        for (seal, oldest) in std::mem::take(&mut self.late) {
            // Whoever kept a later hash vouches for what is before it.
            if seal.number <= self.kept {
                continue;
            }
            let first = seal.first_audit.unwrap_or(0);
            if seals::is_explained_in(self.tx, oldest, seal.sealed_at, first).await? {
                explained += 1;
            } else {
                let told =
                    format!("{}, and its oldest row is of {oldest:.6}", told(seal.sealed_at));
                let wanted =
                    "at most 60 s younger, or after a start or a wait that the trail tells of";
                self.found.compare(&seal, "sealed at", &told, &wanted.to_owned());
            }
        }
        self.ends();
        self.waiting(Rows::Entries).await?;
        self.waiting(Rows::Trail).await?;
        if explained > 0 {
            self.found.notes.push(format!(
                "{explained} seals came late, as the trail explains: see SEALING_STARTED and SEALING_DELAYED"
            ));
        }
        if self.ground.pins.keys.is_empty() {
            self.found.notes.push(
                "whose the seals are was not compared: no secret is configured, and no --key is given".to_owned(),
            );
        }
        Ok(self.found)
    }

    /// Whether the chain reaches as far as it did, and as somebody kept it; and began
    /// when it did, because what is older is not judged.
    fn ends(&mut self) {
        let Begun { at, applied, first_note, .. } = self.begun;
        if applied != Some(at) {
            let applied = applied.map_or_else(|| "nothing".to_owned(), told);
            self.found.add("sealing".to_owned(), "moment of its migration", &told(at), &applied);
        }
        if let Some(first) = first_note.filter(|first| at.duration_since(*first) > APART) {
            let first = format!("not after the sealer told of itself at {}", told(first));
            self.found.add("sealing".to_owned(), "begun at", &told(at), &first);
        }
        let newest = self.before.as_ref().map_or(0, |seal| seal.number);
        if newest != self.begun.newest {
            let what = "newest seal";
            let subject = format!("seal {} and the chain of seals", self.begun.newest.max(newest));
            self.found.add(subject, what, &newest, &self.begun.newest);
        }
        let missing =
            self.ground.pins.seals.iter().filter(|(number, _)| !(1..=newest).contains(number));
        for (number, hash) in missing {
            let what = "hash, against the one that was kept";
            self.found.add(format!("seal {number}"), what, &"no such seal", hash);
        }
    }

    /// What was recorded a while ago and is under no seal.
    async fn waiting(&mut self, rows: Rows) -> Result<()> {
        let walk = match rows {
            Rows::Trail => &mut self.trail,
            Rows::Former | Rows::Entries => &mut self.entries,
        };
        let mut waiting: Option<(Row, i64)> = None;
        let now = self.ground.now;
        // Where a clock was ahead, an account's entries go on from there.
        let ahead = self.latest.unwrap_or(now).max(now);
        while let Some(row) = walk.following().await? {
            self.found.impossible(rows, &[row]);
            let in_time =
                |at| now.duration_since(at) <= PATIENCE && at.duration_since(ahead) <= PATIENCE;
            if row.at.is_some_and(in_time) {
                continue;
            }
            waiting = Some(waiting.map_or((row, 1), |(first, count)| (first, count + 1)));
        }
        if let Some((row, count)) = waiting {
            let mut subject = rows.name(&row);
            if count > 1 {
                subject += &format!(" and {} later ones", count - 1);
            }
            let stored = format!("none, since {}", row.at.map_or_else(String::new, told));
            let wanted = "one within 60 s: a running `wallstreet serve` sets it, unless a transaction stays open in the database";
            self.found.add(subject, "seal", &stored, &wanted);
        }
        Ok(())
    }
}

fn told(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// What a seal says of its entries, or of its audit rows.
struct Told<'a> {
    /// First, last, how many.
    range: [i64; 3],
    root: Digest,
    marks: Option<&'a [u8]>,
}

impl Found {
    fn add(
        &mut self,
        subject: String,
        what: &str,
        stored: &impl ToString,
        recomputed: &impl ToString,
    ) {
        self.total += 1;
        if self.first.len() < FIRST {
            let (stored, recomputed) = (stored.to_string(), recomputed.to_string());
            self.first.push(Difference { subject, what: what.to_owned(), stored, recomputed });
        }
    }

    fn compare<T: PartialEq + ToString>(
        &mut self,
        seal: &Seal,
        what: &str,
        stored: &T,
        recomputed: &T,
    ) {
        if stored != recomputed {
            let Seal { number, first_entry, last_entry, .. } = seal;
            let subject = match first_entry <= last_entry {
                true => format!("seal {number} (entries {first_entry} to {last_entry})"),
                false => format!("seal {number}"),
            };
            self.add(subject, what, stored, recomputed);
        }
    }

    /// What no row can be, whatever is sealed.
    fn impossible(&mut self, rows: Rows, found: &[Row]) {
        for row in found {
            if let Some((what, stored, wanted)) = row.impossible() {
                self.add(rows.name(row), what, &stored, &wanted);
            }
        }
    }

    /// Whether the rows are those that were sealed; if not, which differ.
    fn contents(&mut self, seal: &Seal, rows: Rows, told: &Told<'_>, found: &[Row]) {
        let leaves: Vec<Digest> = found.iter().map(|row| row.leaf).collect();
        let [first, last, count] = told.range;
        let counted = i64::try_from(leaves.len()).unwrap_or(i64::MAX);
        let [singular, plural] = rows.words();
        self.compare(seal, &format!("number of {plural}"), &count, &counted);
        if let (Some(lowest), Some(highest)) = (found.first(), found.last()) {
            self.compare(seal, &format!("first {singular}"), &first, &lowest.place);
            self.compare(seal, &format!("last {singular}"), &last, &highest.place);
        }
        let what = if rows == Rows::Trail { "root of the audit rows" } else { "root" };
        let root = merkle::root(&leaves);
        self.compare(seal, what, &told.root, &root);
        let Some(stored) = told.marks else { return };
        if told.root == root {
            let hex =
                |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let what = format!("marks of the {plural}");
            self.compare(seal, &what, &hex(stored), &hex(&seals::marks(&leaves)));
            return;
        }
        for odd in marks::odd(found, stored, first.saturating_sub(1), last.saturating_add(1)) {
            let (stored, recomputed) = odd.told(seal.number);
            self.add(odd.subject(rows), singular, &stored, &recomputed);
        }
    }
}
