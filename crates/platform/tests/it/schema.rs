//! The schema document, compared with what the migrations and `init.sql` make.

use platform::migrations::{self, ALL};
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use testkit::{Database, pg_dump, psql, skipped};

/// What the document says of the schema, as SQL that makes it.
pub(crate) struct Document {
    tables: Vec<String>,
    sql: String,
    /// Its INSERT of an administrator.
    pub(crate) sample_admin: String,
}

impl Document {
    /// `None` where the repository was checked out without the document.
    pub(crate) fn read() -> Option<Self> {
        let path = "../../../shared/spec/database-schema.md";
        let text = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)).ok()?;
        let blocks: Vec<&str> =
            text.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        let block = |start: &str| {
            let of_kind: Vec<&str> =
                blocks.iter().copied().filter(|block| block.starts_with(start)).collect();
            of_kind.join("\n")
        };
        // It takes uuid_generate_v4() for granted.
        let (generator, _) = ALL[0].up.split_once("END $$;").unwrap();
        let mut sql = format!("{generator}END $$;\n{}", block("CREATE OR REPLACE FUNCTION"));
        sql += &block("CREATE TABLE");
        let (mut tables, mut indexes, mut triggers) = (Vec::new(), 0, 0);
        for line in text.lines() {
            if let Some((_, table)) = line.strip_prefix("### ").and_then(|t| t.split_once(". ")) {
                tables.push(table.to_owned());
            }
            let item = line.strip_prefix("- `").and_then(|item| item.split('`').next());
            let Some(item) = item else { continue };
            let table = tables.last().map_or("", String::as_str);
            if let Some(column) = item.strip_prefix(&format!("idx_{table}_")) {
                indexes += 1;
                sql += &format!("CREATE INDEX {item} ON {table} ({column});\n");
            } else if tables.len() == 8 && tables.iter().any(|table| table == item) {
                triggers += 1;
                sql += &format!(
                    "CREATE TRIGGER update_{item}_updated_at BEFORE UPDATE ON {item}
                        FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();\n"
                );
            }
        }
        assert_eq!((tables.len(), indexes, triggers), (8, 22, 6), "the document was read wrongly");
        sql += &block("CREATE VIEW");
        Some(Self { tables, sql, sample_admin: block("INSERT INTO users") })
    }

    async fn database(&self) -> Database {
        let database = testkit::empty_database().await;
        database.client().await.batch_execute(&self.sql).await.unwrap();
        database
    }
}

/// The document, or a note that this test cannot be run without.
macro_rules! document {
    ($test:literal) => {
        match Document::read() {
            Some(document) => document,
            None => return skipped($test, "the schema document is not beside the repository"),
        }
    };
}

/// Each lists what `$1`, a documented table, has; one line each, in order.
const COLUMNS: &str =
    "SELECT format('%s %s%s default %s', attname, format_type(atttypid, atttypmod),
        CASE WHEN attnotnull THEN ' not null' ELSE '' END, pg_get_expr(adbin, adrelid))
   FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
const KEYS: &str = "SELECT format('%s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
  WHERE conrelid = to_regclass($1::text) AND contype IN ('p', 'u', 'f') ORDER BY 1";
const INDEXES: &str = "SELECT pg_get_indexdef(indexrelid) FROM pg_index
  WHERE indrelid = to_regclass($1::text) AND indisvalid ORDER BY 1";
const TRIGGERS: &str = "SELECT pg_get_triggerdef(oid) FROM pg_trigger
  WHERE tgrelid = to_regclass($1::text) AND tgenabled = 'O' AND NOT tgisinternal ORDER BY 1";
/// The same for what belongs to no table; `$1` is the name.
const VIEW: &str = "SELECT pg_get_viewdef(to_regclass($1::text))";
const FUNCTION: &str = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = $1::text";

async fn list(database: &Database, query: &str, name: &str) -> Vec<String> {
    let rows = database.client().await.query(query, &[&name]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Every documented thing is there as documented; what is ours comes after it.
async fn assert_holds(document: &Document, database: &Database) {
    let model = document.database().await;
    let (mut indexes, mut triggers) = (0, 0);
    for table in &document.tables {
        let documented = list(&model, COLUMNS, table).await;
        let ours = list(database, COLUMNS, table).await;
        assert!(!documented.is_empty() && ours.starts_with(&documented), "{table}: {ours:#?}");
        for query in [KEYS, INDEXES, TRIGGERS] {
            let ours = list(database, query, table).await;
            for documented in list(&model, query, table).await {
                // Migration 018 adds the order of lists to one of them, and to no other.
                let wanted = if documented.starts_with("CREATE INDEX idx_transactions_account_id ")
                {
                    documented.replace("(account_id)", "(account_id, created_at DESC, id DESC)")
                } else {
                    documented.clone()
                };
                assert!(ours.contains(&wanted), "{table} lacks {wanted}, has {ours:#?}");
                indexes += usize::from(documented.starts_with("CREATE INDEX idx_"));
                triggers += usize::from(documented.starts_with("CREATE TRIGGER"));
            }
        }
    }
    assert_eq!((indexes, triggers), (22, 6));
    for (query, name) in [(VIEW, "account_summaries"), (FUNCTION, "update_updated_at_column")] {
        let documented = list(&model, query, name).await;
        assert_eq!(documented.len(), 1, "{name}");
        assert_eq!(list(database, query, name).await, documented);
    }
}

fn init_sql() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/database/init.sql")
}

/// A script in a file of the database's own.
fn script(database: &Database, sql: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("{}.sql", database.name()));
    fs::write(&path, sql).unwrap();
    path
}

/// Runs a script without a single complaint; false: this machine has no psql.
fn load(database: &Database, script: &Path) -> bool {
    let Some(output) = psql(&database.url, script) else {
        return false;
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    true
}

#[tokio::test]
async fn the_migrated_database_holds_all_that_is_documented() {
    let document = document!("the_migrated_database_holds_all_that_is_documented");
    assert_holds(&document, &testkit::database().await).await;
}

#[tokio::test]
async fn the_database_made_by_init_sql_holds_all_that_is_documented() {
    let test = "the_database_made_by_init_sql_holds_all_that_is_documented";
    let document = document!("the_database_made_by_init_sql_holds_all_that_is_documented");
    let database = testkit::empty_database().await;
    if !load(&database, &init_sql()) {
        return skipped(test, "psql is not installed");
    }
    assert_holds(&document, &database).await;
}

#[tokio::test]
async fn the_first_migration_alone_is_the_document_exactly() {
    let test = "the_first_migration_alone_is_the_document_exactly";
    let document = document!("the_first_migration_alone_is_the_document_exactly");
    let (model, database) = (document.database().await, testkit::empty_database().await);
    migrations::up(&database.url, Some(1)).await.unwrap();
    let dump = |url: &str| pg_dump(url, &["--schema-only", "--exclude-schema=wallstreet"]);
    let Some(documented) = dump(&model.url) else {
        return skipped(test, "no pg_dump for this server is installed");
    };
    assert_eq!(documented.matches("\nCREATE TABLE ").count(), 8);
    pretty_equal(&dump(&database.url).unwrap(), &documented);
}

/// Tells the first line that differs: a dump is long.
fn pretty_equal(ours: &str, theirs: &str) {
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
}

#[tokio::test]
async fn init_sql_makes_the_same_database_as_the_migrations_and_counts_as_migrated() {
    let test = "init_sql_makes_the_same_database_as_the_migrations_and_counts_as_migrated";
    let (database, migrated) = (testkit::empty_database().await, testkit::database().await);
    let Some(expected) = pg_dump(&migrated.url, &["--schema-only"]) else {
        return skipped(test, "no pg_dump for this server is installed");
    };
    assert!(load(&database, &init_sql()));
    pretty_equal(&pg_dump(&database.url, &["--schema-only"]).unwrap(), &expected);
    assert_eq!(migrations::up(&database.url, None).await.unwrap(), []);
    let status = migrations::status(&database.url).await.unwrap();
    assert!(status.iter().all(|entry| entry.applied_at.is_some() && !entry.altered));
}

#[tokio::test]
async fn init_sql_leaves_a_database_alone_that_is_not_empty() {
    let database = testkit::database().await;
    let Some(output) = psql(&database.url, &init_sql()) else {
        let test = "init_sql_leaves_a_database_alone_that_is_not_empty";
        return skipped(test, "psql is not installed");
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{complaints}");
    assert!(complaints.contains("this database is not empty"), "{complaints}");
    assert!(complaints.contains("wallstreet migrate up"), "{complaints}");
}

#[test]
fn init_sql_in_the_repository_is_generated_from_the_migrations() {
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(init_sql(), migrations::init_sql()).unwrap();
    }
    let committed = fs::read_to_string(init_sql()).unwrap_or_default();
    assert!(
        committed == migrations::init_sql(),
        "scripts/database/init.sql is out of date: UPDATE_EXPECT=1 cargo test -p platform init_sql"
    );
}

const ROWS: &str = "
    INSERT INTO users (email, password_hash, first_name, last_name) VALUES ('ada@example.com', 'x', 'Ada', 'L');
    INSERT INTO accounts (user_id, account_number, account_type, balance, available_balance)
         SELECT id, 'WS000000000001', 'checking', 12.5, 12.5 FROM users WHERE email = 'ada@example.com';
    INSERT INTO transactions (account_id, transaction_type, amount, status, completed_at)
         SELECT id, 'deposit', 12.5, 'completed', now() FROM accounts;
    INSERT INTO audit_logs (user_id, action, resource_type) SELECT id, 'USER_REGISTERED', 'user' FROM users;";

#[tokio::test]
async fn the_documented_backup_restores_every_row_and_every_guard() {
    let (database, restored) = (testkit::database().await, testkit::empty_database().await);
    database.client().await.batch_execute(ROWS).await.unwrap();
    let Some(backup) = pg_dump(&database.url, &[]) else {
        let test = "the_documented_backup_restores_every_row_and_every_guard";
        return skipped(test, "no pg_dump for this server is installed");
    };
    let script = script(&restored, &backup);
    assert!(load(&restored, &script));
    fs::remove_file(script).unwrap();
    let rows = |url: &str| pg_dump(url, &["--data-only"]).unwrap();
    pretty_equal(&rows(&restored.url), &rows(&database.url));
    // By name: of a list of words, PostgreSQL writes the same check in two ways.
    let guards = "SELECT string_agg(name, ' ' ORDER BY name) FROM (
        SELECT conname::text FROM pg_constraint UNION ALL SELECT tgname::text FROM pg_trigger
         WHERE NOT tgisinternal) AS guards (name) WHERE $1 <> ''";
    assert_eq!(list(&restored, guards, "all").await, list(&database, guards, "all").await);
}

#[tokio::test]
async fn rows_of_a_database_made_by_hand_from_the_document_can_be_copied_over() {
    let test = "rows_of_a_database_made_by_hand_from_the_document_can_be_copied_over";
    let document =
        document!("rows_of_a_database_made_by_hand_from_the_document_can_be_copied_over");
    let (by_hand, database) = (document.database().await, testkit::database().await);
    let client = by_hand.client().await;
    client.batch_execute(&format!("{}{ROWS}", document.sample_admin)).await.unwrap();
    let Some(rows) = pg_dump(&by_hand.url, &["--data-only"]) else {
        return skipped(test, "no pg_dump for this server is installed");
    };
    let script = script(&database, &rows);
    assert!(load(&database, &script));
    fs::remove_file(script).unwrap();
    let count = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM transactions)";
    let copied: i64 = database.client().await.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(copied, 3);
}
