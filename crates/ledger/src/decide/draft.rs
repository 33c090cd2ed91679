//! What one action is about to change. Nothing of it is in the book before
//! [`Draft::write`].

use super::Decision;
use crate::{
    Account, Amount, Authority, Book, Currency, Direction, Entry, Exchange, Kind, Leg, Moment,
    Money, QuoteId, Refusal, Remainder, Side, Status, SystemAccount, TransactionId,
};

/// One half of a transaction: its row, and the account it moves.
pub(super) struct Half {
    pub(super) leg: Leg,
    pub(super) account: Account,
}

/// A transaction in the making: new, or on its way from one state to the next.
pub(super) struct Draft {
    /// The ordering half; of a transfer, the sender's.
    pub(super) own: Half,
    /// The receiver's half of a transfer.
    pub(super) other: Option<Half>,
    /// Present exactly if the halves are in different currencies.
    pub(super) exchange: Option<Exchange>,
    /// The quote that it uses up.
    pub(super) quote: Option<QuoteId>,
    pub(super) amended: Vec<Leg>,
    created: bool,
    now: Moment,
    /// When its entries are recorded: never before those that stand.
    recorded: Moment,
    entries: Vec<Entry>,
    carried: Option<(Currency, Remainder)>,
}

impl Half {
    fn find(book: &Book, id: TransactionId) -> Option<Self> {
        let leg = book.leg(id)?.clone();
        let account = book.account(leg.account)?.clone();
        Some(Self { leg, account })
    }

    fn admit(&self, now: Moment) -> Result<(), Refusal> {
        self.account.admit(self.leg.direction, now)
    }

    /// Moves a part of the ordered amount.
    fn enter(&mut self, part: Amount, recorded: Moment) -> Result<Side, Refusal> {
        self.leg.captured = self.leg.captured.plus(part).ok_or(Refusal::BalanceTooLarge)?;
        self.account.enter(self.leg.direction, part, recorded)
    }
}

impl Draft {
    /// A new transaction, pending until it is moved and ended.
    pub(super) fn new(
        book: &Book,
        own: Half,
        other: Option<Half>,
        exchange: Option<Exchange>,
    ) -> Self {
        let newest = own.account.newest_entry;
        let newest = newest.max(other.as_ref().and_then(|other| other.account.newest_entry));
        Self {
            own,
            other,
            exchange,
            quote: None,
            amended: Vec::new(),
            created: true,
            now: book.now(),
            recorded: newest.map_or(book.now(), |newest| newest.max(book.now())),
            entries: Vec::new(),
            carried: None,
        }
    }

    /// The transaction of this id, if its account is the caller's to see.
    pub(super) fn find(
        book: &Book,
        authority: Authority,
        id: TransactionId,
    ) -> Result<Self, Refusal> {
        let named = Half::find(book, id)
            .filter(|half| authority.covers(&half.account))
            .ok_or(Refusal::TransactionNotFound)?;
        let pair = named.leg.pair.map(|pair| Half::find(book, pair.transaction));
        let pair = pair.map(|half| half.ok_or(Refusal::TransactionNotFound)).transpose()?;
        // The sender's half comes first, whichever of the two was named.
        let (own, other) = match pair {
            Some(sender) if named.leg.direction == Direction::In => (sender, Some(named)),
            receiver => (named, receiver),
        };
        let exchange = book.exchange(own.leg.id).copied();
        Ok(Self { created: false, ..Self::new(book, own, other, exchange) })
    }

    /// Whether both accounts let the money go its way.
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        self.own.admit(self.now)?;
        self.other.as_ref().map_or(Ok(()), |other| other.admit(self.now).map_err(Refusal::of_other))
    }

    /// Moves a part of the ordered amount, which is held; an exchange moves as
    /// a whole.
    pub(super) fn post(&mut self, book: &Book, part: Amount) -> Result<(), Refusal> {
        let (recorded, exchange) = (self.recorded, self.exchange);
        let own = self.own.enter(part, recorded)?;
        let Leg { id, kind, direction, currency, .. } = self.own.leg;
        match (&mut self.other, exchange) {
            (None, _) => {
                let outside = Side::bank(outside(kind), currency);
                let sides = match direction {
                    Direction::Out => [own, outside],
                    Direction::In => [outside, own],
                };
                self.record(id, sides, part, currency);
            }
            (Some(other), None) if other.leg.currency == currency => {
                let other = other.enter(part, recorded)?;
                self.record(id, [own, other], part, currency);
            }
            (Some(other), Some(exchange)) => {
                let (got, theirs) = (exchange.target_amount, exchange.target_currency);
                let (other_id, other) = (other.leg.id, other.enter(got, recorded)?);
                let pool = |currency| Side::bank(SystemAccount::Conversion, currency);
                self.record(id, [own, pool(currency)], part, currency);
                self.record(other_id, [pool(theirs), other], got, theirs);
                let rounded_by = if exchange.rounded == theirs { other_id } else { id };
                self.round(book, rounded_by, exchange.rounded, exchange.remainder)?;
            }
            // An exchange that the book was not told of has no second amount.
            (Some(_), None) => return Err(Refusal::TransactionNotFound),
        }
        Ok(())
    }

    /// Adds a remainder to what is carried, and books the whole coins in it.
    fn round(
        &mut self,
        book: &Book,
        id: TransactionId,
        currency: Currency,
        remainder: Remainder,
    ) -> Result<(), Refusal> {
        let sum = book.carried(currency).carry(remainder, currency);
        let (coins, carried) = sum.ok_or(Refusal::BalanceTooLarge)?;
        self.carried = Some((currency, carried));
        let pool = Side::bank(SystemAccount::Conversion, currency);
        let rounding = Side::bank(SystemAccount::Rounding, currency);
        if let Some(gain) = coins.positive() {
            self.record(id, [pool, rounding], gain, currency);
        }
        if let Some(loss) = coins.negated().positive() {
            self.record(id, [rounding, pool], loss, currency);
        }
        Ok(())
    }

    fn record(&mut self, id: TransactionId, sides: [Side; 2], amount: Amount, currency: Currency) {
        let [source, target] = sides;
        self.entries.push(Entry {
            transaction: id,
            source,
            target,
            amount,
            currency,
            recorded: self.recorded,
            effective: self.own.leg.effective,
        });
    }

    /// Ends it. What moved, moved; what is still held becomes available again.
    pub(super) fn end(&mut self) -> Result<(), Refusal> {
        self.own.account.release(&self.own.leg, self.now)?;
        if !self.created {
            self.own.account.remove_pending(&self.own.leg);
        }
        let moved = self.own.leg.captured > Money::ZERO;
        let status = if moved { Status::Completed } else { Status::Failed };
        for half in [Some(&mut self.own), self.other.as_mut()].into_iter().flatten() {
            half.leg.status = status;
        }
        Ok(())
    }

    /// Writes it into the book.
    pub(super) fn write(self, book: &mut Book) -> Decision {
        let exchange = self.exchange.filter(|_| self.created);
        if let Some(exchange) = exchange {
            book.add_exchange(self.own.leg.id, exchange);
        }
        if let Some(quote) = self.quote {
            book.use_quote(quote);
        }
        if let Some((currency, carried)) = self.carried {
            book.set_carried(currency, carried);
        }
        let (mut legs, halves) = (Vec::new(), std::iter::once(self.own).chain(self.other));
        for Half { leg, account } in halves {
            book.add_account(account);
            legs.push(leg);
        }
        for leg in legs.iter().chain(&self.amended) {
            book.add_leg(leg.clone());
        }
        Decision {
            legs,
            created: self.created,
            amended: self.amended,
            entries: self.entries,
            exchange,
            quote: self.quote,
        }
    }
}

/// Where money comes from that comes from nobody's account, and goes to.
fn outside(kind: Kind) -> SystemAccount {
    match kind {
        Kind::Deposit | Kind::Withdrawal => SystemAccount::Cash,
        Kind::Credit | Kind::Debit | Kind::Transfer => SystemAccount::Adjustments,
    }
}
