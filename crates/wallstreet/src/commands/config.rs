//! `config`: the settings in force and where each comes from.

use super::print;
use crate::{
    cli::Show,
    config::{Config, Effective, Flag, Origin, example, secret_place, settings::Shown},
    failure::Failure,
    terminal::{Ink, ink},
};
use serde_json::json;
use std::{fmt::Write, io, process::ExitCode};

/// Prints them.
pub fn run(how: Show, flags: &[Flag]) -> Result<ExitCode, Failure> {
    if how.example {
        return print(&example());
    }
    let config = Config::load(flags)?;
    config.warnings.iter().for_each(crate::terminal::warn);
    print(&if how.json { document(&config) } else { table(&config) })
}

fn document(config: &Config) -> String {
    let settings: Vec<_> = config
        .effective
        .iter()
        .map(|one| json!({"name": one.setting.name, "value": one.shown, "from": one.origin.to_string()}))
        .collect();
    format!("{:#}", json!({"settings": settings, "warnings": config.warnings}))
}

fn table(config: &Config) -> String {
    let stdout = io::stdout();
    let name = config.effective.iter().map(|one| one.setting.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for one in &config.effective {
        let value = one.shown.clone().unwrap_or_else(|| absent(config, one));
        let is_default = one.origin == Origin::Default;
        let padded = format!("{value:<32}");
        let value = if is_default {
            ink(&stdout, Ink::Faint, padded)
        } else {
            ink(&stdout, Ink::Strong, padded)
        };
        let _ = writeln!(text, "{:<name$}  {value}  {}", one.setting.name, one.origin);
    }
    text
}

/// What holds where there is no value.
fn absent(config: &Config, one: &Effective) -> String {
    match one.setting.shown {
        Shown::Never if config.in_development() => {
            let place = secret_place(config, one.setting.name);
            let state = if place.exists() { "kept" } else { "will be made" };
            format!("({state} in {})", place.display())
        }
        Shown::Never => "(not set, and required)".to_owned(),
        Shown::WithoutPassword => "(unset: embedded PostgreSQL)".to_owned(),
        Shown::Plainly => "(unset)".to_owned(),
    }
}
