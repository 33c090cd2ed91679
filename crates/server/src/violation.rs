//! Turns what serde says about a request into a rule broken by a named field.
//!
//! The one place that reads serde's wording, which is the same for a JSON body
//! and a query string.

use platform::error::Violation;
use serde::de::Deserialize;

/// The code of a list that is too long or too short.
pub(crate) const WRONG_LENGTH: &str = "invalid_length";
/// The most bytes of a field's name that is told back.
const LONGEST_NAME: usize = 200;
/// The most bytes of what is said of a field.
const LONGEST_TEXT: usize = 1000;

/// Reads a `T`, or says which field is at fault.
pub(crate) fn read<'de, T, D>(deserializer: D) -> Result<T, (Violation, D::Error)>
where
    T: Deserialize<'de>,
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
            let is_length = rest.starts_with("length");
            let expected = rest.rsplit_once("expected ").map_or(rest, |(_, expected)| expected);
            let expected = match expected {
                "f64" => "a number",
                expected if expected.starts_with("struct") => "an object",
                expected => expected,
            };
            match is_length && expected != "an object" {
                true => (path.to_owned(), WRONG_LENGTH, format!("must have {expected}")),
                false => (path.to_owned(), "invalid_type", format!("must be {expected}")),
            }
        }
        _ => (path.to_owned(), "invalid", text.to_owned()),
    };
    let field = if field == "." { "body".to_owned() } else { field };
    Violation { field: short(field, LONGEST_NAME), code, message: short(message, LONGEST_TEXT) }
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

/// What a client has made up may be as long as its body, and would be told back.
fn short(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
        text.shrink_to_fit();
    }
    text
}
