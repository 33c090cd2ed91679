//! The API document: what the handlers say of themselves, completed by one rule.
//!
//! A handler describes its own data and the refusals only it knows. Everything
//! that follows from what an operation *has* — a frame around its data, a body,
//! a path, an `Idempotency-Key`, a limit — is added here, so that no answer is
//! possible which is not described.

use crate::{
    App,
    api::statements::Format,
    catalogue,
    fields::{Begin, End, Order, Search, Term, WrittenAmount},
    problem::{ErrorBody, FieldError},
    routes,
};
use serde_json::{Map, Value, json};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{Object, ObjectBuilder, RefOr, Schema, Type},
};
use utoipa_axum::router::OpenApiRouter;

/// The header that makes a retry safe.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes the header that `extract` reads")]
pub(crate) struct IdempotencyHeader {
    /// Your name for this request: sent again with the same key, it has no second
    /// effect and gets the first answer again, marked `Idempotent-Replayed: true`.
    #[param(
        nullable = false,
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$"
    )]
    idempotency_key: Option<String>,
}

/// The whole document.
pub(crate) fn document() -> String {
    let table: OpenApiRouter<App> = routes::table(|doors| doors);
    let mut document = json!(table.into_openapi());
    // What only parameters and errors use is not collected with the bodies.
    let mut schemas = vec![
        named::<ErrorBody>(),
        named::<FieldError>(),
        named::<Begin>(),
        named::<End>(),
        named::<Format>(),
        named::<Order>(),
        named::<Search>(),
        named::<Term>(),
        named::<WrittenAmount>(),
    ];
    ErrorBody::schemas(&mut schemas);
    for (name, schema) in schemas {
        document["components"]["schemas"][name] = json!(schema);
    }
    for schema in members(&mut document["components"]["schemas"]) {
        close(schema);
    }
    let mut codes: Vec<_> = catalogue::entries().iter().map(|entry| entry.code).collect();
    codes.sort_unstable();
    codes.dedup();
    document["components"]["schemas"]["Error"]["properties"]["code"]["enum"] = json!(codes);
    for order in ["CreateTransaction", "BatchItem", "CreateSchedule"] {
        transfer_needs_a_target(&mut document["components"]["schemas"][order]);
    }
    document["components"]["headers"] = headers();
    document["components"]["responses"] = general_responses();
    document["components"]["securitySchemes"] = json!({
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The token of a login.",
        },
        "apiKey": {
            "type": "apiKey", "in": "header", "name": "x-api-key",
            "description": "An API key; it may do what its permissions say.",
        },
    });
    document["security"] = json!([{"bearer": []}, {"apiKey": []}]);
    document["info"] = json!({
        "title": "Wallstreet",
        "version": env!("CARGO_PKG_VERSION"),
        "description": include_str!("openapi.md"),
        "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
    });
    document["servers"] = json!([{"url": "/", "description": "This server"}]);
    document["tags"] = TAGS.map(|(name, text)| json!({"name": name, "description": text})).into();
    let uses = uses(&document["paths"]);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            members(item).for_each(|operation| complete(path, operation, &uses));
        }
    }
    let mut text =
        serde_json::to_string_pretty(&document).expect("a value of strings and numbers is JSON");
    text.push('\n');
    text
}

const TAGS: [(&str, &str); 9] = [
    ("Health", "How the service is doing. Public, not limited."),
    ("Auth", "Registration, login, sessions."),
    ("Users", "Your own profile."),
    ("API keys", "How programs come in. Only a logged-in person manages keys."),
    ("Accounts", "Where money is held, and how it moved."),
    ("Transactions", "How money moves: pending, then completed or failed, and nothing else."),
    ("Schedules", "Orders for later, once or again and again: each occurrence exactly once."),
    ("Ledger", "The seals over the book, and the proof of a balance against them."),
    ("Admin", "For the role admin; a key needs `admin:users` or `read:audit` as well."),
];

fn named<T: ToSchema>() -> (String, RefOr<Schema>) {
    (T::name().into_owned(), T::schema())
}

/// Every operation that is about one thing: its path up to the id, and its name.
fn uses(paths: &Value) -> Vec<(String, Value)> {
    let paths = paths.as_object().into_iter().flatten();
    let of_one = paths.filter_map(|(path, item)| Some((path.split_once("/{id}")?.0, item)));
    let each = of_one.flat_map(|(collection, item)| {
        let operations = item.as_object().into_iter().flat_map(Map::values);
        operations.map(move |operation| (collection.to_owned(), operation["operationId"].clone()))
    });
    each.collect()
}

/// Everything that follows from what an operation has.
fn complete(path: &str, operation: &mut Value, uses: &[(String, Value)]) {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let has = |place: &str| parameters.iter().any(|parameter| parameter["in"] == place);
    let keyed = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
    let limited = path.starts_with("/api/v1");
    let public = operation["security"] == json!([{}]);
    if public {
        operation["security"] = json!([]);
    }

    // A body is received, and refused, also where none belongs.
    let mut errors = vec!["400", "408", "413", "415", "500", "503"];
    if !public {
        errors.extend(["401", "403"]);
    }
    if has("path") {
        errors.push("404");
    }
    if keyed {
        errors.extend(["409", "422"]);
    }
    if limited {
        errors.push("429");
    }
    let responses = operation["responses"].as_object_mut().expect("every operation has responses");
    for status in errors {
        let own =
            responses.remove(status).and_then(|own| own["description"].as_str().map(str::to_owned));
        let response = match own {
            // Beside its own refusals there are those of the key.
            Some(own) if keyed && ["409", "422"].contains(&status) => {
                json!({"description": format!("{own}, {}", general(status))})
            }
            Some(own) => json!({"description": own}),
            None => json!({"$ref": format!("#/components/responses/{status}")}),
        };
        responses.insert(status.to_owned(), response);
    }
    for (status, response) in responses {
        if response["$ref"].is_null() {
            describe(status, response, limited, keyed);
        }
        for (_, name) in BESIDE.iter().filter(|(at, _)| *at == path && status == "200") {
            let frame = &mut response["content"]["application/json"]["schema"];
            frame["properties"][name] = json!({"type": "string"});
        }
        if status == "201" {
            response["links"] = links(path, uses);
        }
    }
}

/// What can be done with what was just created.
fn links(path: &str, uses: &[(String, Value)]) -> Value {
    let ours = uses.iter().filter(|(collection, _)| collection == path);
    let each = ours.filter_map(|(_, name)| {
        let id = json!({"id": "$response.body#/data/id"});
        Some((name.as_str()?.to_owned(), json!({"operationId": name, "parameters": id})))
    });
    each.collect::<Map<_, _>>().into()
}

/// What a status means wherever it comes from.
fn general(status: &str) -> &'static str {
    match status {
        "400" => "The request breaks a rule: `errors` names the field",
        "401" => "The credentials are missing or not valid (any more)",
        "403" => {
            "The caller may not do this: `permission_required`, `admin_required`, \
             `session_required`, `transfer_not_yours`, `settlement_not_allowed`"
        }
        "404" => "There is no such thing, or it is not the caller's to see",
        "408" => "The body did not arrive in time",
        "409" => "`idempotency_in_flight`",
        "413" => "The body is larger than 1 MiB, or than `x-max-body-bytes` says",
        "415" => "The body is not `application/json`, or it is compressed",
        "422" => "`idempotency_key_reused`",
        "429" => "Too many requests: `Retry-After` says when to come back",
        "503" => "Not available at the moment: `Retry-After` says when to come back",
        _ => "A fault of the server: report `requestId`",
    }
}

/// The answers every operation may give, once.
fn general_responses() -> Value {
    let statuses =
        ["400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "500", "503"];
    let each = statuses.map(|status| {
        let mut response = json!({"description": general(status)});
        describe(status, &mut response, true, ["409", "422"].contains(&status));
        (status.to_owned(), response)
    });
    each.into_iter().collect::<Map<_, _>>().into()
}

/// The frame and the headers of one answer.
fn describe(status: &str, response: &mut Value, limited: bool, keyed: bool) {
    let success = status.starts_with('2');
    let content = response["content"].as_object();
    let is_json = content.is_none_or(|content| content.contains_key("application/json"));
    let schema = if success {
        framed(response["content"]["application/json"]["schema"].take())
    } else {
        json!({"$ref": "#/components/schemas/Error"})
    };
    // What else it can be asked for as stays as it is.
    if is_json || !success {
        response["content"]["application/json"] = json!({"schema": schema});
    }
    let mut names = vec!["X-Request-Id"];
    if limited {
        names.extend(["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]);
    }
    if keyed && (success || status == "422") {
        names.push("Idempotent-Replayed");
    }
    match status {
        "201" => names.push("Location"),
        "401" => names.push("WWW-Authenticate"),
        "409" if keyed => names.push("Retry-After"),
        "429" | "503" => names.push("Retry-After"),
        _ => {}
    }
    let reference = |name: &str| json!({"$ref": format!("#/components/headers/{name}")});
    response["headers"] = names
        .iter()
        .map(|name| ((*name).to_owned(), reference(name)))
        .collect::<Map<_, _>>()
        .into();
}

/// What stands beside `data` too, where the documented clients look for it.
const BESIDE: [(&str, &str); 4] =
    [("/", "version"), ("/", "documentation"), ("/health", "environment"), ("/health", "version")];

/// `{"success": true, "message", "data", "timestamp"}`.
fn framed(data: Value) -> Value {
    let data = if data.is_null() { json!({"type": "null"}) } else { data };
    json!({
        "type": "object",
        "properties": {
            "success": {"type": "boolean", "enum": [true]},
            "message": {"type": "string", "description": "For people."},
            "data": data,
            "timestamp": {"$ref": "#/components/schemas/Time"},
        },
        "required": ["success", "message", "data", "timestamp"],
        "additionalProperties": false,
    })
}

fn headers() -> Value {
    let number =
        |text: &str| json!({"description": text, "schema": {"type": "integer", "minimum": 0}});
    let text = |text: &str| json!({"description": text, "schema": {"type": "string"}});
    json!({
        "X-Request-Id": text("Names the request in the server's log; yours, if it is sane."),
        "X-RateLimit-Limit": number("Requests per window. Absent without a limit."),
        "X-RateLimit-Remaining": number("Requests left in this window."),
        "X-RateLimit-Reset": number("When the window ends, in seconds since 1970."),
        "Retry-After": number("Seconds to wait."),
        "Idempotent-Replayed": text("`true` if this answer was given before."),
        "Location": text("The path of the new thing."),
        "WWW-Authenticate": text("How to authenticate."),
    })
}

/// No property beyond those described.
fn close(schema: &mut Value) {
    if schema["properties"].is_object() && schema["additionalProperties"].is_null() {
        schema["additionalProperties"] = json!(false);
    }
}

/// A target belongs to a transfer and to nothing else.
fn transfer_needs_a_target(schema: &mut Value) {
    let given =
        |field: &str| json!({"required": [field], "properties": {field: {"type": "string"}}});
    let (id, number) = (given("toAccountId"), given("toAccountNumber"));
    schema["if"] = json!({
        "properties": {"transactionType": {"const": "transfer"}}, "required": ["transactionType"],
    });
    schema["then"] = json!({"oneOf": [id, number]});
    schema["else"] = json!({"not": {"anyOf": [id, number]}});
}

fn members(object: &mut Value) -> impl Iterator<Item = &mut Value> {
    object.as_object_mut().into_iter().flat_map(Map::values_mut)
}

/// The `success` of an error.
pub(crate) fn always_false() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])).build()
}

/// One of a few words.
pub(crate) fn one_of(words: &[&'static str]) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.to_vec())).build()
}
