//! Logins, sessions, profiles and keys, from birth to end.

use crate::support::Api;
use serde_json::json;
use testkit::PASSWORD;

#[tokio::test]
async fn an_address_that_is_taken_is_a_conflict_in_any_case() {
    let api = Api::start().await;
    api.anyone().register("ada@example.com").await;
    let body = json!({"email": "ADA@example.com", "password": PASSWORD, "firstName": "A", "lastName": "B"});
    api.anyone().post("/api/v1/auth/register", &body).await.refused(409, "email_taken");
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_look_alike() {
    let api = Api::start().await;
    api.anyone().register("ada@example.com").await;
    let mut texts = Vec::new();
    for (email, password) in
        [("nobody@example.com", PASSWORD), ("ada@example.com", "Wrong-Horse-1")]
    {
        let body = json!({"email": email, "password": password});
        let mut answer = api.anyone().post("/api/v1/auth/login", &body).await;
        answer.refused(401, "invalid_credentials");
        answer.body["requestId"] = json!("-");
        texts.push(answer.body.to_string());
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_ends_the_session() {
    let api = Api::start().await;
    let ada = api.anyone().register("ada@example.com").await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let login = api.anyone().post("/api/v1/auth/login", &body).await;
    let token = json!({"refreshToken": login.data()["refreshToken"]});
    let renewed = api.anyone().post("/api/v1/auth/refresh", &token).await;
    let renewed = ada.with_login(renewed.expect(200).data());
    renewed.get("/api/v1/users/profile").await.expect(200);
    api.anyone().post("/api/v1/auth/refresh", &token).await.refused(401, "session_ended");
    renewed.get("/api/v1/users/profile").await.refused(401, "session_ended");
    ada.get("/api/v1/users/profile").await.expect(200);
}

#[tokio::test]
async fn a_session_ends_by_logout_by_its_owner_and_by_a_new_password() {
    let api = Api::start().await;
    let ada = api.anyone().register("ada@example.com").await;
    let [phone, tablet, laptop] = [
        api.anyone().log_in("ada@example.com").await,
        api.anyone().log_in("ada@example.com").await,
        api.anyone().log_in("ada@example.com").await,
    ];
    phone.post("/api/v1/auth/logout", &json!({})).await.expect(200);
    phone.get("/api/v1/auth/profile").await.refused(401, "session_ended");
    let sessions = tablet.get("/api/v1/auth/sessions").await;
    let sessions = sessions.expect(200).data()["sessions"].as_array().unwrap().clone();
    assert_eq!(sessions.len(), 3);
    let current = sessions.iter().find(|session| session["current"] == true).unwrap();
    let path = format!("/api/v1/auth/sessions/{}", current["id"].as_str().unwrap());
    ada.delete(&path).await.expect(200);
    tablet.get("/api/v1/auth/profile").await.refused(401, "session_ended");
    let change = json!({"currentPassword": PASSWORD, "newPassword": "Better-Horse-8"});
    ada.post("/api/v1/auth/change-password", &change).await.expect(200);
    laptop.get("/api/v1/auth/profile").await.refused(401, "session_ended");
    ada.get("/api/v1/auth/profile").await.expect(200);
}

#[tokio::test]
async fn a_user_leaves_with_empty_hands_only() {
    let api = Api::start().await;
    let ada = api.anyone().register("ada@example.com").await;
    let account = ada.account("5").await;
    ada.delete("/api/v1/users/profile").await.refused(422, "user_has_money");
    ada.delete(&format!("/api/v1/accounts/{account}")).await.refused(422, "account_not_empty");
    ada.transact(&account, "withdrawal", "5", true).await.expect(201);
    let closed = ada.delete(&format!("/api/v1/accounts/{account}")).await;
    assert_eq!(closed.expect(200).data()["status"], "closed");
    ada.delete("/api/v1/users/profile").await.expect(200);
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    api.anyone().post("/api/v1/auth/login", &body).await.refused(401, "user_inactive");
    api.admin().await.delete("/api/v1/users/profile").await.refused(409, "last_admin");
}

#[tokio::test]
async fn a_suspended_account_moves_nothing_until_it_is_restored() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("5").await;
    let path = format!("/api/v1/accounts/{account}");
    let suspended = ada.json("PUT", &path, &json!({"status": "suspended"})).await;
    assert_eq!(suspended.expect(200).data()["status"], "suspended");
    ada.transact(&account, "withdrawal", "1", true).await.refused(422, "account_suspended");
    ada.json("PUT", &path, &json!({"status": "active"})).await.expect(200);
    ada.transact(&account, "withdrawal", "1", true).await.expect(201);
}

#[tokio::test]
async fn a_key_can_be_changed_switched_off_and_revoked() {
    let api = Api::start().await;
    let ada = api.user().await;
    let body = json!({"name": "export", "permissions": ["read:accounts"], "expiresAt": "2026-02-01T00:00:00Z"});
    let issued = ada.post("/api/v1/api-keys", &body).await;
    let key = ada.with_key(issued.expect(201).data()["key"].as_str().unwrap());
    let path = format!("/api/v1/api-keys/{}", issued.data()["id"].as_str().unwrap());
    key.get("/api/v1/accounts").await.expect(200);
    let narrowed =
        json!({"permissions": {"read:profile": true}, "expiresAt": null, "rateLimit": 0});
    let changed = ada.json("PATCH", &path, &narrowed).await;
    assert_eq!(changed.expect(200).data()["expiresAt"], json!(null));
    key.get("/api/v1/accounts").await.refused(403, "permission_required");
    key.get("/api/v1/users/profile").await.expect(200);
    ada.json("PATCH", &path, &json!({"isActive": false})).await.expect(200);
    key.get("/api/v1/users/profile").await.refused(401, "invalid_api_key");
    ada.json("PATCH", &path, &json!({"isActive": true})).await.expect(200);
    key.get("/api/v1/users/profile").await.expect(200);
    ada.delete(&path).await.expect(200);
    key.get("/api/v1/users/profile").await.refused(401, "invalid_api_key");
    ada.delete(&path).await.refused(404, "api_key_not_found");
}

#[tokio::test]
async fn what_a_key_cannot_be_is_named() {
    let api = Api::start().await;
    let ada = api.user().await;
    for (field, value, code) in [
        ("permissions", json!(["read:everything"]), "invalid"),
        ("permissions", json!({"read:everything": true}), "invalid"),
        ("permissions", json!("read:accounts"), "invalid_type"),
        ("rateLimit", json!(-1), "invalid"),
        ("rateLimit", json!(1_000_001), "invalid"),
        ("rateLimit", json!("100"), "invalid_type"),
        ("expiresAt", json!("2026-01-15T11:59:59Z"), "in_the_past"),
        ("expiresAt", json!("2026-02-01"), "invalid"),
        ("name", json!(" "), "invalid"),
    ] {
        let mut body = json!({"name": "key", "permissions": ["read:accounts"]});
        body[field] = value.clone();
        let answer = ada.post("/api/v1/api-keys", &body).await;
        let error = &answer.expect(400).body["errors"][0];
        let named = error["field"].as_str().unwrap();
        assert!(named.starts_with(field) && error["code"] == code, "{field} {value}: {error}");
    }
}

#[tokio::test]
async fn what_an_administrator_suspended_its_owner_does_not_restore() {
    let api = Api::start().await;
    let (ada, admin) = (api.user().await, api.admin().await);
    let path = format!("/api/v1/accounts/{}", ada.account("0").await);
    let set = async |by: &crate::support::Client, status: &str| {
        by.json("PUT", &path, &json!({"status": status})).await
    };
    assert_eq!(set(&ada, "suspended").await.expect(200).data()["suspendedBy"], "owner");
    assert_eq!(set(&ada, "active").await.expect(200).data()["suspendedBy"], json!(null));
    assert_eq!(set(&admin, "suspended").await.expect(200).data()["suspendedBy"], "admin");
    set(&ada, "active").await.refused(403, "suspended_by_administrator");
    ada.key(&["write:accounts"])
        .await
        .delete(&path)
        .await
        .refused(403, "suspended_by_administrator");
    set(&admin, "active").await.expect(200);
    ada.delete(&path).await.expect(200);
}

#[tokio::test]
async fn a_new_password_says_how_many_api_keys_went_with_it() {
    let api = Api::start().await;
    let ada = api.user().await;
    let key = ada.key(&["read:profile"]).await;
    let change = async |current: &str, new: &str, revoke: serde_json::Value| {
        let body = json!({"currentPassword": current, "newPassword": new, "revokeApiKeys": revoke});
        ada.post("/api/v1/auth/change-password", &body).await
    };
    let wrong = change(PASSWORD, "Another-Horse-2", json!("yes")).await;
    wrong.names("revokeApiKeys", "invalid_type");
    let kept = change(PASSWORD, "Another-Horse-2", json!(null)).await;
    assert_eq!(kept.expect(200).data(), &json!({"revokedApiKeys": 0, "pausedOrders": 0}));
    key.get("/api/v1/users/profile").await.expect(200);
    let gone = change("Another-Horse-2", "Another-Horse-3", json!(true)).await;
    assert_eq!(gone.expect(200).data(), &json!({"revokedApiKeys": 1, "pausedOrders": 0}));
    key.get("/api/v1/users/profile").await.refused(401, "invalid_api_key");
}

#[tokio::test]
async fn what_was_ordered_for_later_says_when_it_lapses_and_a_new_password_can_pause_it() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("100").await;
    let body = json!({"name": "key", "permissions": ["write:transactions", "read:transactions"]});
    let issued = ada.post("/api/v1/api-keys", &body).await;
    let key = ada.with_key(issued.expect(201).data()["key"].as_str().unwrap());
    let order = json!({"accountId": account, "transactionType": "withdrawal", "amount": 10,
        "completeAt": "2031-01-31T07:00:00Z"});
    let (theirs, own) = (
        key.post("/api/v1/transactions", &order).await,
        ada.post("/api/v1/transactions", &order).await,
    );
    assert_eq!(theirs.expect(201).data()["completionLapsed"], json!(null));
    own.expect(201);
    let path = format!("/api/v1/api-keys/{}", issued.data()["id"].as_str().unwrap());
    ada.delete(&path).await.expect(200);
    let seen = ada.get(&theirs.header("location").unwrap()).await;
    assert_eq!(seen.expect(200).data()["completionLapsed"], "api_key_revoked");
    assert_eq!(seen.data()["completeAt"], "2031-01-31T07:00:00.000Z");
    let body =
        json!({"currentPassword": PASSWORD, "newPassword": "Another-Horse-2", "pauseOrders": true});
    let gone = ada.post("/api/v1/auth/change-password", &body).await;
    let expected = json!({"revokedApiKeys": 0, "pausedOrders": 0});
    assert_eq!(gone.expect(200).data(), &expected, "it was ordered here");
    let seen = ada.get(&own.header("location").unwrap()).await;
    assert_eq!(seen.expect(200).data()["completionLapsed"], json!(null));
}
