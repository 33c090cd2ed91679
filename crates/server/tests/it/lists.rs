//! Pages and filters.

use crate::support::{Api, Client};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Five deposits of 1 to 5, one a minute, the even ones completed.
async fn history(api: &Api, client: &Client, account: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 1..=5 {
        api.bank.clock.advance(SignedDuration::from_mins(1));
        let body = json!({
            "accountId": account, "transactionType": "deposit", "amount": number, "process": number % 2 == 0,
            "description": format!("Number {number} of five"), "metadata": {"parity": number % 2, "name": format!("n{number}")},
        });
        let answer = client.post("/api/v1/transactions", &body).await;
        ids.push(answer.expect(201).data()["id"].as_str().unwrap().to_owned());
    }
    ids.reverse();
    ids
}

fn ids(answer: &Value, items: &str) -> Vec<String> {
    let items = answer["data"][items].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_and_cursors_show_the_same_list_newest_first() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let expected = history(&api, &ada, &account).await;
    for path in
        ["/api/v1/transactions".to_owned(), format!("/api/v1/transactions/account/{account}")]
    {
        let second = ada.get(&format!("{path}?page=2&limit=2")).await;
        assert_eq!(ids(&second.expect(200).body, "transactions"), expected[2..4]);
        let mut pagination = second.data()["pagination"].clone();
        assert!(pagination["nextCursor"].take().is_string());
        insta::allow_duplicates! {
            insta::assert_snapshot!(pagination, @r#"{"hasNext":true,"hasPrev":true,"limit":2,"nextCursor":null,"page":2,"total":5,"totalPages":3}"#);
        }
        let mut seen = Vec::new();
        let mut answer = ada.get(&format!("{path}?limit=2")).await;
        loop {
            seen.extend(ids(&answer.expect(200).body, "transactions"));
            let pagination = &answer.data()["pagination"];
            let Some(cursor) = pagination["nextCursor"].as_str() else { break };
            assert_eq!(pagination["hasNext"], true);
            answer = ada.get(&format!("{path}?limit=2&cursor={cursor}")).await;
            assert_eq!(answer.data()["pagination"]["total"], Value::Null);
        }
        assert_eq!(seen, expected);
        let beyond = ada.get(&format!("{path}?page=9")).await;
        assert_eq!(ids(&beyond.expect(200).body, "transactions"), [""; 0]);
        assert_eq!(beyond.data()["pagination"]["total"], 5);
    }
}

#[tokio::test]
async fn filters_can_be_combined() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let all = history(&api, &ada, &account).await;
    let [five, four, three, two, one] = &all[..] else { panic!("{all:?}") };
    for (query, expected) in [
        ("status=completed", vec![four, two]),
        ("status=pending&min=2", vec![five, three]),
        ("min=2&max=3.00", vec![three, two]),
        ("type=withdrawal", vec![]),
        ("q=NUMBER%203", vec![three]),
        ("metadata.name=n4", vec![four]),
        ("metadata.parity=1&max=1", vec![one]),
        ("metadata.name=n4&metadata.parity=1", vec![]),
        ("from=2026-01-15T12:04:00Z", vec![five, four]),
        ("from=2026-01-15T14:04:00%2B02:00&to=2026-01-15T12:05:00Z", vec![four]),
        ("to=2026-01-15T12:02:00.000Z", vec![one]),
        ("from=2026-01-15&to=2026-01-15", vec![five, four, three, two, one]),
        ("from=2026-01-16", vec![]),
        ("to=2026-01-14", vec![]),
    ] {
        let answer = ada.get(&format!("/api/v1/transactions?account={account}&{query}")).await;
        let found = ids(&answer.expect(200).body, "transactions");
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
        assert_eq!(answer.data()["pagination"]["total"], expected.len());
    }
}

#[tokio::test]
async fn accounts_entries_and_summaries_are_lists() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    history(&api, &ada, &account).await;
    let savings = json!({"accountType": "savings", "currency": "EUR"});
    ada.post("/api/v1/accounts", &savings).await.expect(201);
    let found = ada.get("/api/v1/accounts?type=checking&currency=USD&status=active").await;
    assert_eq!(ids(&found.expect(200).body, "accounts"), [&*account]);
    let entries = ada.get(&format!("/api/v1/accounts/{account}/entries?limit=1")).await;
    let entry = &entries.expect(200).data()["entries"][0];
    assert_eq!((&entry["sequence"], &entry["balance"]), (&json!(2), &json!(6.0)));
    let cursor = entries.data()["pagination"]["nextCursor"].as_str().unwrap();
    let elsewhere = ada.account("0").await;
    for other in [
        format!("/api/v1/accounts/{elsewhere}/entries"),
        format!("/api/v1/transactions/account/{account}"),
        "/api/v1/transactions".to_owned(),
        "/api/v1/schedules".to_owned(),
    ] {
        let refused = ada.get(&format!("{other}?cursor={cursor}")).await;
        refused.names("cursor", "invalid");
    }
    let same = format!("/api/v1/accounts/{}/entries?cursor={cursor}", account.to_uppercase());
    ada.get(&same).await.expect(200);
    let older = ada.get(&format!("/api/v1/accounts/{account}/entries?cursor={cursor}")).await;
    assert_eq!(older.expect(200).data()["entries"][0]["sequence"], 1);
    let summary = ada.get("/api/v1/accounts/summary").await;
    let summaries = summary.expect(200).data()["summaries"].as_array().unwrap();
    let mine = summaries.iter().find(|summary| summary["id"] == account.as_str()).unwrap();
    assert_eq!(mine["transactionCount"], 5);
}

#[tokio::test]
async fn short_lists_have_pages_too() {
    let api = Api::start().await;
    let ada = api.user().await;
    for name in ["one", "two", "three"] {
        let body = json!({"name": name, "permissions": []});
        ada.post("/api/v1/api-keys", &body).await.expect(201);
        api.bank.clock.advance(SignedDuration::from_secs(1));
    }
    let answer = ada.get("/api/v1/api-keys?page=2&limit=2").await;
    assert_eq!(answer.expect(200).data()["apiKeys"][0]["name"], "one");
    insta::assert_snapshot!(answer.data()["pagination"], @r#"{"hasNext":false,"hasPrev":true,"limit":2,"nextCursor":null,"page":2,"total":3,"totalPages":2}"#);
    let sessions = ada.get("/api/v1/auth/sessions").await;
    assert_eq!(sessions.expect(200).data()["sessions"][0]["current"], true);
}

#[tokio::test]
async fn the_administrator_finds_users_accounts_and_what_happened() {
    let api = Api::start().await;
    let (ada, admin) = (api.user().await, api.admin().await);
    let account = ada.account("0").await;
    let id = ada.user["id"].as_str().unwrap();
    let email = ada.user["email"].as_str().unwrap();
    let users = admin.get(&format!("/api/v1/admin/users?role=user&status=active&q={email}")).await;
    assert_eq!(ids(&users.expect(200).body, "users"), [id]);
    assert_eq!(admin.get(&format!("/api/v1/admin/users/{id}")).await.data()["email"], email);
    let accounts = admin.get(&format!("/api/v1/admin/accounts?user={id}&type=checking")).await;
    assert_eq!(ids(&accounts.expect(200).body, "accounts"), [&*account]);
    let logs = admin.get(&format!("/api/v1/admin/audit-logs?user={id}&action=ACCOUNT_CREATED&resourceId={account}&from=2026-01-15")).await;
    let log = &logs.expect(200).data()["auditLogs"][0];
    assert_eq!(
        (&log["action"], &log["ipAddress"]),
        (&json!("ACCOUNT_CREATED"), &json!("192.0.2.1"))
    );
}
