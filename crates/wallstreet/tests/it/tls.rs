//! A database elsewhere that insists on TLS: who asks for it gets it, verified;
//! who does not, or cannot verify, is refused and told why.

use crate::product::{Home, eventually, is_root};
use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

/// PostgreSQL on a TCP port, for connections with TLS only; gone with the test.
struct Elsewhere {
    postgres: Child,
    port: u16,
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.postgres.kill();
        let _ = self.postgres.wait();
    }
}

/// A command as somebody whom PostgreSQL is willing to run as.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    command
}

fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn start(home: &Home) -> Elsewhere {
    let bin = embedded_postgres::find_binaries(None, home.path()).unwrap().dir;
    let dir = home.path().join("elsewhere");
    std::fs::create_dir(&dir).unwrap();
    let (key, certificate) = (dir.join("server.key"), dir.join("server.crt"));
    done(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate),
    );
    if is_root() {
        done(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(&dir));
    }
    let data = dir.join("pg");
    done(
        unprivileged(&bin.join("initdb"))
            .current_dir("/")
            .args(["-U", "wallstreet", "--auth=trust", "--no-sync", "-D"])
            .arg(&data),
    );
    let rules =
        "local all all trust\nhostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n";
    std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let setting = |name: &str, value: String| ["-c".to_owned(), format!("{name}={value}")];
    let postgres = unprivileged(&bin.join("postgres"))
        .current_dir("/")
        .arg("-D")
        .arg(&data)
        .args(setting("listen_addresses", "localhost".to_owned()))
        .args(setting("port", port.to_string()))
        .args(setting("unix_socket_directories", dir.display().to_string()))
        .args(setting("ssl", "on".to_owned()))
        .args(setting("ssl_key_file", key.display().to_string()))
        .args(setting("ssl_cert_file", certificate.display().to_string()))
        .args(setting("fsync", "off".to_owned()))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let elsewhere = Elsewhere { postgres, port };
    eventually("it listens", || TcpStream::connect(("localhost", port)).is_ok());
    elsewhere
}

#[test]
fn a_database_that_insists_on_tls_is_reached_verified_or_not_at_all() {
    if Command::new("openssl").arg("version").output().is_err() {
        testkit::skipped("tls", "there is no openssl on this machine to make a certificate");
        return;
    }
    let home = Home::new();
    let elsewhere = start(&home);
    let url =
        |mode: &str| format!("postgres://wallstreet@localhost:{}/postgres{mode}", elsewhere.port);
    let authority = home.path().join("elsewhere/server.crt").display().to_string();
    let migrate_at = |url: String, authority: &str, wait: &str| {
        let variables = [
            ("DATABASE_URL", url),
            ("SSL_CERT_FILE", authority.to_owned()),
            ("DB_WAIT", wait.to_owned()),
        ];
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        home.run_with(&["migrate", "up"], &variables)
    };
    let migrate = |mode: &str, authority: &str, wait: &str| migrate_at(url(mode), authority, wait);
    for mode in ["?sslmode=require", "?sslmode=verify-full"] {
        // It listens before it lets anybody in.
        migrate(mode, &authority, "30s").well();
    }
    let plain = migrate("", &authority, "1s");
    assert_ne!(plain.code, Some(0));
    assert!(plain.stderr.contains("no encryption"), "{}", plain.stderr);
    // The authorities of this machine do not know this certificate.
    let other = home.write("other.crt", "");
    for authority in [other.as_str(), "/etc/ssl/certs/ca-certificates.crt"] {
        let unknown = migrate("?sslmode=require", authority, "1s");
        assert_ne!(unknown.code, Some(0), "{unknown:#?}");
        assert!(unknown.stderr.contains("certificate"), "{}", unknown.stderr);
    }
    // A file of its own, in either form.
    migrate(&format!("?sslmode=verify-full&sslrootcert={authority}"), &other, "1s").well();
    let port = elsewhere.port;
    let by_address = |mode: &str| {
        format!("host=127.0.0.1 port={port} user=wallstreet dbname=postgres sslmode={mode}")
    };
    // The certificate is for another name.
    let rooted = |mode: &str| by_address(&format!("{mode} sslrootcert='{authority}'"));
    migrate_at(rooted("verify-ca"), &other, "1s").well();
    let wrong = migrate_at(rooted("verify-full"), &other, "1s");
    assert!(wrong.stderr.contains("certificate"), "{}", wrong.stderr);
    let unknown = migrate_at(by_address("verify-ca"), &other, "1s");
    assert!(unknown.stderr.contains("certificate"), "{}", unknown.stderr);
    for mode in ["prefer", "allow"] {
        migrate_at(by_address(mode), &other, "1s").well();
    }
}
