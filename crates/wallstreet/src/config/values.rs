//! From a setting's text to its value. An error says what would be right; who reads it knows the setting and the text.

use ipnet::IpNet;
use platform::postgres;
use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};
use tokio_postgres::config::Host;

/// What would be right.
pub type Expected = String;

/// A whole number within bounds.
pub fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    least: T,
    most: T,
) -> impl Fn(&str) -> Result<T, Expected> {
    move |text| {
        let parsed = text.parse().ok().filter(|number| (&least..=&most).contains(&number));
        parsed.ok_or_else(|| format!("a whole number from {least} to {most}"))
    }
}

/// `true` or `false`, and what people write for these.
pub fn switch(text: &str) -> Result<bool, Expected> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

/// Whether this build can download PostgreSQL.
pub const CAN_DOWNLOAD: bool = cfg!(feature = "download");

/// A switch that only a build that can download may turn on.
pub fn download(text: &str) -> Result<bool, Expected> {
    match switch(text)? {
        true if !CAN_DOWNLOAD => {
            Err("false: this build cannot download (it lacks the feature `download`)".to_owned())
        }
        on => Ok(on),
    }
}

/// A number and its unit. A bare number is refused, because some take it for seconds and some for milliseconds.
pub fn duration(text: &str) -> Result<Duration, Expected> {
    let expected = || "a whole number and its unit, s, m, h or d: 900s, 15m, 24h, 7d".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let seconds = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(expected()),
    };
    let seconds = number.checked_mul(seconds).ok_or_else(expected)?;
    // Ten years: beyond it the arithmetic with dates is not worth having.
    if !(1..=3_650 * 24 * 60 * 60).contains(&seconds) {
        return Err("between 1s and 3650d".to_owned());
    }
    Ok(Duration::from_secs(seconds))
}

/// A number and its unit, or 0 for never.
pub fn interval(text: &str) -> Result<Option<Duration>, Expected> {
    if text == "0" {
        return Ok(None);
    }
    duration(text).map(Some).map_err(|expected| format!("0 for never, or {expected}"))
}

/// An address to listen on.
pub fn address(text: &str) -> Result<IpAddr, Expected> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse()
        .map_err(|_| "an IP address: 127.0.0.1 for this machine alone, 0.0.0.0 for all".to_owned())
}

/// Addresses and networks, separated by commas.
pub fn networks(text: &str) -> Result<Vec<IpNet>, Expected> {
    let network = |one: &str| one.parse().or_else(|_| one.parse().map(|ip: IpAddr| ip.into()));
    let parsed: Result<_, std::net::AddrParseError> = items(text).map(network).collect();
    parsed.map_err(|_| {
        "IP addresses or networks, separated by commas: 10.0.0.0/8, 192.168.1.7".to_owned()
    })
}

/// Web origins, separated by commas; or `*`.
pub fn origins(text: &str) -> Result<Vec<String>, Expected> {
    let is_origin = |one: &str| {
        let host = one.strip_prefix("https://").or_else(|| one.strip_prefix("http://"));
        let plain = |c: char| c.is_ascii_graphic() && !"/?#@*".contains(c);
        one == "*" || host.is_some_and(|host| !host.is_empty() && host.chars().all(plain))
    };
    if items(text).all(is_origin) {
        Ok(items(text).map(str::to_owned).collect())
    } else {
        Err("origins, separated by commas, without a path: https://app.example.com, http://localhost:5173; or *".to_owned())
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty())
}

/// One word of a list.
pub fn word<T: FromStr>(words: &'static str) -> impl Fn(&str) -> Result<T, Expected> {
    move |text| text.parse().map_err(|_| words.to_owned())
}

/// A level, or levels by module. A bare word that is no level would mean a module of that name, and silence: refused.
pub fn log_level(text: &str) -> Result<String, Expected> {
    let is_level = |text: &str| {
        ["error", "warn", "info", "debug", "trace", "off"]
            .contains(&text.to_ascii_lowercase().as_str())
    };
    let is_directive = |one: &str| match one.split_once('=') {
        Some((module, level)) => !module.is_empty() && is_level(level),
        None => is_level(one),
    };
    if items(text).all(is_directive) && tracing_subscriber::EnvFilter::try_new(text).is_ok() {
        Ok(text.to_owned())
    } else {
        Err("error, warn, info, debug, trace or off, or by module: info,platform=debug".to_owned())
    }
}

/// A path, made absolute at once: whoever reads it later may stand elsewhere.
pub fn path(text: &str) -> Result<PathBuf, Expected> {
    std::path::absolute(text).map_err(|error| format!("a path ({error})"))
}

/// A connection string.
pub fn database(text: &str) -> Result<String, Expected> {
    let expected =
        |why| format!("a PostgreSQL address: postgres://user:password@host:5432/database ({why})");
    match postgres::parse(text) {
        Ok(config) if config.get_hosts().is_empty() => Err(expected("no host is named".to_owned())),
        Ok(_) => Ok(text.to_owned()),
        Err(platform::Error::Invalid(wrong)) => {
            Err(expected(format!("this {}", wrong.first().map_or("", |one| &one.message))))
        }
        Err(error) => Err(expected(error.to_string())),
    }
}

/// The same without its password, for people to read.
pub fn without_password(database: &str) -> String {
    let Ok(config) = postgres::parse(database) else {
        return "***".to_owned();
    };
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().unwrap_or_default();
    let password = if config.get_password().is_some() { ":***" } else { "" };
    format!("postgres://{user}{password}@{host}:{port}/{}", config.get_dbname().unwrap_or(user))
}
