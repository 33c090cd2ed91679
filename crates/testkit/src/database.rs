//! One test's database: made from the template, dropped when the test is done.

use crate::server::{self, PREFIX, Server};
use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};
use tokio_postgres::Client;

/// A database of one's own. It is dropped with this value; after a failed test it stays for a look, until the next
/// process that runs tests.
pub struct Database {
    /// The connection string.
    pub url: String,
    name: String,
    server: &'static Server,
}

/// A database with the whole schema.
pub async fn database() -> Database {
    let server = server::server().await;
    copy(server, &server.template).await
}

/// A database with nothing in it.
pub async fn empty_database() -> Database {
    copy(server::server().await, "template0").await
}

impl Database {
    /// A connection, for statements of the test's own. It speaks UTC.
    pub async fn client(&self) -> Client {
        let client = server::connect(&self.url).await;
        server::run(&client, "SET TIME ZONE 'UTC'").await;
        client
    }

    /// Its name, unlike any other's on the server.
    pub fn name(&self) -> &str {
        &self.name
    }
}

async fn copy(server: &'static Server, template: &str) -> Database {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{PREFIX}{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let client = server.client().await;
    // A process of the same id may have left one.
    server::run(&client, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    let strategy = server.strategy;
    server::run(&client, &format!("CREATE DATABASE {name} TEMPLATE {template} {strategy}")).await;
    Database { url: server.url(&name), name, server }
}

impl Drop for Database {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the database of this test is kept: {}", self.url);
            return;
        }
        let (server, name) = (self.server, self.name.clone());
        // The test's own runtime is occupied with this very call.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async {
                let client = server.client().await;
                server::run(&client, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
            });
        });
        // What could not be dropped is a leftover, which the next process removes.
        drop(dropping.join());
    }
}
