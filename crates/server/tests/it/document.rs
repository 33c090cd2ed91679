//! The API document itself.

use crate::contract::{DOCUMENT, operations};
use serde_json::{Value, json};
use std::{collections::BTreeSet, env, fs};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/");

#[test]
fn the_committed_documents_are_the_generated_ones() {
    for (name, generated) in [("openapi.json", server::openapi()), ("errors.md", server::errors())]
    {
        let path = format!("{DOCS}{name}");
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "docs/{name} is old: run UPDATE_EXPECT=1 cargo test -p server document"
        );
    }
}

#[test]
fn no_code_stands_for_two_things() {
    let codes: Vec<&str> = DOCUMENT["components"]["schemas"]["Error"]["properties"]["code"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    let different: BTreeSet<_> = codes.iter().collect();
    assert!(codes.len() > 40 && different.len() == codes.len());
    for code in codes {
        let rows = server::errors().matches(&format!("| `{code}` |")).count();
        assert_eq!(rows, 1, "{code}");
    }
}

#[test]
fn it_is_openapi_3_1_and_every_reference_leads_somewhere() {
    assert!(DOCUMENT["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut pending = vec![*DOCUMENT];
    let mut references = BTreeSet::new();
    while let Some(value) = pending.pop() {
        match value {
            Value::Array(items) => pending.extend(items),
            Value::Object(object) => pending.extend(object.values()),
            _ => {}
        }
        references.extend(value.get("$ref").and_then(Value::as_str));
    }
    assert!(references.len() > 20);
    for reference in references {
        let target = reference.strip_prefix('#').and_then(|pointer| DOCUMENT.pointer(pointer));
        assert!(target.is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_a_tag_and_a_summary() {
    let names: BTreeSet<_> = operations().iter().map(crate::contract::Operation::id).collect();
    assert_eq!(names.len(), operations().len());
    let tags = DOCUMENT["tags"].as_array().unwrap();
    for operation in operations() {
        let tag = &operation.described["tags"];
        let known = tags.iter().any(|known| json!([known["name"]]) == *tag);
        assert!(known, "{}: {tag}", operation.id());
        let summary = operation.described["summary"].as_str().unwrap();
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{}: {summary}", operation.id());
    }
}
