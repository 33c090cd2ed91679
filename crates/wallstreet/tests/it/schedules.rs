//! The program runs what falls due by itself, and exactly once when it is killed in the middle of it.

use crate::crash::{Client, assert_sound, kill_9, open_accounts, serve};
use crate::product::{Home, eventually};
use serde_json::json;
use std::{thread, time::Duration};

#[test]
fn due_schedules_run_once_though_server_and_postgres_are_killed_in_the_middle() {
    let home = Home::new();
    let mut server = serve(&home);
    let mut client = Client::log_in(server.port);
    let accounts = open_accounts(&client);
    let mut schedules = Vec::new();
    for round in 0..2 {
        for n in 0..60 {
            let now =
                client.send("GET", "/accounts?limit=1", "", "").unwrap().1["timestamp"].clone();
            let body = json!({
                "accountId": accounts[n % 10], "toAccountId": accounts[(n + 1) % 10],
                "transactionType": "transfer", "amount": "1.00", "startAt": now,
            });
            let (status, made) = client.post("/schedules", "", &body).unwrap();
            assert_eq!(status, 201, "{made}");
            schedules.push(made["data"]["id"].as_str().unwrap().to_owned());
        }
        // Somewhere in the second in which the next of them run.
        thread::sleep(Duration::from_millis(700 + 150 * round));
        let (postmaster, pid) = (home.postmaster(), server.pid());
        kill_9(pid);
        kill_9(postmaster);
        drop(server);
        server = serve(&home);
        client.port = server.port;
    }
    eventually("every schedule has ended", || {
        client.get("/schedules?status=ended&limit=1")["pagination"]["total"] == json!(120)
    });
    for schedule in &schedules {
        let runs = client.get(&format!("/schedules/{schedule}/runs"));
        assert_eq!(runs["pagination"]["total"], 1, "{runs}");
        assert_eq!(runs["runs"][0]["status"], "completed", "{runs}");
    }
    let page = client.get("/transactions?type=transfer&limit=1");
    assert_eq!(page["pagination"]["total"], json!(2 * 120), "no run moved money twice");
    assert_sound(&client, &accounts, 1_000_000);
    server.stop();
}
