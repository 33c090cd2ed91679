//! The settings as a commented configuration file.

use super::settings::{Fallback, SETTINGS, Shown};
use std::fmt::Write;

/// Every setting with its default, commented out: a file that changes nothing.
pub fn example() -> String {
    let mut text = String::from(
        "# Wallstreet's configuration. Every line is optional. The environment knows the same names and wins over this file;\n\
         # flags win over both.\n",
    );
    for (subject, settings) in SETTINGS {
        let _ = write!(text, "\n# {subject}\n");
        for setting in settings.iter().filter(|setting| setting.name != "WALLSTREET_CONFIG") {
            let _ = write!(text, "\n# {}\n", setting.about);
            if setting.shown == Shown::Never {
                let _ =
                    writeln!(text, "# Or {}_FILE, the path of a file that holds it.", setting.name);
            }
            let _ = match setting.fallback {
                Fallback::Value(value) if is_bare(value) => {
                    writeln!(text, "# {} = {value}", setting.name)
                }
                Fallback::Value(value) => writeln!(text, "# {} = \"{value}\"", setting.name),
                Fallback::Depends(on) => {
                    writeln!(text, "# {} = \"\" # default: {on}", setting.name)
                }
                Fallback::Unset => writeln!(text, "# {} = \"\"", setting.name),
            };
        }
    }
    text
}

/// Whether TOML writes it without quotes.
fn is_bare(value: &str) -> bool {
    value == "true" || value == "false" || value.bytes().all(|byte| byte.is_ascii_digit())
}
