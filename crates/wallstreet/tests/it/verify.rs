//! `verify`: sound, not sound, not checked, told apart by exit code and in words.

use crate::product::{Home, Running, eventually};
use serde_json::{Value, json};
use std::fs;
use testkit::{Database, psql, skipped};

/// A server on a database of the test's own.
fn serve(home: &Home) -> (Database, Running) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(testkit::database());
    let server =
        home.serve(&["--database-url", &database.url, "--set", "RATE_LIMIT_MAX_REQUESTS=0"]);
    (database, server)
}

/// The answer for a customer's account: one deposit that is sealed, one hold.
fn proof(server: &Running) -> String {
    let ada = json!({"email": "ada@example.com", "password": "Correct-Horse-1", "firstName": "Ada",
        "lastName": "Lovelace"});
    let (_, answer) = server.request("POST", "/api/v1/auth/register", &ada.to_string());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let authorization =
        format!("Authorization: Bearer {}\r\n", answer["data"]["token"].as_str().unwrap());
    let call = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        server.request_with(method, path, &authorization, &body).1
    };
    let account = call("POST", "/api/v1/accounts", json!({"accountType": "checking"}));
    let account: Value = serde_json::from_str(&account).unwrap();
    let id = account["data"]["id"].as_str().unwrap();
    for (kind, amount, process) in [("deposit", 100, true), ("withdrawal", 30, false)] {
        let order =
            json!({"accountId": id, "transactionType": kind, "amount": amount, "process": process});
        call("POST", "/api/v1/transactions", order);
    }
    let path = format!("/api/v1/accounts/{id}/balance/explain");
    let mut proof = String::new();
    eventually("the server seals the deposit", || {
        proof = call("GET", &path, Value::Null);
        proof.contains("\"since\":[]")
    });
    proof
}

#[test]
fn a_ledger_is_verified_beside_a_running_server_and_what_differs_is_named() {
    let test = "a_ledger_is_verified_beside_a_running_server_and_what_differs_is_named";
    let home = Home::new();
    let (database, server) = serve(&home);
    proof(&server);
    let verify = |more: &[&str]| {
        home.run(&[&["verify", "ledger", "--database-url", &database.url], more].concat())
    };
    let sound = verify(&[]);
    assert!(sound.stderr.contains("checking") && sound.stderr.contains("seals"), "{sound:#?}");
    let told = untimed(&sound.well());
    insta::assert_snapshot!("a_sound_ledger", told);

    let script = home.write(
        "alter.sql",
        "SET session_replication_role = replica;
        UPDATE wallstreet.entries SET amount = 99 WHERE id = 1;",
    );
    if psql(&database.url, script.as_ref()).is_none() {
        return skipped(test, "psql is not installed");
    }
    let broken = verify(&[]);
    assert_eq!(broken.code, Some(1), "{broken:#?}");
    for part in [
        "✗ balances",
        "✓ holds",
        "balance is 100.00, recomputed 99.00",
        "(entries 1 to 1): root",
        "entry 1: entry is another, recomputed as it was sealed",
        "The ledger is NOT sound",
    ] {
        assert!(broken.stdout.contains(part), "{part} is not in {}", broken.stdout);
    }
    let broken = verify(&["--json"]);
    assert_eq!(broken.code, Some(1), "{broken:#?}");
    let document: Value = serde_json::from_str(&broken.stdout).unwrap();
    assert_eq!((&document["sound"], &document["entries"]), (&json!(false), &json!(1)));
    assert_eq!(document["checks"][0]["first"][0]["recomputed"], json!("99.00"));
}

/// Without times and ids, which differ from run to run.
fn untimed(told: &str) -> String {
    let time = |word: &str| {
        let parts = word.trim_end_matches('.').split_once('.');
        parts.is_some_and(|(whole, part)| {
            whole.parse::<u32>().is_ok() && part.parse::<u32>().is_ok()
        })
    };
    let line = |line: &str| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        // How many seals there are, the clock decides.
        if words.get(1) == Some(&"seals") {
            words[2] = "…";
        }
        words.iter().map(|word| if time(word) { "…" } else { word }).collect::<Vec<_>>().join(" ")
    };
    told.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_ledger_is_held_against_kept_seals_and_keys_and_a_stopped_server_leaves_nothing_unsealed() {
    let home = Home::new();
    let (database, server) = serve(&home);
    let document: Value = serde_json::from_str(&proof(&server)).unwrap();
    server.stop();
    let (seal, key) = (&document["data"]["head"], document["data"]["key"].as_str().unwrap());
    let kept = format!("{}:{}", seal["number"], seal["hash"].as_str().unwrap());
    let verify = |more: &[&str]| {
        home.run(&[&["verify", "ledger", "--database-url", &database.url], more].concat())
    };
    assert!(!verify(&["--seal", &kept, "--key", key]).well().contains("note:"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let unsealed = "SELECT count(*) FROM audit_logs WHERE number > (SELECT max(last_audit) FROM wallstreet.seals)";
    let unsealed: i64 = runtime
        .block_on(async { database.client().await.query_one(unsealed, &[]).await.unwrap().get(0) });
    assert_eq!(unsealed, 0);
    let other = "0".repeat(64);
    for wrong in
        [["--seal", &format!("1:{other}")], ["--seal", &format!("999:{other}")], ["--key", &other]]
    {
        let unlike = verify(&wrong);
        assert_eq!(unlike.code, Some(1), "{wrong:?}: {unlike:#?}");
    }
    // With another secret the signer is another one, unless it is known as a former one.
    let salt = ("API_KEY_SALT", "another salt, of more than 32 bytes ...");
    let with = |settings: &[(&str, &str)]| {
        home.run_with(&["verify", "ledger", "--database-url", &database.url], settings)
    };
    let strange = with(&[salt]);
    assert!(strange.code == Some(1) && strange.stdout.contains("signing key"), "{strange:#?}");
    assert!(!with(&[salt, ("LEDGER_FORMER_KEYS", key)]).well().contains("note:"));
    with(&[salt, ("LEDGER_FORMER_KEYS", "abc")]).refused(2, &["LEDGER_FORMER_KEYS"]);
    let chosen = home.run_with(
        &["verify", "ledger", "--database-url", &database.url],
        &[("LEDGER_SIGNING_KEY", &other)],
    );
    assert_eq!(chosen.code, Some(1), "{chosen:#?}");
    home.run_with(&["verify", "ledger"], &[("LEDGER_SIGNING_KEY", "abc")])
        .refused(2, &["LEDGER_SIGNING_KEY", "64 hexadecimal digits"]);
}

#[test]
fn a_ledger_that_cannot_be_reached_is_not_called_sound() {
    let url = "postgres://bank@127.0.0.1:1/books";
    Home::new().run(&["verify", "ledger", "--database-url", url]).refused(2, &["error:"]);
    Home::new()
        .run_with(&["verify", "ledger"], &[("PORT", "x")])
        .refused(2, &["the configuration cannot be used"]);
}

#[test]
fn a_proof_is_verified_without_a_server_a_database_or_a_configuration() {
    let home = Home::new();
    let (database, server) = serve(&home);
    let answer = proof(&server);
    server.stop();
    drop(database);
    let document: Value = serde_json::from_str(&answer).unwrap();
    let hash = document["data"]["sealed"]["seal"]["hash"].as_str().unwrap();
    let file = home.write("balance.json", &answer);
    // A configuration that cannot be used is not even read.
    let verify = |more: &[&str]| {
        home.run_with(&[&["verify", "proof", &file], more].concat(), &[("PORT", "x")])
    };
    let key = document["data"]["key"].as_str().unwrap();
    let alone = verify(&[]);
    assert_eq!(alone.code, Some(3), "{alone:#?}");
    let alone = alone.stdout;
    for part in [
        "✓ Entry 1 is number 1 of this account's and left 100.00 USD.",
        "✓ Entry 1 is under seal",
        ": entry 1 of 1 leads to its root.",
        "✓ From 100.00, the entries since (there are 0) lead to 100.00 USD.",
        "✓ Open holds (1) take 30.00: 70.00 USD are available.",
        "By the seal (not proved): entry 1 is number 1 of account",
        "By the server's word (not proved)",
        "Not proved: that the seal and the rest are the bank's. --key",
        hash,
        key,
    ] {
        assert!(alone.contains(part), "{part} is not in {alone}");
    }
    let kept = verify(&["--seal", hash]);
    assert_eq!(kept.code, Some(3), "{kept:#?}");
    for part in [
        "✓ The seal is the one you kept.",
        "By the seal (proved)",
        "By the server's word (not proved)",
    ] {
        assert!(kept.stdout.contains(part), "{part} is not in {kept:#?}");
    }
    assert!(
        kept.stdout.lines().last().unwrap().starts_with("Not proved: what the server claims"),
        "{kept:#?}"
    );
    assert!(verify(&["--seal", hash, "--key", key]).well().ends_with("The proof holds.\n"));
    let fed = home.run_fed(&["verify", "proof", "-", "--key", key], &answer);
    assert!(fed.well().ends_with("The proof holds.\n"));

    let other = "0".repeat(64);
    let unlike = verify(&["--key", &other]);
    assert_eq!(unlike.code, Some(1), "{unlike:#?}");
    assert!(unlike.stdout.contains("another key than the one you know"), "{unlike:#?}");
    let unlike = verify(&["--seal", &other]);
    assert_eq!(unlike.code, Some(1), "{unlike:#?}");
    assert!(unlike.stdout.contains("another one than the one you kept"), "{unlike:#?}");
    fs::write(&file, answer.replace("\"balance\":100.00", "\"balance\":900.00")).unwrap();
    let touched = verify(&[]);
    assert_eq!(touched.code, Some(1), "{touched:#?}");
    assert!(touched.stdout.contains("✗ The file is not as it was made"), "{touched:#?}");
    assert!(touched.stdout.ends_with("The proof does NOT hold.\n"), "{touched:#?}");
}

#[test]
fn what_is_no_proof_is_not_checked_and_a_hash_that_is_none_is_a_usage_error() {
    let home = Home::new();
    let file = home.write("x.json", "{\"data\": 1}");
    home.run(&["verify", "proof", &file]).refused(2, &["is no proof of a balance", "explain"]);
    home.run(&["verify", "proof", "nowhere.json"]).refused(2, &["nowhere.json", "No such file"]);
    home.run(&["verify", "proof", &file, "--seal", "abc"]).refused(2, &["64 hexadecimal digits"]);
    home.run(&["verify", "proof", &file, "--key", "abc"]).refused(2, &["64 hexadecimal digits"]);
    for (wrong, told) in
        [("abc", "NUMBER:HASH"), ("0:abc", "from 1"), ("1:abc", "64 hexadecimal digits")]
    {
        home.run(&["verify", "ledger", "--seal", wrong]).refused(2, &[told]);
    }
}
