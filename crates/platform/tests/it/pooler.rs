//! Behind a connection pooler: refused where each transaction would get another session.

use platform::{Error, Platform, SystemClock, migrations};
use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio, id},
    sync::Arc,
    time::Duration,
};
use testkit::{Database, settings, skipped};

/// A PgBouncer before the tests' PostgreSQL, until it is dropped.
struct Bouncer {
    child: Child,
    dir: PathBuf,
    port: u16,
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    dirs.map(|dir| dir.join("pgbouncer")).find(|program| program.is_file())
}

/// The directory of the server's socket. `None`: it is somebody else's server, far away.
fn socket(database: &Database) -> Option<&str> {
    let (_, rest) = database.url.split_once("host='")?;
    rest.split_once('\'').map(|(dir, _)| dir)
}

impl Bouncer {
    fn start(program: &Path, socket: &str, mode: &str) -> Self {
        let dir = env::temp_dir().join(format!("wallstreet-pooler-{}-{mode}", id()));
        fs::create_dir_all(&dir).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let file = dir.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={socket} user=wallstreet\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
        );
        fs::write(&file, text).unwrap();
        // It refuses to be root, and PostgreSQL asks the kernel who comes.
        let owner = fs::metadata(socket).unwrap();
        let mut command = Command::new(program);
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if nix_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        Self { child: command.spawn().unwrap(), dir, port }
    }

    async fn url(&self, database: &Database) -> String {
        let url =
            format!("host=127.0.0.1 port={} user=wallstreet dbname={}", self.port, database.name());
        for _ in 0..100 {
            let config: tokio_postgres::Config = url.parse().unwrap();
            if config.connect(tokio_postgres::NoTls).await.is_ok() {
                return url;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("PgBouncer does not answer at {url}");
    }
}

fn nix_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

async fn open(url: &str) -> Result<Platform, Error> {
    Platform::connect(url, settings(), Arc::new(SystemClock)).await
}

#[tokio::test]
async fn a_pooler_of_transactions_is_refused_and_one_of_sessions_is_not() {
    let database = testkit::database().await;
    let (Some(program), Some(socket)) = (program(), socket(&database)) else {
        let why = "needs pgbouncer and a PostgreSQL of the tests' own: `apt-get install pgbouncer`";
        return skipped("pooler", why);
    };
    let pooler = Bouncer::start(&program, socket, "transaction");
    let url = pooler.url(&database).await;
    for refused in [open(&url).await.map(|_| ()), migrations::status(&url).await.map(|_| ())] {
        let Err(Error::Internal(cause)) = refused else { panic!("it was taken") };
        let told = cause.to_string();
        assert!(told.contains("connection pooler") && told.contains("pool_mode=session"), "{told}");
    }
    let pooler = Bouncer::start(&program, socket, "session");
    let url = pooler.url(&database).await;
    migrations::status(&url).await.unwrap();
    open(&url).await.unwrap();
}
