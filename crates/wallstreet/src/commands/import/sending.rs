//! A batch on its way: sent under the same keys until each of its items has an outcome, or patience ends.

use super::{
    batch::Batch,
    client::{Client, Contact, Outcome, Reason, Rule, Trouble},
    lines::{Item, Refused},
    told,
};
use crate::{
    failure::{Exit, Failure},
    terminal,
};
use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// How long a server that was there may be gone, e.g. to be restarted.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one that never answered is waited for.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);
/// The longest time a rate limit may tell us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(2 * 60 * 60);
/// Said once, when the server asks for the first pause.
const SLOW: &str = "the API key's rate limit makes this import wait: it counts each line. Give the key a \
                    higher rateLimit, or 0 for none, by PATCH /api/v1/api-keys/{id}";
/// The pauses between tries, where the server names none.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(3)];

/// What all batches of an import share.
pub struct Road {
    /// Where they go.
    pub client: Client,
    /// Whether each is all or nothing.
    pub atomic: bool,
    /// True when nothing is to be tried again.
    pub stop: watch::Receiver<bool>,
    /// Whether the server has answered.
    met: AtomicBool,
    /// What is waited for, for people.
    waiting: Mutex<Option<String>>,
    /// Whether it was said that the rate limit makes it slow.
    slow: AtomicBool,
}

/// What became of a batch.
#[derive(Debug)]
pub struct Settled {
    /// How many of its lines are done.
    pub done: u64,
    /// How many of these had been done before.
    pub replayed: u64,
    /// The others, in the order of lines.
    pub refused: Vec<Refused>,
    /// Whether a line with a key of ours had been answered before.
    pub known: bool,
    /// The batch, without its items.
    pub batch: Batch,
}

/// Why a batch has no outcome.
#[derive(Debug)]
pub enum Stop {
    /// We were asked to; it may have been done.
    Asked,
    /// For this reason; it may have been done.
    Doubt(Failure),
    /// For this reason; it was not done.
    Undone(Failure),
}

impl Road {
    /// To this server.
    pub fn new(client: Client, atomic: bool, stop: watch::Receiver<bool>) -> Self {
        let (met, slow) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { client, atomic, stop, met, waiting: Mutex::new(None), slow }
    }

    /// What is waited for at the moment.
    pub fn waiting(&self) -> Option<String> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn waits(&self, why: Option<String>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Sends it until it is settled.
    pub async fn settle(&self, mut batch: Batch) -> Result<Settled, Stop> {
        if self.atomic && !batch.bad.is_empty() {
            return Ok(undone(batch, &HashMap::new()));
        }
        let mut outcomes: Vec<Option<Outcome>> = batch.items.iter().map(|_| None).collect();
        let mut patience = Patience::default();
        loop {
            let open: Vec<usize> =
                (0..outcomes.len()).filter(|at| outcomes[*at].is_none()).collect();
            if open.is_empty() {
                break;
            }
            let body = batch.body(&open, self.atomic);
            let trouble = match self.client.post(body, open.len()).await {
                Ok(answers) => {
                    self.met.store(true, Ordering::Relaxed);
                    self.waits(None);
                    let mut trouble = None;
                    for (at, answer) in open.iter().zip(answers) {
                        match passing(&answer) {
                            Some(why) => trouble = Some(why),
                            None => outcomes[*at] = Some(answer),
                        }
                    }
                    let Some(why) = trouble else { break };
                    if outcomes.iter().filter(|one| one.is_none()).count() < open.len() {
                        patience = Patience { contact: Contact::Answer, ..Patience::default() };
                    }
                    Trouble::Passing { why, wait: None, contact: Contact::Answer }
                }
                Err(Trouble::Refused(reason)) if self.atomic => match reasons(&reason, &open) {
                    Ok(reasons) => return Ok(undone(batch, &reasons)),
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            let wait = self.after(trouble, &mut patience)?;
            let mut stop = self.stop.clone();
            tokio::select! {
                () = sleep(wait) => {}
                _ = stop.wait_for(|stop| *stop) => return Err(Stop::Asked),
            }
        }
        let items = std::mem::take(&mut batch.items);
        Ok(sum(batch, items.into_iter().zip(outcomes.into_iter().flatten())))
    }

    /// How long to wait after this, if that makes sense.
    fn after(&self, trouble: Trouble, patience: &mut Patience) -> Result<Duration, Stop> {
        let stop = |failure, contact| match contact {
            Contact::Nobody => Err(Stop::Undone(failure)),
            Contact::Silence | Contact::Answer => Err(Stop::Doubt(failure)),
        };
        let failure = |what: String| Failure::new(Exit::CouldNot, what);
        match trouble {
            Trouble::Final(failure) => stop(failure, patience.contact),
            Trouble::Refused(reason) => {
                let what = format!("the server refuses the whole request: {}", reason.words());
                stop(failure(what), patience.contact)
            }
            Trouble::Throttled(wait) if wait > LONGEST_WAIT => {
                let what = format!("the rate limit wants a pause of {} s", wait.as_secs());
                let advice = "use an API key with a higher rateLimit, or 0 for none";
                stop(failure(what).next(advice), patience.contact)
            }
            Trouble::Throttled(wait) => {
                self.met.store(true, Ordering::Relaxed);
                if !self.slow.swap(true, Ordering::Relaxed) {
                    told::clear();
                    terminal::warn(SLOW);
                }
                let why = format!("{} s, because of the API key's rate limit", wait.as_secs());
                self.waits(Some(why));
                Ok(wait)
            }
            Trouble::Passing { why, wait, contact } => {
                patience.contact = patience.contact.max(contact);
                self.met.fetch_or(contact == Contact::Answer, Ordering::Relaxed);
                let most = if self.met.load(Ordering::Relaxed) { PATIENCE } else { FIRST_PATIENCE };
                let since = patience.since.get_or_insert_with(Instant::now).elapsed();
                if since >= most {
                    let what = format!("gave up after {} s: {why}", since.as_secs());
                    let advice = "see that the server runs and that --url is right; then run the \
                                  same command again";
                    return stop(failure(what).next(advice), patience.contact);
                }
                let [first, last] = PAUSES;
                let pause = first.saturating_mul(1 << patience.tries.min(8)).min(last);
                patience.tries += 1;
                self.waits(Some(format!("to try again: {why}")));
                Ok(wait.unwrap_or(pause).min(most))
            }
        }
    }
}

/// How long it has not worked.
#[derive(Default)]
struct Patience {
    since: Option<Instant>,
    tries: u32,
    /// The furthest that any try came.
    contact: Contact,
}

impl Reason {
    /// In one sentence, with the fields at fault.
    fn words(&self) -> String {
        let rules: Vec<_> =
            self.errors.iter().map(|rule| format!("{} {}", rule.field, rule.message)).collect();
        match rules.is_empty() {
            true => self.message.clone(),
            false => format!("{}: {}", self.message, rules.join("; ")),
        }
    }
}

/// What will be different the next time: the same key tells then.
fn is_passing(status: u16, code: &str) -> bool {
    status >= 500 || status == 429 || code == "idempotency_in_flight"
}

fn passing(outcome: &Outcome) -> Option<String> {
    let reason = outcome.error.as_ref()?;
    is_passing(outcome.status, &reason.code).then(|| reason.message.clone())
}

/// Which items of an atomic batch are at fault; or that it has to be sent again, or cannot be sent at all.
fn reasons(reason: &Reason, open: &[usize]) -> Result<HashMap<usize, Rule>, Trouble> {
    let mut reasons = HashMap::new();
    for rule in &reason.errors {
        if is_passing(0, &rule.code) {
            let why = rule.message.clone();
            return Err(Trouble::Passing { why, wait: None, contact: Contact::Answer });
        }
        let place = rule.field.strip_prefix("transactions[").and_then(|rest| rest.split_once(']'));
        let Some((place, field)) = place else { continue };
        let Some(at) = place.parse().ok().and_then(|place: usize| open.get(place)) else {
            continue;
        };
        let field = field.trim_start_matches('.');
        let message = format!("{field} {}", rule.message).trim_start().to_owned();
        reasons.entry(*at).or_insert_with(|| Rule { message, ..rule.clone() });
    }
    match reasons.is_empty() {
        true => Err(Trouble::Refused(reason.clone())),
        false => Ok(reasons),
    }
}

/// An atomic batch of which nothing was done.
fn undone(mut batch: Batch, reasons: &HashMap<usize, Rule>) -> Settled {
    let mut refused = std::mem::take(&mut batch.bad);
    for (at, Item { line, text, .. }) in std::mem::take(&mut batch.items).into_iter().enumerate() {
        let (code, message) = match reasons.get(&at) {
            Some(rule) => (rule.code.as_str(), rule.message.clone()),
            None => ("batch_undone", "Another line of its batch was refused".to_owned()),
        };
        refused.push(Refused { line, code: code.to_owned(), message, original: Some(text) });
    }
    refused.sort_by_key(|one| one.line);
    // A refusal that is kept under a key of ours tells as much as a success.
    let known = reasons.values().any(|rule| rule.code == "idempotency_key_reused");
    Settled { done: 0, replayed: 0, refused, known, batch }
}

fn sum(mut batch: Batch, outcomes: impl Iterator<Item = (Item, Outcome)>) -> Settled {
    let mut refused = std::mem::take(&mut batch.bad);
    let (mut done, mut replayed, mut known) = (0, 0, false);
    for (Item { line, key, text }, outcome) in outcomes {
        known |= key.is_some() && outcome.replayed;
        match outcome.error {
            Some(reason) => {
                let message = reason.words();
                refused.push(Refused { line, code: reason.code, message, original: Some(text) });
            }
            None => {
                done += 1;
                replayed += u64::from(outcome.replayed);
            }
        }
    }
    refused.sort_by_key(|one| one.line);
    Settled { done, replayed, refused, known, batch }
}
