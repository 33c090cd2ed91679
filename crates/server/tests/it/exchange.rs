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

#[tokio::test]
async fn a_customer_exchanges_at_a_quote_of_the_banks_rate() {
    let api = Api::start().await;
    let (ada, admin) = (api.user().await, api.admin().await);
    let (dollars, euros) = (ada.account("1000").await, euros(&ada).await);
    let pair = json!({"sourceCurrency": "USD", "targetCurrency": "EUR", "amount": 100});
    ada.post("/api/v1/fx/quotes", &pair).await.refused(422, "rate_unavailable");
    let mut rate = json!({"sourceCurrency": "USD", "targetCurrency": "EUR", "rate": "0.9217",
        "spread": "0.005", "rateSource": "ECB 2026-01-15"});
    for (field, value, code) in [
        ("spread", json!("1"), "invalid"),
        ("spread", json!(-0.1), "invalid"),
        ("spread", json!("0.0000001"), "invalid"),
        ("rate", json!("0"), "invalid"),
        ("targetCurrency", json!("USD"), "same_currency"),
        ("validUntil", json!("2026-01-01T00:00:00Z"), "in_the_past"),
    ] {
        let mut wrong = rate.clone();
        wrong[field] = value;
        admin.json("PUT", "/api/v1/admin/fx/rates", &wrong).await.names(field, code);
    }
    rate["validUntil"] = json!("2031-01-01T00:00:00Z");
    let set = admin.json("PUT", "/api/v1/admin/fx/rates", &rate).await;
    assert_eq!(set.expect(200).data()["spread"], "0.005000");
    let listed = admin.get("/api/v1/admin/fx/rates").await;
    assert_eq!(listed.expect(200).data()["rates"][0], *set.data());

    let quote = ada.keyed("/api/v1/fx/quotes", "a-quote", &pair).await;
    assert_eq!(quote.expect(201).data()["rate"], "0.9170915");
    assert_eq!(quote.data()["targetAmount"], json!(91.70));
    let again = ada.keyed("/api/v1/fx/quotes", "a-quote", &pair).await;
    assert_eq!(again.data()["id"], quote.data()["id"], "one key, one quote");
    let id = quote.data()["id"].as_str().unwrap();
    let order = |quote: &str| {
        json!({
            "accountId": dollars, "transactionType": "transfer", "toAccountId": euros, "amount": 100,
            "process": true, "quoteId": quote,
        })
    };
    let mut both = order(id);
    both["exchange"] = json!({"rate": "1", "rateSource": "me"});
    ada.post("/api/v1/transactions", &both).await.names("quoteId", "conflicting");
    let mut later = order(id);
    later["startAt"] = json!("2031-01-31T07:00:00Z");
    later.as_object_mut().unwrap().remove("process");
    ada.post("/api/v1/schedules", &later).await.expect(400);
    let batch = json!({"transactions": [order(id), order(id)]});
    let results =
        ada.post("/api/v1/transactions/batch", &batch).await.expect(200).data()["results"].clone();
    assert_eq!(results[0]["transaction"]["exchange"]["targetAmount"], json!(91.70));
    assert_eq!(results[1]["error"]["code"], "quote_used");
    let used = ada.get(&format!("/api/v1/fx/quotes/{id}")).await;
    assert_eq!(used.expect(200).data()["transactionId"], results[0]["transaction"]["id"]);
    let nowhere = "01890a5d-ac96-774b-bcce-b302099a8057";
    ada.post("/api/v1/transactions", &order(nowhere)).await.refused(404, "quote_not_found");
    let path = format!("/api/v1/admin/fx/rates/{}", set.data()["id"].as_str().unwrap());
    admin.send("DELETE", &path, &[], "").await.expect(200);
    ada.post("/api/v1/fx/quotes", &pair).await.refused(422, "rate_unavailable");
}

#[tokio::test]
async fn a_hold_tells_when_it_completes_by_itself() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("100").await;
    let order = |at: &str| json!({"accountId": account, "transactionType": "withdrawal", "amount": 10, "completeAt": at});
    let hold = ada.post("/api/v1/transactions", &order("2031-01-31T07:00:00Z")).await;
    assert_eq!(hold.expect(201).data()["completeAt"], "2031-01-31T07:00:00.000Z");
    let mut at_once = order("2031-01-31T07:00:00Z");
    at_once["process"] = json!(true);
    ada.post("/api/v1/transactions", &at_once).await.names("completeAt", "conflicting");
    ada.post("/api/v1/transactions", &order("tomorrow")).await.names("completeAt", "invalid");
    let past = ada.post("/api/v1/transactions", &order("2020-01-31T07:00:00Z")).await;
    past.refused(422, "completion_in_past");
    let mut never = order("2031-01-31T07:00:00Z");
    never["expiresAt"] = json!("2030-01-31T07:00:00Z");
    ada.post("/api/v1/transactions", &never).await.refused(422, "completion_after_expiry");
}
