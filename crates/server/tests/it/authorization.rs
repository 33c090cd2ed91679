//! Who may do what. The list of operations is the API document's, so an
//! operation that is added is covered, and cannot be forgotten.

use crate::{
    contract::{DOCUMENT, Operation, operations},
    support::{Answer, Api, Client},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOWHERE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// What a key needs for each operation that a key may use.
const NEEDED: [(&str, &str); 32] = [
    ("get_auth_profile", "read:profile"),
    ("get_profile", "read:profile"),
    ("list_accounts", "read:accounts"),
    ("list_summaries", "read:accounts"),
    ("get_account", "read:accounts"),
    ("get_balance", "read:accounts"),
    ("list_entries", "read:accounts"),
    ("explain_balance", "read:accounts"),
    ("list_seals", "read:accounts"),
    ("get_seal", "read:accounts"),
    ("get_statement", "read:accounts"),
    ("open_account", "write:accounts"),
    ("update_account", "write:accounts"),
    ("close_account", "write:accounts"),
    ("list_transactions", "read:transactions"),
    ("list_account_transactions", "read:transactions"),
    ("get_transaction", "read:transactions"),
    ("create_transaction", "write:transactions"),
    ("update_transaction", "write:transactions"),
    ("cancel_transaction", "write:transactions"),
    ("reverse_transaction", "write:transactions"),
    ("create_transactions", "write:transactions"),
    ("get_transaction_outcome", "read:transactions"),
    ("settle_transaction_outcome", "write:transactions"),
    ("create_quote", "write:transactions"),
    ("get_quote", "read:transactions"),
    ("list_schedules", "read:transactions"),
    ("get_schedule", "read:transactions"),
    ("list_schedule_runs", "read:transactions"),
    ("create_schedule", "write:transactions"),
    ("update_schedule", "write:transactions"),
    ("end_schedule", "write:transactions"),
];

const ADMIN_NEEDED: [(&str, &str); 15] = [
    ("admin_list_users", "admin:users"),
    ("admin_get_user", "admin:users"),
    ("admin_update_user", "admin:users"),
    ("admin_list_accounts", "admin:users"),
    ("admin_get_account", "admin:users"),
    ("admin_set_limits", "admin:users"),
    ("admin_freeze_account", "admin:users"),
    ("admin_unfreeze_account", "admin:users"),
    ("admin_list_fx_rates", "process:transactions"),
    ("admin_set_fx_rate", "process:transactions"),
    ("admin_remove_fx_rate", "process:transactions"),
    ("admin_list_audit_logs", "read:audit"),
    ("admin_get_contention", "read:audit"),
    ("admin_get_ledger_check", "read:audit"),
    ("admin_check_ledger", "read:audit"),
];

/// Calls an operation with a body that is right and ids that lead nowhere.
async fn call(client: &Client, operation: Operation) -> Answer {
    call_at(client, operation, NOWHERE).await
}

async fn call_at(client: &Client, operation: Operation, id: &str) -> Answer {
    let mut path = operation.path.replace("{id}", id).replace("{accountId}", id);
    path = path.replace("{number}", "1");
    if operation.id() == "get_transaction_outcome" {
        path.push_str("?key=some-request");
    }
    let method = operation.method.to_uppercase();
    match example(operation) {
        Some(body) => client.json(&method, &path, &body).await,
        None => client.send(&method, &path, &[], "").await,
    }
}

/// The example of the operation's body in the document.
pub fn example(operation: Operation) -> Option<Value> {
    let schema =
        operation.described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            .as_str()?;
    let schema = DOCUMENT.pointer(&schema[1..]).expect("a reference leads somewhere");
    Some(match operation.id() {
        "refresh" => json!({"refreshToken": "nonsense"}),
        _ => schema["example"].clone(),
    })
}

fn accepts_keys(operation: &Operation) -> bool {
    let ways = operation.described["security"].as_array();
    ways.into_iter().flatten().any(|way| !way["apiKey"].is_null())
}

#[tokio::test]
async fn nobody_gets_401_from_everything_that_is_not_public() {
    let api = Api::start().await;
    for operation in operations().into_iter().filter(|operation| !operation.is_public()) {
        let answer = call(&api.anyone(), operation).await;
        answer.refused(401, "authentication_required");
        assert_eq!(answer.header("www-authenticate").unwrap(), "Bearer realm=\"wallstreet\"");
    }
    for operation in operations() {
        assert!(operation.described["security"].is_array(), "{} says nothing", operation.id());
    }
    let public: Vec<_> =
        operations().into_iter().filter(Operation::is_public).map(|o| o.id()).collect();
    insta::assert_snapshot!(public.join(" "), @"get_root login refresh register get_health get_database_health get_detailed_health get_redis_health get_liveness get_metrics get_readiness");
}

#[tokio::test]
async fn credentials_that_are_not_ours_get_401() {
    let api = Api::start().await;
    let ada = api.user().await;
    for (name, value, code) in [
        ("authorization", "Bearer nonsense", "invalid_token"),
        ("authorization", "Bearer a.b.c", "invalid_token"),
        ("authorization", "Bearer", "invalid_token"),
        ("authorization", "Basic YTpi", "invalid_token"),
        ("x-api-key", "", "invalid_api_key"),
        ("x-api-key", "wsk_dev_nonsense", "invalid_api_key"),
    ] {
        let answer = api.anyone().send("GET", "/api/v1/accounts", &[(name, value)], "").await;
        answer.refused(401, code);
    }
    let twice = [("authorization", "Bearer a")];
    ada.send("GET", "/api/v1/accounts", &twice, "").await.refused(401, "invalid_token");
    let spaced = ada.credentials().unwrap().1.replace(' ', "   ");
    let spaced = [("authorization", spaced.as_str())];
    api.anyone().send("GET", "/api/v1/accounts", &spaced, "").await.expect(200);
    // A public endpoint does not care what else somebody sends.
    let stale = [("authorization", "Bearer nonsense"), ("content-type", "application/json")];
    let body = json!({"email": "nobody@example.com", "password": "x"}).to_string();
    let answer = api.anyone().send("POST", "/api/v1/auth/login", &stale, &body).await;
    answer.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn a_key_without_permissions_may_do_nothing() {
    let api = Api::start().await;
    let key = api.admin().await.key(&[]).await;
    for operation in operations().into_iter().filter(accepts_keys) {
        let answer = call(&key, operation).await;
        assert_eq!(answer.status, 403, "{}: {}", operation.id(), answer.text);
    }
}

#[tokio::test]
async fn a_key_needs_exactly_the_permission_of_an_operation() {
    let api = Api::start().await;
    let admin = api.admin().await;
    let needed: BTreeMap<_, _> = NEEDED.into_iter().chain(ADMIN_NEEDED).collect();
    let every = platform::Permission::ALL.iter().map(|permission| permission.as_str());
    let every: Vec<&str> = every.collect();
    for operation in operations().into_iter().filter(accepts_keys) {
        if ["process_transaction", "capture_transaction"].contains(&operation.id()) {
            // Either permission will do to find out that it is not there.
            continue;
        }
        let permission =
            needed.get(operation.id()).unwrap_or_else(|| panic!("{}?", operation.id()));
        let told = json!([{"bearer": []}, {"apiKey": [permission]}]);
        assert_eq!(operation.described["security"], told, "{}", operation.id());
        let only = admin.key(&[permission]).await;
        let answer = call(&only, operation).await;
        assert_ne!(answer.status, 403, "{}: {}", operation.id(), answer.text);
        let others: Vec<&str> = every.iter().copied().filter(|other| other != permission).collect();
        let answer = call(&admin.key(&others).await, operation).await;
        assert_eq!(answer.status, 403, "{}: {}", operation.id(), answer.text);
    }
}

#[tokio::test]
async fn what_a_person_manages_is_closed_to_keys() {
    let api = Api::start().await;
    let every: Vec<&str> =
        platform::Permission::ALL.iter().map(|permission| permission.as_str()).collect();
    let key = api.admin().await.key(&every).await;
    let closed = |operation: &Operation| operation.described["security"] == json!([{"bearer": []}]);
    let closed: Vec<_> = operations().into_iter().filter(closed).collect();
    assert!(closed.len() > 8);
    for operation in closed {
        call(&key, operation).await.refused(403, "session_required");
    }
}

#[tokio::test]
async fn a_user_gets_403_from_everything_of_the_administrator() {
    let api = Api::start().await;
    let (ada, admin) = (api.user().await, api.admin().await);
    let theirs =
        operations().into_iter().filter(|operation| operation.path.starts_with("/api/v1/admin"));
    for operation in theirs {
        call(&ada, operation).await.refused(403, "admin_required");
        assert_ne!(call(&admin, operation).await.status, 403, "{}", operation.id());
    }
    let body = json!({"name": "too much", "permissions": ["admin:users"]});
    ada.post("/api/v1/api-keys", &body).await.refused(403, "admin_required");
}

#[tokio::test]
async fn what_belongs_to_another_looks_like_what_does_not_exist() {
    let api = Api::start().await;
    let (ada, eve) = (api.user().await, api.user().await);
    let account = ada.account("10").await;
    let transaction = ada.transact(&account, "deposit", "1", false).await.data()["id"].clone();
    let key =
        ada.post("/api/v1/api-keys", &json!({"name": "k", "permissions": []})).await.data()["id"]
            .clone();
    let order = json!({"accountId": account, "transactionType": "withdrawal", "amount": 1,
        "startAt": "2031-01-31T07:00:00Z"});
    let schedule = ada.post("/api/v1/schedules", &order).await.expect(201).data()["id"].clone();
    let rate = json!({"sourceCurrency": "USD", "targetCurrency": "EUR", "rate": 1, "spread": 0,
        "rateSource": "a test"});
    api.admin().await.json("PUT", "/api/v1/admin/fx/rates", &rate).await.expect(200);
    let pair = json!({"sourceCurrency": "USD", "targetCurrency": "EUR"});
    let quote = ada.post("/api/v1/fx/quotes", &pair).await.expect(201).data()["id"].clone();
    let session = ada.get("/api/v1/auth/sessions").await.data()["sessions"][0]["id"].clone();
    let with_id = operations().into_iter().filter(|operation| operation.path.contains('{'));
    let everybodys = ["/admin/", "/ledger/"];
    let with_id =
        with_id.filter(|operation| !everybodys.iter().any(|part| operation.path.contains(part)));
    for operation in with_id {
        let id = match operation.path.split('/').nth(3) {
            Some("api-keys") => key.as_str(),
            Some("schedules") => schedule.as_str(),
            Some("fx") => quote.as_str(),
            Some("auth") => session.as_str(),
            Some("transactions") if !operation.path.contains("account") => transaction.as_str(),
            _ => Some(account.as_str()),
        };
        let theirs = call_at(&eve, operation, id.unwrap()).await;
        let nothing = call(&eve, operation).await;
        assert_eq!(theirs.expect(404).body["code"], nothing.expect(404).body["code"]);
        assert_eq!(theirs.body["message"], nothing.body["message"], "{}", operation.id());
    }
    let order = json!({"accountId": account, "transactionType": "withdrawal", "amount": 1});
    eve.post("/api/v1/transactions", &order).await.refused(404, "account_not_found");
    let mut later = order.clone();
    later["startAt"] = json!("2031-01-31T07:00:00Z");
    eve.post("/api/v1/schedules", &later).await.refused(404, "account_not_found");
    eve.get(&format!("/api/v1/transactions?account={account}"))
        .await
        .refused(404, "account_not_found");
}

#[tokio::test]
async fn every_example_of_the_document_is_accepted() {
    let api = Api::start().await;
    let by_id = |id: &str| operations().into_iter().find(|operation| operation.id() == id).unwrap();
    let registered = call(&api.anyone(), by_id("register")).await;
    registered.expect(201);
    call(&api.anyone(), by_id("login")).await.expect(200);
    let ada = api.anyone().with_login(registered.data());
    let account = call(&ada, by_id("open_account")).await.expect(201).data()["id"].clone();
    let account = account.as_str().unwrap();
    let mut order = example(by_id("create_transaction")).unwrap();
    order["accountId"] = json!(account);
    let created = ada.post("/api/v1/transactions", &order).await;
    let transaction = created.expect(201).data()["id"].as_str().unwrap().to_owned();
    call_at(&ada, by_id("update_transaction"), &transaction).await.expect(200);
    let other = ada.account("0").await;
    let other = ada.get(&format!("/api/v1/accounts/{other}")).await.data()["accountNumber"].clone();
    let mut later = example(by_id("create_schedule")).unwrap();
    (later["accountId"], later["toAccountNumber"]) = (json!(account), other);
    let schedule = ada.post("/api/v1/schedules", &later).await.expect(201).data()["id"].clone();
    call_at(&ada, by_id("update_schedule"), schedule.as_str().unwrap()).await.expect(200);
    let key = call(&ada, by_id("create_api_key")).await.expect(201).data()["id"].clone();
    call_at(&ada, by_id("update_api_key"), key.as_str().unwrap()).await.expect(200);
    call(&ada, by_id("update_profile")).await.expect(200);
    call_at(&ada, by_id("update_account"), account).await.expect(200);
    call(&ada, by_id("change_password")).await.expect(200);
    let user = ada.user["id"].as_str().unwrap();
    call_at(&api.admin().await, by_id("admin_update_user"), user).await.expect(200);
    ada.get("/api/v1/accounts").await.refused(401, "session_ended");
}
