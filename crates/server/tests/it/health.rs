//! How the service says that it is well, and that it is not.

use crate::support::{Api, Client};
use serde_json::json;

#[tokio::test]
async fn a_healthy_service_says_so_everywhere() {
    let api = Api::start().await;
    let anyone = api.anyone();
    for path in ["/health/db", "/livez", "/readyz"] {
        assert_eq!(anyone.get(path).await.expect(200).data()["status"], "healthy", "{path}");
    }
    let expected = json!({"status": "healthy", "environment": "development", "version": "v1"});
    assert_eq!(*anyone.get("/health").await.expect(200).data(), expected);
    assert_eq!(
        *anyone.get("/health/redis").await.expect(200).data(),
        json!({"status": "disabled"})
    );
    let detailed = anyone.get("/health/detailed").await;
    insta::assert_snapshot!(detailed.expect(200).data(), @r#"{"services":{"api":"healthy","database":"healthy","redis":"disabled"},"status":"healthy"}"#);
    let head = anyone.send("HEAD", "/health", &[], "").await;
    assert_eq!((head.expect(200).text.as_str(), head.body.is_null()), ("", true));
    let whole = anyone.get("/health").await.text.len().to_string();
    assert_eq!(head.header("content-length"), Some(whole), "of the whole answer");
}

#[tokio::test]
async fn without_its_database_the_service_says_when_to_come_back_and_then_recovers() {
    let api = Api::start().await;
    let ada = api.user().await;
    let other = testkit::empty_database().await;
    let elsewhere = other.client().await;
    let name = api.bank.database.name();
    let allow = async |allowed: bool| {
        let statement = format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {allowed}");
        elsewhere.batch_execute(&statement).await.unwrap();
    };
    allow(false).await;
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    elsewhere.batch_execute(&end).await.unwrap();
    assert_away(&ada).await;
    allow(true).await;
    ada.get("/api/v1/accounts").await.expect(200);
    ada.get("/readyz").await.expect(200);
}

async fn assert_away(ada: &Client) {
    let answer = ada.get("/api/v1/accounts").await;
    answer.refused(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    assert!(!answer.text.contains("database"), "{}", answer.text);
    ada.get("/health/db").await.refused(503, "unhealthy");
    let ready = ada.get("/readyz").await;
    assert!(ready.refused(503, "unhealthy").header("retry-after").is_some());
    let detailed = ada.get("/health/detailed").await;
    assert_eq!(detailed.refused(503, "unhealthy").data()["services"]["database"], "unhealthy");
    ada.get("/health").await.expect(200);
    ada.get("/livez").await.expect(200);
}
