//! What the other crates' tests stand on.

#![cfg(test)]

use testkit::{PASSWORD, bank, bank_with, database, empty_database, settings};

#[tokio::test]
async fn a_database_belongs_to_one_test_and_goes_with_it() {
    let (one, other) = (database().await, database().await);
    let insert = "INSERT INTO users (email, password_hash, first_name, last_name) VALUES ('a@example.com', 'x', 'A', 'B')";
    one.client().await.batch_execute(insert).await.unwrap();
    let rows = other.client().await.query("SELECT id FROM users LIMIT 1", &[]).await.unwrap();
    assert!(rows.is_empty());

    let gone = one.name().to_owned();
    drop(one);
    let exists = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1::text)";
    let client = other.client().await;
    let exists =
        async |name: &str| -> bool { client.query_one(exists, &[&name]).await.unwrap().get(0) };
    assert!(!exists(&gone).await);
    assert!(exists(other.name()).await);
}

#[tokio::test]
async fn an_empty_database_has_no_tables() {
    let database = empty_database().await;
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname IN ('public', 'wallstreet')";
    let tables = database.client().await.query(tables, &[]).await.unwrap();
    assert!(tables.is_empty());
}

#[tokio::test]
async fn a_bank_opens_with_people_and_money_in_it() {
    let bank = bank().await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("1000.00").await;
    assert_eq!(account.user_id, ada.user_id);
    assert_eq!(account.available_balance.to_string(), "1000.00");
    let euros = bank.account(&ada).in_currency("EUR").empty().await;
    assert_eq!((euros.currency.code(), euros.balance.to_string().as_str()), ("EUR", "0.00"));
    let admin = bank.admin().await;
    assert!(admin.is_admin());
    assert_eq!(bank.admin().await.user_id, admin.user_id);

    let origin = platform::Origin::default();
    let again = platform::login::login(&bank.platform, &origin, "ada@example.com", PASSWORD).await;
    assert_eq!(again.unwrap().user.id, ada.user_id);
}

#[tokio::test]
async fn an_account_gets_its_money_also_where_users_do_not_settle() {
    let bank = bank_with(platform::Settings { users_settle: false, ..settings() }).await;
    let ada = bank.user("ada@example.com").await;
    let account = bank.account(&ada).with("12.50").await;
    assert_eq!(account.balance.to_string(), "12.50");
}
