//! Everything a client can get wrong is refused, with the field's name.

use crate::support::{Answer, Api, Client};
use serde_json::{Value, json};

const REGISTER: &str = "/api/v1/auth/register";

fn registration(field: &str, value: Value) -> Value {
    let mut body = json!({"email": "ada@example.com", "password": "Correct-Horse-1", "firstName": "Ada", "lastName": "Lovelace"});
    body[field] = value;
    body
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_with_the_place_where_it_breaks() {
    let api = Api::start().await;
    let answer = api.anyone().text("POST", REGISTER, "{\"email\": \n oops}").await;
    answer.refused(400, "malformed_json");
    insta::assert_snapshot!(answer.body["message"].as_str().unwrap(), @"The body is not valid JSON: expected value at line 2 column 2");
    for body in ["{", "nonsense", "\u{feff}{}"] {
        api.anyone().text("POST", REGISTER, body).await.refused(400, "malformed_json");
    }
    let more = format!("{}{{}}", registration("lastName", json!("Lovelace")));
    api.anyone().text("POST", REGISTER, &more).await.refused(400, "malformed_json");
}

#[tokio::test]
async fn what_a_client_made_up_is_told_back_shortened() {
    let api = Api::start().await;
    let ada = api.user().await;
    let name = "x, ".repeat(300_000);
    for body in [format!(r#"{{"{name}": 1}}"#), format!(r#"{{"transactions": [{{"{name}": 1}}]}}"#)]
    {
        let answer = ada.text("POST", "/api/v1/transactions/batch", &body).await;
        assert!(answer.text.contains("is not a field here"), "{}", answer.text);
        assert!(answer.text.len() < 4096, "{} bytes", answer.text.len());
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let api = Api::start().await;
    for body in ["", "  \n"] {
        api.anyone().text("POST", REGISTER, body).await.names("body", "required");
    }
    api.anyone().send("POST", REGISTER, &[], "").await.names("body", "required");
    for body in ["1", "\"text\"", "null", "true", "[]", " [null, null]"] {
        api.anyone().text("POST", REGISTER, body).await.names("body", "invalid_type");
    }
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused() {
    let api = Api::start().await;
    let anyone = api.anyone();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    anyone.send("POST", REGISTER, &form, "email=a").await.refused(415, "unsupported_media_type");
    anyone.send("POST", REGISTER, &[], "{}").await.refused(415, "unsupported_media_type");
    let packed = [("content-type", "application/json"), ("content-encoding", "gzip")];
    anyone.send("POST", REGISTER, &packed, "{}").await.refused(415, "unsupported_encoding");
    let spelt = [("content-type", "Application/JSON; charset=utf-8")];
    anyone.send("POST", REGISTER, &spelt, "{}").await.names("email", "required");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_one_that_just_fits_is_read() {
    let api = Api::start().await;
    let ada = api.user().await;
    let name = |length: usize| json!({"firstName": "a".repeat(length)});
    let put = async |body: Value| ada.json("PUT", "/api/v1/users/profile", &body).await;
    put(name(1 << 20)).await.refused(413, "body_too_large");
    put(name((1 << 20) - 200)).await.names("firstName", "invalid");
    // Who is not known sends little.
    let large = registration("firstName", json!("a".repeat(16 << 10)));
    let refused = api.anyone().post(REGISTER, &large).await;
    refused.refused(413, "body_too_large");
    assert_eq!(refused.body["message"], "The body must be at most 16 KiB");
    let fits = registration("firstName", json!("a".repeat((16 << 10) - 200)));
    api.anyone().post(REGISTER, &fits).await.names("firstName", "invalid");
}

#[tokio::test]
async fn missing_unknown_and_repeated_fields_are_named() {
    let api = Api::start().await;
    let anyone = api.anyone();
    anyone.post(REGISTER, &json!({"email": "ada@example.com"})).await.names("password", "required");
    let unknown = registration("role", json!("admin"));
    anyone.post(REGISTER, &unknown).await.names("role", "unknown_field");
    let twice = r#"{"email": "a@example.com", "email": "b@example.com"}"#;
    anyone.text("POST", REGISTER, twice).await.names("email", "duplicate_field");
}

#[tokio::test]
async fn a_value_of_the_wrong_type_or_shape_is_named() {
    let api = Api::start().await;
    for (field, value, code) in [
        ("email", json!(5), "invalid_type"),
        ("email", json!(null), "invalid_type"),
        ("email", json!("ada"), "invalid"),
        ("email", json!("a\u{0}@example.com"), "invalid"),
        ("password", json!("short-1A"), "invalid"),
        ("password", json!("Short-1"), "invalid"),
        ("firstName", json!(""), "invalid"),
        ("firstName", json!("a".repeat(101)), "invalid"),
        ("lastName", json!("a\u{0}b"), "invalid"),
        ("lastName", json!(["a"]), "invalid_type"),
        ("phone", json!("0123"), "invalid"),
    ] {
        let body = registration(field, value);
        if body["password"] != "short-1A" {
            api.anyone().post(REGISTER, &body).await.names(field, code);
        }
    }
    let answer = api.anyone().post(REGISTER, &registration("password", json!("password"))).await;
    insta::assert_snapshot!(answer.body["errors"], @r#"[{"code":"invalid","field":"password","message":"must also contain an upper-case letter, a digit, a special character"}]"#);
}

#[tokio::test]
async fn text_with_a_nul_is_refused_wherever_text_is_taken() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let nul = "a\u{0}b";
    let transaction = |field: &str, value: Value| {
        let mut body = json!({"accountId": account, "transactionType": "deposit", "amount": 1});
        body[field] = value;
        body
    };
    for (path, body, field) in [
        ("/auth/login", json!({"email": nul, "password": "x"}), "email"),
        ("/auth/login", json!({"email": "x", "password": nul}), "password"),
        ("/auth/refresh", json!({"refreshToken": nul}), "refreshToken"),
        ("/api-keys", json!({"name": nul, "permissions": []}), "name"),
        ("/transactions", transaction("description", json!(nul)), "description"),
        ("/transactions", transaction("metadata", json!({nul: 1})), "metadata"),
        ("/transactions", transaction("metadata", json!({"a": [nul]})), "metadata"),
    ] {
        ada.post(&format!("/api/v1{path}"), &body).await.names(field, "invalid");
    }
    ada.get("/api/v1/transactions?q=a%00b").await.names("q", "invalid");
    ada.get("/api/v1/transactions?metadata.a=%00").await.names("metadata.a", "invalid");
    for key in ["%00", "a%00", "", &"a".repeat(101)] {
        let path = format!("/api/v1/transactions?metadata.{key}=b");
        ada.get(&path).await.names("metadata", "invalid");
    }
    let admin = api.admin().await;
    admin.get("/api/v1/admin/users?q=%00").await.names("q", "invalid");
    for field in ["action", "resource"] {
        let path = format!("/api/v1/admin/audit-logs?{field}=%00");
        admin.get(&path).await.names(field, "invalid");
    }
}

#[tokio::test]
async fn amounts_are_read_exactly_as_they_are_written() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    for (literal, shown) in [
        ("0.01", "0.01"),
        ("1000", "1000.00"),
        ("1000.5", "1000.50"),
        ("4.35", "4.35"),
        ("\"12.50\"", "12.50"),
        ("9999999999999.99", "9999999999999.99"),
        ("\"9007199254740.93\"", "9007199254740.93"),
    ] {
        let answer = deposit(&ada, &account, literal).await;
        answer.expect(201);
        assert!(answer.text.contains(&format!(r#""amount":{shown},"#)), "{}", answer.text);
    }
}

#[tokio::test]
async fn what_is_no_positive_sum_of_two_decimals_is_refused() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    for literal in [
        "0",
        "0.00",
        "-1",
        "-0.01",
        "1.001",
        "1e3",
        "1E+2",
        "10000000000000",
        "99999999999999999999",
        "\"\"",
        "\" 1\"",
        "\"1,000\"",
        "\"+1\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\"0x10\"",
        "\"1_000\"",
        "true",
        "[1]",
        "{}",
        "null",
    ] {
        let answer = deposit(&ada, &account, literal).await;
        answer.names("amount", "invalid");
    }
    deposit(&ada, &account, "NaN").await.refused(400, "malformed_json");
    deposit(&ada, &account, "01").await.refused(400, "malformed_json");
}

async fn deposit(client: &Client, account: &str, amount: &str) -> Answer {
    let body = format!(
        r#"{{"accountId": "{account}", "transactionType": "deposit", "amount": {amount}}}"#
    );
    client.text("POST", "/api/v1/transactions", &body).await
}

#[tokio::test]
async fn currencies_and_fractions_follow_iso_4217() {
    let api = Api::start().await;
    let ada = api.user().await;
    for currency in ["XXX", "usd", "KWD", "US", "DOLLAR"] {
        let body = json!({"accountType": "checking", "currency": currency});
        ada.post("/api/v1/accounts", &body).await.names("currency", "invalid");
    }
    let yen =
        ada.post("/api/v1/accounts", &json!({"accountType": "savings", "currency": "JPY"})).await;
    let yen = yen.expect(201).data()["id"].as_str().unwrap().to_owned();
    ada.transact(&yen, "deposit", "1.50", false).await.refused(422, "fraction_of_unit");
    ada.transact(&yen, "deposit", "100", false).await.expect(201);
}

#[tokio::test]
async fn a_transfer_names_one_target_and_nothing_else_names_any() {
    let api = Api::start().await;
    let ada = api.user().await;
    let (account, other) = (ada.account("10").await, ada.account("0").await);
    let order = |kind: &str, targets: Value| {
        let mut body = json!({"accountId": account, "transactionType": kind, "amount": 1});
        body.as_object_mut().unwrap().extend(targets.as_object().unwrap().clone());
        body
    };
    let path = "/api/v1/transactions";
    ada.post(path, &order("transfer", json!({}))).await.names("toAccountId", "required");
    ada.post(path, &order("deposit", json!({"toAccountId": other})))
        .await
        .names("toAccountId", "unexpected");
    let both = json!({"toAccountId": other, "toAccountNumber": "WS123456789015"});
    ada.post(path, &order("transfer", both)).await.names("toAccountNumber", "conflicting");
    let mistyped = json!({"toAccountNumber": "WS123456789012"});
    ada.post(path, &order("transfer", mistyped)).await.names("toAccountNumber", "invalid");
    ada.post(path, &order("transfer", json!({"toAccountId": account})))
        .await
        .refused(422, "same_account");
    ada.post(path, &order("transfer", json!({"toAccountId": other}))).await.expect(201);
}

#[tokio::test]
async fn metadata_comes_back_as_it_was_sent_and_has_bounds() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let body = format!(
        r#"{{"accountId": "{account}", "transactionType": "deposit", "amount": 1, "metadata": {{"exact": 12345678901234567890.123456789, "text": "ü"}}}}"#
    );
    let created = ada.text("POST", "/api/v1/transactions", &body).await;
    assert!(
        created.expect(201).text.contains("12345678901234567890.123456789"),
        "{}",
        created.text
    );
    let path = format!("/api/v1/transactions/{}", created.data()["id"].as_str().unwrap());
    let read = ada.get(&path).await;
    assert!(read.expect(200).text.contains("12345678901234567890.123456789"), "{}", read.text);

    let deep = (0..9).fold(json!(1), |inner, _| json!({"a": inner}));
    let wide: Value =
        (0..65).map(|key| (key.to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into();
    for metadata in [json!([]), json!("text"), deep, wide, json!({"a": "x".repeat(16 * 1024)})] {
        ada.json("PUT", &path, &json!({"metadata": metadata})).await.names("metadata", "invalid");
    }
}

#[tokio::test]
async fn null_removes_what_may_be_absent() {
    let api = Api::start().await;
    let ada = api.user().await;
    let changed = ada.json("PUT", "/api/v1/users/profile", &json!({"phone": "+14155550123"})).await;
    assert_eq!(changed.expect(200).data()["phone"], "+14155550123");
    let kept = ada.json("PUT", "/api/v1/auth/profile", &json!({"firstName": "Augusta"})).await;
    assert_eq!(kept.expect(200).data()["phone"], "+14155550123");
    let removed = ada.json("PUT", "/api/v1/users/profile", &json!({"phone": null})).await;
    assert_eq!(removed.expect(200).data()["phone"], Value::Null);
    assert_eq!(removed.data()["firstName"], "Augusta");
}

#[tokio::test]
async fn an_id_in_the_path_must_be_a_uuid_as_it_is_written() {
    let api = Api::start().await;
    let ada = api.user().await;
    for id in [
        "1",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5dac96774bbcceb302099a8057",
        "%00",
        "%ff",
    ] {
        let answer = ada.get(&format!("/api/v1/accounts/{id}")).await;
        answer.refused(400, "validation_failed");
    }
    ada.get("/api/v1/accounts/1").await.names("id", "invalid");
    ada.get("/api/v1/transactions/account/1").await.names("accountId", "invalid");
}

#[tokio::test]
async fn a_query_parameter_that_is_unknown_repeated_or_wrong_is_named() {
    let api = Api::start().await;
    let ada = api.user().await;
    for (query, field, code) in [
        ("sort=amount", "sort", "unknown_field"),
        ("status=pending&status=failed", "status", "duplicate_field"),
        ("page=1&page=2", "page", "duplicate_field"),
        ("status=done", "status", "invalid"),
        ("status=", "status", "invalid"),
        ("type=gift", "type", "invalid"),
        ("account=1", "account", "invalid"),
        ("page=0", "page", "out_of_range"),
        ("page=-1", "page", "invalid_type"),
        ("page=x", "page", "invalid_type"),
        ("page=10000001", "page", "out_of_range"),
        ("page=99999999999", "page", "invalid_type"),
        ("limit=0", "limit", "out_of_range"),
        ("limit=101", "limit", "out_of_range"),
        ("limit=", "limit", "invalid_type"),
        ("cursor=nonsense", "cursor", "invalid"),
        ("page=1&cursor=nonsense", "cursor", "invalid"),
        ("from=yesterday", "from", "invalid"),
        ("from=2026-02-30", "from", "invalid"),
        ("to=2026-01-28T12:00:00", "to", "invalid"),
        ("min=-1", "min", "invalid"),
        ("max=1e3", "max", "invalid"),
        ("q=", "q", "invalid"),
        ("metadata.a=1&metadata.a=2", "metadata.a", "duplicate_field"),
        ("status.a=1", "status", "invalid_type"),
        ("metadata=1", "metadata", "invalid_type"),
    ] {
        ada.get(&format!("/api/v1/transactions?{query}")).await.names(field, code);
    }
    ada.get("/api/v1/api-keys?cursor=AAAA").await.names("cursor", "invalid");
    ada.get("/api/v1/accounts?type=gold").await.names("type", "invalid");
}

#[tokio::test]
async fn a_parameter_where_none_is_taken_is_refused_not_ignored() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    ada.get(&format!("/api/v1/accounts/{account}?at=2026-01-01"))
        .await
        .names("at", "unknown_field");
    let open = json!({"accountType": "checking"});
    ada.post("/api/v1/accounts?limit=1", &open).await.names("limit", "unknown_field");
    ada.get("/health?nocache=1").await.expect(200);
    ada.delete("/api/v1/accounts?limit=1").await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn null_is_refused_where_it_would_change_nothing() {
    let api = Api::start().await;
    let (ada, admin) = (api.user().await, api.admin().await);
    let account = ada.account("1.00").await;
    let transaction = ada.transact(&account, "deposit", "1.00", false).await.data()["id"].clone();
    let key = json!({"name": "key", "permissions": ["read:accounts"]});
    let key = ada.post("/api/v1/api-keys", &key).await.data()["id"].clone();
    let user = &ada.user["id"];
    let of = |path: &str, id: &Value| format!("/api/v1/{path}/{}", id.as_str().unwrap());
    for (who, method, path, fields) in [
        (&ada, "PUT", "/api/v1/users/profile".to_owned(), &["firstName", "lastName"][..]),
        (&ada, "PUT", of("transactions", &transaction), &["metadata"]),
        (&ada, "PATCH", of("api-keys", &key), &["name", "permissions", "rateLimit", "isActive"]),
        (&admin, "PATCH", of("admin/users", user), &["role", "status"]),
    ] {
        for field in fields {
            let answer = who.json(method, &path, &json!({ *field: null })).await;
            answer.names(field, "invalid");
            assert!(answer.text.contains("leave it out"), "{}", answer.text);
        }
    }
    // Where it removes something, it does.
    let path = "/api/v1/users/profile";
    ada.json("PUT", path, &json!({"phone": "+14155550123"})).await.expect(200);
    let answer = ada.json("PUT", path, &json!({"phone": null})).await;
    assert_eq!(answer.expect(200).data()["phone"], Value::Null);
}

#[tokio::test]
async fn an_object_in_metadata_has_no_key_twice() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("1.00").await;
    let order = |metadata: &str| {
        format!(
            r#"{{"accountId": "{account}", "transactionType": "deposit", "amount": 1, "metadata": {metadata}}}"#
        )
    };
    for metadata in [
        r#"{"a": 1, "a": 1}"#,
        r#"{"a": 1, "\u0061": 2}"#,
        r#"{"b": {"a": 1, "c": [], "a": 2}}"#,
        r#"{"b": [1, [{"a": null, "a": null}]]}"#,
    ] {
        let answer = ada.text("POST", "/api/v1/transactions", &order(metadata)).await;
        answer.names("metadata", "invalid");
        assert!(answer.text.contains("twice in one object"), "{}", answer.text);
    }
    let metadata = r#"{"a": {"a": [{"a": 1.50}, {"a": "x"}]}, "A": true, "b": null, "c": -1}"#;
    ada.text("POST", "/api/v1/transactions", &order(metadata)).await.expect(201);
}

#[tokio::test]
async fn an_address_with_a_letter_that_only_looks_like_ascii_is_nobodys() {
    let api = Api::start().await;
    let mail = |address: &str| registration("email", json!(address));
    api.anyone().post(REGISTER, &mail("Kim@example.com")).await.expect(201);
    // U+212A, the sign for kelvin, has the small form of an ASCII letter.
    let kelvin = "\u{212a}im@example.com";
    api.anyone().post(REGISTER, &mail(kelvin)).await.names("email", "invalid");
    let login = json!({"email": kelvin, "password": "Correct-Horse-1"});
    let answer = api.anyone().post("/api/v1/auth/login", &login).await;
    answer.refused(401, "invalid_credentials");
    api.anyone().post(REGISTER, &mail("KIM@EXAMPLE.COM")).await.refused(409, "email_taken");
}
