//! Many transactions in one request, over HTTP.

use crate::support::{Answer, Api, Client};
use serde_json::{Value, json};

const BATCH: &str = "/api/v1/transactions/batch";

fn deposit(account: &str, amount: impl Into<Value>) -> Value {
    let amount: Value = amount.into();
    json!({"accountId": account, "transactionType": "deposit", "amount": amount, "process": true})
}

fn named(mut item: Value, key: &str) -> Value {
    item["idempotencyKey"] = json!(key);
    item
}

/// Status and code of each item.
fn words(answer: &Answer) -> Vec<String> {
    let results = answer.expect(200).data()["results"].as_array().unwrap().iter();
    results
        .map(|result| {
            let code = result["error"]["code"].as_str().unwrap_or_default();
            let again = if result["replayed"] == true { "again" } else { "" };
            format!("{} {code}{again}", result["status"]).trim().to_owned()
        })
        .collect()
}

async fn balance(of: &Client, account: &str) -> Value {
    of.get(&format!("/api/v1/accounts/{account}/balance")).await.data()["balance"].clone()
}

#[tokio::test]
async fn a_batch_has_1_to_1000_items_and_at_most_8_mebibytes() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let item = deposit(&account, "0.01");
    let many = |count: usize| json!({"atomic": true, "transactions": vec![item.clone(); count]});
    ada.post(BATCH, &many(0)).await.names("transactions", "invalid_length");
    ada.post(BATCH, &many(1001)).await.names("transactions", "invalid_length");
    ada.post(BATCH, &json!({"transactions": {}})).await.names("transactions", "invalid_type");
    ada.post(BATCH, &json!({})).await.names("transactions", "required");
    let thousand = ada.keyed(BATCH, "thousand", &many(1000)).await;
    assert_eq!(thousand.expect(200).data()["succeeded"], 1000);
    let again = ada.keyed(BATCH, "thousand", &many(1000)).await;
    assert!(words(&again).iter().all(|word| word == "201 again"));
    assert_eq!(balance(&ada, &account).await, json!(10.0));
    let mut padded = item.clone();
    padded["metadata"] = json!({"text": "x".repeat(9_000)});
    let padded = |count: usize| json!({"transactions": vec![padded.clone(); count]}).to_string();
    assert!(padded(900).len() < 8 << 20 && padded(950).len() > 8 << 20);
    ada.text("POST", BATCH, &padded(900)).await.expect(200);
    ada.text("POST", BATCH, &padded(950)).await.refused(413, "body_too_large");
    let single = item.to_string() + &" ".repeat(1 << 20);
    ada.text("POST", "/api/v1/transactions", &single).await.refused(413, "body_too_large");
}

#[tokio::test]
async fn a_bad_item_in_the_middle_undoes_an_atomic_batch_and_names_itself() {
    let api = Api::start().await;
    let (ada, bob) = (api.user().await, api.user().await);
    let (account, his) = (ada.account("5").await, bob.account("5").await);
    let take = json!({"accountId": account, "transactionType": "withdrawal", "amount": 50});
    for (bad, status, field, code) in [
        (take, 422, "transactions[1]", "insufficient_funds"),
        (deposit(&his, 1), 422, "transactions[1]", "account_not_found"),
        (deposit(&account, 0), 400, "transactions[1].amount", "invalid"),
        (json!({"accountId": account}), 400, "transactions[1].transactionType", "required"),
        (json!([]), 400, "transactions[1]", "invalid_type"),
        (named(deposit(&account, 1), "a b"), 400, "transactions[1].idempotencyKey", "invalid"),
    ] {
        let good = deposit(&account, 1);
        let items = json!([good.clone(), bad, good]);
        let atomic = ada.post(BATCH, &json!({"atomic": true, "transactions": items})).await;
        let reason = if status == 422 { "batch_refused" } else { "validation_failed" };
        atomic.refused(status, reason);
        let error = &atomic.body["errors"][0];
        assert_eq!(
            (&error["field"], &error["code"]),
            (&json!(field), &json!(code)),
            "{}",
            atomic.text
        );
        assert_eq!(atomic.body["errors"].as_array().unwrap().len(), 1);
        let before = balance(&ada, &account).await.as_f64().unwrap();
        let each = ada.post(BATCH, &json!({"transactions": items})).await;
        let words = words(&each);
        assert_eq!((words[0].as_str(), words[2].as_str()), ("201", "201"));
        assert_eq!((&each.data()["succeeded"], &each.data()["failed"]), (&json!(2), &json!(1)));
        assert_eq!(balance(&ada, &account).await, json!(before + 2.0));
    }
    assert_eq!(balance(&bob, &his).await, json!(5.0));
}

#[tokio::test]
async fn each_item_has_its_own_key_or_the_requests_and_its_place() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let body = |amount: u32| {
        json!({"transactions": [
            deposit(&account, amount), named(deposit(&account, 2), "mine"), deposit(&account, 3),
        ]})
    };
    let first = ada.keyed(BATCH, "all", &body(1)).await;
    assert_eq!(words(&first), ["201", "201", "201"]);
    let again = ada.keyed(BATCH, "all", &body(1)).await;
    assert_eq!(words(&again), ["201 again", "201 again", "201 again"]);
    let other = ada.keyed(BATCH, "all", &body(9)).await;
    other.refused(422, "idempotency_key_reused");
    let alone =
        ada.post(BATCH, &json!({"transactions": [named(deposit(&account, 2), "mine")]})).await;
    assert_eq!(words(&alone), ["201 again"]);
    let twins = json!([named(deposit(&account, 4), "twin"), named(deposit(&account, 4), "twin")]);
    let atomic = ada.post(BATCH, &json!({"atomic": true, "transactions": twins})).await;
    atomic.names("transactions[1].idempotencyKey", "duplicate");
    let each = ada.post(BATCH, &json!({"transactions": twins})).await;
    assert_eq!(words(&each), ["201", "201 again"]);
    assert_eq!(balance(&ada, &account).await, json!(10.0));
    let fate = ada.get("/api/v1/transactions/outcome?key=all%230").await;
    assert_eq!(fate.expect(200).data()["outcome"], "committed");
    let long = ada.keyed(BATCH, &"x".repeat(251), &body(1)).await;
    long.names("Idempotency-Key", "too_long");
    ada.keyed(BATCH, &"x".repeat(250), &body(1)).await.expect(200);
}

#[tokio::test]
async fn the_key_of_a_batch_is_never_said_to_be_unseen_once_the_batch_is_done() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let body = json!({"transactions": [{
        "accountId": account, "transactionType": "deposit", "amount": 1, "process": true,
    }]});
    let outcome =
        async |key: &str| ada.get(&format!("/api/v1/transactions/outcome?key={key}")).await;
    ada.keyed("/api/v1/transactions/batch", "done", &body).await.expect(200);
    outcome("done").await.names("key", "names_a_batch");
    assert_eq!(outcome("done%230").await.expect(200).data()["outcome"], "committed");
    assert_eq!(outcome("late").await.expect(200).data()["outcome"], "unseen");
    // Settled first, the batch comes too late, whole.
    let settled = ada.post("/api/v1/transactions/outcome", &json!({"key": "late"})).await;
    assert_eq!(settled.expect(200).data()["outcome"], "never");
    let late = ada.keyed("/api/v1/transactions/batch", "late", &body).await;
    late.refused(409, "idempotency_key_void");
    let other = json!({"transactions": [{
        "accountId": account, "transactionType": "deposit", "amount": 2, "process": true,
    }]});
    let reused = ada.keyed("/api/v1/transactions/batch", "done", &other).await;
    reused.refused(422, "idempotency_key_reused");
    let again = ada.keyed("/api/v1/transactions/batch", "done", &body).await;
    assert_eq!(again.expect(200).data()["results"][0]["replayed"], true);
}
