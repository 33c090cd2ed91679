//! Limits and freezes, over HTTP: administrators set them, owners read them.

use crate::support::{Api, Client};
use jiff::SignedDuration;
use serde_json::{Value, json};

async fn set(admin: &Client, account: &str, limits: Value) -> crate::support::Answer {
    admin.json("PUT", &format!("/api/v1/admin/accounts/{account}/limits"), &limits).await
}

#[tokio::test]
async fn limits_that_are_none_are_refused_with_the_field() {
    let api = Api::start().await;
    let (ada, admin) = (api.user().await, api.admin().await);
    let account = ada.account("10").await;
    for (limits, field, code) in [
        (json!({}), "overdraft", "required"),
        (json!({"overdraft": null}), "overdraft", "invalid"),
        (json!({"overdraft": -1}), "overdraft", "invalid"),
        (json!({"overdraft": "0.001"}), "overdraft", "invalid"),
        (json!({"overdraft": 1e13}), "overdraft", "invalid"),
        (json!({"overdraft": 0, "daily": 0}), "daily", "invalid"),
        (json!({"overdraft": 0, "perTransaction": "-5"}), "perTransaction", "invalid"),
        (json!({"overdraft": 0, "weekly": 5}), "weekly", "unknown_field"),
    ] {
        set(&admin, &account, limits).await.names(field, code);
    }
    set(&ada, &account, json!({"overdraft": 1000})).await.refused(403, "admin_required");
    let nowhere = "01890a5d-ac96-774b-bcce-b302099a8057";
    set(&admin, nowhere, json!({"overdraft": 0})).await.refused(404, "account_not_found");
}

#[tokio::test]
async fn limits_bind_the_next_order_and_owner_and_administrator_see_them() {
    let api = Api::start().await;
    let (ada, admin) = (api.user().await, api.admin().await);
    let account = ada.account("10").await;
    let limits = json!({"overdraft": "5.00", "perTransaction": 12, "daily": null});
    let changed = set(&admin, &account, limits).await;
    assert!(
        changed
            .expect(200)
            .text
            .contains(r#""limits":{"overdraft":5.00,"perTransaction":12.00,"daily":null}"#),
        "{}",
        changed.text
    );
    for path in [format!("/api/v1/accounts/{account}"), format!("/api/v1/admin/accounts/{account}")]
    {
        let seen = admin.get(&path).await;
        assert_eq!(seen.expect(200).data()["limits"], changed.data()["limits"]);
    }
    let take = async |amount| ada.transact(&account, "withdrawal", amount, true).await;
    take("12.01").await.refused(422, "transaction_limit_exceeded");
    take("12").await.expect(201);
    take("3.01").await.refused(422, "insufficient_funds");
    take("3").await.expect(201);
    let own = ada.get(&format!("/api/v1/accounts/{account}")).await;
    assert_eq!(
        (&own.data()["balance"], &own.data()["limits"]["overdraft"]),
        (&json!(-5.0), &json!(5.0))
    );
    set(&admin, &account, json!({"overdraft": 4.99})).await.refused(422, "overdraft_in_use");
    let closed = ada.delete(&format!("/api/v1/accounts/{account}")).await;
    closed.refused(422, "account_not_empty");
    assert_eq!(
        closed.body["message"],
        "The account is overdrawn by 5.00 USD: pay it back before closing"
    );
    set(&admin, &account, json!({"overdraft": 50, "daily": 20})).await.expect(200);
    take("5.01").await.refused(422, "daily_limit_exceeded");
}

#[tokio::test]
async fn a_frozen_account_says_why_and_only_an_administrator_lifts_it() {
    let api = Api::start().await;
    let (ada, admin) = (api.user().await, api.admin().await);
    let account = ada.account("10").await;
    let path = format!("/api/v1/admin/accounts/{account}/freeze");
    for (freeze, field, code) in [
        (json!({"scope": "debits"}), "reason", "required"),
        (json!({"scope": "debits", "reason": " "}), "reason", "invalid"),
        (json!({"scope": "money", "reason": "x"}), "scope", "invalid"),
        (json!({"scope": "all", "reason": "x".repeat(201)}), "reason", "invalid"),
        (
            json!({"scope": "all", "reason": "x", "until": "2026-01-15T12:00:00Z"}),
            "until",
            "in_the_past",
        ),
    ] {
        admin.post(&path, &freeze).await.names(field, code);
    }
    let freeze = json!({"scope": "debits", "reason": "Card reported stolen", "until": "2026-01-15T12:30:00Z"});
    ada.post(&path, &freeze).await.refused(403, "admin_required");
    admin.post(&path, &freeze).await.expect(200);
    let own = format!("/api/v1/accounts/{account}");
    let seen = ada.get(&own).await;
    assert_eq!(
        seen.expect(200).data()["freeze"],
        json!({"scope": "debits", "reason": "Card reported stolen", "until": "2026-01-15T12:30:00.000Z"})
    );
    let taken = ada.transact(&account, "withdrawal", "1", true).await;
    taken.refused(422, "account_frozen");
    assert_eq!(
        taken.body["message"],
        "Account is frozen for debits (Card reported stolen): ask an administrator to lift it, or wait until it ends"
    );
    ada.json("PUT", &own, &json!({"status": "active"})).await.expect(200);
    ada.delete(&path).await.refused(403, "admin_required");
    ada.transact(&account, "withdrawal", "1", true).await.refused(422, "account_frozen");
    ada.transact(&account, "deposit", "1", true).await.expect(201);
    assert_eq!(admin.delete(&path).await.expect(200).data()["freeze"], json!(null));
    ada.transact(&account, "withdrawal", "1", true).await.expect(201);
    admin.post(&path, &freeze).await.expect(200);
    api.bank.clock.advance(SignedDuration::from_mins(30));
    assert_eq!(ada.get(&own).await.expect(200).data()["freeze"], json!(null));
    ada.transact(&account, "withdrawal", "1", true).await.expect(201);
}
