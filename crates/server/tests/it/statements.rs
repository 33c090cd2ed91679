//! The past over HTTP: balances at a moment, entries in order, statements as JSON and CSV.

use crate::support::{Answer, Api, Client};
use csv::StringRecord;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Six movements, one an hour from 13:00 on, the fourth with a description that a spreadsheet would run.
async fn history(api: &Api, client: &Client) -> String {
    let account = client.account("0").await;
    let savings = client.account("0").await;
    let texts = ["Salary", "Rent, \"May\"", "two\nlines", "=1+1", "-", "Pocket money 🪙"];
    for (number, text) in texts.into_iter().enumerate() {
        api.bank.clock.advance(SignedDuration::from_hours(1));
        let (kind, amount) = match number {
            0 => ("credit", "1000"),
            5 => ("transfer", "0.01"),
            n if n % 2 == 0 => ("deposit", "10.50"),
            _ => ("withdrawal", "20.25"),
        };
        let mut body = json!({
            "accountId": account, "transactionType": kind, "amount": amount, "process": true,
            "description": text,
        });
        if kind == "transfer" {
            body["toAccountId"] = json!(savings);
        }
        client.post("/api/v1/transactions", &body).await.expect(201);
    }
    api.bank.clock.advance(SignedDuration::from_hours(1));
    account
}

fn records(answer: &Answer) -> Vec<StringRecord> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(answer.text.as_bytes());
    reader.records().map(|record| record.unwrap()).collect()
}

fn hundredths(text: &str) -> i64 {
    let (units, cents) = text.split_once('.').unwrap();
    assert_eq!(cents.len(), 2, "{text}");
    format!("{units}{cents}").parse().unwrap()
}

/// Money as the text has it: a float would hide a missing decimal.
fn literal(answer: &Answer, name: &str) -> i64 {
    let (_, rest) = answer.text.split_once(&format!("\"{name}\":")).unwrap();
    hundredths(rest.split([',', '}']).next().unwrap())
}

#[tokio::test]
async fn what_is_asked_wrongly_of_the_past_is_refused_and_named() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("10").await;
    for (query, field, code) in [
        ("balance?at=2026-01-15T12:00:00.001Z", "at", "out_of_range"),
        ("balance?at=2026-01-15", "at", "invalid"),
        ("balance?at=yesterday", "at", "invalid"),
        ("balance?basis=effective", "at", "required"),
        ("balance?at=2026-01-15T12:00:00Z&basis=guessed", "basis", "invalid"),
        ("balance?when=now", "when", "unknown_field"),
        ("balance?at=2026-01-15T12:00:00Z&at=2026-01-15T12:00:00Z", "at", "duplicate_field"),
        ("entries?order=random", "order", "invalid"),
        ("entries?from=1", "from", "invalid"),
        ("entries?cursor=7", "cursor", "invalid"),
        ("entries?limit=101", "limit", "out_of_range"),
        ("statement?to=2026-01-15T12:00:00.001Z", "to", "out_of_range"),
        ("statement?to=2026-01-16", "to", "out_of_range"),
        ("statement?from=2026-01-16", "from", "out_of_range"),
        ("statement?from=2026-01-15&to=2026-01-13", "from", "out_of_range"),
        ("statement?from=today", "from", "invalid"),
        ("statement?basis=both", "basis", "invalid"),
        ("statement?format=pdf", "format", "invalid"),
        ("statement?limit=5", "limit", "unknown_field"),
    ] {
        ada.get(&format!("/api/v1/accounts/{account}/{query}")).await.names(field, code);
    }
}

#[tokio::test]
async fn the_past_is_read_by_its_owner_an_administrator_and_their_keys_alone() {
    let api = Api::start().await;
    let (ada, eve, admin) = (api.user().await, api.user().await, api.admin().await);
    let account = ada.account("10").await;
    for what in [
        "balance?at=2026-01-15T12:00:00Z",
        "entries?order=asc",
        "statement",
        "statement?format=csv",
    ] {
        let path = format!("/api/v1/accounts/{account}/{what}");
        for client in [&ada, &admin, &ada.key(&["read:accounts"]).await] {
            client.get(&path).await.expect(200);
        }
        eve.get(&path).await.refused(404, "account_not_found");
        ada.key(&["read:transactions"]).await.get(&path).await.refused(403, "permission_required");
    }
}

#[tokio::test]
async fn a_balance_without_a_moment_is_the_present_one_and_with_one_the_past() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = history(&api, &ada).await;
    let path = format!("/api/v1/accounts/{account}/balance");
    let present = ada.get(&path).await;
    insta::assert_snapshot!(present.expect(200).data(), @r#"{"availableBalance":980.49,"balance":980.49,"currency":"USD"}"#);
    for (at, balance, sequence) in [
        ("2026-01-15T12:59:59.999999Z", 0.0, 0),
        ("2026-01-15T13:00:00Z", 1000.0, 1),
        ("2026-01-15T15:00:00%2B01:00", 979.75, 2),
        ("2026-01-15T13:59:59.999999999Z", 1000.0, 1),
        ("2026-01-15T19:00:00Z", 980.49, 6),
        ("0001-01-01T00:00:00Z", 0.0, 0),
    ] {
        for basis in ["", "&basis=recorded", "&basis=effective"] {
            let past = ada.get(&format!("{path}?at={at}{basis}")).await;
            let found = (&past.expect(200).data()["balance"], &past.data()["sequence"]);
            assert_eq!(found, (&json!(balance), &json!(sequence)), "{at}{basis}");
            assert_eq!(past.data()["availableBalance"], Value::Null);
        }
    }
    let past = ada.get(&format!("{path}?at=2026-01-15T13:30:00Z")).await;
    insta::assert_snapshot!(past.data(), @r#"{"at":"2026-01-15T13:30:00.000000Z","balance":1000.0,"basis":"recorded","currency":"USD","sequence":1}"#);
    // What an entry says of its moment can be asked about again.
    let entries = ada.get(&format!("/api/v1/accounts/{account}/entries?order=asc")).await;
    for entry in entries.data()["entries"].as_array().unwrap() {
        let at = entry["recordedAt"].as_str().unwrap();
        let past = ada.get(&format!("{path}?at={at}")).await;
        assert_eq!(past.data()["balance"], entry["balance"]);
    }
}

#[tokio::test]
async fn entries_come_in_either_order_and_within_a_period() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = history(&api, &ada).await;
    for (query, expected) in [
        ("", vec![6, 5, 4, 3, 2, 1]),
        ("order=asc", vec![1, 2, 3, 4, 5, 6]),
        ("order=asc&limit=2&page=2", vec![3, 4]),
        ("from=2026-01-15T15:00:00Z", vec![6, 5, 4, 3]),
        ("to=2026-01-15T15:00:00Z", vec![2, 1]),
        ("from=2026-01-15T14:00:00Z&to=2026-01-15T16:00:00Z&order=asc", vec![2, 3]),
        ("from=2026-01-15&to=2026-01-15&limit=1", vec![6]),
        ("from=2026-01-16", vec![]),
        ("from=2026-01-16&to=2026-01-14", vec![]),
    ] {
        let answer = ada.get(&format!("/api/v1/accounts/{account}/entries?{query}")).await;
        let entries = answer.expect(200).data()["entries"].as_array().unwrap();
        let found: Vec<_> =
            entries.iter().map(|entry| entry["sequence"].as_i64().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let answer = ada.get(&format!("/api/v1/accounts/{account}/entries?order=asc")).await;
    let (credit, transfer) = (&answer.data()["entries"][0], &answer.data()["entries"][5]);
    assert_eq!(credit["counterparty"], "adjustments");
    assert_eq!(credit["counterpartyAccountId"], Value::Null);
    assert_eq!(transfer["counterparty"], Value::Null);
    assert!(transfer["counterpartyAccountId"].is_string());
    assert_eq!(transfer["direction"], "out");
    assert_eq!(transfer["recordedAt"], "2026-01-15T18:00:00.000000Z");
    assert_eq!(transfer["recordedAt"], transfer["effectiveAt"]);
}

#[tokio::test]
async fn a_statement_adds_up_as_json() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = history(&api, &ada).await;
    for (query, opening, sequences, closing) in [
        ("", 0, 1..7, 98049),
        ("?basis=effective", 0, 1..7, 98049),
        ("?from=2026-01-15&to=2026-01-15", 0, 1..7, 98049),
        ("?from=2026-01-15T14:00:00Z&to=2026-01-15T16:00:00Z", 100000, 2..4, 99025),
        ("?from=2026-01-15T14:00:00Z&to=2026-01-15T16:00:00Z&basis=effective", 100000, 2..4, 99025),
        ("?from=2026-01-15T19:00:00Z", 98049, 7..7, 98049),
        ("?from=2026-01-15T14:30:00Z&to=2026-01-15T14:30:00Z", 97975, 3..3, 97975),
        ("?to=2026-01-14", 0, 0..0, 0),
    ] {
        let answer = ada.get(&format!("/api/v1/accounts/{account}/statement{query}")).await;
        let data = answer.expect(200).data();
        assert_eq!(literal(&answer, "openingBalance"), opening, "{query}");
        assert_eq!(literal(&answer, "closingBalance"), closing, "{query}");
        let entries = data["entries"].as_array().unwrap();
        let found: Vec<_> =
            entries.iter().map(|entry| entry["sequence"].as_i64().unwrap()).collect();
        assert_eq!(found, sequences.collect::<Vec<_>>(), "{query}");
        assert_eq!(data["totals"]["count"], found.len());
        let moved = literal(&answer, "in") - literal(&answer, "out");
        assert_eq!(opening + moved, closing, "{query}");
        if let Some(last) = entries.last() {
            assert_eq!(last["balance"], data["closingBalance"]);
        }
        assert_eq!(answer.header("content-disposition"), None);
    }
    let from = ada
        .get(&format!("/api/v1/accounts/{account}/statement?from=2026-01-14&to=2026-01-15"))
        .await;
    assert_eq!(from.data()["from"], "2026-01-14T00:00:00.000000Z");
    assert_eq!(from.data()["to"], "2026-01-15T19:00:00.000000Z", "the day is not over");
}

#[tokio::test]
async fn a_statement_is_read_back_from_csv() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = history(&api, &ada).await;
    let path = format!("/api/v1/accounts/{account}/statement");
    let period = "from=2026-01-15T14:00:00Z&to=2026-01-15T19:00:00Z";
    let by_format = ada.get(&format!("{path}?{period}&format=csv")).await;
    let by_header =
        ada.send("GET", &format!("{path}?{period}"), &[("accept", "text/csv")], "").await;
    assert_eq!(by_format.expect(200).text, by_header.expect(200).text);
    let json = [("accept", "text/csv")];
    let json = ada.send("GET", &format!("{path}?{period}&format=json"), &json, "").await;
    let entries = json.expect(200).data()["entries"].as_array().unwrap();

    let number =
        ada.get(&format!("/api/v1/accounts/{account}")).await.data()["accountNumber"].clone();
    let name =
        format!("statement-{}-20260115T140000Z-20260115T190000Z.csv", number.as_str().unwrap());
    let disposition = format!("attachment; filename=\"{name}\"");
    assert_eq!(by_format.header("content-disposition"), Some(disposition));
    assert_eq!(by_format.header("content-type").unwrap(), "text/csv; charset=utf-8");
    let columns = "line,sequence,recordedAt,effectiveAt,transactionId,transactionType,in,out,currency,balance,\
        counterparty,counterpartyAccountId,referenceNumber,description\r\n";
    assert!(by_format.text.starts_with(columns) && by_format.text.ends_with("\r\n"));

    let records = records(&by_format);
    let [opening, lines @ .., closing] = &records[..] else { panic!("{records:?}") };
    assert_eq!(
        (&opening[0], &opening[2], &opening[9]),
        ("opening", "2026-01-15T14:00:00.000000Z", "1000.00")
    );
    assert_eq!(
        (&closing[0], &closing[2], &closing[9]),
        ("closing", "2026-01-15T19:00:00.000000Z", "980.49")
    );
    assert_eq!((&closing[6], &closing[7]), ("21.00", "40.51"));
    let mut balance = hundredths(&opening[9]);
    assert_eq!(lines.len(), entries.len());
    for (line, entry) in lines.iter().zip(entries) {
        let signed = match (&line[6], &line[7]) {
            (amount, "") => hundredths(amount),
            ("", amount) => -hundredths(amount),
            both => panic!("{both:?}"),
        };
        balance += signed;
        assert_eq!((&line[0], hundredths(&line[9])), ("entry", balance));
        assert_eq!(json!(line[1].parse::<i64>().unwrap()), entry["sequence"]);
        for (place, name) in [
            (2, "recordedAt"),
            (3, "effectiveAt"),
            (4, "transactionId"),
            (5, "transactionType"),
            (8, "currency"),
            (12, "referenceNumber"),
        ] {
            assert_eq!(json!(line[place]), entry[name], "{name}");
        }
    }
    assert_eq!(balance, hundredths(&closing[9]));
    let texts: Vec<&str> = lines.iter().map(|line| &line[13]).collect();
    assert_eq!(texts, ["Rent, \"May\"", "two\nlines", "'=1+1", "'-", "Pocket money 🪙"]);

    let all = ada.get(&format!("{path}?format=csv&basis=effective")).await;
    assert_eq!(crate::statements::records(&all)[0][2], *"", "there is no first moment");
    assert_eq!(crate::statements::records(&all).len(), 6 + 2);
    let none = ada.get(&format!("{path}?format=csv&to=2026-01-14")).await;
    assert_eq!(crate::statements::records(&none).len(), 2);
}

#[tokio::test]
async fn a_statement_longer_than_a_page_is_whole_in_both_forms() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let history = format!(
        "INSERT INTO transactions (id, account_id, transaction_type, direction, amount, status, completed_at)
         SELECT md5('{account}' || n)::uuid, '{account}', 'deposit', 'in', 1, 'completed', now()
           FROM generate_series(1, 2345) AS n;
         INSERT INTO wallstreet.entries (transaction_id, source_id, target_id, target_seq, target_balance, amount, currency,
            recorded_at, effective_at)
         SELECT md5('{account}' || n)::uuid, '00000000-0000-8000-8001-000000555344', '{account}', n, n, 1, 'USD',
                timestamptz '2026-01-01Z' + n * interval '1 second',
                CASE WHEN n % 2 = 0 THEN timestamptz '2026-01-01Z' - n * interval '1 second' END
           FROM generate_series(1, 2345) AS n;
         UPDATE accounts SET balance = 2345, available_balance = 2345, entry_count = 2345 WHERE id = '{account}';"
    );
    api.bank.client().await.batch_execute(&history).await.unwrap();
    for (basis, first) in [("recorded", 1), ("effective", 2344)] {
        let path = format!("/api/v1/accounts/{account}/statement?basis={basis}");
        let json = ada.get(&path).await;
        let entries = json.expect(200).data()["entries"].as_array().unwrap();
        assert_eq!((entries.len(), &entries[0]["sequence"]), (2345, &json!(first)));
        let balances = entries.iter().map(|entry| entry["balance"].as_f64().unwrap());
        assert!(balances.eq((1..=2345).map(f64::from)), "each entry is one more");
        assert_eq!(
            (literal(&json, "closingBalance"), &json.data()["totals"]["count"]),
            (234500, &json!(2345))
        );
        let csv = ada.get(&format!("{path}&format=csv")).await;
        assert_eq!(records(csv.expect(200)).len(), 2345 + 2);
    }
    // A fault behind the first page cannot be answered any more: the statement has no end.
    let damage = format!(
        "SET session_replication_role = replica;
         UPDATE wallstreet.entries SET target_balance = 7 WHERE target_id = '{account}' AND target_seq = 2000"
    );
    api.bank.client().await.batch_execute(&damage).await.unwrap();
    let path = format!("/api/v1/accounts/{account}/statement");
    let half = ada.raw(&path).await;
    assert!(half.is_err(), "it looks complete: {half:?}");
}
