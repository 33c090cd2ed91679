//! Holds every answer to the API document: an answer that is not described
//! there, or not as it is described, fails the test that received it.

use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// An API document, and what was compiled of it.
pub struct Contract {
    /// The document.
    pub document: &'static Value,
    validators: Mutex<HashMap<String, Arc<jsonschema::Validator>>>,
}

/// One operation of the document.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// In lower case.
    pub method: &'static str,
    /// With the names of its parameters in braces.
    pub path: &'static str,
    /// What the document says of it.
    pub described: &'static Value,
}

impl Operation {
    /// Its name.
    pub fn id(&self) -> &'static str {
        self.described["operationId"].as_str().expect("every operation has an id")
    }

    /// Whether it can be called without credentials.
    pub fn is_public(&self) -> bool {
        self.described["security"] == json!([])
    }
}

impl Contract {
    /// Reads the document; it stays for as long as the tests run.
    pub fn of(openapi: &str) -> Self {
        let document = serde_json::from_str(openapi).expect("the document is JSON");
        Self { document: Box::leak(Box::new(document)), validators: Mutex::default() }
    }

    /// All operations.
    pub fn operations(&self) -> Vec<Operation> {
        let paths = self.document["paths"].as_object().expect("the document has paths");
        let each = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path has operations");
            methods.iter().map(move |(method, described)| Operation { method, path, described })
        });
        each.collect()
    }

    /// The operation behind a request, if it is one of the document.
    fn operation(&self, method: &str, path: &str) -> Option<Operation> {
        let path = path.split('?').next().unwrap_or_default();
        let mut fitting: Vec<Operation> = self
            .operations()
            .into_iter()
            .filter(|operation| {
                operation.method.eq_ignore_ascii_case(method) && fits(operation.path, path)
            })
            .collect();
        // `/accounts/summary` goes before `/accounts/{id}`, as in the router.
        fitting.sort_by_key(|operation| operation.path.contains('{'));
        fitting.into_iter().next()
    }

    /// Fails unless the answer is described: its status, its headers, its body, which is a text if it is not JSON.
    pub fn check(
        &self,
        (method, path): (&str, &str),
        status: u16,
        header: impl Fn(&str) -> Option<String>,
        body: &Value,
    ) {
        let call = format!("{method} {path} → {status}");
        let Some(operation) = self.operation(method, path) else {
            if status >= 400 {
                let error = json!({"$ref": "#/components/schemas/Error"});
                self.assert_valid(&call, &error, body);
            }
            return;
        };
        let response = &operation.described["responses"][status.to_string()];
        assert!(response.is_object(), "{call} is not described: {body}");
        let response = self.resolved(response);
        for (name, described) in response["headers"].as_object().into_iter().flatten() {
            let schema = &self.resolved(described)["schema"];
            if let Some(given) = header(name) {
                let number = given.parse::<i64>().map_or(json!(given), |number| json!(number));
                let value = if schema["type"] == "string" { json!(given) } else { number };
                self.assert_valid(&format!("{call} {name}"), schema, &value);
            }
        }
        let media_type = header("content-type").unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default();
        let content = &response["content"][essence];
        assert!(content.is_object(), "{call} is described as something else than {media_type}");
        self.assert_valid(&call, &content["schema"], body);
    }

    fn resolved(&self, value: &'static Value) -> &'static Value {
        value["$ref"].as_str().map_or(value, |reference| {
            self.document.pointer(&reference[1..]).expect("a reference leads somewhere")
        })
    }

    fn assert_valid(&self, what: &str, schema: &Value, value: &Value) {
        let validator = {
            let mut known = self.validators.lock().expect("no other test panicked here");
            let compiled = || {
                let mut schema = schema.clone();
                schema["components"] = self.document["components"].clone();
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
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let fit = |(wanted, given): (&&str, &&str)| {
        wanted.starts_with('{') && !given.is_empty() || wanted == given
    };
    template.len() == path.len() && template.iter().zip(&path).all(fit)
}
