//! The documented first steps, by a person and by a program.

use crate::support::{Api, Client};
use serde_json::json;

#[tokio::test]
async fn a_person_registers_logs_in_opens_an_account_and_deposits() {
    let api = Api::start().await;
    let registered = api.anyone().register("ada@example.com").await;
    assert_eq!(registered.user["role"], "user");
    let ada = api.anyone().log_in("ada@example.com").await;
    deposit_and_look(&ada).await;
}

#[tokio::test]
async fn a_program_with_a_key_does_the_same() {
    let api = Api::start().await;
    let permissions =
        ["read:accounts", "write:accounts", "read:transactions", "write:transactions"];
    deposit_and_look(&api.user().await.key(&permissions).await).await;
}

async fn deposit_and_look(client: &Client) {
    let opened = client
        .post("/api/v1/accounts", &json!({"accountType": "checking", "currency": "USD"}))
        .await;
    let account = opened.expect(201).data()["id"].as_str().unwrap().to_owned();
    assert_eq!(opened.header("location").unwrap(), format!("/api/v1/accounts/{account}"));
    assert!(opened.text.contains(r#""balance":0.00,"availableBalance":0.00"#), "{}", opened.text);

    let body = json!({
        "accountId": account, "transactionType": "deposit", "amount": 1000.00,
        "currency": "USD", "description": "Opening deposit", "metadata": {"invoice": "42"},
    });
    let created = client.post("/api/v1/transactions", &body).await;
    assert_eq!(created.expect(201).data()["status"], "pending");
    let id = created.data()["id"].as_str().unwrap();
    let balance = client.get(&format!("/api/v1/accounts/{account}/balance")).await;
    assert!(balance.text.contains(r#""balance":0.00,"#), "{}", balance.text);

    let processed =
        client.send("POST", &format!("/api/v1/transactions/{id}/process"), &[], "").await;
    assert_eq!(processed.expect(200).body["message"], "Transaction processed successfully");
    assert_eq!(processed.data()["status"], "completed");
    let balance = client.get(&format!("/api/v1/accounts/{account}/balance")).await;
    insta::allow_duplicates! {
        insta::assert_snapshot!(balance.text, @r#"{"success":true,"message":"Balance retrieved successfully","data":{"balance":1000.00,"availableBalance":1000.00,"currency":"USD"},"timestamp":"2026-01-15T12:00:00.000Z"}"#);
    }

    let history = client
        .get(&format!(
            "/api/v1/transactions/account/{account}?page=1&limit=10&status=completed&type=deposit"
        ))
        .await;
    assert_eq!(history.expect(200).data()["transactions"][0]["id"], id);
    assert_eq!(history.data()["transactions"][0]["metadata"], json!({"invoice": "42"}));
    insta::allow_duplicates! {
        insta::assert_snapshot!(history.data()["pagination"], @r#"{"hasNext":false,"hasPrev":false,"limit":10,"nextCursor":null,"page":1,"total":1,"totalPages":1}"#);
    }
    let entries = client.get(&format!("/api/v1/accounts/{account}/entries")).await;
    assert_eq!(entries.expect(200).data()["entries"][0]["transactionId"], id);
}
