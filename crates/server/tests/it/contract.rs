//! Every answer that a test receives is held to the API document.

use crate::support::Answer;
use serde_json::{Value, json};
use std::sync::LazyLock;
use testkit::contract::Contract;
pub use testkit::contract::Operation;

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::of(&server::openapi()));

/// The document.
pub static DOCUMENT: LazyLock<&Value> = LazyLock::new(|| CONTRACT.document);

/// All operations.
pub fn operations() -> Vec<Operation> {
    CONTRACT.operations()
}

/// Fails unless the answer is described.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let header = |name: &str| answer.header(name);
    let is_json = header("content-type").as_deref() == Some("application/json");
    let body = if is_json { answer.body.clone() } else { json!(answer.text) };
    CONTRACT.check((method, path), answer.status, header, &body);
}
