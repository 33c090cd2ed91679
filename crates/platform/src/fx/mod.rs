//! Exchange rates and quotes: the customer's way to a rate.
//!
//! Owns `wallstreet.fx_rates` and `wallstreet.fx_quotes`. An administrator, or a
//! program with their key, sets the middle rate of a pair of currencies and a
//! spread. A quote is what a customer is offered of it: worse by the spread, rounded
//! down, for some seconds, for one exchange. What uses a quote up is the posting of
//! that exchange.

mod store;

use crate::{
    Platform,
    actor::{Actor, Permission},
    clock::LongSure,
    db::{Connection, Numeric, Param, Utc},
    error::{Error, Forbidden, Resource, Result},
    facts::{self, By, Fact, Offer},
    idempotency::{self, IdempotencyKey, Outcome},
    transactions::RateSource,
    users,
};
use jiff::{SignedDuration, Timestamp};
use ledger::{Amount, Currency, Exchange, QuoteId, Rate, Refusal, Spread, TransactionId, UserId};
use serde::{Deserialize, Serialize};
pub(crate) use store::ALL as STATEMENTS;
use uuid::Uuid;

/// The most quotes of one user that can still be used.
const MOST_OPEN: i64 = 20;
/// The most rates; every pair of the currencies there are is some thousands.
const MOST_RATES: i64 = 20_000;
/// How long a quote that nobody used is still told of as expired.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);

/// The middle rate of a pair of currencies; it serves both directions.
#[derive(Clone, Debug)]
pub struct FxRate {
    /// Which; a pair keeps its id.
    pub id: Uuid,
    /// What is given.
    pub source: Currency,
    /// What is got.
    pub target: Currency,
    /// Target for one of source.
    pub rate: Rate,
    /// By which share of it a customer's rate is worse, in either direction.
    pub spread: Spread,
    /// Where it comes from, in the words of who set it.
    pub rate_source: String,
    /// From when on nobody is offered it; absent: until it is set again.
    pub valid_until: Option<Timestamp>,
    /// When it was set.
    pub updated_at: Timestamp,
}

impl FxRate {
    /// What a customer is offered, from one currency of the pair to the other.
    fn offered(&self, source: Currency) -> Option<Rate> {
        match source == self.source {
            true => self.rate.with_spread(self.spread),
            false => self.rate.inverse_with_spread(self.spread),
        }
    }
}

impl FxRate {
    fn told(&self) -> Offer {
        Offer {
            id: self.id,
            source_currency: self.source,
            target_currency: self.target,
            rate: self.rate,
            spread: Some(self.spread),
            rate_source: self.rate_source.clone(),
            amount: None,
            until: self.valid_until,
        }
    }
}

/// A rate to be set.
#[derive(Clone, Debug)]
pub struct NewRate {
    /// What is given.
    pub source: Currency,
    /// What is got.
    pub target: Currency,
    /// The middle rate, target for one of source.
    pub rate: Rate,
    /// By which share of it a customer's rate is worse.
    pub spread: Spread,
    /// Where it comes from.
    pub rate_source: RateSource,
    /// From when on nobody is offered it.
    pub valid_until: Option<Timestamp>,
}

/// What one customer was offered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quote {
    /// Which.
    pub id: QuoteId,
    /// To whom.
    pub user_id: UserId,
    /// What is given.
    pub source: Currency,
    /// What is got.
    pub target: Currency,
    /// Target for one of source.
    pub rate: Rate,
    /// Where the middle rate came from.
    pub rate_source: String,
    /// The most that may be given; absent: any amount.
    pub amount: Option<Amount>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it can no longer be used.
    pub expires_at: Timestamp,
    /// The transaction that used it.
    pub transaction_id: Option<TransactionId>,
}

impl Quote {
    fn told(&self) -> Offer {
        Offer {
            id: self.id.0,
            source_currency: self.source,
            target_currency: self.target,
            rate: self.rate,
            spread: None,
            rate_source: self.rate_source.clone(),
            amount: self.amount,
            until: Some(self.expires_at),
        }
    }

    /// What all of the amount buys, if there is one.
    pub fn target_amount(&self) -> Option<Amount> {
        let bought = Exchange::at(self.rate, self.amount?, self.source, self.target);
        bought.ok().map(|exchange| exchange.target_amount)
    }
}

/// Sets the middle rate of a pair, in place of the one that it had in either direction.
///
/// # Errors
/// Only for an administrator; a key needs `process:transactions`.
pub async fn set_rate(platform: &Platform, actor: &Actor, new: NewRate) -> Result<FxRate> {
    require_settling(actor)?;
    let at = platform.now();
    two_currencies(new.source, new.target)?;
    if new.valid_until.is_some_and(|until| until <= at) {
        return Err(Error::invalid("validUntil", "in_the_past", "must lie in the future"));
    }
    if new.rate.with_spread(new.spread).is_none() {
        let text = "leaves nothing of the rate: name a smaller spread, or the rate the other way";
        return Err(Error::invalid("spread", "too_large", text));
    }
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let params: [Param<'_>; 8] = [
        &platform.new_id(),
        &new.source.code(),
        &new.target.code(),
        &new.rate.to_string(),
        &new.spread.to_string(),
        &new.rate_source.as_str(),
        &new.valid_until.map(Utc),
        &Utc(at),
    ];
    let set = store::read_rate(&tx.get(store::SET_RATE, &params).await?)?;
    let fact = Fact::FxRateSet(set.told());
    facts::record_in(&tx, platform.new_id(), By::actor(actor, at), fact).await?;
    tx.commit().await?;
    Ok(set)
}

/// Every rate, by source and target.
///
/// # Errors
/// Only for an administrator; a key needs `process:transactions`.
pub async fn rates(platform: &Platform, actor: &Actor) -> Result<Vec<FxRate>> {
    require_settling(actor)?;
    let rows = platform.connection().await?.query(store::RATES, &[&MOST_RATES]).await?;
    rows.iter().map(store::read_rate).collect()
}

/// Takes a rate away: nobody is offered it any more. Quotes that were made stand.
///
/// # Errors
/// Only for an administrator; a key needs `process:transactions`.
pub async fn remove_rate(platform: &Platform, actor: &Actor, id: Uuid) -> Result<()> {
    require_settling(actor)?;
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    let row = tx.find(store::REMOVE_RATE, &[&id]).await?;
    let gone = store::read_rate(&row.ok_or(Error::NotFound(Resource::FxRate))?)?;
    let fact = Fact::FxRateRemoved(gone.told());
    facts::record_in(&tx, platform.new_id(), By::actor(actor, platform.now()), fact).await?;
    tx.commit().await
}

/// Who sets a rate says how much money there is in the other currency.
fn require_settling(actor: &Actor) -> Result<()> {
    if !actor.is_admin() {
        return Err(Error::Forbidden(Forbidden::AdminOnly));
    }
    actor.require(Permission::ProcessTransactions)
}

fn two_currencies(source: Currency, target: Currency) -> Result<()> {
    if source == target {
        let text = "must be another currency than sourceCurrency";
        return Err(Error::invalid("targetCurrency", "same_currency", text));
    }
    Ok(())
}

/// Offers the caller a rate, for one exchange of at most the amount if one is given.
///
/// # Errors
/// [`Refusal::RateUnavailable`]; with an amount also what the exchange would be
/// refused for; at most 20 open quotes a user.
pub async fn quote(
    platform: &Platform,
    actor: &Actor,
    (source, target): (Currency, Currency),
    amount: Option<Amount>,
    key: Option<IdempotencyKey>,
) -> Result<Outcome<Quote>> {
    actor.require(Permission::WriteTransactions)?;
    two_currencies(source, target)?;
    let at = platform.now();
    let mut connection = platform.connection().await?;
    let tx = connection.begin().await?;
    if let Some(earlier) = idempotency::claim_in(&tx, actor, key.as_ref(), at).await? {
        return Ok(earlier);
    }
    users::lock_active_in(&tx, actor.user_id).await?;
    let open = tx.get(store::COUNT_OPEN, &[&actor.user_id.0, &Utc(at)]).await?;
    if open.try_get::<_, i64>(0)? >= MOST_OPEN {
        let text = "you have 20 quotes that can still be used: use one, or wait until one expires";
        return Err(Error::invalid("sourceCurrency", "too_many", text));
    }
    let row = tx.find(store::RATE_OF_PAIR, &[&source.code(), &target.code()]).await?;
    let rate = row.as_ref().map(store::read_rate).transpose()?;
    let (given, got) = (source, target);
    let unavailable = || Error::from(Refusal::RateUnavailable { given, got });
    let middle = rate.filter(|rate| rate.valid_until.is_none_or(|until| at < until));
    let middle = middle.ok_or_else(unavailable)?;
    let offered = middle.offered(source).ok_or_else(unavailable)?;
    if let Some(amount) = amount {
        source.check(amount).map_err(|_| Refusal::FractionOfUnit { currency: source })?;
        Exchange::at(offered, amount, source, target)?;
    }
    let stands = SignedDuration::try_from(platform.settings().fx_quote_expiry);
    let expires = at.saturating_add(stands.map_err(Error::internal)?).map_err(Error::internal)?;
    let expires = middle.valid_until.map_or(expires, |until| until.min(expires));
    let params: [Param<'_>; 9] = [
        &platform.new_id(),
        &actor.user_id.0,
        &source.code(),
        &target.code(),
        &offered.to_string(),
        &middle.rate_source,
        &amount.map(Numeric::from),
        &Utc(at),
        &Utc(expires),
    ];
    let made = store::read_quote(&tx.get(store::INSERT_QUOTE, &params).await?)?;
    let fact = Fact::FxQuoted(made.told());
    facts::record_in(&tx, platform.new_id(), By::actor(actor, at), fact).await?;
    idempotency::finish_in(&tx, actor, key.as_ref(), &made).await?;
    tx.commit().await?;
    Ok(Outcome { value: made, at, replayed: false })
}

/// One quote.
///
/// # Errors
/// [`Resource::Quote`] when it is not the caller's to see.
pub async fn get(platform: &Platform, actor: &Actor, quote: QuoteId) -> Result<Quote> {
    actor.require(Permission::ReadTransactions)?;
    let scope = actor.scope().map(|user| user.0);
    let connection = platform.connection().await?;
    let row = connection.find(store::FIND_QUOTE, &[&quote.0, &scope]).await?;
    store::read_quote(&row.ok_or(Error::NotFound(Resource::Quote))?)
}

/// Removes quotes that nobody used in time; says how many.
pub(crate) async fn purge(connection: &Connection, sure: LongSure) -> Result<u64> {
    let before = sure.now().saturating_sub(REMEMBERED).map_err(Error::internal)?;
    connection.execute(store::PURGE, &[&Utc(before)]).await
}
