//! `scripts/verify-dump.py` on the present state of a test's book.

use futures_util::TryStreamExt;
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};
use testkit::skipped;
use tokio_postgres::Client;

/// The tables that `docs/proof.md` has exported.
const TABLES: [&str; 9] = [
    "accounts",
    "transactions",
    "audit_logs",
    "wallstreet.entries",
    "wallstreet.exchanges",
    "wallstreet.rounding",
    "wallstreet.seals",
    "wallstreet.sealing",
    "wallstreet.migrations",
];

/// Runs the script's own `main` for each line, in one process: starting one a time
/// would be most of the work.
const DRIVER: &str = "
import importlib.util, sys
spec = importlib.util.spec_from_file_location('script', sys.argv[1])
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
for line in sys.stdin:
    script.wrong.clear()
    script.unproved.clear()
    sys.argv[1:] = [line.strip()]
    script.main()
    print('END', flush=True)
";

/// The script, and a dump in a directory that is gone with this value.
pub struct Script {
    directory: PathBuf,
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Script {
    /// Exports everything; `None`: this machine has no Python.
    pub async fn start(client: &Client, name: &str) -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/verify-dump.py");
        let mut command = Command::new("python3");
        command.args(["-c", DRIVER, script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut process) = command.spawn() else {
            skipped("the script beside the product", "python3 is not installed");
            return None;
        };
        let said = BufReader::new(process.stdout.take().unwrap());
        let directory = env::temp_dir().join(format!("{name}-stored"));
        fs::create_dir_all(&directory).unwrap();
        let mut script = Self { directory, process, said };
        for table in TABLES {
            script.export(client, table).await;
        }
        let said = script.run();
        assert!(said.ends_with(": 0 differences\n"), "{said}");
        Some(script)
    }

    /// Writes a table anew.
    pub async fn export(&self, client: &Client, table: &str) {
        let rows = format!("COPY (SELECT * FROM {table}) TO STDOUT WITH (FORMAT csv, HEADER)");
        let stream = client.copy_out(&rows).await.unwrap();
        let pieces: Vec<_> = stream.try_collect().await.unwrap();
        let name = table.trim_start_matches("wallstreet.");
        fs::write(self.directory.join(name).with_extension("csv"), pieces.concat()).unwrap();
    }

    /// All that it says.
    pub fn run(&mut self) -> String {
        let directory = self.directory.display();
        writeln!(self.process.stdin.as_mut().unwrap(), "{directory}").unwrap();
        let mut said = String::new();
        while !said.ends_with("END\n") {
            assert!(self.said.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        }
        said.truncate(said.len() - "END\n".len());
        said
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
