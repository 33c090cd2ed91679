//! Foreign exchange, over HTTP.

use crate::support::{Api, Client};
use serde_json::{Value, json};

async fn euros(of: &Client) -> String {
    let body = json!({"accountType": "checking", "currency": "EUR"});
    let answer = of.post("/api/v1/accounts", &body).await;
    answer.expect(201).data()["id"].as_str().unwrap().to_owned()
}

fn order(source: &str, target: &str, exchange: impl Into<Value>) -> Value {
    let exchange: Value = exchange.into();
    json!({
        "accountId": source, "transactionType": "transfer", "toAccountId": target, "amount": 99.99,
        "process": true, "exchange": exchange,
    })
}

#[tokio::test]
async fn a_rate_that_is_none_is_refused_with_the_field() {
    let api = Api::start().await;
    let ada = api.user().await;
    let (dollars, euros) = (ada.account("1000").await, euros(&ada).await);
    for (exchange, field, code) in [
        (json!({"rate": "0.9"}), "exchange.rateSource", "required"),
        (json!({"rate": "0.9", "rateSource": " "}), "exchange.rateSource", "invalid"),
        (json!({"rate": 0, "rateSource": "ECB"}), "exchange.rate", "invalid"),
        (json!({"rate": "1e2", "rateSource": "ECB"}), "exchange.rate", "invalid"),
        (json!({"rate": "0.00000000001", "rateSource": "ECB"}), "exchange.rate", "invalid"),
        (json!({"rate": "1000000000", "rateSource": "ECB"}), "exchange.rate", "invalid"),
    ] {
        let answer = ada.post("/api/v1/transactions", &order(&dollars, &euros, exchange)).await;
        answer.names(field, code);
    }
    let without = ada.post("/api/v1/transactions", &order(&dollars, &euros, json!(null))).await;
    without.refused(422, "currency_mismatch");
    let same = ada.account("0").await;
    let rate = json!({"rate": "0.9", "rateSource": "ECB"});
    let needless = ada.post("/api/v1/transactions", &order(&dollars, &same, rate)).await;
    needless.refused(422, "rate_without_exchange");
}

#[tokio::test]
async fn an_exchange_is_told_to_the_last_digit_and_given_back_as_a_whole() {
    let api = Api::start().await;
    let ada = api.user().await;
    let (dollars, euros) = (ada.account("1000").await, euros(&ada).await);
    let rate = json!({"rate": "0.9217", "rateSource": "ECB 2026-01-15"});
    let given = ada.keyed("/api/v1/transactions", "fx", &order(&dollars, &euros, rate)).await;
    let exchange = json!({
        "sourceCurrency": "USD", "sourceAmount": 99.99, "targetCurrency": "EUR", "targetAmount": 92.16,
        "rate": "0.9217", "rateSource": "ECB 2026-01-15", "remainder": "0.000783000000",
    });
    assert_eq!(given.expect(201).data()["exchange"], exchange);
    let rate = json!({"rate": "0.9217", "rateSource": "ECB 2026-01-15"});
    let again = ada.keyed("/api/v1/transactions", "fx", &order(&dollars, &euros, rate)).await;
    assert_eq!(again.expect(201).text, given.text);
    let id = given.data()["id"].as_str().unwrap();
    let paired = given.data()["pairedTransactionId"].as_str().unwrap();
    let got = ada.get(&format!("/api/v1/transactions/{paired}")).await;
    assert_eq!((&got.data()["amount"], &got.data()["exchange"]), (&json!(92.16), &exchange));
    let path = format!("/api/v1/transactions/{id}/reverse");
    ada.post(&path, &json!({"amount": 1})).await.refused(422, "exchange_is_whole");
    let back = ada.post(&path, &json!({})).await;
    assert_eq!(back.expect(201).data()["exchange"]["remainder"], "-0.000783000000");
    for (account, left) in [(&dollars, 1000.0), (&euros, 0.0)] {
        let balance = ada.get(&format!("/api/v1/accounts/{account}/balance")).await;
        assert_eq!(balance.data()["balance"], json!(left));
    }
}
