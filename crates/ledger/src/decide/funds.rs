//! What the rules ask of one account, and do to it.

use crate::{Account, Amount, Direction, Leg, Moment, Money, Pending, Quota, Refusal, Side};

impl Account {
    /// Whether money may go this way now: the account is in use and not frozen.
    pub(super) fn admit(&self, direction: Direction, now: Moment) -> Result<(), Refusal> {
        Refusal::unless_active(self.status)?;
        match self.freeze.as_ref().filter(|freeze| freeze.stops(direction, now)) {
            None => Ok(()),
            Some(freeze) => Err(Refusal::AccountFrozen {
                scope: freeze.scope,
                reason: freeze.reason.clone(),
                until: freeze.until,
            }),
        }
    }

    /// Counts an outgoing order towards the limits.
    pub(super) fn spend(&mut self, amount: Amount, now: Moment) -> Result<(), Refusal> {
        let currency = self.currency;
        if let Some(limit) = self.limits.per_transaction.filter(|limit| amount > *limit) {
            return Err(Refusal::TransactionLimitExceeded { limit, amount, currency });
        }
        self.spent = self.spent.on(now.day());
        let (spent, sum) = (self.spent.amount, self.spent.amount.plus(amount));
        let above = |limit: &Amount| sum.is_none_or(|sum| sum > Money::from(*limit));
        if let Some(limit) = self.limits.daily.filter(above) {
            return Err(Refusal::DailyLimitExceeded { limit, spent, amount, currency });
        }
        self.spent.amount = sum.unwrap_or(Money::MAX);
        Ok(())
    }

    /// Sets money aside, as far as the overdraft reaches.
    pub(super) fn hold(&mut self, amount: Amount) -> Result<(), Refusal> {
        let overdraft = self.limits.overdraft;
        let left = self.available.minus(amount).filter(|left| *left >= overdraft.negated());
        self.available = left.ok_or_else(|| Refusal::InsufficientFunds {
            available: self.available.plus(overdraft).unwrap_or(Money::MAX).max(Money::ZERO),
            required: amount.into(),
            currency: self.currency,
        })?;
        Ok(())
    }

    /// Makes what is left of an order's hold available again; on the day of the
    /// order it no longer counts towards the limit.
    pub(super) fn release(&mut self, leg: &Leg, now: Moment) -> Result<(), Refusal> {
        let (Direction::Out, Some(left)) = (leg.direction, leg.remaining()) else { return Ok(()) };
        self.available = self.available.plus(left).ok_or(Refusal::BalanceTooLarge)?;
        self.spent = self.spent.on(now.day());
        if leg.created.day() == self.spent.day {
            let kept = self.spent.amount.minus(left).unwrap_or_default();
            self.spent.amount = kept.max(Money::ZERO);
        }
        Ok(())
    }

    /// Counts an order that is to stand pending.
    pub(super) fn add_pending(&mut self, leg: &Leg, quota: Quota) -> Result<(), Refusal> {
        let count = self.pending.count;
        if let Some(limit) = quota.count.filter(|limit| count >= *limit) {
            return Err(Refusal::TooManyPending { limit, count });
        }
        let pending = quota.add_bytes(self.pending, leg.bytes)?;
        self.pending = Pending { count: count.saturating_add(1), ..pending };
        Ok(())
    }

    /// Counts an order no longer that stood pending.
    pub(super) fn remove_pending(&mut self, leg: &Leg) {
        let Pending { count, bytes } = self.pending;
        self.pending = Pending {
            count: count.saturating_sub(1).max(0),
            bytes: bytes.saturating_sub(leg.bytes).max(0),
        };
    }

    /// Books one entry; money that goes out was held before.
    pub(super) fn enter(
        &mut self,
        direction: Direction,
        amount: Amount,
        recorded: Moment,
    ) -> Result<Side, Refusal> {
        let booked = match direction {
            Direction::Out => self.balance.minus(amount),
            Direction::In => self.balance.plus(amount),
        };
        self.balance = booked.ok_or(Refusal::BalanceTooLarge)?;
        if direction == Direction::In {
            self.available = self.available.plus(amount).ok_or(Refusal::BalanceTooLarge)?;
        }
        self.entry_count = self.entry_count.checked_add(1).ok_or(Refusal::BalanceTooLarge)?;
        self.newest_entry = Some(recorded);
        Ok(Side { account: self.id, history: Some((self.entry_count, self.balance)) })
    }
}
