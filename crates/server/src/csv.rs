//! Tables as RFC 4180 writes them, safe to open in a spreadsheet. Knows no table.

use std::fmt::Write;

/// The lines of a table.
#[derive(Default)]
pub(crate) struct Table(String);

impl Table {
    /// Adds a line.
    pub(crate) fn line<const N: usize>(&mut self, fields: [&str; N]) {
        for (place, field) in fields.into_iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let quoted = field.contains([',', '"', '\r', '\n']);
            let written = if quoted {
                write!(self.0, "{comma}\"{}\"", field.replace('"', "\"\""))
            } else {
                write!(self.0, "{comma}{field}")
            };
            written.expect("writing to a string does not fail");
        }
        self.0.push_str("\r\n");
    }

    /// What has been written.
    pub(crate) fn text(self) -> String {
        self.0
    }
}

/// A text that people wrote. A spreadsheet would run it where it begins like a
/// formula, so an apostrophe keeps it from that. Spreadsheets look behind blanks, and
/// some take full-width signs for the usual ones.
pub(crate) fn harmless(text: &str) -> String {
    let starts = text.trim_start_matches(|c: char| c.is_whitespace() || is_unseen(c));
    let runs = text.starts_with(char::is_control)
        || starts.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    format!("{}{text}", if runs { "'" } else { "" })
}

/// Whether a spreadsheet may pass over it as if it were not there.
fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_only_where_they_must_be() {
        let mut table = Table::default();
        table.line(["plain", "", "a,b", "say \"hi\"", "two\nlines", " blank "]);
        table.line(["-1.00"]);
        let expected = "plain,,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\", blank \r\n-1.00\r\n";
        assert_eq!(table.text(), expected);
    }

    #[test]
    fn what_begins_like_a_formula_is_kept_from_running() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "\nRent",
            " =1",
            "\u{a0}=1",
            " \t +1",
            "\u{3000}@x",
            "\u{feff}=1",
            "\u{200b}-1",
            "＝1",
            "＋1",
            "－1",
            "＠x",
            " ＝1",
        ] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        for text in ["", " ", "Rent", " Rent", "1-1", "'=1", "a＝1"] {
            assert_eq!(harmless(text), text);
        }
    }
}
