//! Schedules over HTTP.

use crate::support::{Api, Client};
use jiff::SignedDuration;
use platform::schedules::run_due;
use serde_json::{Value, json};

/// A monthly transfer of 10 from noon on 15 January 2026, where the bank's clock stands.
async fn rent(client: &Client) -> Value {
    let (source, target) = (client.account("25").await, client.account("0").await);
    json!({"accountId": source, "transactionType": "transfer", "amount": "10.00",
        "toAccountId": target, "description": "Rent", "metadata": {"flat": 7},
        "startAt": "2026-01-31T12:00:00Z", "every": {"unit": "month"}, "timeZone": "europe/zurich"})
}

/// Logged in again, after a long time.
async fn again(api: &Api, client: &Client) -> Client {
    api.anyone().log_in(client.user["email"].as_str().unwrap()).await
}

fn with(body: &Value, changes: &Value) -> Value {
    let mut body = body.clone();
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn what_cannot_be_a_schedule_is_refused_with_its_field() {
    let api = Api::start().await;
    let ada = api.user().await;
    let rent = rent(&ada).await;
    for (change, field, code) in [
        (json!({"amount": 0}), "amount", "invalid"),
        (json!({"amount": 1.234}), "amount", "invalid"),
        (json!({"startAt": "tomorrow"}), "startAt", "invalid"),
        (json!({"startAt": "2026-01-15T11:58:00Z"}), "startAt", "in_the_past"),
        (json!({"timeZone": "Europe/Atlantis"}), "timeZone", "invalid"),
        (json!({"every": {"unit": "hour"}}), "every.unit", "invalid"),
        (json!({"every": {"unit": "day", "count": 0}}), "every.count", "invalid"),
        (json!({"every": {"unit": "day", "count": 1.5}}), "every.count", "invalid"),
        (json!({"every": {"count": 1}}), "every.unit", "required"),
        (json!({"every": {"unit": "month", "day": "first"}}), "every.day", "invalid"),
        (json!({"every": {"unit": "month", "day": 31}}), "every.day", "invalid_type"),
        (json!({"every": {"unit": "week", "day": "last"}}), "every.day", "unexpected"),
        (json!({"every": {"unit": "month", "days": "last"}}), "every.days", "unknown_field"),
        (json!({"every": "day"}), "every", "invalid_type"),
        (json!({"every": null, "runs": 3}), "runs", "unexpected"),
        (json!({"every": null, "until": "2027-01-01T00:00:00Z"}), "until", "unexpected"),
        (json!({"until": "2026-01-31T11:59:59Z"}), "until", "out_of_range"),
        (json!({"runs": 0}), "runs", "invalid"),
        (json!({"missed": "maybe"}), "missed", "invalid"),
        (json!({"process": true}), "process", "unknown_field"),
        (json!({"toAccountId": null}), "toAccountId", "required"),
        (json!({"transactionType": "withdrawal"}), "toAccountId", "unexpected"),
        (json!({"toAccountNumber": "WS123456789015"}), "toAccountNumber", "conflicting"),
    ] {
        ada.post("/api/v1/schedules", &with(&rent, &change)).await.names(field, code);
    }
    let same = with(&rent, &json!({"toAccountId": rent["accountId"]}));
    ada.post("/api/v1/schedules", &same).await.refused(422, "same_account");
    let none = ada.get("/api/v1/schedules").await;
    assert_eq!(none.expect(200).data()["pagination"]["total"], 0);
}

#[tokio::test]
async fn a_schedule_runs_says_what_became_of_it_and_ends() {
    let api = Api::start().await;
    let ada = api.user().await;
    let rent = rent(&ada).await;
    let made = ada.keyed("/api/v1/schedules", "once", &rent).await;
    let schedule = made.expect(201).data();
    let path = made.header("location").unwrap();
    assert_eq!(path, format!("/api/v1/schedules/{}", schedule["id"].as_str().unwrap()));
    assert_eq!(schedule["every"], json!({"unit": "month", "count": 1}));
    assert_eq!(schedule["timeZone"], "Europe/Zurich");
    assert_eq!((&schedule["status"], &schedule["missed"]), (&json!("active"), &json!("run")));
    assert_eq!(schedule["nextRunAt"], "2026-01-31T12:00:00.000Z");
    assert!(made.text.contains(r#""amount":10.00,"currency":"USD""#), "{}", made.text);
    let replay = ada.keyed("/api/v1/schedules", "once", &rent).await;
    assert_eq!((replay.text.as_str(), replay.status), (made.text.as_str(), 201));

    api.bank.clock.advance(SignedDuration::from_hours(24 * 90));
    assert_eq!(run_due(&api.bank.platform).await.unwrap(), 3);
    let ada = again(&api, &ada).await;
    let runs = ada.get(&format!("{path}/runs")).await;
    let runs = runs.expect(200).data()["runs"].as_array().unwrap().clone();
    let told: Vec<_> = runs
        .iter()
        .map(|run| (run["n"].as_i64().unwrap(), run["status"].as_str().unwrap(), &run["code"]))
        .collect();
    let (poor, done) = (json!("insufficient_funds"), json!(null));
    assert_eq!(told, [(2, "refused", &poor), (1, "completed", &done), (0, "completed", &done)]);
    // Noon in UTC is one o'clock in Zurich, and stays that when the clocks change.
    let due: Vec<_> = runs.iter().rev().map(|run| run["dueAt"].as_str().unwrap()).collect();
    let expected =
        ["2026-01-31T12:00:00.000Z", "2026-02-28T12:00:00.000Z", "2026-03-31T11:00:00.000Z"];
    assert_eq!(due, expected);
    let id = runs[1]["transactionId"].as_str().unwrap();
    let transaction = ada.get(&format!("/api/v1/transactions/{id}")).await;
    let transaction = transaction.expect(200).data();
    assert_eq!(
        (&transaction["description"], &transaction["metadata"]),
        (&json!("Rent"), &json!({"flat": 7}))
    );
    assert_eq!(transaction["status"], "completed");

    let paused = ada.json("PATCH", &path, &json!({"status": "paused"})).await;
    assert_eq!(paused.expect(200).data()["nextRunAt"], json!(null));
    let ended = ada.delete(&path).await;
    assert_eq!(ended.expect(200).data()["status"], "ended");
    ada.json("PATCH", &path, &json!({"status": "active"})).await.names("status", "final");
    assert_eq!(ada.get(&format!("{path}/runs")).await.data()["pagination"]["total"], 3);
}

#[tokio::test]
async fn schedules_and_runs_are_read_page_by_page() {
    let api = Api::start().await;
    let (ada, eve) = (api.user().await, api.user().await);
    let rent = with(&rent(&ada).await, &json!({"every": {"unit": "day"}, "amount": "0.01"}));
    for _ in 0..3 {
        ada.post("/api/v1/schedules", &rent).await.expect(201);
    }
    let first = ada.get("/api/v1/schedules?limit=2").await;
    let cursor = first.expect(200).data()["pagination"]["nextCursor"].as_str().unwrap();
    let second = ada.get(&format!("/api/v1/schedules?limit=2&cursor={cursor}")).await;
    let list =
        |answer: &crate::support::Answer| answer.data()["schedules"].as_array().unwrap().len();
    assert_eq!((list(&first), list(&second)), (2, 1));
    assert_eq!(ada.get("/api/v1/schedules?status=paused").await.data()["pagination"]["total"], 0);
    assert_eq!(eve.get("/api/v1/schedules").await.data()["pagination"]["total"], 0);
    assert_eq!(api.admin().await.get("/api/v1/schedules").await.data()["pagination"]["total"], 3);

    api.bank.clock.advance(SignedDuration::from_hours(24 * 20));
    run_due(&api.bank.platform).await.unwrap();
    let ada = again(&api, &ada).await;
    let id = first.data()["schedules"][0]["id"].as_str().unwrap();
    let (mut numbers, mut next) = (Vec::new(), String::new());
    loop {
        let page = ada.get(&format!("/api/v1/schedules/{id}/runs?limit=2{next}")).await;
        let data = page.expect(200).data();
        numbers
            .extend(data["runs"].as_array().unwrap().iter().map(|run| run["n"].as_i64().unwrap()));
        let Some(cursor) = data["pagination"]["nextCursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(numbers, [4, 3, 2, 1, 0]);
    let numbered = ada.get(&format!("/api/v1/schedules/{id}/runs?limit=2&page=3")).await;
    assert_eq!(numbered.expect(200).data()["runs"][0]["n"], 0);
    assert_eq!(numbered.data()["pagination"]["totalPages"], 3);
}

#[tokio::test]
async fn the_last_day_of_the_month_is_said_and_not_guessed() {
    let api = Api::start().await;
    let ada = api.user().await;
    let every = json!({"unit": "month", "day": "last"});
    let start = json!({"startAt": "2026-02-28T12:00:00Z", "every": every, "timeZone": "UTC"});
    let made = ada.post("/api/v1/schedules", &with(&rent(&ada).await, &start)).await;
    let path = made.header("location").unwrap();
    let told = json!({"unit": "month", "count": 1, "day": "last"});
    assert_eq!(made.expect(201).data()["every"], told);
    assert_eq!(made.data()["nextRunAt"], "2026-02-28T12:00:00.000Z");
    api.bank.clock.advance(SignedDuration::from_hours(24 * 50));
    run_due(&api.bank.platform).await.unwrap();
    let now = again(&api, &ada).await.get(&path).await;
    assert_eq!(now.expect(200).data()["nextRunAt"], "2026-03-31T12:00:00.000Z");
    let middle = json!({"startAt": "2026-04-10T12:00:00Z", "every": every, "timeZone": "UTC"});
    let ada = again(&api, &ada).await;
    let made = ada.post("/api/v1/schedules", &with(&rent(&ada).await, &middle)).await;
    assert_eq!(made.expect(201).data()["nextRunAt"], "2026-04-30T12:00:00.000Z");
}

#[tokio::test]
async fn a_schedule_says_what_it_was_made_with_and_why_it_is_paused() {
    let api = Api::start().await;
    let (ada, eve) = (api.user().await, api.user().await);
    let body = json!({"name": "key", "permissions": ["write:transactions", "read:transactions"]});
    let issued = ada.post("/api/v1/api-keys", &body).await;
    let key = ada.with_key(issued.expect(201).data()["key"].as_str().unwrap());
    let id = issued.data()["id"].clone();
    let made = key.post("/api/v1/schedules", &rent(&ada).await).await;
    assert_eq!(made.expect(201).data()["apiKeyId"], id);
    assert_eq!(made.data()["pauseReason"], json!(null));
    let path = made.header("location").unwrap();
    let set =
        async |by: &Client, status: &str| by.json("PATCH", &path, &json!({"status": status})).await;
    set(&eve, "paused").await.refused(404, "schedule_not_found");
    ada.delete(&format!("/api/v1/api-keys/{}", id.as_str().unwrap())).await.expect(200);
    let paused = ada.get(&path).await;
    assert_eq!(paused.expect(200).data()["status"], "paused");
    assert_eq!(paused.data()["pauseReason"], "api_key_revoked");
    let reader = ada.key(&["read:transactions"]).await;
    set(&reader, "active").await.refused(403, "permission_required");
    set(&api.admin().await, "active").await.refused(403, "schedule_lapsed");
    let resumed = set(&ada, "active").await;
    assert_eq!(resumed.expect(200).data()["apiKeyId"], json!(null));
    set(&api.admin().await, "paused").await.expect(200);
    set(&ada, "active").await.refused(403, "paused_by_administrator");
}
