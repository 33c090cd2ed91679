//! What the bank says of its past: balances at a moment, entries in order, statements.

use crate::history::{Dice, START, Written, before, invent, write, write_long};
use crate::money::{draft, order, transfer};
use jiff::{SignedDuration, Timestamp};
use ledger::{Direction, Kind, Money};
use platform::{
    Actor, Error, PageRequest, Position,
    accounts::Account,
    entries::{self, Basis, Counterparty, Entry, EntryFilter, Order, Purpose, Statement},
    error::Resource,
    statements,
};
use testkit::{Bank, bank};

const BASES: [Basis; 2] = [Basis::Recorded, Basis::Effective];

fn moment(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

async fn held(bank: &Bank, by: &Actor, account: &Account, at: i64, basis: Basis) -> (Money, i64) {
    let past = entries::balance_at(&bank.platform, by, account.id, moment(at), basis);
    let past = past.await.unwrap();
    assert_eq!((past.at, past.basis, past.currency.code()), (moment(at), basis, "USD"));
    (past.balance, past.sequence)
}

/// A statement read to its end.
async fn read(bank: &Bank, mut statement: Statement) -> (Statement, Vec<Entry>) {
    let mut entries = Vec::new();
    loop {
        let page = statement.next_page(&bank.platform).await.unwrap();
        assert!(page.len() <= 1000);
        if page.is_empty() {
            return (statement, entries);
        }
        entries.extend(page);
    }
}

#[tokio::test]
async fn a_moment_in_the_future_is_refused() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("1").await;
    let now = bank.platform.now();
    let at =
        async |at| entries::balance_at(&bank.platform, &ada, account.id, at, Basis::Recorded).await;
    assert_eq!(at(now).await.unwrap().balance.to_string(), "1.00");
    let error = at(now + SignedDuration::from_micros(1)).await.unwrap_err();
    let Error::Invalid(violations) = error else { panic!("{error:?}") };
    assert_eq!((&*violations[0].field, violations[0].code), ("at", "out_of_range"));
    for (from, to, field) in [
        (None, Some(now + SignedDuration::from_micros(1)), "to"),
        (Some(now + SignedDuration::from_micros(1)), None, "from"),
        (Some(now), Some(now - SignedDuration::from_micros(1)), "from"),
    ] {
        let drawn = entries::statement(&bank.platform, &ada, account.id, from, to, Basis::Recorded);
        let Err(Error::Invalid(violations)) = drawn.await else { panic!("{from:?} {to:?}") };
        assert_eq!((&*violations[0].field, violations[0].code), (field, "out_of_range"));
    }
}

#[tokio::test]
async fn the_past_of_another_is_not_there() {
    let bank = bank().await;
    let (ada, eve) = (bank.user("ada@example.com").await, bank.user("eve@example.com").await);
    let account = bank.account(&ada).with("1").await;
    let now = bank.platform.now();
    let newest = EntryFilter { from: None, to: None, order: Order::Descending };
    for basis in BASES {
        let held = entries::balance_at(&bank.platform, &eve, account.id, now, basis).await;
        assert!(matches!(held, Err(Error::NotFound(Resource::Account))));
        let drawn = entries::statement(&bank.platform, &eve, account.id, None, None, basis).await;
        assert!(matches!(drawn, Err(Error::NotFound(Resource::Account))));
    }
    let listed =
        entries::list(&bank.platform, &eve, account.id, newest, PageRequest::default()).await;
    assert!(matches!(listed, Err(Error::NotFound(Resource::Account))));
    let admin = bank.admin().await;
    assert!(entries::balance_at(&bank.platform, &admin, account.id, now, BASES[0]).await.is_ok());
}

#[tokio::test]
async fn an_account_without_entries_held_nothing() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    for basis in BASES {
        assert_eq!(held(&bank, &ada, &account, START, basis).await, (Money::ZERO, 0));
        let drawn = entries::statement(&bank.platform, &ada, account.id, None, None, basis).await;
        let (statement, entries) = read(&bank, drawn.unwrap()).await;
        assert_eq!((statement.opening, statement.closing), (Money::ZERO, Money::ZERO));
        assert_eq!((entries.len(), statement.totals.count, statement.last_sequence), (0, 0, 0));
    }
}

#[tokio::test]
async fn the_balance_at_any_moment_is_what_counted_by_then() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let client = bank.client().await;
    for seed in 1..=3 {
        let mut dice = Dice::new(seed);
        let account = bank.account(&ada).empty().await;
        // Another account's history is not this one's.
        let other = bank.account(&ada).empty().await;
        write(&client, &other, &invent(&mut dice, 50, 3)).await;
        let history = invent(&mut dice, 97 + i64::try_from(seed).unwrap(), 4);
        write(&client, &account, &history).await;
        let end = history.last().unwrap().recorded;
        for at in START - 100..end + 3 {
            for basis in BASES {
                let sum = before(&history, basis, at + 1);
                let newest = history.iter().filter(|entry| entry.recorded <= at).count();
                let expected = (sum, i64::try_from(newest).unwrap());
                let found = held(&bank, &ada, &account, at, basis).await;
                assert_eq!(found, expected, "seed {seed}, {basis:?} at {at}");
            }
        }
    }
}

#[tokio::test]
async fn a_statement_is_its_opening_balance_and_entries_and_nothing_else() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let client = bank.client().await;
    let mut dice = Dice::new(7);
    // Longer than a page on each side: with and without a date of their own.
    let account = bank.account(&ada).empty().await;
    let history = invent(&mut dice, 2600, 2);
    write(&client, &account, &history).await;
    let (first, last) = (START - 100, history.last().unwrap().recorded + 3);
    let mut periods = vec![
        (None, None),
        (None, Some(last)),
        (Some(first), None),
        (Some(first), Some(first)),
        (Some(history[1299].recorded), Some(history[1299].recorded)),
        (Some(history[1299].recorded), Some(history[1299].recorded + 1)),
    ];
    let length = u64::try_from(last - first).unwrap();
    for _ in 0..30 {
        let mut borders = [0, 0].map(|_: i32| first + i64::try_from(dice.below(length)).unwrap());
        borders.sort_unstable();
        periods.push((Some(borders[0]), Some(borders[1])));
    }
    for (from, to) in periods {
        for basis in BASES {
            assert_adds_up(&bank, &ada, &account, &history, (from, to), basis).await;
        }
    }
}

async fn assert_adds_up(
    bank: &Bank,
    by: &Actor,
    account: &Account,
    history: &[Written],
    (from, to): (Option<i64>, Option<i64>),
    basis: Basis,
) {
    let period = format!("{from:?}..{to:?} {basis:?}");
    let (from_at, to_at) = (from.map(moment), to.map(moment));
    let drawn = entries::statement(&bank.platform, by, account.id, from_at, to_at, basis).await;
    let (statement, found) = read(bank, drawn.unwrap()).await;
    assert_eq!(statement.to, to_at.unwrap_or(bank.platform.now()));
    let (from, to) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
    assert_eq!(statement.opening, before(history, basis, from), "{period}");
    assert_eq!(statement.closing, before(history, basis, to), "{period}");
    let mut expected: Vec<_> =
        history.iter().filter(|entry| (from..to).contains(&entry.counts(basis))).collect();
    expected.sort_by_key(|entry| (entry.counts(basis), entry.sequence));
    assert_eq!(found.len(), expected.len(), "{period}");
    let (mut running, mut incoming, mut outgoing) = (statement.opening.hundredths(), 0, 0);
    for (found, expected) in found.iter().zip(expected) {
        running += expected.amount;
        let (way, side) = match expected.amount > 0 {
            true => (Direction::In, &mut incoming),
            false => (Direction::Out, &mut outgoing),
        };
        *side += expected.amount.abs();
        assert_eq!((found.sequence, found.direction), (expected.sequence, way), "{period}");
        assert_eq!(found.amount.hundredths(), expected.amount.abs());
        assert_eq!(found.balance.hundredths(), running, "{period}");
        assert_eq!(found.recorded_at, moment(expected.recorded));
        assert_eq!(found.effective_at, expected.effective.map(moment));
        assert_eq!(found.counterparty, Counterparty::Bank(Purpose::Cash));
        assert_eq!(found.description, Some(format!("Entry {}", expected.sequence)));
    }
    assert_eq!(running, statement.closing.hundredths(), "{period}");
    let totals = (statement.totals.incoming.to_string(), statement.totals.outgoing.to_string());
    let money = |sum| Money::from_hundredths(sum).unwrap().to_string();
    assert_eq!(totals, (money(incoming), money(outgoing)), "{period}");
    assert_eq!(statement.totals.count, i64::try_from(found.len()).unwrap());
}

#[tokio::test]
async fn what_is_booked_while_a_statement_is_read_is_not_in_it() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    write(&bank.client().await, &account, &invent(&mut Dice::new(5), 1500, 3)).await;
    for basis in BASES {
        let drawn = entries::statement(&bank.platform, &ada, account.id, None, None, basis).await;
        let mut drawn = drawn.unwrap();
        let first = drawn.next_page(&bank.platform).await.unwrap();
        order(&bank, &ada, draft(Kind::Deposit, &account, "5")).await.unwrap();
        let (statement, rest) = read(&bank, drawn).await;
        let last = first.iter().chain(&rest).map(|entry| entry.sequence).max();
        assert_eq!(last, Some(statement.last_sequence));
        assert_eq!(first.len() + rest.len(), usize::try_from(statement.last_sequence).unwrap());
        bank.clock.advance(SignedDuration::from_secs(1));
    }
}

#[tokio::test]
async fn what_does_not_add_up_is_not_shown() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let client = bank.client().await;
    let history = invent(&mut Dice::new(3), 40, 5);
    let damages = [
        // A balance that the entries do not lead to, a gap, and an entry too few.
        "UPDATE wallstreet.entries SET target_balance = target_balance + 1 WHERE target_seq = (SELECT max(target_seq)
            FROM wallstreet.entries WHERE target_id = '{id}' AND target_seq < 30) AND target_id = '{id}'",
        "UPDATE wallstreet.entries SET target_seq = 1000 WHERE target_seq = (SELECT max(target_seq)
            FROM wallstreet.entries WHERE target_id = '{id}' AND target_seq < 30) AND target_id = '{id}'",
        "UPDATE accounts SET entry_count = entry_count + 1 WHERE id = '{id}'",
    ];
    for damage in damages {
        let account = bank.account(&ada).empty().await;
        write(&client, &account, &history).await;
        let damage = damage.replace("{id}", &account.id.to_string());
        client.batch_execute("SET session_replication_role = replica").await.unwrap();
        client.batch_execute(&damage).await.unwrap();
        client.batch_execute("SET session_replication_role = origin").await.unwrap();
        let drawn = entries::statement(&bank.platform, &ada, account.id, None, None, BASES[0]);
        let error = match drawn.await {
            Ok(mut drawn) => drawn.next_page(&bank.platform).await.map(|_| ()),
            Err(error) => Err(error),
        };
        let error = error.unwrap_err().to_string();
        assert!(error.contains("run `wallstreet verify ledger`"), "{damage}: {error}");
    }
}

#[tokio::test]
async fn each_side_of_a_transfer_shows_its_own_half_and_the_other_account() {
    let bank = bank().await;
    let (ada, bob) = (bank.user("ada@example.com").await, bank.user("bob@example.com").await);
    let (hers, his) = (bank.account(&ada).with("100").await, bank.account(&bob).empty().await);
    let sent = order(&bank, &ada, transfer(&hers, &his, "30.25")).await.unwrap();
    let newest = EntryFilter { from: None, to: None, order: Order::Descending };
    for (by, account, other, id) in
        [(&ada, &hers, &his, sent.id), (&bob, &his, &hers, sent.paired_transaction_id.unwrap())]
    {
        let page = PageRequest::default();
        let listed = entries::list(&bank.platform, by, account.id, newest, page).await.unwrap();
        let entry = &listed.items[0];
        assert_eq!(entry.transaction_id, id);
        assert_eq!(entry.counterparty, Counterparty::Account(other.id));
        assert_eq!(entry.transaction_type, Kind::Transfer);
    }
}

#[tokio::test]
async fn the_pages_of_a_history_join_without_gap_or_overlap() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    let history = invent(&mut Dice::new(11), 60, 4);
    write(&bank.client().await, &account, &history).await;
    let (from, to) = (history[9].recorded, history[49].recorded);
    for (from, to) in [(None, None), (Some(from), None), (None, Some(to)), (Some(from), Some(to))] {
        let within = (from.unwrap_or(i64::MIN)..to.unwrap_or(i64::MAX)).clone();
        let found = history.iter().filter(|entry| within.contains(&entry.recorded));
        let ascending: Vec<i64> = found.map(|entry| entry.sequence).collect();
        assert!(ascending.len() > 30);
        let descending: Vec<i64> = ascending.iter().rev().copied().collect();
        for (order, expected) in
            [(Order::Ascending, ascending), (Order::Descending, descending.clone())]
        {
            let filter = EntryFilter { from: from.map(moment), to: to.map(moment), order };
            let (mut numbered, mut followed) = (Vec::new(), Vec::new());
            let mut position = Position::Number(1);
            for number in 1.. {
                let page = PageRequest::new(7, Position::Number(number)).unwrap();
                let by_number = entries::list(&bank.platform, &ada, account.id, filter, page).await;
                let by_number = by_number.unwrap();
                assert_eq!(by_number.total, i64::try_from(expected.len()).ok());
                numbered.extend(by_number.items.iter().map(|entry| entry.sequence));
                let page = PageRequest::new(7, position).unwrap();
                let followed_by = entries::list(&bank.platform, &ada, account.id, filter, page);
                let followed_by = followed_by.await.unwrap();
                followed.extend(followed_by.items.iter().map(|entry| entry.sequence));
                assert_eq!(followed_by.next, by_number.next);
                let Some(next) = followed_by.next else { break };
                position = Position::After(next);
            }
            assert_eq!((&numbered, &followed), (&expected, &expected), "{filter:?}");
        }
    }
}

/// How many rows of the book a statement has looked at, by PostgreSQL's own count.
async fn rows_read(bank: &Bank, name: &str, types: &str, values: &str) -> i64 {
    let all = statements::all();
    let (.., sql) =
        all.iter().find(|(slice, known, _)| (*slice, *known) == ("entries", name)).unwrap();
    let client = bank.client().await;
    // What a prepared statement comes down to: a plan that does not know the values.
    let prepare =
        format!("SET plan_cache_mode = force_generic_plan; PREPARE asked ({types}) AS {sql}");
    client.batch_execute(&prepare).await.unwrap();
    let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked ({values})");
    let plan: serde_json::Value = client.query_one(&explain, &[]).await.unwrap().get(0);
    let (mut rows, mut pending) = (0.0, vec![&plan[0]["Plan"]]);
    while let Some(node) = pending.pop() {
        pending.extend(node["Plans"].as_array().into_iter().flatten());
        if node["Relation Name"] == "entries" || node["Relation Name"] == "transactions" {
            let figure = |name: &str| node[name].as_f64().unwrap_or_default();
            let each = figure("Actual Rows") + figure("Rows Removed by Filter");
            rows += each * figure("Actual Loops");
        }
    }
    rows.round() as i64
}

#[tokio::test]
async fn a_long_history_costs_no_more_than_a_short_one() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).empty().await;
    write_long(&bank, account.id).await;
    let id = account.id;
    for at in ["2026-01-01 00:00:07Z", "2026-01-01 03:00:00Z", "2026-01-01 05:33:20Z"] {
        let values = format!("'{id}', ARRAY[timestamptz '{at}'], false");
        let rows = rows_read(&bank, "PLACES", "uuid, timestamptz[], boolean", &values).await;
        assert!((10..=16).contains(&rows), "log2(20,000) = 14.3, and the balance: {rows} at {at}");
        // There are 20 entries with a date of their own.
        let values = values.replace("false", "true");
        let rows = rows_read(&bank, "PLACES", "uuid, timestamptz[], boolean", &values).await;
        assert!((10..=36).contains(&rows), "{rows} at {at}");
    }
    for low in [0, 10_000, 19_950] {
        let values = format!("'{id}', {low}, {low} + 50");
        let rows = rows_read(&bank, "RANGE", "uuid, bigint, bigint", &values).await;
        assert_eq!(rows, 50 * 3, "an entry, the transaction it names, and the account's half");
    }
    for low in [0, 10_000] {
        let end = "timestamptz '2026-01-02Z'";
        let values = format!("'{id}', {low}, 20000, {end}, {end}, 0, 20000");
        let types = "uuid, bigint, bigint, timestamptz, timestamptz, bigint, bigint";
        let rows = rows_read(&bank, "EFFECTIVE", types, &values).await;
        assert!((3000..=3010).contains(&rows), "a page of 1,000 behind {low}: {rows}");
    }
}
