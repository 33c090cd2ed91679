//! On what it was measured.

use super::setting::Setting;
use anyhow::Result;
use serde::Serialize;
use std::{fs, process::Command, thread};

/// The machine and its programs.
#[derive(Debug, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub kernel: String,
    pub postgresql: String,
    pub durable: &'static str,
    /// How busy it was when all was over, over the last quarter of an hour.
    pub load_average: String,
}

/// What this machine says of itself.
pub fn describe(setting: &Setting) -> Result<Machine> {
    let line = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        line.unwrap_or_default().trim_start_matches([':', ' ', '\t']).to_owned()
    };
    let memory = line("/proc/meminfo", "MemTotal");
    let kib: f64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    let kernel = Command::new("uname").arg("-sr").output()?;
    Ok(Machine {
        processor: line("/proc/cpuinfo", "model name"),
        cores: thread::available_parallelism()?.get(),
        memory_gib: kib / 1024.0 / 1024.0,
        kernel: String::from_utf8_lossy(kernel.stdout.trim_ascii()).into_owned(),
        postgresql: setting.version().to_owned(),
        durable: "fsync, synchronous_commit and full_page_writes on",
        load_average: line("/proc/loadavg", ""),
    })
}
