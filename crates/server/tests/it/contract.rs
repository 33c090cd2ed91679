//! Holds every answer to the API document: an answer that is not described
//! there, or not as it is described, fails the test that received it.

use crate::support::Answer;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

/// The document.
pub static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&server::openapi()).expect("the document is JSON"));

/// One operation of the document.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    pub described: &'static Value,
}

impl Operation {
    pub fn id(&self) -> &'static str {
        self.described["operationId"].as_str().expect("every operation has an id")
    }

    /// Whether it can be called without credentials.
    pub fn is_public(&self) -> bool {
        self.described["security"] == json!([])
    }
}

/// All operations.
pub fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().expect("the document has paths");
    let each = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("a path has operations");
        methods.iter().map(move |(method, described)| Operation { method, path, described })
    });
    each.collect()
}

/// The operation behind a request, if it is one of the document.
fn operation(method: &str, path: &str) -> Option<Operation> {
    let path = path.split('?').next().unwrap_or_default();
    let mut fitting: Vec<Operation> = operations()
        .into_iter()
        .filter(|operation| {
            operation.method.eq_ignore_ascii_case(method) && fits(operation.path, path)
        })
        .collect();
    // `/accounts/summary` goes before `/accounts/{id}`, as in the router.
    fitting.sort_by_key(|operation| operation.path.contains('{'));
    fitting.into_iter().next()
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let fit = |(wanted, given): (&&str, &&str)| {
        wanted.starts_with('{') && !given.is_empty() || wanted == given
    };
    template.len() == path.len() && template.iter().zip(&path).all(fit)
}

/// Fails unless the answer is described.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let call = format!("{method} {path} → {}", answer.status);
    let Some(operation) = operation(method, path) else {
        if answer.status >= 400 {
            assert_valid(&call, &json!({"$ref": "#/components/schemas/Error"}), &answer.body);
        }
        return;
    };
    let response = &operation.described["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{call} is not described: {}", answer.text);
    let response = resolved(response);
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let given = answer.header(name);
        let schema = &resolved(header)["schema"];
        if let Some(given) = given {
            let number = given.parse::<i64>().map_or(json!(given), |number| json!(number));
            let value = if schema["type"] == "string" { json!(given) } else { number };
            assert_valid(&format!("{call} {name}"), schema, &value);
        }
    }
    let content = &response["content"]["application/json"]["schema"];
    assert_eq!(answer.header("content-type").as_deref(), Some("application/json"), "{call}");
    assert_valid(&call, content, &answer.body);
}

fn resolved(value: &'static Value) -> &'static Value {
    value["$ref"].as_str().map_or(value, |reference| {
        DOCUMENT.pointer(&reference[1..]).expect("a reference leads somewhere")
    })
}

fn assert_valid(what: &str, schema: &Value, value: &Value) {
    type Cache = Mutex<HashMap<String, Arc<jsonschema::Validator>>>;
    static VALIDATORS: LazyLock<Cache> = LazyLock::new(Mutex::default);
    let validator = {
        let mut known = VALIDATORS.lock().expect("no other test panicked here");
        let compiled = || {
            let mut schema = schema.clone();
            schema["components"] = DOCUMENT["components"].clone();
            schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
            let options = jsonschema::options().should_validate_formats(true);
            Arc::new(options.build(&schema).expect("the document's schemas are schemas"))
        };
        Arc::clone(known.entry(schema.to_string()).or_insert_with(compiled))
    };
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{what} is not as described: {faults:#?}\n{value:#}");
}
