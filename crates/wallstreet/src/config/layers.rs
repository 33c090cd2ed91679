//! Where settings come from: flags win over the environment, the environment over the file. The only place in the product
//! that reads environment variables.
//!
//! Knows names and origins, not what a value means.

use super::settings::{self, Setting, Shown};
use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
};
use toml::de::{DeTable, DeValue};

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In the file, at this line.
    File(PathBuf, usize),
    /// In this environment variable.
    Environment(String),
    /// On the command line, by this flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "{flag} on the command line"),
        }
    }
}

/// A value as written, and where.
#[derive(Clone, Debug)]
pub struct Found {
    /// The text; never empty: an empty value counts as none.
    pub text: String,
    /// Where.
    pub origin: Origin,
}

/// A value given on the command line.
#[derive(Clone, Debug)]
pub struct Flag {
    /// What was typed, e.g. `--port`.
    pub flag: String,
    /// The setting's name.
    pub name: String,
    /// The value.
    pub text: String,
}

/// What all layers say together.
#[derive(Debug, Default)]
pub struct Layers {
    /// The winning value of each setting that was given.
    pub found: BTreeMap<&'static str, Found>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What prevents a start, in sentences.
    pub problems: Vec<String>,
    /// What should be looked at, in sentences.
    pub warnings: Vec<String>,
}

/// Reads all layers.
pub fn gather(flags: &[Flag]) -> Layers {
    let mut layers = Layers::default();
    layers.environment();
    layers.flags(flags);
    let above = std::mem::take(&mut layers.found);
    layers.file(&above);
    layers.found.extend(above);
    layers
}

/// Whether the environment asks for plain output (no-color.org).
pub fn plain_output() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// The key with which `import` calls a server; no setting of a server.
pub fn api_key() -> Option<String> {
    env::var("WALLSTREET_API_KEY").ok().filter(|key| !key.is_empty())
}

impl Layers {
    fn environment(&mut self) {
        let mut variables = BTreeMap::new();
        for (name, value) in env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) if value.is_empty() => {}
                Ok(value) => {
                    variables.insert(name, value);
                }
                Err(_) if settings::find(&name).is_some() => {
                    self.problems
                        .push(format!("the environment variable {name} is not UTF-8 text"));
                }
                Err(_) => {}
            }
        }
        for setting in settings::all() {
            let names = [setting.name].into_iter().chain(setting.alias);
            if let Some(name) = names.into_iter().find(|name| variables.contains_key(*name)) {
                self.put(setting, &variables[name], Origin::Environment(name.to_owned()));
            }
        }
        for (name, value) in &variables {
            if let Some(setting) = settings::of_file(name) {
                self.put_content(setting, name, value, Origin::Environment(name.clone()));
            } else if settings::is_unsupported(name) {
                self.warnings.push(format!("{name} is set, and this version does nothing with it"));
            } else if name.starts_with("WALLSTREET_")
                && settings::find(name).is_none()
                && let Some(meant) = settings::meant(name)
            {
                self.warnings
                    .push(format!("{name} is not a setting and is ignored; did you mean {meant}?"));
            }
        }
    }

    fn flags(&mut self, flags: &[Flag]) {
        for Flag { flag, name, text } in flags {
            let origin = Origin::Flag(flag.clone());
            match settings::find(name) {
                Some(setting) if setting.shown == Shown::Never => self.problems.push(format!(
                    "{name} is a secret, and every user of the machine can read a command line: set it in the \
                     environment, or {name}_FILE to the path of a file that holds it"
                )),
                // What is given by hand now replaces what was found, whatever its form.
                Some(setting) => {
                    self.found.remove(setting.name);
                    self.put(setting, text, origin);
                }
                None => self.unknown(name, &origin),
            }
        }
    }

    fn file(&mut self, above: &BTreeMap<&'static str, Found>) {
        let given = above.get("WALLSTREET_CONFIG");
        let data_dir = above
            .get("WALLSTREET_DATA_DIR")
            .map_or_else(embedded_postgres::default_data_dir, |found| found.text.clone().into());
        let path = given
            .map_or_else(|| data_dir.join("wallstreet.toml"), |found| found.text.clone().into());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if given.is_none() && error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                let how = given.map_or(String::new(), |found| format!(" (from {})", found.origin));
                self.problems.push(format!("cannot read {}{how}: {error}", path.display()));
                return;
            }
        };
        match DeTable::parse(&text) {
            Ok(table) => self.table(table.get_ref(), &text, &path),
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(&text, span.start));
                let what = error.message().lines().next().unwrap_or_default();
                self.problems.push(format!("{}:{line} is not TOML: {what}", path.display()));
            }
        }
        if given.is_none()
            && let Some(Found { text, origin }) = self.found.get("WALLSTREET_DATA_DIR")
            && Path::new(text) != data_dir
        {
            self.problems.push(format!(
                "WALLSTREET_DATA_DIR cannot be moved by the file that lies in it ({origin})"
            ));
        }
        self.file = Some(path);
    }

    fn table(&mut self, table: &DeTable<'_>, text: &str, path: &Path) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let origin = Origin::File(path.into(), line_of(text, key.span().start));
            let (given, content) = (settings::find(name), settings::of_file(name));
            if given.is_none() && content.is_none() {
                self.unknown(name, &origin);
                continue;
            }
            let Some(value) = plain(value.get_ref()) else {
                let right = "a text, a whole number, true, false or a list of texts";
                self.problems.push(format!("{name} ({origin}): expected {right}"));
                continue;
            };
            match (given, content) {
                _ if name == "WALLSTREET_CONFIG" => {
                    self.problems
                        .push(format!("{name} ({origin}) has no meaning in the file itself"));
                }
                (Some(setting), _) => self.put(setting, &value, origin),
                (None, Some(setting)) => self.put_content(setting, name, &value, origin),
                (None, None) => {}
            }
        }
    }

    fn put(&mut self, setting: &'static Setting, text: &str, origin: Origin) {
        if text.is_empty() {
            return;
        }
        if let Some(other) = self.found.get(setting.name) {
            self.problems
                .push(format!("{} is given twice: {} and {origin}", setting.name, other.origin));
        }
        self.found.insert(setting.name, Found { text: text.to_owned(), origin });
    }

    /// `<NAME>_FILE`: the value is what the file holds, without the newline at its end.
    fn put_content(&mut self, setting: &'static Setting, name: &str, path: &str, origin: Origin) {
        match fs::read_to_string(path) {
            Ok(text) if !text.trim().is_empty() => {
                self.put(setting, text.trim_end_matches(['\n', '\r']), origin);
            }
            Ok(_) => self.problems.push(format!("{name} ({origin}) names {path}, which is empty")),
            Err(error) => {
                self.problems
                    .push(format!("{name} ({origin}) names {path}, which cannot be read: {error}"));
            }
        }
    }

    fn unknown(&mut self, name: &str, origin: &Origin) {
        self.problems.push(if settings::is_unsupported(name) {
            format!("{name} ({origin}) is not supported by this version: remove it")
        } else if let Some(meant) = settings::meant(name) {
            format!("{name} ({origin}) is not a setting; did you mean {meant}?")
        } else {
            format!("{name} ({origin}) is not a setting; `wallstreet config` lists them all")
        });
    }
}

/// As the environment would have it.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Boolean(switch) => Some(switch.to_string()),
        DeValue::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            Some(items?.join(","))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

fn line_of(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}
