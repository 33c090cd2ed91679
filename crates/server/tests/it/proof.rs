//! Seals, the proof of a balance, and the check of the ledger, over HTTP.

use crate::support::{Answer, Api};
use jiff::SignedDuration;
use platform::{
    proof::{self, Derivation, Pins},
    seals::MOST_EXPLAINED,
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use testkit::{psql, skipped};

/// The answer for an account with sealed and unsealed entries and holds.
async fn explained(api: &Api) -> Answer {
    let ada = api.user().await;
    let (one, two) = (ada.account("100").await, ada.account("50").await);
    api.bank.clock.advance(SignedDuration::from_secs(1));
    for amount in ["1", "2.5", "3"] {
        let order = json!({"accountId": one, "transactionType": "transfer", "amount": amount,
            "toAccountId": two, "process": true});
        ada.post("/api/v1/transactions", &order).await.expect(201);
    }
    api.bank.seal().await;
    api.bank.clock.advance(SignedDuration::from_secs(1));
    ada.transact(&one, "deposit", "7", true).await.expect(201);
    ada.transact(&one, "withdrawal", "8.25", true).await.expect(201);
    ada.transact(&one, "withdrawal", "9", false).await.expect(201);
    let answer = ada.get(&format!("/api/v1/accounts/{one}/balance/explain")).await;
    answer.expect(200);
    answer
}

fn holds(json: &str) -> bool {
    let proof = proof::read(json);
    proof.is_ok_and(|proof| proof::check(&proof, &Pins::default(), proof.as_of).holds())
}

#[tokio::test]
async fn a_proof_with_any_one_digit_changed_fails() {
    let api = Api::start().await;
    let answer = explained(&api).await;
    let data = answer.data().to_string();
    let mut changed = 0;
    for (place, digit) in data.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        let mut bytes = data.clone().into_bytes();
        bytes[place] = if digit == b'9' { b'0' } else { digit + 1 };
        let touched = String::from_utf8(bytes).unwrap();
        assert!(!holds(&touched), "digit {place} of {data}");
        changed += 1;
    }
    assert!(changed > 500, "{changed} digits");
    assert!(holds(&data), "as it came");
}

#[tokio::test]
async fn a_proof_with_any_one_field_missing_or_another_added_fails() {
    let api = Api::start().await;
    let answer = explained(&api).await;
    let data = answer.data().as_object().unwrap();
    for name in data.keys() {
        let mut less = data.clone();
        less.remove(name);
        assert!(!holds(&json!(less).to_string()), "without {name}");
    }
    let mut more = data.clone();
    more.insert("more".to_owned(), json!(1));
    assert!(!holds(&json!(more).to_string()));
}

#[tokio::test]
async fn a_proof_is_accepted_as_the_answer_or_its_data_whatever_has_printed_the_numbers() {
    let api = Api::start().await;
    let answer = explained(&api).await;
    assert!(holds(&answer.text), "the answer as it came: {}", answer.text);
    assert!(answer.text.contains("\"availableBalance\":83.25"), "{}", answer.text);
    // serde_json has turned 100.00 into 100.0, as other tools do.
    assert!(holds(&answer.data().to_string()));
    let error = r#"{"success":false,"message":"Account not found","code":"account_not_found"}"#;
    let unreadable = proof::read(error).unwrap_err().to_string();
    assert_eq!(unreadable, "it is an error answer: Account not found");
    assert!(proof::read("{").is_err());
    let mut former = answer.data().clone();
    former.as_object_mut().unwrap().remove("format");
    let unreadable = proof::read(&former.to_string()).unwrap_err().to_string();
    assert!(unreadable.contains("of format 1"), "{unreadable}");
}

#[tokio::test]
async fn the_seal_of_a_proof_is_the_one_that_everybody_can_pin() {
    let api = Api::start().await;
    let answer = explained(&api).await;
    let Derivation { sealed, key, .. } = proof::read(&answer.text).unwrap();
    let hash = sealed.unwrap().seal.hash.to_string();
    let eve = api.user().await;
    let seals = eve.get("/api/v1/ledger/seals?limit=1").await;
    let newest = &seals.expect(200).data()["seals"][0];
    assert_eq!(newest["hash"], json!(hash));
    assert_eq!(newest["key"], json!(key.to_string()));
    assert_eq!(seals.data()["keys"], json!([key.to_string()]));
    let one = eve.get(&format!("/api/v1/ledger/seals/{}", newest["number"])).await;
    assert_eq!(one.expect(200).data(), newest);
}

#[tokio::test]
async fn a_seal_that_is_not_there_or_no_number_is_refused() {
    let api = Api::start().await;
    let eve = api.user().await;
    eve.get("/api/v1/ledger/seals/1").await.refused(404, "seal_not_found");
    for wrong in ["0", "01", "-1", "x", "99999999999999999999"] {
        eve.get(&format!("/api/v1/ledger/seals/{wrong}")).await.names("number", "invalid");
    }
}

#[tokio::test]
async fn a_proof_that_would_be_too_long_is_put_off() {
    let api = Api::start().await;
    let ada = api.user().await;
    let account = ada.account("0").await;
    let many = format!(
        "INSERT INTO wallstreet.entries (transaction_id, source_id, target_id, amount, currency, target_seq,
            target_balance, recorded_at) SELECT gen_random_uuid(), '00000000-0000-8000-8001-000000555344',
            '{account}', 1, 'USD', n, n, now() FROM generate_series(1, {}) AS n",
        MOST_EXPLAINED + 1
    );
    api.bank.client().await.batch_execute(&many).await.unwrap();
    let answer = ada.get(&format!("/api/v1/accounts/{account}/balance/explain")).await;
    answer.refused(503, "derivation_too_long");
    assert_eq!(answer.header("retry-after").unwrap(), "60");
}

#[tokio::test]
async fn the_check_of_the_ledger_is_asked_for_and_read_and_names_what_differs() {
    let api = Api::start().await;
    let admin = api.admin().await;
    let nothing = admin.get("/api/v1/admin/ledger/check").await;
    assert_eq!(nothing.expect(200).data(), &json!({"running": false, "last": null}));
    let ada = api.user().await;
    let account = ada.account("12").await;
    let sound = admin.send("POST", "/api/v1/admin/ledger/check", &[], "").await;
    assert_eq!(sound.expect(200).data()["last"]["sound"], json!(true), "{}", sound.text);
    let alter = "SET session_replication_role = replica; UPDATE wallstreet.entries SET amount = 13";
    api.bank.client().await.batch_execute(alter).await.unwrap();
    admin.send("POST", "/api/v1/admin/ledger/check", &[], "").await.expect(200);
    let found = admin.get("/api/v1/admin/ledger/check").await;
    let report = &found.expect(200).data()["last"];
    assert_eq!(report["sound"], json!(false));
    let first = &report["checks"][0]["first"][0];
    assert_eq!(first["subject"], json!(format!("account {account}")));
    assert_eq!((&first["stored"], &first["recomputed"]), (&json!("12.00"), &json!("13.00")));
}

/// Exports the tables as `docs/proof.md` says; false: this machine has no psql.
fn export(api: &Api, home: &Path) -> bool {
    fs::create_dir_all(home.join("dump")).unwrap();
    let table = |name: &str| {
        let file = home.join("dump").join(name.rsplit('.').next().unwrap());
        format!("\\copy {name} TO '{}.csv' WITH (FORMAT csv, HEADER)\n", file.display())
    };
    let tables = [
        "accounts",
        "transactions",
        "audit_logs",
        "wallstreet.entries",
        "wallstreet.exchanges",
        "wallstreet.rounding",
        "wallstreet.seals",
        "wallstreet.sealing",
        "wallstreet.migrations",
    ];
    let tables = tables.map(table);
    let script = home.join("export.sql");
    fs::write(&script, format!("SET TIME ZONE 'UTC';\n{}", tables.concat())).unwrap();
    psql(&api.bank.database.url, &script).is_some_and(|output| output.status.success())
}

/// Exit code and all that was said; `None`: this machine has no Python.
fn python(home: &Path, arguments: &[&str]) -> Option<(i32, String)> {
    let output = Command::new("python3").args(arguments).current_dir(home).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.code()?, String::from_utf8(said).unwrap()))
}

/// A directory that is gone with the test.
struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_script_without_our_code_recomputes_the_book_a_proof_and_a_statement_from_a_dump() {
    let test = "a_script_without_our_code_recomputes_the_book_a_proof_and_a_statement_from_a_dump";
    let api = Api::start().await;
    let answer = explained(&api).await;
    let home = Home(std::env::temp_dir().join(format!("{}-dump", api.bank.database.name())));
    fs::create_dir_all(&home.0).unwrap();
    api.bank.seal().await;
    if !export(&api, &home.0) {
        return skipped(test, "psql is not installed");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/verify-dump.py");
    let write = |name: &str, text: &str| fs::write(home.0.join(name), text).unwrap();
    write("proof.json", &answer.text);
    let admin = api.admin().await;
    let account = answer.data()["account"].as_str().unwrap();
    let key = answer.data()["key"].as_str().unwrap();
    let path = format!("/api/v1/accounts/{account}/statement");
    let period = "?from=2026-01-15T12:00:01Z&to=2026-01-15T12:00:02Z";
    let statement = admin.get(&format!("{path}{period}")).await.expect(200).text.clone();
    write("statement.json", &statement);
    write("effective.json", &admin.get(&format!("{path}?basis=effective")).await.expect(200).text);
    let run = || {
        let files = format!(
            "--proof proof.json --key {key} --statement statement.json --statement effective.json"
        );
        let files: Vec<&str> = files.split(' ').collect();
        python(&home.0, &[&[script, "dump"], files.as_slice()].concat())
    };
    let Some(sound) = run() else { return skipped(test, "python3 is not installed") };
    let counts = "2 accounts, 11 transactions, 7 entries, 11 audit logs, 2 seals (7 entries sealed), 1 proofs, 2 statements";
    assert_eq!(sound, (0, format!("{counts}: 0 differences\n")));

    let unknown = python(&home.0, &[script, "dump", "--proof", "proof.json"]).unwrap();
    assert!(
        unknown.0 == 3 && unknown.1.contains("--key") && unknown.1.contains("--seal"),
        "{unknown:?}"
    );
    let hash = answer.data()["sealed"]["seal"]["hash"].as_str().unwrap();
    let kept = |number: &str| {
        python(&home.0, &[script, "dump", "--seal", &format!("{number}:{hash}")]).unwrap()
    };
    assert_eq!((kept("1").0, kept("2").0, kept("9").0), (0, 1, 1));

    // The program in the document, too.
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/proof.md");
    let document = fs::read_to_string(document).unwrap();
    let program = document.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    write("chain.py", program);
    let (code, said) = python(&home.0, &["chain.py"]).unwrap();
    assert!(code == 0 && said.starts_with("7 entries are as they were sealed"), "{said}");

    // A proof and a statement that were touched.
    write("proof.json", &answer.text.replace("\"balance\":92.25", "\"balance\":92.26"));
    let (code, said) = run().unwrap();
    assert!(code == 1 && said.contains("balance: is 92.26, recomputed 92.25"), "{said}");
    for (from, to) in [
        ("\"asOf\":\"2026", "\"asOf\":\"2031"),
        ("\"signature\":\"", "\"signature\":\"00"),
        ("\"lastEntry\":5", "\"lastEntry\":6"),
    ] {
        write("proof.json", &answer.text.replacen(from, to, 1));
        let (code, said) = run().unwrap();
        assert!(code == 1, "{from}: {said}");
    }
    write("proof.json", &answer.text);
    let touched = statement.replace("\"closingBalance\":93.50", "\"closingBalance\":93.49");
    write("statement.json", &touched);
    let (code, said) = run().unwrap();
    assert!(code == 1 && said.contains("recomputed 93.5"), "{said}");
    write("statement.json", "{}");
    let (code, said) = run().unwrap();
    assert!(code == 2 && said.contains("could not be checked"), "{said}");

    finds_an_edited_book(&api, &home.0, script).await;
}

/// The script names what somebody edited in the tables that it reads.
async fn finds_an_edited_book(api: &Api, home: &Path, script: &str) {
    let alter = "SET session_replication_role = replica;
        UPDATE wallstreet.entries SET amount = amount + 1 WHERE id = 4";
    api.bank.client().await.batch_execute(alter).await.unwrap();
    assert!(export(api, home));
    let (code, said) = python(home, &[script, "dump"]).unwrap();
    assert_eq!(code, 1, "{said}");
    for part in [
        "seal 1, root",
        "entry 4 4: is not as seal 1 has it",
        "running balance",
        "available balance",
        "moved",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert_eq!(python(home, &["chain.py"]).unwrap().0, 1);
    let alter = "SET session_replication_role = replica;
        UPDATE wallstreet.entries SET amount = amount - 1 WHERE id = 4;
        UPDATE audit_logs SET user_agent = '' WHERE number = 2";
    api.bank.client().await.batch_execute(alter).await.unwrap();
    assert!(export(api, home));
    let (code, said) = python(home, &[script, "dump"]).unwrap();
    assert!(
        code == 1 && said.contains("seal 1, audit root") && said.contains("audit 2 "),
        "{said}"
    );
    assert_eq!(python(home, &[script, "nowhere"]).unwrap().0, 2);
}
