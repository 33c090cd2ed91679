//! One key, one effect, one answer.

use crate::support::Api;
use serde_json::json;

#[tokio::test]
async fn a_repeated_request_gets_the_very_same_answer_and_has_no_second_effect() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let order =
        json!({"accountId": account, "transactionType": "deposit", "amount": 10, "process": true});
    let first = ada.keyed("/api/v1/transactions", "once", &order).await;
    assert_eq!(first.expect(201).header("idempotent-replayed"), None);
    api.bank.clock.advance(jiff::SignedDuration::from_secs(60));
    let again = ada.keyed("/api/v1/transactions", "once", &order).await;
    assert_eq!(again.expect(201).header("idempotent-replayed").unwrap(), "true");
    assert_eq!(again.text, first.text);
    assert_eq!(again.header("location"), first.header("location"));
    let balance = ada.get(&format!("/api/v1/accounts/{account}/balance")).await;
    assert!(balance.text.contains(r#""balance":10.00"#), "{}", balance.text);
}

#[tokio::test]
async fn a_repeated_refusal_is_the_same_refusal() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let order = json!({"accountId": account, "transactionType": "withdrawal", "amount": 10});
    let first = ada.keyed("/api/v1/transactions", "once", &order).await;
    first.refused(422, "insufficient_funds");
    api.bank.clock.advance(jiff::SignedDuration::from_secs(60));
    ada.transact(&account, "deposit", "100", true).await.expect(201);
    let again = ada.keyed("/api/v1/transactions", "once", &order).await;
    assert_eq!(again.text, first.text);
    assert_eq!(again.header("idempotent-replayed").unwrap(), "true");
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let order =
        |amount: u32| json!({"accountId": account, "transactionType": "deposit", "amount": amount});
    let created = ada.keyed("/api/v1/transactions", "once", &order(1)).await;
    let id = created.expect(201).data()["id"].as_str().unwrap();
    ada.keyed("/api/v1/transactions", "once", &order(2))
        .await
        .refused(422, "idempotency_key_reused");
    let open = json!({"accountType": "checking"});
    ada.keyed("/api/v1/accounts", "once", &open).await.refused(422, "idempotency_key_reused");
    let process = format!("/api/v1/transactions/{id}/process");
    let key = [("idempotency-key", "once")];
    ada.send("POST", &process, &key, "").await.refused(422, "idempotency_key_reused");
}

#[tokio::test]
async fn processing_and_cancelling_are_repeatable_too() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    for verb in ["process", "cancel"] {
        let created = ada.transact(&account, "deposit", "5", false).await;
        let path =
            format!("/api/v1/transactions/{}/{verb}", created.data()["id"].as_str().unwrap());
        let key = [("idempotency-key", verb)];
        let first = ada.send("POST", &path, &key, "").await;
        let again = ada.send("POST", &path, &key, "").await;
        assert_eq!(first.expect(200).text, again.expect(200).text);
        ada.send("POST", &path, &[], "").await.refused(422, "transaction_not_pending");
    }
}

#[tokio::test]
async fn a_new_key_is_shown_once_and_a_replay_does_not_have_it() {
    let api = Api::start().await;
    let ada = api.user().await;
    let body =
        json!({"name": "export", "permissions": {"read:accounts": true, "write:accounts": false}});
    let first = ada.keyed("/api/v1/api-keys", "once", &body).await;
    assert!(first.expect(201).data()["key"].as_str().unwrap().starts_with("wsk_dev_"));
    assert_eq!(first.data()["permissions"], json!({"read:accounts": true}));
    let again = ada.keyed("/api/v1/api-keys", "once", &body).await;
    assert_eq!(again.expect(201).data()["key"], json!(null));
    assert_eq!(again.data()["id"], first.data()["id"]);
}

#[tokio::test]
async fn a_key_that_is_empty_too_long_or_sent_twice_is_refused() {
    let api = Api::start().await;
    let ada = api.user().await;
    let body = json!({"accountType": "checking"});
    for key in ["", "a b", &"x".repeat(256), "ü"] {
        ada.keyed("/api/v1/accounts", key, &body).await.names("Idempotency-Key", "invalid");
    }
    let twice =
        [("content-type", "application/json"), ("idempotency-key", "a"), ("idempotency-key", "b")];
    let answer = ada.send("POST", "/api/v1/accounts", &twice, &body.to_string()).await;
    answer.names("Idempotency-Key", "duplicate_field");
    ada.keyed("/api/v1/accounts", &"x".repeat(255), &body).await.expect(201);
}
