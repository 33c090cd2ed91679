//! Holds taken in parts, called off, run out and given back, over HTTP.

use crate::support::{Answer, Api, Client};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Holds money by a transfer to another account; its id.
async fn hold(from: &Client, source: &str, target: &str, amount: &str, more: Value) -> String {
    let mut body = json!({
        "accountId": source, "transactionType": "transfer", "toAccountId": target, "amount": amount,
    });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    let answer = from.post("/api/v1/transactions", &body).await;
    answer.expect(201).data()["id"].as_str().unwrap().to_owned()
}

async fn act(by: &Client, id: &str, verb: &str, body: Value) -> Answer {
    by.post(&format!("/api/v1/transactions/{id}/{verb}"), &body).await
}

async fn balance(of: &Client, account: &str) -> String {
    let answer = of.get(&format!("/api/v1/accounts/{account}/balance")).await;
    let data = answer.expect(200).data();
    format!(
        "{:.2} / {:.2}",
        data["balance"].as_f64().unwrap(),
        data["availableBalance"].as_f64().unwrap()
    )
}

#[tokio::test]
async fn a_capture_that_makes_no_sense_is_refused_with_its_reason() {
    let api = Api::start().await;
    let (ada, bob) = (api.user().await, api.user().await);
    let (source, target) = (ada.account("100").await, bob.account("0").await);
    let id = hold(&ada, &source, &target, "60", json!({})).await;
    for (body, field, code) in [
        (json!({"amount": 0}), "amount", "invalid"),
        (json!({"amount": "1.001"}), "amount", "invalid"),
        (json!({"amount": 1, "final": "yes"}), "final", "invalid_type"),
        (json!({"amount": 1, "last": true}), "last", "unknown_field"),
    ] {
        act(&ada, &id, "capture", body).await.names(field, code);
    }
    act(&ada, &id, "capture", json!({"amount": 60.01})).await.refused(422, "capture_exceeds_hold");
    act(&bob, &id, "capture", json!({})).await.refused(404, "transaction_not_found");
    let received = ada.get(&format!("/api/v1/transactions/{id}")).await;
    let received = received.data()["pairedTransactionId"].as_str().unwrap().to_owned();
    act(&bob, &received, "capture", json!({})).await.refused(403, "transfer_not_yours");
    let deposit = ada.transact(&source, "deposit", "5", false).await;
    let deposit = deposit.data()["id"].as_str().unwrap();
    act(&ada, deposit, "capture", json!({})).await.refused(422, "nothing_held");
    assert_eq!(balance(&ada, &source).await, "100.00 / 40.00");
}

#[tokio::test]
async fn a_hold_is_captured_in_parts_and_given_back_in_parts() {
    let api = Api::start().await;
    let (ada, bob) = (api.user().await, api.user().await);
    let (source, target) = (ada.account("100").await, bob.account("0").await);
    let id = hold(&ada, &source, &target, "60", json!({})).await;
    let part = act(&ada, &id, "capture", json!({"amount": 20.50})).await;
    let part = part.expect(200);
    assert_eq!(
        (&part.data()["status"], &part.data()["capturedAmount"]),
        (&json!("pending"), &json!(20.5))
    );
    let path = format!("/api/v1/transactions/{id}/capture");
    let last = ada.keyed(&path, "last", &json!({"amount": "9.50", "final": true})).await;
    assert_eq!(last.expect(200).data()["status"], "completed");
    let again = ada.keyed(&path, "last", &json!({"amount": "9.50", "final": true})).await;
    assert_eq!(again.expect(200).text, last.text);
    assert_eq!(balance(&ada, &source).await, "70.00 / 70.00");
    assert_eq!(balance(&bob, &target).await, "30.00 / 30.00");
    act(&ada, &id, "capture", json!({})).await.refused(422, "transaction_not_pending");

    act(&ada, &id, "reverse", json!({})).await.refused(403, "reversal_not_yours");
    let received = last.data()["pairedTransactionId"].as_str().unwrap();
    let too_much = act(&bob, received, "reverse", json!({"amount": "30.01"})).await;
    too_much.refused(422, "reversal_exceeds_original");
    let words = json!({"amount": 10, "description": "Returned", "metadata": {"case": 7}});
    let back = act(&bob, received, "reverse", words).await;
    let data = back.expect(201).data();
    assert_eq!(
        (&data["reversesTransactionId"], &data["description"]),
        (&json!(received), &json!("Returned"))
    );
    let made = format!("/api/v1/transactions/{}", data["id"].as_str().unwrap());
    assert_eq!(back.header("location"), Some(made));
    act(&bob, received, "reverse", json!({})).await.expect(201);
    act(&bob, received, "reverse", json!({})).await.refused(422, "already_reversed");
    let original = ada.get(&format!("/api/v1/transactions/{id}")).await;
    assert_eq!(original.data()["reversedAmount"], json!(30.0));
    assert_eq!(balance(&ada, &source).await, "100.00 / 100.00");
    let reversals = bob.get("/api/v1/transactions?type=transfer").await;
    assert_eq!(reversals.expect(200).data()["pagination"]["total"], 3);
}

#[tokio::test]
async fn after_its_time_nothing_is_captured() {
    let api = Api::start().await;
    let ada = api.user().await;
    let (source, target) = (ada.account("100").await, ada.account("0").await);
    let mut order = json!({
        "accountId": source, "transactionType": "withdrawal", "amount": 1, "expiresAt": "2026-01-15T12:00:00Z",
    });
    ada.post("/api/v1/transactions", &order).await.refused(422, "transaction_expired");
    order["expiresAt"] = json!("tomorrow");
    ada.post("/api/v1/transactions", &order).await.names("expiresAt", "invalid");
    let until = json!({"expiresAt": "2026-01-15T13:05:00+01:00"});
    let id = hold(&ada, &source, &target, "60", until).await;
    api.bank.clock.advance(SignedDuration::from_mins(5));
    act(&ada, &id, "capture", json!({})).await.refused(422, "transaction_expired");
    act(&ada, &id, "process", json!({})).await.refused(422, "transaction_expired");
    let seen = ada.get(&format!("/api/v1/transactions/{id}")).await;
    assert_eq!(seen.data()["expiresAt"], "2026-01-15T12:05:00.000Z");
    platform::orders::expire(&api.bank.platform).await.unwrap();
    let seen = ada.get(&format!("/api/v1/transactions/{id}")).await;
    assert_eq!(
        (&seen.data()["status"], &seen.data()["failureReason"]),
        (&json!("failed"), &json!("expired"))
    );
    assert_eq!(balance(&ada, &source).await, "100.00 / 100.00");
}

#[tokio::test]
async fn a_business_date_is_told_beside_the_recorded_one() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("100").await;
    let order = |at: &str| json!({"accountId": account, "transactionType": "deposit", "amount": 1, "process": true, "effectiveAt": at});
    let future = ada.post("/api/v1/transactions", &order("2026-01-15T12:00:01Z")).await;
    future.refused(422, "effective_in_future");
    let dated = ada.post("/api/v1/transactions", &order("2026-01-01T00:00:00Z")).await;
    let data = dated.expect(201).data();
    assert_eq!(
        (&data["effectiveAt"], &data["createdAt"]),
        (&json!("2026-01-01T00:00:00.000Z"), &json!("2026-01-15T12:00:00.000Z"))
    );
}
