//! What the bank promises, against a real PostgreSQL.

mod guards;
mod migrations;
mod schema;
