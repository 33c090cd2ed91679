//! The documented table of what a type does while pending, completed and
//! failed, and everything the bank refuses.

use crate::world::{
    ADA, BOB, MODEST, ROOT, World, account_id, amount, funds, money, only_entry, user,
};
use ledger::{
    AccountStatus, Currency, Direction, Kind, NewTransaction, Refusal, Status, SystemAccount,
    TransactionId,
};
use uuid::Uuid;

#[test]
fn a_deposit_or_credit_counts_only_when_completed() {
    for kind in [Kind::Deposit, Kind::Credit] {
        let mut world = World::new().with(1, ADA, "10");
        let order = world.order(kind, 1, "5.50");
        let decision = world.create(user(ADA), order).unwrap();
        assert_eq!(decision.entries, []);
        assert_eq!(world.funds(1), funds("10.00", "10.00"));
        world.complete(user(ADA), decision.legs[0].id).unwrap();
        assert_eq!(world.funds(1), funds("15.50", "15.50"));
    }
}

#[test]
fn a_withdrawal_or_debit_is_held_while_pending_and_taken_when_completed() {
    for kind in [Kind::Withdrawal, Kind::Debit] {
        let mut world = World::new().with(1, ADA, "10");
        let order = world.order(kind, 1, "4");
        let id = world.create(user(ADA), order).unwrap().legs[0].id;
        assert_eq!(world.funds(1), funds("10.00", "6.00"));
        world.complete(user(ADA), id).unwrap();
        assert_eq!(world.funds(1), funds("6.00", "6.00"));
    }
}

#[test]
fn a_cancelled_withdrawal_gives_its_hold_back_and_a_cancelled_deposit_does_nothing() {
    let mut world = World::new().with(1, ADA, "10");
    for kind in [Kind::Withdrawal, Kind::Deposit] {
        let order = world.order(kind, 1, "4");
        let id = world.create(user(ADA), order).unwrap().legs[0].id;
        let ended = world.cancel(user(ADA), id).unwrap();
        assert_eq!((ended.legs[0].status, ended.entries), (Status::Failed, vec![]));
        assert_eq!(world.funds(1), funds("10.00", "10.00"));
    }
}

#[test]
fn a_transfer_holds_at_the_source_and_moves_both_balances_when_completed() {
    let mut world = World::new().with(1, ADA, "100").with(2, BOB, "1");
    let decision = world.transfer(user(ADA), 1, 2, "30").unwrap();
    let ways: Vec<Direction> = decision.legs.iter().map(|leg| leg.direction).collect();
    assert_eq!(ways, [Direction::Out, Direction::In]);
    assert_eq!((world.funds(1), world.funds(2)), (funds("100.00", "70.00"), funds("1.00", "1.00")));
    let entry = only_entry(&world.complete(user(ADA), decision.legs[0].id).unwrap());
    assert_eq!(
        (world.funds(1), world.funds(2)),
        (funds("70.00", "70.00"), funds("31.00", "31.00"))
    );
    assert_eq!((entry.source.account, entry.target.account), (account_id(1), account_id(2)));
    assert_eq!(entry.source.history, Some((1, money("70"))));
    assert_eq!(entry.target.history, Some((1, money("31"))));
}

#[test]
fn completing_at_once_is_the_same_as_creating_and_then_completing() {
    let mut at_once = World::new().with(1, ADA, "10").with(2, BOB, "0");
    let order = at_once.order(Kind::Transfer, 1, "3");
    let order = NewTransaction { target: Some(account_id(2)), complete: true, ..order };
    let decision = at_once.create(user(ADA), order).unwrap();
    assert!(decision.created && decision.legs.iter().all(|leg| leg.status == Status::Completed));
    let mut in_two = World::new().with(1, ADA, "10").with(2, BOB, "0");
    let id = in_two.transfer(user(ADA), 1, 2, "3").unwrap().legs[0].id;
    let entries = in_two.complete(user(ADA), id).unwrap().entries;
    assert_eq!(decision.entries, entries);
    assert_eq!((at_once.funds(1), at_once.funds(2)), (in_two.funds(1), in_two.funds(2)));
}

#[test]
fn money_from_outside_comes_out_of_the_banks_own_accounts() {
    let mut world = World::new().with(1, ADA, "10");
    for (kind, outside) in [
        (Kind::Deposit, SystemAccount::Cash),
        (Kind::Withdrawal, SystemAccount::Cash),
        (Kind::Credit, SystemAccount::Adjustments),
        (Kind::Debit, SystemAccount::Adjustments),
    ] {
        let order = world.order(kind, 1, "1");
        let entry =
            only_entry(&world.create(ROOT, NewTransaction { complete: true, ..order }).unwrap());
        let other = if kind.direction() == Direction::In { entry.source } else { entry.target };
        assert_eq!((other.account, other.history), (outside.id(Currency::USD), None));
    }
}

#[test]
fn more_than_is_available_is_refused_even_if_the_balance_would_cover_it() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0");
    world.transfer(user(ADA), 1, 2, "8").unwrap();
    let refusal = world.transfer(user(ADA), 1, 2, "2.01").unwrap_err();
    let expected = Refusal::InsufficientFunds {
        available: money("2"),
        required: amount("2.01").into(),
        currency: Currency::USD,
    };
    assert_eq!(refusal, expected);
    assert_eq!(world.funds(1), funds("10.00", "2.00"));
}

#[test]
fn what_has_ended_stays_ended() {
    let mut world = World::new().with(1, ADA, "10");
    let order = world.order(Kind::Withdrawal, 1, "4");
    let id = world.create(user(ADA), order).unwrap().legs[0].id;
    world.complete(user(ADA), id).unwrap();
    let already = Refusal::TransactionNotPending { status: Status::Completed };
    assert_eq!(world.complete(user(ADA), id), Err(already.clone()));
    assert_eq!(world.cancel(user(ADA), id), Err(already));
    assert_eq!(world.funds(1), funds("6.00", "6.00"));
}

#[test]
fn another_users_account_and_transaction_are_not_there() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "10");
    let order = world.order(Kind::Withdrawal, 2, "1");
    assert_eq!(world.create(user(ADA), order.clone()), Err(Refusal::AccountNotFound));
    let id = world.create(user(BOB), order).unwrap().legs[0].id;
    assert_eq!(world.complete(user(ADA), id), Err(Refusal::TransactionNotFound));
    assert_eq!(world.cancel(user(ADA), id), Err(Refusal::TransactionNotFound));
    let nobody = TransactionId(Uuid::nil());
    assert_eq!(world.complete(user(ADA), nobody), Err(Refusal::TransactionNotFound));
    assert!(world.complete(ROOT, id).is_ok(), "an administrator sees it");
}

#[test]
fn the_receiver_sees_a_transfer_but_only_the_sender_decides_about_it() {
    let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0");
    let legs = world.transfer(user(ADA), 1, 2, "3").unwrap().legs;
    assert_eq!(world.complete(user(BOB), legs[1].id), Err(Refusal::TransferNotYours));
    assert_eq!(world.cancel(user(BOB), legs[1].id), Err(Refusal::TransferNotYours));
    assert_eq!(world.complete(user(BOB), legs[0].id), Err(Refusal::TransactionNotFound));
    let ended = world.complete(ROOT, legs[1].id).unwrap();
    assert_eq!(ended.legs[0].id, legs[0].id, "named by either half, both end");
    assert_eq!(world.funds(2), funds("3.00", "3.00"));
}

#[test]
fn suspended_and_closed_accounts_move_no_money_but_give_holds_back() {
    for (status, refusal) in [
        (AccountStatus::Suspended, Refusal::AccountSuspended),
        (AccountStatus::Closed, Refusal::AccountClosed),
    ] {
        let mut world = World::new().with(1, ADA, "10").with(2, BOB, "0");
        let id = world.transfer(user(ADA), 1, 2, "3").unwrap().legs[0].id;
        world.set(2, |account| account.status = status);
        assert_eq!(world.transfer(user(ADA), 1, 2, "1"), Err(refusal.clone()));
        assert_eq!(world.complete(user(ADA), id), Err(refusal.clone()));
        let order = world.order(Kind::Deposit, 2, "1");
        assert_eq!(world.create(user(BOB), order), Err(refusal));
        assert_eq!(world.funds(1), funds("10.00", "7.00"));
        world.cancel(user(ADA), id).unwrap();
        assert_eq!(world.funds(1), funds("10.00", "10.00"));
    }
}

#[test]
fn currencies_do_not_mix_and_undivided_ones_are_not_divided() {
    let mut world = World::new().with(1, ADA, "10");
    world.put(2, ADA, "EUR", AccountStatus::Active, "10");
    world.put(3, ADA, "JPY", AccountStatus::Active, "10");
    let (usd, eur) = (Currency::USD, Currency::parse("EUR").unwrap());
    let mismatch = Refusal::CurrencyMismatch { account: eur, order: usd };
    assert_eq!(world.transfer(user(ADA), 1, 2, "1"), Err(mismatch));
    let order = world.order(Kind::Deposit, 1, "1");
    let named = NewTransaction { currency: Some(eur), ..order };
    let mismatch = Refusal::CurrencyMismatch { account: usd, order: eur };
    assert_eq!(world.create(user(ADA), named), Err(mismatch));
    let yen = world.order(Kind::Deposit, 3, "1.50");
    assert!(matches!(world.create(user(ADA), yen), Err(Refusal::FractionOfUnit { .. })));
}

#[test]
fn a_transfer_needs_another_account_that_exists() {
    let mut world = World::new().with(1, ADA, "10");
    assert_eq!(world.transfer(user(ADA), 1, 1, "1"), Err(Refusal::SameAccount));
    assert_eq!(world.transfer(user(ADA), 1, 9, "1"), Err(Refusal::TargetAccountNotFound));
}

#[test]
fn without_authority_a_user_completes_transfers_and_withdrawals_only() {
    for (kind, allowed) in [
        (Kind::Deposit, false),
        (Kind::Credit, false),
        (Kind::Debit, false),
        (Kind::Withdrawal, true),
    ] {
        let mut world = World::new().with(1, ADA, "10");
        let order = world.order(kind, 1, "1");
        let at_once = NewTransaction { complete: true, ..order.clone() };
        assert_eq!(world.create(MODEST, at_once).is_ok(), allowed, "{kind:?} at once");
        let order = NewTransaction { id: TransactionId(Uuid::from_u128(5)), ..order };
        let id = world.create(MODEST, order).unwrap().legs[0].id;
        let completed = world.complete(MODEST, id);
        assert_eq!(completed.is_ok(), allowed, "{kind:?}");
        if !allowed {
            assert_eq!(completed, Err(Refusal::SettlementNotAllowed));
        }
    }
}

#[test]
fn without_authority_a_user_does_not_call_off_a_credit_or_debit_of_the_bank() {
    for (kind, allowed) in [
        (Kind::Deposit, true),
        (Kind::Withdrawal, true),
        (Kind::Credit, false),
        (Kind::Debit, false),
    ] {
        let mut world = World::new().with(1, ADA, "10");
        let order = world.order(kind, 1, "1");
        let id = world.create(ROOT, order).unwrap().legs[0].id;
        let cancelled = world.cancel(MODEST, id);
        assert_eq!(cancelled.is_ok(), allowed, "{kind:?} {cancelled:?}");
        assert!(allowed || world.cancel(ROOT, id).is_ok());
    }
}

#[test]
fn a_balance_never_grows_past_the_documented_column() {
    let mut world = World::new().with(1, ADA, "9999999999999.99").with(2, BOB, "0.01");
    let order = world.order(Kind::Deposit, 1, "0.01");
    let at_once = NewTransaction { complete: true, ..order };
    assert_eq!(world.create(ROOT, at_once), Err(Refusal::BalanceTooLarge));
    let id = world.transfer(user(BOB), 2, 1, "0.01").unwrap().legs[0].id;
    assert_eq!(world.complete(user(BOB), id), Err(Refusal::BalanceTooLarge));
    assert_eq!(world.funds(2), funds("0.01", "0.00"), "the hold stays with the pending transfer");
}
