//! What belongs into a body, and where none belongs. The list of operations is the
//! API document's, so an operation that is added is covered.

use crate::{
    authorization::example,
    connections::{assert_answer, listen},
    contract::{DOCUMENT, Operation, operations},
    support::{Answer, Api, Client, settings},
};
use serde_json::{Value, json};

const NOWHERE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn path(operation: Operation) -> String {
    let path = operation.path.replace("{id}", NOWHERE).replace("{accountId}", NOWHERE);
    path.replace("{number}", "1")
}

async fn send(client: &Client, operation: Operation, body: &str) -> Answer {
    client.text(&operation.method.to_uppercase(), &path(operation), body).await
}

/// What is public and takes no body is refused by the head: see below.
fn is_bodiless(operation: &Operation) -> bool {
    operation.described["requestBody"].is_null() && !operation.is_public()
}

#[tokio::test]
async fn where_no_body_is_known_every_member_is_refused_and_an_empty_object_is_none() {
    let api = Api::start().await;
    let admin = api.admin().await;
    let bodiless: Vec<_> = operations().into_iter().filter(is_bodiless).collect();
    assert!(bodiless.len() > 35, "{}", bodiless.len());
    // What ends the caller comes last.
    let ends = |operation: &Operation| ["logout", "close_profile"].contains(&operation.id());
    let (last, first): (Vec<_>, Vec<_>) = bodiless.into_iter().partition(ends);
    for operation in first.into_iter().chain(last) {
        let member = send(&admin, operation, r#"{"amount": 1}"#).await;
        member.names("amount", "unknown_field");
        assert!(member.text.contains("send no body"), "{}", member.text);
        send(&admin, operation, "[]").await.names("body", "invalid_type");
        send(&admin, operation, "null").await.names("body", "invalid_type");
        send(&admin, operation, "{").await.refused(400, "malformed_json");
        let method = operation.method.to_uppercase();
        let kind = [("content-type", "text/plain")];
        let plain = admin.send(&method, &path(operation), &kind, "x").await;
        plain.refused(415, "unsupported_media_type");
        let nobody = send(&api.anyone(), operation, r#"{"amount": 1}"#).await;
        nobody.refused(401, "authentication_required");
    }
    for operation in operations().into_iter().filter(is_bodiless).filter(|o| !ends(o)) {
        for nothing in ["{}", " { } ", " "] {
            let same = send(&admin, operation, "").await;
            let answer = send(&admin, operation, nothing).await;
            assert_eq!(answer.status, same.status, "{} {}", operation.id(), answer.text);
        }
    }
}

#[tokio::test]
async fn what_anybody_may_ask_is_refused_with_a_body_of_which_nothing_is_read() {
    let server = listen(settings()).await;
    let is_open = |operation: &Operation| {
        operation.is_public() && operation.described["requestBody"].is_null()
    };
    let open: Vec<String> = operations().into_iter().filter(is_open).map(path).collect();
    assert!(open.len() >= 8, "{open:?}");
    let docs = ["/api-docs", "/api-docs/openapi.json", "/api-docs/scalar.js"].map(str::to_owned);
    let everything = open.iter().chain(&docs).map(|path| (server.address, path));
    for (address, path) in everything.chain(open.iter().map(|path| (server.health, path))) {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n");
        for body in [
            "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
            "Content-Length: 900000\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n",
        ] {
            let answer = server.raw_at(address, &format!("{head}{body}")).await;
            assert_answer(&answer, 400, "validation_failed");
            assert!(answer.contains("connection: close\r\n"), "{answer}");
        }
        let none = format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n");
        let answer = server.raw_at(address, &none).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_says_more_than_process_or_cancel_know_moves_nothing() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("10").await;
    let hold = ada.transact(&account, "withdrawal", "4", false).await;
    let id = hold.expect(201).data()["id"].as_str().unwrap();
    for action in ["process", "cancel"] {
        let path = format!("/api/v1/transactions/{id}/{action}");
        ada.post(&path, &json!({"amount": 1})).await.names("amount", "unknown_field");
        ada.keyed(&path, "k", &json!({"amount": 1})).await.names("amount", "unknown_field");
    }
    let still = ada.get(&format!("/api/v1/transactions/{id}")).await;
    assert_eq!(still.expect(200).data()["status"], "pending");
    let path = format!("/api/v1/transactions/{id}/process");
    let done = ada.keyed(&path, "k", &json!({})).await;
    assert_eq!(done.expect(200).data()["status"], "completed");
    let again = ada.send("POST", &path, &[("idempotency-key", "k")], "").await;
    assert_eq!(again.expect(200).header("idempotent-replayed").as_deref(), Some("true"));
}

/// Every object within a value, by its path.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.push(at.to_owned());
            for (name, member) in members.iter().filter(|(name, _)| *name != "metadata") {
                objects(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                objects(item, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn where_a_body_is_known_an_unknown_member_is_refused_at_every_depth() {
    let api = Api::start().await;
    let admin = api.admin().await;
    let mut nested = 0;
    for operation in operations() {
        let Some(body) = example(operation) else { continue };
        let mut places = Vec::new();
        objects(&body, "", &mut places);
        for place in places {
            let mut body = body.clone();
            body.pointer_mut(&place).unwrap()["surplus"] = json!(1);
            let answer = send(&admin, operation, &body.to_string()).await;
            nested += usize::from(!place.is_empty());
            // An item of a batch that is not atomic stands or falls by itself.
            if answer.status == 200 {
                assert_eq!(answer.data()["succeeded"], 0, "{}", answer.text);
            } else {
                answer.refused(400, "validation_failed");
            }
            assert!(answer.text.contains("surplus"), "{} {}", operation.id(), answer.text);
        }
    }
    assert!(nested > 0, "some body has an object in it");
}

#[test]
fn no_body_is_described_that_takes_what_it_does_not_know() {
    let takes_one = |operation: &Operation| operation.described["requestBody"].is_object();
    for operation in operations().into_iter().filter(takes_one) {
        let reference =
            &operation.described["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        let schema = DOCUMENT.pointer(&reference.as_str().unwrap()[1..]).unwrap();
        assert_eq!(schema["additionalProperties"], json!(false), "{}", operation.id());
    }
}
