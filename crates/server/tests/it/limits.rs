//! How often somebody may come: exact at the boundary, for each by themselves.

use crate::support::{Answer, Api, Client, settings};
use jiff::SignedDuration;
use platform::Shares;
use serde_json::{Value, json};
use server::{RateLimits, Settings};
use testkit::PASSWORD;

fn limited(max: u32, auth_max: u32) -> Settings {
    Settings { rate_limits: RateLimits { max, auth_max, ..RateLimits::default() }, ..settings() }
}

fn standing(answer: &Answer) -> [Option<String>; 3] {
    ["limit", "remaining", "reset"].map(|name| answer.header(&format!("x-ratelimit-{name}")))
}

#[tokio::test]
async fn a_user_is_counted_exactly_and_starts_anew_with_the_next_window() {
    let api = Api::with(limited(3, 0)).await;
    let ada = api.user().await.from([192, 0, 2, 9]);
    let reset = Some("1768479300".to_owned());
    for remaining in ["2", "1", "0"] {
        let answer = ada.get("/api/v1/accounts").await;
        let expected = [Some("3".to_owned()), Some(remaining.to_owned()), reset.clone()];
        assert_eq!(standing(answer.expect(200)), expected);
    }
    api.bank.clock.advance(SignedDuration::from_millis(899_500));
    let answer = ada.get("/api/v1/accounts").await;
    answer.refused(429, "rate_limit_exceeded");
    assert_eq!(answer.header("retry-after").unwrap(), "1");
    assert_eq!(standing(&answer), [Some("3".to_owned()), Some("0".to_owned()), reset]);
    api.bank.clock.advance(SignedDuration::from_millis(500));
    assert_eq!(standing(ada.get("/api/v1/accounts").await.expect(200))[1].as_deref(), Some("2"));
}

#[tokio::test]
async fn each_user_each_key_and_each_address_is_counted_by_itself() {
    let api = Api::with(limited(2, 0)).await;
    let (ada, eve) =
        (api.user().await, api.anyone().from([192, 0, 2, 2]).register("eve@example.com").await);
    // Registration counted for the addresses, not for the users.
    for _ in 0..2 {
        eve.get("/api/v1/accounts").await.expect(200);
    }
    eve.from([192, 0, 2, 3]).get("/api/v1/accounts").await.refused(429, "rate_limit_exceeded");
    let body = json!({"name": "one", "permissions": ["read:accounts"], "rateLimit": 1});
    let key = ada.post("/api/v1/api-keys", &body).await;
    let one = ada.with_key(key.expect(201).data()["key"].as_str().unwrap());
    one.get("/api/v1/accounts").await.expect(200);
    one.get("/api/v1/accounts").await.refused(429, "rate_limit_exceeded");
    let unlimited = ada.key(&["read:accounts"]).await;
    for _ in 0..5 {
        assert_eq!(
            standing(unlimited.get("/api/v1/accounts").await.expect(200)),
            [None, None, None]
        );
    }
}

#[tokio::test]
async fn unknown_paths_and_refused_requests_count_and_health_does_not() {
    let api = Api::with(limited(2, 0)).await;
    let anyone = api.anyone();
    for _ in 0..5 {
        assert_eq!(standing(anyone.get("/health").await.expect(200)), [None, None, None]);
    }
    anyone.get("/api/v1/nowhere").await.refused(404, "route_not_found");
    anyone.get("/api/v1/accounts").await.refused(401, "authentication_required");
    anyone.get("/api/v1/nowhere").await.refused(429, "rate_limit_exceeded");
    anyone.from([192, 0, 2, 77]).get("/api/v1/nowhere").await.refused(404, "route_not_found");
    anyone.get("/health").await.expect(200);
}

const BATCH: &str = "/api/v1/transactions/batch";

/// So many pending deposits.
fn batch(account: &str, items: usize) -> Value {
    let item = json!({"accountId": account, "transactionType": "deposit", "amount": 1});
    json!({"transactions": vec![item; items]})
}

/// A person with an account that has used nothing of a window of so many.
async fn with_account(api: &Api) -> (Client, String) {
    let ada = api.user().await.from([192, 0, 2, 9]);
    let account = ada.account("0").await;
    api.bank.clock.advance(SignedDuration::from_secs(900));
    (ada, account)
}

#[tokio::test]
async fn fifteen_hundred_rows_in_three_requests_are_five_hundred() {
    let api = Api::with(limited(100, 0)).await;
    let (ada, account) = with_account(&api).await;
    let first = ada.post(BATCH, &batch(&account, 500)).await;
    assert_eq!(first.expect(200).data()["succeeded"], 500);
    let limit = Some("100".to_owned());
    assert_eq!(standing(&first)[..2], [limit.clone(), Some("0".to_owned())]);
    for _ in 0..2 {
        let refused = ada.post(BATCH, &batch(&account, 500)).await;
        refused.refused(429, "rate_limit_exceeded");
        assert_eq!(refused.header("retry-after").unwrap(), "900");
        assert_eq!(standing(&refused)[..2], [limit.clone(), Some("0".to_owned())]);
    }
    ada.get("/api/v1/accounts").await.refused(429, "rate_limit_exceeded");
    let rows = api.bank.client().await.query_one("SELECT count(*) FROM transactions", &[]).await;
    assert_eq!(rows.unwrap().get::<_, i64>(0), 500);
    api.bank.clock.advance(SignedDuration::from_secs(900));
    ada.post(BATCH, &batch(&account, 500)).await.expect(200);
}

#[tokio::test]
async fn a_batch_counts_each_item_also_one_that_cannot_be_read() {
    let api = Api::with(limited(10, 0)).await;
    let (ada, account) = with_account(&api).await;
    let remaining = |answer: &Answer| standing(answer)[1].clone().unwrap();
    assert_eq!(remaining(ada.post(BATCH, &batch(&account, 1)).await.expect(200)), "9");
    assert_eq!(remaining(ada.post(BATCH, &batch(&account, 3)).await.expect(200)), "6");
    let unreadable = json!({"transactions": [{}, {}], "atomic": true});
    assert_eq!(remaining(ada.post(BATCH, &unreadable).await.expect(400)), "4");
    ada.post(BATCH, &json!({"transactions": []})).await.names("transactions", "invalid_length");
    assert_eq!(remaining(ada.get("/api/v1/accounts").await.expect(200)), "2");
    assert_eq!(remaining(ada.post(BATCH, &batch(&account, 2)).await.expect(200)), "0");
    ada.post(BATCH, &batch(&account, 1)).await.refused(429, "rate_limit_exceeded");
}

#[tokio::test]
async fn a_list_that_is_too_long_counts_as_a_full_one() {
    let api = Api::with(limited(2500, 0)).await;
    let ada = api.user().await;
    let before = api.user().await.get("/api/v1/accounts").await;
    let endless = format!(r#"{{"transactions":[1{}"#, ",1".repeat(1 << 20));
    for remaining in ["1500", "500", "0"] {
        let refused = ada.text("POST", BATCH, &endless).await;
        refused.names("transactions", "invalid_length");
        let text = "must have 1 to 1000 items: send more in several requests";
        assert_eq!(refused.body["errors"][0]["message"], text);
        assert_eq!(standing(&refused)[1].as_deref(), Some(remaining));
    }
    ada.text("POST", BATCH, &endless).await.refused(429, "rate_limit_exceeded");
    assert_eq!(standing(&before)[1].as_deref(), Some("2499"));
}

#[tokio::test]
async fn of_batches_in_parallel_one_exceeds_the_window_and_not_each() {
    let api = Api::with(limited(30, 0)).await;
    let (ada, account) = with_account(&api).await;
    let requests = (0..20).map(|_| {
        let (ada, body) = (ada.clone(), batch(&account, 100));
        tokio::spawn(async move { ada.post(BATCH, &body).await.status })
    });
    let mut statuses = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        statuses.push(request.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[200].as_slice(), &[429; 19]].concat());
}

#[tokio::test]
async fn a_key_is_counted_by_its_own_limit_and_without_one_by_none() {
    let api = Api::with(limited(5, 0)).await;
    let (ada, account) = with_account(&api).await;
    let body = json!({"name": "ten", "permissions": ["write:transactions"], "rateLimit": 10});
    let key = ada.post("/api/v1/api-keys", &body).await;
    let ten = ada.with_key(key.expect(201).data()["key"].as_str().unwrap());
    let first = ten.post(BATCH, &batch(&account, 8)).await;
    assert_eq!(standing(first.expect(200))[1].as_deref(), Some("2"));
    ten.post(BATCH, &batch(&account, 8)).await.expect(200);
    ten.post(BATCH, &batch(&account, 8)).await.refused(429, "rate_limit_exceeded");
    let unlimited = ada.key(&["write:transactions"]).await;
    for _ in 0..3 {
        let answer = unlimited.post(BATCH, &batch(&account, 100)).await;
        assert_eq!(standing(answer.expect(200)), [None, None, None]);
    }
}

#[tokio::test]
async fn all_keys_of_a_user_share_a_window_so_that_a_new_key_is_no_new_one() {
    let shares = Shares { key_requests: 12, ..Shares::default() };
    let bank = testkit::bank_with(platform::Settings { shares, ..testkit::settings() }).await;
    let api = Api::over(bank, limited(0, 0));
    let (ada, account) = with_account(&api).await;
    let key = async |limit: u32| {
        let body = json!({"name": "k", "permissions": ["write:transactions"], "rateLimit": limit});
        ada.post("/api/v1/api-keys", &body).await
    };
    key(13).await.refused(400, "validation_failed");
    key(0).await.refused(400, "validation_failed");
    let first = key(10).await.expect(201).data().clone();
    let one = ada.with_key(first["key"].as_str().unwrap());
    let answer = one.post(BATCH, &batch(&account, 9)).await;
    // Its own window is the narrower one.
    assert_eq!(standing(answer.expect(200))[..2], [Some("10".to_owned()), Some("1".to_owned())]);
    ada.delete(&format!("/api/v1/api-keys/{}", first["id"].as_str().unwrap())).await.expect(200);
    let two = ada.with_key(key(10).await.expect(201).data()["key"].as_str().unwrap());
    let answer = two.post(BATCH, &batch(&account, 2)).await;
    assert_eq!(standing(answer.expect(200))[..2], [Some("12".to_owned()), Some("1".to_owned())]);
    // What is let in last counts in full.
    two.post(BATCH, &batch(&account, 5)).await.expect(200);
    two.post(BATCH, &batch(&account, 1)).await.refused(429, "rate_limit_exceeded");
    let three = ada.with_key(key(10).await.expect(201).data()["key"].as_str().unwrap());
    three.post(BATCH, &batch(&account, 1)).await.refused(429, "rate_limit_exceeded");
    // Other users have theirs.
    let (bob, theirs) = with_account(&api).await;
    bob.post(BATCH, &batch(&theirs, 1)).await.expect(200);
}

#[tokio::test]
async fn only_failed_logins_count_and_the_right_password_is_refused_after_them() {
    let api = Api::with(limited(0, 2)).await;
    let ada = api.anyone().register("ada@example.com").await;
    let anyone = api.anyone();
    for _ in 0..4 {
        anyone.log_in("ada@example.com").await;
    }
    let wrong = json!({"email": "ada@example.com", "password": "Wrong-Horse-1"});
    for _ in 0..2 {
        anyone.post("/api/v1/auth/login", &wrong).await.refused(401, "invalid_credentials");
    }
    let right = json!({"email": "ada@example.com", "password": PASSWORD});
    let answer = anyone.post("/api/v1/auth/login", &right).await;
    answer.refused(429, "rate_limit_exceeded");
    assert_eq!(standing(&answer)[..2], [Some("2".to_owned()), Some("0".to_owned())]);
    assert_eq!(answer.header("retry-after").unwrap(), "900");
    anyone.from([192, 0, 2, 5]).post("/api/v1/auth/login", &right).await.expect(200);
    ada.get("/api/v1/accounts").await.expect(200);
    api.bank.clock.advance(SignedDuration::from_secs(900));
    anyone.post("/api/v1/auth/login", &right).await.expect(200);
}

#[tokio::test]
async fn guesses_in_parallel_are_not_more_than_guesses_in_a_row() {
    let api = Api::with(limited(0, 3)).await;
    api.anyone().register("ada@example.com").await;
    let wrong = json!({"email": "ada@example.com", "password": "Wrong-Horse-1"});
    let guesses = (0..12).map(|_| {
        let (client, wrong) = (api.anyone(), wrong.clone());
        tokio::spawn(async move { client.post("/api/v1/auth/login", &wrong).await.status })
    });
    let mut statuses = Vec::new();
    for guess in guesses.collect::<Vec<_>>() {
        statuses.push(guess.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 3);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 9);
}

#[tokio::test]
async fn new_keys_and_logins_bring_no_new_tries() {
    let api = Api::with(limited(0, 2)).await;
    let (ada, eve) = (api.user().await, api.user().await);
    let wrong = json!({"email": "ada@example.com", "password": "Wrong-Horse-1"});
    let (key, other) = (ada.key(&["read:accounts"]).await, ada.key(&["read:accounts"]).await);
    for caller in [&key, &eve] {
        caller.post("/api/v1/auth/login", &wrong).await.refused(401, "invalid_credentials");
    }
    for caller in [&other, &ada, &api.anyone()] {
        caller.post("/api/v1/auth/login", &wrong).await.refused(429, "rate_limit_exceeded");
    }
}

#[tokio::test]
async fn a_wrong_current_password_counts_for_the_address() {
    let api = Api::with(limited(0, 2)).await;
    let ada = api.user().await;
    let change =
        |current: &str| json!({"currentPassword": current, "newPassword": "Better-Horse-8"});
    for _ in 0..2 {
        let answer = ada.post("/api/v1/auth/change-password", &change("wrong")).await;
        answer.names("currentPassword", "incorrect");
    }
    let answer = ada.post("/api/v1/auth/change-password", &change(PASSWORD)).await;
    answer.refused(429, "rate_limit_exceeded");
    let elsewhere = ada.from([192, 0, 2, 7]);
    elsewhere.post("/api/v1/auth/change-password", &change(PASSWORD)).await.expect(200);
}

#[tokio::test]
async fn forwarded_addresses_are_believed_from_trusted_proxies_alone() {
    let trusting =
        Settings { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..limited(1, 0) };
    let api = Api::with(trusting).await;
    let via = async |peer: [u8; 4], forwarded: &str| {
        let header = [("x-forwarded-for", forwarded)];
        api.anyone().from(peer).send("GET", "/api/v1/nowhere", &header, "").await.status
    };
    // The client's own words on the left change nothing.
    assert_eq!(via([10, 0, 0, 1], "203.0.113.1, 198.51.100.1, 10.0.0.2").await, 404);
    assert_eq!(via([10, 0, 0, 1], "203.0.113.2, 198.51.100.1").await, 429);
    assert_eq!(via([10, 0, 0, 1], "198.51.100.2").await, 404);
    // From a stranger it is only text.
    assert_eq!(via([192, 0, 2, 50], "198.51.100.3").await, 404);
    assert_eq!(via([192, 0, 2, 50], "198.51.100.4").await, 429);
    // Some proxies add the port they saw.
    for (first, same) in [
        ("198.51.100.10:4711", "198.51.100.10:80"),
        ("198.51.100.11", "198.51.100.11:65535"),
        ("[2001:db8:1::1]:4711", "2001:db8:1::1"),
        ("[2001:db8:2::1]", "[2001:db8:2::1]:80"),
        ("198.51.100.12:80, 10.0.0.2:443", "198.51.100.12, 10.0.0.2"),
    ] {
        assert_eq!(via([10, 0, 0, 1], first).await, 404, "{first}");
        assert_eq!(via([10, 0, 0, 1], same).await, 429, "{same}");
    }
    // Behind what cannot be read nothing is believed.
    assert_eq!(via([10, 0, 0, 9], "198.51.100.5, unknown").await, 404);
    assert_eq!(via([10, 0, 0, 9], "198.51.100.6, unknown").await, 429);
}
