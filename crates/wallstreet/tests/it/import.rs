//! `import`: every line once, whatever is killed meanwhile; what is refused is named by its line.

use crate::crash::{Client, assert_sound, kill_9, open_accounts, serve};
use crate::product::{Ended, Home, Running, eventually};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
};

/// A bank with accounts, and a program that may order.
struct Bank {
    server: Running,
    client: Client,
    accounts: Vec<String>,
    key: String,
    url: String,
    /// Last, because it waits until the server's database has ended.
    home: Home,
}

impl Bank {
    fn open() -> Self {
        Self::with_rate(0, serve)
    }

    /// The program may send so many requests in a window.
    fn with_rate(rate: u32, serve: impl FnOnce(&Home) -> Running) -> Self {
        let home = Home::new();
        let server = serve(&home);
        let client = Client::log_in(server.port);
        let accounts = open_accounts(&client);
        let permissions = ["write:transactions"];
        let order = json!({"name": "import", "permissions": permissions, "rateLimit": rate});
        let (_, issued) = client.post("/api-keys", "", &order).unwrap();
        let key = issued["data"]["key"].as_str().unwrap().to_owned();
        let url = format!("http://127.0.0.1:{}", server.port);
        Self { server, client, accounts, key, url, home }
    }

    /// Lines that each move money to the next account.
    fn lines(&self, count: usize) -> String {
        (0..count)
            .map(|n| {
                let (from, to) = (n % 10, (n + 1) % 10);
                let line = json!({"accountId": self.accounts[from], "transactionType": "transfer",
                    "toAccountId": self.accounts[to], "amount": 0.01, "process": true,
                    "description": format!("line {}", n + 1)});
                format!("{line}\n")
            })
            .collect()
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let all = [&["import"], arguments, &["--url", &self.url]].concat();
        let mut command = self.home.command(&all);
        command.env("WALLSTREET_API_KEY", &self.key);
        command
    }

    fn import(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// The summary of a run that was asked for JSON.
    fn summary(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let ended = self.import(&[arguments, &["--json"]].concat());
        let document = serde_json::from_str(&ended.stdout);
        (ended.code, document.unwrap_or_else(|error| panic!("{error}: {ended:#?}")))
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The line up to which the import of this file says it came.
    fn came(&self, name: &str) -> u64 {
        let text = fs::read_to_string(self.path(&format!("{name}.progress"))).unwrap_or_default();
        let progress: Value = serde_json::from_str(&text).unwrap_or_default();
        progress["line"].as_u64().unwrap_or(0)
    }

    fn refused(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// So many transfers were made, and the book is off by nothing.
    fn assert_transfers(&self, count: usize) {
        let page = self.client.get("/transactions?type=transfer&limit=1");
        assert_eq!(page["pagination"]["total"], json!(2 * count), "each line once");
        assert_sound(&self.client, &self.accounts, 1_000_000);
    }
}

#[test]
fn an_import_that_is_killed_again_and_again_does_every_line_once() {
    let bank = Bank::open();
    let file = bank.home.write("all.ndjson", &bank.lines(1500));
    let how = [&file, "--batch", "25", "--parallel", "3"];
    for _ in 0..5 {
        let before = bank.came("all.ndjson");
        let mut import = bank.start(&how);
        eventually("it goes on", || bank.came("all.ndjson") > before);
        kill_9(import.id());
        assert!(import.wait().unwrap().code().is_none(), "it was under way when it was killed");
    }
    let (code, summary) = bank.summary(&how);
    assert_eq!((code, &summary["done"]), (Some(0), &json!(1500)), "{summary}");
    assert!(summary["linesOfThisRun"].as_u64().unwrap() < 1500, "{summary}");
    bank.assert_transfers(1500);
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_waited_for() {
    let mut bank = Bank::open();
    let file = bank.home.write("all.ndjson", &bank.lines(1000));
    let import = bank.start(&[&file, "--batch", "20", "--json"]);
    for _ in 0..2 {
        let before = bank.came("all.ndjson");
        eventually("it goes on", || bank.came("all.ndjson") > before);
        bank.server.kill();
        let port = bank.server.port.to_string();
        let mut again = bank.home.command(&["serve", "--port", &port]);
        bank.server = Running::start(again.env("RATE_LIMIT_MAX_REQUESTS", "0"));
    }
    let ended: Ended = import.wait_with_output().unwrap().into();
    let summary: Value = serde_json::from_str(&ended.well()).unwrap();
    assert_eq!((&summary["done"], &summary["refused"]), (&json!(1000), &json!(0)), "{summary}");
    bank.assert_transfers(1000);
}

#[test]
fn a_rate_limit_is_waited_for_as_long_as_it_says() {
    let bank = Bank::with_rate(2, |home| {
        let mut command = home.command(&["serve", "--port", "0"]);
        let command = command.env("RATE_LIMIT_MAX_REQUESTS", "0");
        Running::start(command.env("RATE_LIMIT_WINDOW_MS", "2000"))
    });
    let file = bank.home.write("a.ndjson", &bank.lines(61));
    let ended = bank.import(&[&file, "--batch", "10", "--json"]);
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &summary["done"]), (Some(0), &json!(61)), "{ended:#?}");
    // Ten lines use up a window for two: six windows, and five waits.
    assert!(summary["tookMs"].as_u64().unwrap() > 9_000, "{summary}");
    let slow = "the API key's rate limit makes this import wait";
    assert_eq!(ended.stderr.matches(slow).count(), 1, "{ended:#?}");
    bank.assert_transfers(61);
}

#[test]
fn what_is_refused_is_named_by_its_line_and_the_rest_is_done() {
    let bank = Bank::open();
    let [good, far] = [0.01, 5_000.0].map(|amount| {
        json!({"accountId": bank.accounts[0], "transactionType": "transfer", "amount": amount,
            "toAccountId": bank.accounts[1], "process": true})
    });
    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057";
    let nowhere = good.to_string().replace(&bank.accounts[0], nobody);
    let odd = good.to_string().replace("0.01", "\"0.001\"");
    let own = good.to_string().replacen('{', "{\"idempotencyKey\":\"mine\",", 1);
    let text = format!(
        "\u{feff}{good}\r\n\r\nnot json\n{far}\n{nowhere}\n[{good}]\n{odd}\n{own}\n{own}\n{good}"
    );
    let file = bank.home.write("mixed.ndjson", &text);
    let ended = bank.import(&[&file]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    for part in ["4 lines are done (1 of them by an earlier request), 5 refused", "errors.ndjson"] {
        assert!(ended.stdout.contains(part), "{ended:#?}");
    }
    let refused = bank.refused("mixed.ndjson.errors.ndjson");
    let named: Vec<_> =
        refused.iter().map(|one| (one["line"].as_u64().unwrap(), &one["code"])).collect();
    let codes = [
        "not_an_object",
        "insufficient_funds",
        "account_not_found",
        "not_an_object",
        "validation_failed",
    ]
    .map(Value::from);
    assert_eq!(named, [3, 4, 5, 6, 7].into_iter().zip(&codes).collect::<Vec<_>>());
    assert_eq!(refused[1]["original"], json!(far.to_string()));
    assert!(refused[4]["message"].as_str().unwrap().contains("amount "), "{}", refused[4]);
    bank.assert_transfers(3);

    let (code, again) = bank.summary(&[&file]);
    assert_eq!((code, &again["linesOfThisRun"]), (Some(1), &json!(0)), "{again}");
    assert_eq!(bank.refused("mixed.ndjson.errors.ndjson").len(), 5);
    fs::write(&file, format!("{text}\n{good}\n")).unwrap();
    let (_, more) = bank.summary(&[&file]);
    assert_eq!((&more["linesOfThisRun"], &more["done"]), (&json!(1), &json!(5)), "{more}");
    bank.assert_transfers(4);
}

#[test]
fn of_an_atomic_batch_with_a_refused_line_nothing_is_done() {
    let bank = Bank::open();
    let lines = bank.lines(6);
    let text = lines.replacen("0.01", "5000", 3).replacen("5000", "0.01", 2);
    let file = bank.home.write("pairs.ndjson", &format!("{text}what\n{lines}"));
    let (code, summary) = bank.summary(&[&file, "--atomic", "--batch", "2"]);
    // 3 is refused and takes 4 with it; 7 is not JSON and takes 8 with it.
    assert_eq!((code, &summary["done"]), (Some(1), &json!(9)), "{summary}");
    let refused = bank.refused("pairs.ndjson.errors.ndjson");
    let named: Vec<_> = refused
        .iter()
        .map(|one| (one["line"].as_u64().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    let expected =
        [(3, "insufficient_funds"), (4, "batch_undone"), (7, "not_an_object"), (8, "batch_undone")];
    assert_eq!(named, expected);
    bank.assert_transfers(9);
}

#[test]
fn an_import_that_cannot_begin_says_why_and_leaves_nothing_behind() {
    let bank = Bank::open();
    let file = bank.home.write("a.ndjson", &bank.lines(3));
    let import = |arguments: &[&str], key: &str| {
        bank.home.run_with(&[&["import"], arguments].concat(), &[("WALLSTREET_API_KEY", key)])
    };
    let url = bank.url.as_str();
    import(&[&file, "--url", url], "").refused(2, &["there is no API key", "WALLSTREET_API_KEY"]);
    import(&[&file, "--url", url], "wsk_dev_wrong").refused(2, &["401", "--api-key-file"]);
    let key = bank.home.write("key", &format!("{}\n", bank.key));
    let with_key =
        |arguments: &[&str]| import(&[arguments, &["--api-key-file", &key]].concat(), "");
    with_key(&[&file, "--url", &format!("{url}/elsewhere")]).refused(2, &["404", "--url"]);
    with_key(&[&file, "--url", "ftp://x"]).refused(2, &["not the address of a server"]);
    with_key(&[&file, "--url", "http://127.0.0.1:1"])
        .refused(2, &["gave up", "Connection refused"]);
    with_key(&["nowhere.ndjson", "--url", url]).refused(2, &["nowhere.ndjson", "No such file"]);
    with_key(&["-", "--url", url]).refused(2, &["--key-prefix"]);
    with_key(&[&file, "--url", url, "--errors", &file]).refused(2, &["--errors"]);
    let left: Vec<_> = fs::read_dir(bank.home.path()).unwrap().map(|one| one.unwrap()).collect();
    let left: Vec<_> = left.iter().map(fs::DirEntry::file_name).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("a.ndjson.")), "{left:?}");
    with_key(&[&file, "--url", url]).well();
    bank.assert_transfers(3);
}

#[test]
fn progress_that_does_not_fit_the_file_is_refused_and_a_lost_one_is_noticed() {
    let bank = Bank::open();
    let lines = bank.lines(30);
    let file = bank.home.write("a.ndjson", &lines);
    let progress = bank.path("a.ndjson.progress");
    bank.import(&[&file, "--batch", "10"]).well();

    let refused = |arguments: &[&str], parts: &[&str]| {
        bank.import(&[&[file.as_str()], arguments].concat()).refused(2, parts);
    };
    fs::write(&file, lines.replacen("0.01", "0.02", 2)).unwrap();
    refused(&[], &["no longer the same", "remove"]);
    fs::write(&file, &lines).unwrap();
    refused(&["--key-prefix", "other"], &["--key-prefix"]);
    let known = fs::read_to_string(&progress).unwrap();
    fs::write(&progress, &known[..40]).unwrap();
    refused(&[], &["it is damaged", "remove"]);
    fs::write(&progress, known.replace(&bank.url, "https://bank.example.com")).unwrap();
    refused(&[], &["--url https://bank.example.com"]);
    let old = known.replace("\"open\": false", "\"open\": true");
    let at = old.find("\"at\": ").unwrap();
    fs::write(&progress, format!("{}\"at\": 1}}", &old[..at])).unwrap();
    refused(&[], &["more than 24 hours ago", "from 31 on"]);

    fs::remove_file(&progress).unwrap();
    refused(&[], &["begins like one", "--key-prefix import-"]);
    bank.assert_transfers(30);
    let known: Value = serde_json::from_str(&known).unwrap();
    let prefix = known["keyPrefix"].as_str().unwrap();
    let (code, again) = bank.summary(&[&file, "--key-prefix", prefix]);
    assert_eq!((code, &again["replayed"]), (Some(0), &json!(30)), "{again}");
    bank.assert_transfers(30);
    fs::remove_file(&progress).unwrap();
    bank.import(&[&file, "--key-prefix", "once-more"]).well();
    bank.assert_transfers(60);
}

#[test]
fn standard_input_can_be_sent_again_under_the_same_prefix() {
    let bank = Bank::open();
    let lines = bank.home.write("lines", &bank.lines(50));
    for replayed in [0, 50] {
        let mut command = bank.command(&["-", "--key-prefix", "from-a-pipe", "--json"]);
        let fed = command.stdin(fs::File::open(&lines).unwrap()).output().unwrap();
        let summary: Value = serde_json::from_str(&Ended::from(fed).well()).unwrap();
        assert_eq!((&summary["done"], &summary["replayed"]), (&json!(50), &json!(replayed)));
    }
    bank.assert_transfers(50);
}

#[test]
fn a_signal_ends_it_in_order_and_the_same_command_goes_on() {
    let bank = Bank::open();
    let file = bank.home.write("all.ndjson", &bank.lines(1500));
    let import = bank.start(&[&file, "--batch", "10"]);
    eventually("it has begun", || bank.came("all.ndjson") > 20);
    kill(Pid::from_raw(i32::try_from(import.id()).unwrap()), Signal::SIGINT).unwrap();
    let ended: Ended = import.wait_with_output().unwrap().into();
    let came = bank.came("all.ndjson");
    ended.refused(130, &[&format!("goes on after line {came}"), "nothing is done twice"]);
    let (code, summary) = bank.summary(&[&file]);
    assert_eq!((code, &summary["linesOfThisRun"]), (Some(0), &json!(1500 - came)), "{summary}");
    assert_eq!(summary["replayed"], json!(0), "all that was under way was noted");
    bank.assert_transfers(1500);
}

#[test]
fn a_dry_run_reads_everything_and_needs_no_server() {
    let home = Home::new();
    let file = home.write("a.ndjson", "{}\n\nwhat\n{}\n");
    let ended = home.run(&["import", &file, "--dry-run"]);
    ended.refused(1, &["line 3: The line is not a JSON object"]);
    let fed = home.run_fed(&["import", "-", "--dry-run", "--json"], "{}\n{}");
    let summary: Value = serde_json::from_str(&fed.well()).unwrap();
    assert_eq!((&summary["good"], &summary["bad"]), (&json!(2), &json!(0)));
}
