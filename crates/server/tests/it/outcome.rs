//! What became of a request after a time-out, over HTTP.

use crate::support::Api;
use serde_json::json;

const OUTCOME: &str = "/api/v1/transactions/outcome";

#[tokio::test]
async fn who_was_told_never_can_stop_since_the_late_request_gets_a_conflict() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let order =
        json!({"accountId": account, "transactionType": "deposit", "amount": 5, "process": true});
    let unseen = ada.get(&format!("{OUTCOME}?key=late")).await;
    assert_eq!(unseen.expect(200).data()["outcome"], "unseen");
    let never = ada.post(OUTCOME, &json!({"key": "late"})).await;
    assert_eq!(
        never.expect(200).data(),
        &json!({"outcome": "never", "at": "2026-01-15T12:00:00.000Z"})
    );
    ada.keyed("/api/v1/transactions", "late", &order).await.refused(409, "idempotency_key_void");
    let batch = json!({"transactions": [{
        "accountId": account, "transactionType": "deposit", "amount": 5, "idempotencyKey": "late",
    }]});
    let batch = ada.post("/api/v1/transactions/batch", &batch).await;
    assert_eq!(batch.expect(200).data()["results"][0]["error"]["code"], "idempotency_key_void");
    let open = json!({"accountType": "checking"});
    ada.keyed("/api/v1/accounts", "late", &open).await.refused(409, "idempotency_key_void");
    ada.keyed("/api/v1/transactions", "new", &order).await.expect(201);
    let told = ada.get(&format!("{OUTCOME}?key=late")).await;
    assert_eq!(told.expect(200).data()["outcome"], "never");
}

#[tokio::test]
async fn what_was_committed_or_refused_is_told_as_it_was_first_answered() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let order = |kind: &str| json!({"accountId": account, "transactionType": kind, "amount": 5, "process": true});
    let refused = ada.keyed("/api/v1/transactions", "no", &order("withdrawal")).await;
    let done = ada.keyed("/api/v1/transactions", "yes", &order("deposit")).await;
    api.bank.clock.advance(jiff::SignedDuration::from_mins(1));
    let fate = ada.get(&format!("{OUTCOME}?key=yes")).await;
    let data = fate.expect(200).data();
    assert_eq!(
        (&data["outcome"], &data["transaction"]),
        (&json!("committed"), done.expect(201).data())
    );
    assert_eq!(data["at"], "2026-01-15T12:00:00.000Z");
    let fate = ada.get(&format!("{OUTCOME}?key=no")).await;
    let data = fate.expect(200).data();
    assert_eq!(
        (&data["outcome"], &data["error"]["code"]),
        (&json!("refused"), &json!("insufficient_funds"))
    );
    assert_eq!(data["error"]["message"], refused.body["message"]);
    let settled = ada.post(OUTCOME, &json!({"key": "yes"})).await;
    assert_eq!(settled.expect(200).data()["outcome"], "committed");
    let bob = api.user().await;
    let his = bob.get(&format!("{OUTCOME}?key=yes")).await;
    assert_eq!(his.expect(200).data()["outcome"], "unseen", "keys are the caller's own");
}

#[tokio::test]
async fn a_key_of_something_else_or_none_is_refused() {
    let api = Api::start().await;
    let ada = api.user().await;
    ada.keyed("/api/v1/accounts", "account", &json!({"accountType": "checking"})).await.expect(201);
    ada.get(&format!("{OUTCOME}?key=account")).await.refused(422, "idempotency_key_reused");
    ada.get(OUTCOME).await.names("key", "required");
    ada.get(&format!("{OUTCOME}?key=a%20b")).await.refused(400, "validation_failed");
    api.anyone().get(&format!("{OUTCOME}?key=k")).await.refused(401, "authentication_required");
    let (reader, writer) =
        (ada.key(&["read:transactions"]).await, ada.key(&["write:transactions"]).await);
    reader.get(&format!("{OUTCOME}?key=k")).await.expect(200);
    reader.post(OUTCOME, &json!({"key": "k"})).await.refused(403, "permission_required");
    writer.get(&format!("{OUTCOME}?key=k")).await.refused(403, "permission_required");
    ada.post(OUTCOME, &json!({"key": "account"})).await.refused(422, "idempotency_key_reused");
    ada.post(OUTCOME, &json!({})).await.names("key", "required");
    ada.post(OUTCOME, &json!({"key": "a b"})).await.refused(400, "validation_failed");
}
