//! Turns what serde says about a request into a rule broken by a named field.
//!
//! The one place that reads serde's wording, which is the same for a JSON body
//! and a query string.

use platform::error::Violation;
use serde::de::DeserializeOwned;

/// Reads a `T`, or says which field is at fault.
pub(crate) fn read<'de, T, D>(deserializer: D) -> Result<T, (Violation, D::Error)>
where
    T: DeserializeOwned,
    D: serde::Deserializer<'de>,
{
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        (violation(&path, &error.to_string()), error)
    })
}

fn violation(path: &str, text: &str) -> Violation {
    // serde_json appends where it happened; the path says it better.
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    let (what, rest) = text.split_once(' ').unwrap_or((text, ""));
    let named = rest.split('`').nth(1).unwrap_or_default();
    let (field, code, message) = match what {
        "missing" => (join(path, named), "required", "is required".to_owned()),
        "unknown" if rest.starts_with("field") => {
            let known = rest.split_once(", ").map_or("", |(_, known)| known);
            let text = match known {
                "there are no fields" => "is not a field here: send no body",
                known => &format!("is not a field here: {known}"),
            };
            (join(path, named), "unknown_field", text.to_owned())
        }
        "duplicate" => (join(path, named), "duplicate_field", "is given twice".to_owned()),
        "invalid" => {
            let expected = rest.rsplit_once("expected ").map_or(rest, |(_, expected)| expected);
            let expected = match expected {
                "f64" => "a number",
                expected if expected.starts_with("struct") => "an object",
                expected => expected,
            };
            (path.to_owned(), "invalid_type", format!("must be {expected}"))
        }
        _ => (path.to_owned(), "invalid", text.to_owned()),
    };
    let field = if field == "." { "body".to_owned() } else { field };
    Violation { field, code, message }
}

/// The path of a field inside the object at `path`; serde names it already for
/// some errors.
fn join(path: &str, name: &str) -> String {
    match path {
        "." | "" | "?" => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{}.{name}", path.trim_end_matches(".?")),
    }
}
