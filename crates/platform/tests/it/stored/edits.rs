//! Everything that somebody who rules the database can do to the book, one thing at a
//! time: made from the catalogue, so that a new column is edited too.

use tokio_postgres::Client;

/// The tables of the book, and what names a row of each.
pub const TABLES: [(&str, &str); 7] = [
    ("accounts", "id"),
    ("transactions", "id"),
    ("wallstreet.entries", "id"),
    ("wallstreet.exchanges", "transaction_id"),
    ("wallstreet.rounding", "currency"),
    ("wallstreet.seals", "number"),
    ("audit_logs", "number"),
];

/// One edit of one row.
#[derive(Debug)]
pub struct Edit {
    /// The table that is edited, to be put back afterwards; empty: all of them.
    pub table: &'static str,
    /// `accounts.balance` and so on; absent for whole rows.
    pub column: Option<String>,
    /// What is done.
    pub sql: String,
    /// The row, as a difference has to name it.
    pub key: String,
}

/// Keeps what is there, and takes away what would refuse an edit, as a superuser can.
/// Gives the columns of the book as they were declared.
pub async fn prepare(client: &Client) -> Vec<Column> {
    let columns = columns(client).await;
    let names: Vec<String> = tables().map(|table| format!("'{table}'::regclass")).collect();
    let free = format!(
        "SET session_replication_role = replica;
         CREATE SCHEMA saved;
         DO $$ DECLARE one record; BEGIN
            FOR one IN SELECT conrelid::regclass AS owner, conname FROM pg_constraint WHERE conrelid IN ({names}) LOOP
                EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', one.owner, one.conname);
            END LOOP;
            FOR one IN SELECT indexrelid::regclass AS name FROM pg_index WHERE indrelid IN ({names}) AND indisunique LOOP
                EXECUTE format('DROP INDEX %s', one.name);
            END LOOP;
            FOR one IN SELECT attrelid::regclass AS owner, attname, attidentity FROM pg_attribute
                        WHERE attrelid IN ({names}) AND attnum > 0 AND NOT attisdropped LOOP
                IF one.attidentity <> '' THEN
                    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', one.owner, one.attname);
                END IF;
                EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', one.owner, one.attname);
            END LOOP;
         END $$;",
        names = names.join(", "),
    );
    client.batch_execute(&free).await.unwrap();
    for table in tables() {
        let saved = saved(table);
        client.batch_execute(&format!("CREATE TABLE {saved} AS TABLE {table}")).await.unwrap();
    }
    columns
}

/// All that an edit can touch.
pub fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.into_iter().map(|(table, _)| table)
}

fn saved(table: &str) -> String {
    format!("saved.{}", table.trim_start_matches("wallstreet."))
}

/// What undoes every edit of a table.
pub fn undo(table: &str) -> String {
    format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM {};", saved(table))
}

/// A column of the book.
pub struct Column {
    table: &'static str,
    key: &'static str,
    column: String,
    kind: String,
    /// Its longest text.
    longest: i32,
    /// Whether it is declared to be never null.
    fixed: bool,
}

async fn columns(client: &Client) -> Vec<Column> {
    let mut all = Vec::new();
    for (table, key) in TABLES {
        let sql = format!(
            "SELECT attname::text AS column, atttypid::regtype::text AS kind,
                    CASE WHEN atttypmod > 4 THEN atttypmod - 4 ELSE 100 END AS longest, attnotnull AS fixed
               FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped
              ORDER BY attnum"
        );
        for row in client.query(&sql, &[]).await.unwrap() {
            all.push(Column {
                table,
                key,
                column: row.get("column"),
                kind: row.get("kind"),
                longest: row.get("longest"),
                fixed: row.get("fixed"),
            });
        }
    }
    all
}

/// The names of all columns.
pub async fn column_names(client: &Client) -> Vec<String> {
    let columns = columns(client).await.into_iter();
    columns.map(|Column { table, column, .. }| format!("{table}.{column}")).collect()
}

/// Other values of a column, as expressions over the row `e`.
fn values(table: &str, column: &str, kind: &str, longest: i32) -> Vec<String> {
    let (own, saved) = (format!("e.{column}"), saved(table));
    let mut values = match kind {
        "numeric" => {
            vec![
                format!("coalesce({own}, 0) + 1"),
                format!("coalesce({own}, 0) - 0.01"),
                "'NaN'".to_owned(),
            ]
        }
        "bigint" | "integer" | "smallint" => {
            let (least, most) = match kind {
                "bigint" => ("-9223372036854775808", "9223372036854775807"),
                "integer" => ("-2147483648", "2147483647"),
                _ => ("-32768", "32767"),
            };
            // Beyond the ends of the type, there is nothing to add.
            vec![
                format!("coalesce({own}, 0) + 1"),
                format!("coalesce({own}, 0) - 1"),
                format!("'{least}'"),
                format!("'{most}'"),
            ]
        }
        "uuid" => vec![
            "gen_random_uuid()".to_owned(),
            "'00000000-0000-0000-0000-000000000000'".to_owned(),
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'".to_owned(),
        ],
        "jsonb" => [r#"{"edited": 1}"#, "[]", "null", "7", r#""userId""#]
            .map(|value| format!("'{value}'::jsonb"))
            .into(),
        "bytea" => vec![format!("sha256(coalesce({own}, ''))")],
        "timestamp without time zone" | "timestamp with time zone" => {
            let some = format!("coalesce({own}, '2026-01-15 12:00:00')");
            vec![
                format!("{some} + interval '1 microsecond'"),
                format!("{some} - interval '1 day'"),
                // What a text of it may lose: the era, five digits of a year, infinity.
                format!("(to_char({some}, 'YYYY-MM-DD HH24:MI:SS.US') || ' BC')::{kind}"),
                format!("{some} + interval '10000 years'"),
                "'infinity'".to_owned(),
                "'-infinity'".to_owned(),
                "'294276-12-31 23:59:59.999999'".to_owned(),
                "'4714-11-24 00:00:00 BC'".to_owned(),
            ]
        }
        "character varying" | "text" => {
            vec![format!("left('Z' || coalesce({own}, ''), {longest})"), "''".to_owned()]
        }
        other => panic!("{table}.{column} is {other}: say how it is edited"),
    };
    values.push("NULL".to_owned());
    // Of another row, the first that has another one.
    values.push(format!(
        "(SELECT o.{column} FROM {saved} o WHERE o.{column} IS DISTINCT FROM {own} ORDER BY md5(o::text) LIMIT 1)"
    ));
    values
}

/// Each column with other values, on a few rows: one that has a value and one that
/// has none; `every`: on every row.
pub async fn of_columns(client: &Client, columns: Vec<Column>, every: bool) -> Vec<Edit> {
    let mut edits = Vec::new();
    for Column { table, key, column, kind, longest, fixed } in columns {
        for (place, value) in values(table, &column, &kind, longest).iter().enumerate() {
            // What cannot be null is named by nobody: it cannot be read.
            if fixed && value == "NULL" {
                continue;
            }
            let rows = format!(
                "SELECT key FROM (SELECT {key}::text AS key, {column} IS NULL AS empty,
                                row_number() OVER (PARTITION BY {column} IS NULL
                                                   ORDER BY md5({key}::text || $1::text)) AS place
                           FROM {saved} e WHERE {column} IS DISTINCT FROM {value}
                              AND ({value} IS NOT NULL OR NOT {fixed})) AS wanted
                  WHERE $2 OR place = 1 AND (NOT empty OR $3) ORDER BY key",
                saved = saved(table),
            );
            let of_empty = place == 0 || value.contains("infinity");
            for row in client.query(&rows, &[value, &every, &of_empty]).await.unwrap() {
                let named: String = row.get(0);
                let sql = format!(
                    "UPDATE {table} e SET {column} = {value} WHERE {key}::text = '{named}'"
                );
                let column = Some(format!("{table}.{column}"));
                edits.push(Edit { table, column, sql, key: named });
            }
        }
    }
    edits
}

/// Each row deleted, and a copy of each with a name of its own.
pub async fn of_rows(client: &Client, every: bool) -> Vec<Edit> {
    let mut edits = Vec::new();
    let limit: i64 = if every { i64::MAX } else { 6 };
    for (table, key) in TABLES {
        let fresh = match table {
            "wallstreet.rounding" => "'XXX'",
            "wallstreet.entries" | "wallstreet.seals" | "audit_logs" => {
                &format!("max({key}) OVER () + 1")
            }
            _ => "gen_random_uuid()",
        };
        let saved = saved(table);
        let rows = format!(
            "SELECT {key}::text, ({fresh})::text FROM {saved} ORDER BY md5({key}::text) LIMIT $1"
        );
        let columns = format!(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
              WHERE attrelid = '{saved}'::regclass AND attnum > 0 AND attname <> '{key}'"
        );
        let columns: String = client.query_one(&columns, &[]).await.unwrap().get(0);
        for row in client.query(&rows, &[&limit]).await.unwrap() {
            let named: String = row.get(0);
            let sql = format!("DELETE FROM {table} WHERE {key}::text = '{named}'");
            edits.push(Edit { table, column: None, sql, key: named.clone() });
            let made: String = row.get(1);
            let sql = format!(
                "INSERT INTO {table} ({key}, {columns}) SELECT '{made}', {columns} FROM {saved} WHERE {key}::text = '{named}'"
            );
            edits.push(Edit { table, column: None, sql, key: made });
        }
    }
    edits
}
