//! Every step up, every step back, and every database that is refused.

use platform::{
    Error,
    migrations::{self, ALL, Migration},
};
use std::{collections::BTreeMap, fs, path::Path};
use testkit::{Database, pg_dump, skipped};

/// What the operator reads.
fn told<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(Error::Internal(cause)) => cause.to_string(),
        Err(other) => panic!("unexpected: {other:?}"),
    }
}

async fn execute(database: &Database, sql: &str) {
    database.client().await.batch_execute(sql).await.unwrap();
}

async fn applied(database: &Database) -> usize {
    let status = migrations::status(&database.url).await.unwrap();
    status.iter().filter(|entry| entry.applied_at.is_some()).count()
}

async fn exists(database: &Database, relation: &str) -> bool {
    let row = database.client().await;
    let row = row.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&relation]).await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn a_migration_that_was_changed_after_it_was_applied_stops_the_way_up_and_the_way_down() {
    let database = testkit::database().await;
    execute(&database, "UPDATE wallstreet.migrations SET checksum = 'other' WHERE number = 3")
        .await;

    let refusal = "migration 003_guards was changed after it was applied";
    assert!(told(migrations::up(&database.url, None).await).starts_with(refusal));
    assert!(told(migrations::down(&database.url, 0).await).starts_with(refusal));
    let status = migrations::status(&database.url).await.unwrap();
    let altered: Vec<_> = status.iter().filter(|entry| entry.altered).map(|e| e.number).collect();
    assert_eq!(altered, [3]);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_the_advice_to_upgrade() {
    let database = testkit::database().await;
    let newer = ALL.len() + 1;
    let row = format!("INSERT INTO wallstreet.migrations VALUES ({newer}, 'later', 'x')");
    execute(&database, &row).await;

    for refusal in [
        told(migrations::up(&database.url, None).await),
        told(migrations::down(&database.url, 0).await),
        told(migrations::status(&database.url).await),
    ] {
        assert!(refusal.starts_with("the database was made by a newer version"), "{refusal}");
        assert!(refusal.contains(&format!("has migration {newer}")), "{refusal}");
        assert!(refusal.ends_with("upgrade wallstreet"), "{refusal}");
    }
}

#[tokio::test]
async fn a_history_with_a_gap_is_refused() {
    let database = testkit::database().await;
    execute(&database, "DELETE FROM wallstreet.migrations WHERE number = 4").await;
    let refusal = told(migrations::up(&database.url, None).await);
    assert!(refusal.contains("lacks migration 004_ledger but has later ones"), "{refusal}");
}

#[tokio::test]
async fn documented_tables_without_a_history_are_left_alone() {
    let database = testkit::empty_database().await;
    execute(&database, "CREATE TABLE users (id int); CREATE TABLE accounts (id int)").await;
    let refusal = told(migrations::up(&database.url, None).await);
    assert!(refusal.contains("(accounts, users) but no migration history"), "{refusal}");
    assert!(!exists(&database, "wallstreet.migrations").await);
}

#[tokio::test]
async fn a_number_that_no_migration_has_is_refused() {
    let database = testkit::empty_database().await;
    let refusal = told(migrations::up(&database.url, Some(99)).await);
    assert_eq!(refusal, format!("there is no migration 99: the newest is {}", ALL.len()));
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_told_by_its_name() {
    let database = testkit::empty_database().await;
    let elsewhere = database.url.replace(database.name(), "no_such_database");
    let refusal = told(migrations::up(&elsewhere, None).await);
    assert!(refusal.contains("\"no_such_database\" does not exist"), "{refusal}");
    let refusal = migrations::status("://").await.unwrap_err();
    let Error::Invalid(violations) = refusal else { panic!("{refusal:?}") };
    assert_eq!(violations[0].field, "DATABASE_URL");
}

#[tokio::test]
async fn a_role_without_rights_is_told_who_can_give_them() {
    let database = testkit::empty_database().await;
    let role = format!("{}_guest", database.name());
    execute(&database, &format!("CREATE ROLE {role}")).await;
    let as_guest = with_option(&database.url, &format!("-c role={role}"));

    let refusal = told(migrations::up(&as_guest, None).await);

    execute(&database, &format!("DROP ROLE {role}")).await;
    assert!(refusal.contains(&format!("the role {role} may not change")), "{refusal}");
    assert!(
        refusal.contains(&format!("ALTER DATABASE \"{}\" OWNER", database.name())),
        "{refusal}"
    );
}

fn with_option(url: &str, option: &str) -> String {
    if url.contains("://") {
        let separator = if url.contains('?') { '&' } else { '?' };
        return format!(
            "{url}{separator}options={}",
            option.replace(' ', "%20").replace('=', "%3D")
        );
    }
    format!("{url} options='{option}'")
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_database_at_the_one_before_it() {
    let database = testkit::empty_database().await;
    migrations::up(&database.url, Some(3)).await.unwrap();
    // In the way of the last table that the fourth makes.
    execute(&database, "CREATE TABLE wallstreet.numbering ()").await;

    let refusal = told(migrations::up(&database.url, None).await);

    assert!(refusal.starts_with("migration 004_ledger failed, and nothing of it was kept"));
    assert!(refusal.contains("\"numbering\" already exists"), "{refusal}");
    assert_eq!(applied(&database).await, 3);
    assert!(!exists(&database, "wallstreet.entries").await);

    execute(&database, "DROP TABLE wallstreet.numbering").await;
    let rest = migrations::up(&database.url, None).await.unwrap();
    assert_eq!(rest.len(), ALL.len() - 3);
}

#[tokio::test]
async fn several_at_once_apply_each_migration_once() {
    let database = testkit::empty_database().await;
    let up = || migrations::up(&database.url, None);
    let (a, b, c, d) = tokio::join!(up(), up(), up(), up());
    let mut numbers: Vec<u32> =
        [a, b, c, d].into_iter().flat_map(Result::unwrap).map(|applied| applied.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, ALL.iter().map(|migration| migration.number).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_is_left_to_do_the_second_time() {
    let database = testkit::empty_database().await;
    assert_eq!(applied(&database).await, 0);
    let first = migrations::up(&database.url, None).await.unwrap();
    assert!(first.iter().map(|applied| applied.name).eq(ALL.iter().map(|m| m.name)));
    assert_eq!(applied(&database).await, ALL.len());
    assert_eq!(migrations::up(&database.url, None).await.unwrap(), []);
    assert_eq!(migrations::up(&database.url, Some(2)).await.unwrap(), []);
    assert_eq!(applied(&database).await, ALL.len());
}

#[tokio::test]
async fn every_step_back_restores_exactly_what_was_there_before_it() {
    let database = testkit::empty_database().await;
    let url = &database.url;
    let dump = || pg_dump(url, &["--schema-only"]);
    if dump().is_none() {
        let test = "every_step_back_restores_exactly_what_was_there_before_it";
        return skipped(test, "no pg_dump for this server is installed");
    }
    migrations::up(url, Some(1)).await.unwrap();
    migrations::down(url, 0).await.unwrap();
    let mut dumps = vec![dump()];
    for migration in ALL {
        migrations::up(url, Some(migration.number)).await.unwrap();
        dumps.push(dump());
    }
    for migration in ALL.iter().rev() {
        let before = migration.number - 1;
        let undone = migrations::down(url, before).await.unwrap();
        assert_eq!(undone.iter().map(|undone| undone.name).collect::<Vec<_>>(), [migration.name]);
        let left = usize::try_from(before).unwrap();
        assert_eq!(applied(&database).await, left);
        assert!(dump() == dumps[left], "{} leaves something behind", migration.name);
    }
    let made: Vec<_> = dumps[0]
        .iter()
        .flat_map(|dump| dump.lines())
        .filter(|line| line.starts_with("CREATE"))
        .collect();
    assert_eq!(made, ["CREATE SCHEMA wallstreet;", "CREATE TABLE wallstreet.migrations ("]);

    migrations::up(url, None).await.unwrap();
    migrations::down(url, 0).await.unwrap();
    migrations::up(url, None).await.unwrap();
    assert!(dump() == dumps[ALL.len()], "the second time up makes another schema");
}

#[tokio::test]
async fn documented_rows_survive_the_way_down_to_the_document_and_back() {
    let database = testkit::database().await;
    let client = database.client().await;
    let rows = "INSERT INTO users (email, password_hash, first_name, last_name) VALUES ('ada@example.com', 'x', 'Ada', 'L');
        INSERT INTO accounts (user_id, account_number, account_type, balance, available_balance)
             SELECT id, 'WS000000000001', 'checking', 12.5, 12.5 FROM users;
        INSERT INTO transactions (account_id, transaction_type, amount, status, completed_at)
             SELECT id, 'deposit', 12.5, 'completed', now() FROM accounts;
        INSERT INTO audit_logs (action, resource_type) VALUES ('ACCOUNT_CREATED', 'account')";
    client.batch_execute(rows).await.unwrap();
    let documented = "SELECT to_jsonb(u) - '{two_factor_enabled,two_factor_secret}'::text[] AS row FROM users u
        UNION ALL SELECT to_jsonb(a) - '{entry_count}'::text[] FROM accounts a
        UNION ALL SELECT to_jsonb(t) - '{direction,counterparty_account_id,paired_transaction_id,failure_reason}'::text[] FROM transactions t
        UNION ALL SELECT to_jsonb(l) FROM audit_logs l";
    let digest = format!("SELECT string_agg(row::text, ' ') FROM ({documented}) AS rows");
    let before: String = client.query_one(&digest, &[]).await.unwrap().get(0);

    migrations::down(&database.url, 1).await.unwrap();
    migrations::up(&database.url, None).await.unwrap();

    let after: String = client.query_one(&digest, &[]).await.unwrap().get(0);
    assert_eq!(after, before);
}

#[tokio::test]
async fn who_suspended_an_account_and_paused_a_schedule_is_read_from_the_trail() {
    let database = testkit::database().await;
    let client = database.client().await;
    migrations::down(&database.url, 13).await.unwrap();
    let rows = "INSERT INTO users (email, password_hash, first_name, last_name)
             VALUES ('ada@example.com', 'x', 'Ada', 'L'), ('root@example.com', 'x', 'Root', 'R');
        INSERT INTO accounts (user_id, account_number, account_type, status, updated_at)
             SELECT id, 'WS00000000000' || n, 'checking', CASE WHEN n < 4 THEN 'suspended' ELSE 'active' END, '2020-01-01'
               FROM users, generate_series(1, 4) n WHERE email = 'ada@example.com';
        INSERT INTO wallstreet.schedules (id, user_id, account_id, transaction_type, amount, currency, metadata,
                start_at, time_zone, missed, status, created_at, updated_at)
             SELECT id, user_id, id, 'withdrawal', 1, 'USD', '{}', now(), 'UTC', 'run',
                    CASE WHEN status = 'suspended' THEN 'paused' ELSE 'active' END, now(), now() FROM accounts;
        INSERT INTO audit_logs (user_id, action, resource_type, resource_id, details, created_at)
             SELECT u.id, kind || '_UPDATED', lower(kind), a.id, jsonb_build_object('status', change.status),
                    '2020-01-01'::timestamp + day * interval '1 day'
               FROM (VALUES (1, 'root', 1), (1, 'ada', 2), (2, 'ada', 1), (2, 'root', 2)) AS said (n, who, day)
               JOIN users u ON u.email = who || '@example.com'
               JOIN accounts a ON a.account_number = 'WS00000000000' || n
               CROSS JOIN (VALUES ('ACCOUNT', 'suspended'), ('SCHEDULE', 'paused')) AS change (kind, status)";
    client.batch_execute(rows).await.unwrap();
    migrations::up(&database.url, None).await.unwrap();
    let told = "SELECT string_agg(concat_ws(' ', coalesce(suspended_by, '-'), coalesce(pause_reason, '-')), ', '
                                  ORDER BY account_number) FROM accounts a JOIN wallstreet.schedules s USING (id)
                 WHERE a.updated_at = '2020-01-01'";
    let told: String = client.query_one(told, &[]).await.unwrap().get(0);
    // Nobody is known to have suspended the third, so it was an administrator.
    assert_eq!(told, "owner owner, admin administrator, admin owner, - -");
}

#[test]
fn the_migrations_in_the_binary_are_the_files_of_the_directory() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let files: BTreeMap<String, String> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    let embedded: BTreeMap<String, String> = ALL
        .iter()
        .flat_map(|&Migration { name, up, down, .. }| {
            [
                (format!("{name}.sql"), up.to_owned()),
                (format!("{name}_rollback.sql"), down.to_owned()),
            ]
        })
        .collect();
    assert!(embedded.keys().eq(files.keys()), "{:?}", files.keys());
    assert!(embedded == files, "built before a file was changed");
    for (place, migration) in (1..).zip(ALL) {
        assert_eq!(migration.number, place);
        assert!(migration.name.starts_with(&format!("{place:03}_")), "{}", migration.name);
    }
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_text_is_refused_by_all_that_opens_it() {
    let database = testkit::empty_database().await;
    let client = database.client().await;
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("{}_{}", database.name(), encoding.to_lowercase());
        let made =
            format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
        client.batch_execute(&made).await.unwrap();
        let url = database.url.replace(database.name(), &name);
        let expected =
            format!("keeps text as {encoding}, and wallstreet needs UTF8: make one with");
        let up = told(migrations::up(&url, None).await);
        let status = told(migrations::status(&url).await);
        let clock = std::sync::Arc::new(platform::SystemClock);
        let connected = platform::Platform::connect(&url, testkit::settings(), clock).await;
        for told in [up, status, told(connected)] {
            assert!(told.contains(&expected), "{told}");
        }
        client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
}
