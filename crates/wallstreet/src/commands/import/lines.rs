//! The lines of an import: read one after the other in constant memory, and looked at before they are sent.
//!
//! Owns what counts as a line and which key it gets. Invariants: a line's number and key depend on its place alone; one
//! bad line never spoils the request of its neighbours. Knows no rule of the bank.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    io::{self, BufRead},
};

/// The longest line, in bytes.
const LONGEST: usize = 1 << 20;

/// What is refused, before or after it was sent.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The line, from 1.
    pub line: u64,
    /// Stable: ours, or the server's.
    pub code: String,
    /// For people.
    pub message: String,
    /// The line as it was; `None` where it was too long to keep.
    pub original: Option<String>,
}

/// A line that can be sent.
#[derive(Clone, Debug)]
pub struct Item {
    /// The line, from 1.
    pub line: u64,
    /// The key it gets from us; `None`: it has its own.
    pub key: Option<String>,
    /// The JSON object, as it was.
    pub text: String,
}

impl Item {
    /// Its place in a request takes at most this many bytes.
    pub fn size(&self) -> usize {
        self.text.len() + self.key.as_ref().map_or(0, |key| key.len() + 24) + 1
    }

    /// Adds it to a request. The same line gives the same bytes, which the key insists on.
    pub fn write(&self, body: &mut String) {
        let Some(key) = &self.key else { return body.push_str(&self.text) };
        let rest = self.text[1..].trim_ascii_start();
        let comma = if rest.starts_with('}') { "" } else { "," };
        let _ = write!(body, "{{\"idempotencyKey\":{}{comma}{rest}", Value::from(key.as_str()));
    }
}

/// What a line is.
pub enum Line {
    /// It can be sent.
    Item(Item),
    /// It cannot.
    Bad(Refused),
}

/// Where the reading has come to.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Bytes read.
    pub offset: u64,
    /// Lines read, blank ones too.
    pub line: u64,
    /// Of all bytes read.
    digest: Sha256,
}

impl Place {
    /// The hash of everything up to here.
    pub fn hash(&self) -> String {
        hex(&self.digest.clone().finalize())
    }
}

/// The lines of a stream.
pub struct Lines<R> {
    from: R,
    prefix: String,
    place: Place,
    line: Vec<u8>,
    length: usize,
}

impl<R: BufRead> Lines<R> {
    /// From the beginning.
    pub fn new(from: R, prefix: &str) -> Self {
        let (place, line) = (Place::default(), Vec::new());
        Self { from, prefix: prefix.to_owned(), place, line, length: 0 }
    }

    /// Passes over what is done: so many bytes, which are so many lines. False where they are not the ones that had this
    /// hash, or the last of them has been continued.
    pub fn pass(&mut self, offset: u64, lines: u64, hash: &str) -> io::Result<bool> {
        let mut last = b'\n';
        while self.place.offset < offset {
            let there = self.from.fill_buf()?;
            let wanted = usize::try_from(offset - self.place.offset).unwrap_or(usize::MAX);
            let take = there.len().min(wanted);
            let Some(end) = there[..take].last() else { return Ok(false) };
            last = *end;
            self.place.digest.update(&there[..take]);
            self.place.offset += take as u64;
            self.from.consume(take);
        }
        self.place.line = lines;
        if self.place.hash() != hash {
            return Ok(false);
        }
        // A newline that came later belongs to the line that lacked it.
        Ok(last == b'\n' || !self.read()? || self.line.trim_ascii().is_empty())
    }

    /// Where it has come to.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The next line that is not blank.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        while self.read()? {
            self.place.line += 1;
            let mut text = self.line.as_slice();
            if self.place.line == 1 {
                text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            }
            let text = text.trim_ascii();
            if !text.is_empty() {
                return Ok(Some(self.look(text)));
            }
        }
        Ok(None)
    }

    /// Reads to the next newline; of a line that is too long, only its length is known.
    fn read(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.length = 0;
        loop {
            let there = match self.from.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                there => there?,
            };
            let end = there.iter().position(|byte| *byte == b'\n');
            let take = end.map_or(there.len(), |end| end + 1);
            if take == 0 {
                return Ok(self.length > 0);
            }
            self.place.digest.update(&there[..take]);
            self.place.offset += take as u64;
            self.length += take;
            if self.length <= LONGEST + 2 {
                self.line.extend_from_slice(&there[..take]);
            }
            self.from.consume(take);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn look(&self, text: &[u8]) -> Line {
        let line = self.place.line;
        let bad = |code: &str, message: String, original| {
            Line::Bad(Refused { line, code: code.to_owned(), message, original })
        };
        if self.length > self.line.len() || text.len() > LONGEST {
            let message = format!("The line has {} bytes; the most are 1 MiB", self.length);
            return bad("line_too_long", message, None);
        }
        let text = match std::str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                let lossy = String::from_utf8_lossy(text).into_owned();
                return bad("not_utf8", format!("The line is not UTF-8: {error}"), Some(lossy));
            }
        };
        match own_key(&text) {
            Err((code, message)) => bad(code, message, Some(text)),
            Ok(true) => Line::Item(Item { line, key: None, text }),
            Ok(false) => {
                let key = Some(format!("{}:{line}", self.prefix));
                Line::Item(Item { line, key, text })
            }
        }
    }
}

/// What we want to know of a line. That the rest is JSON, the parser finds out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    #[serde(default, deserialize_with = "present")]
    idempotency_key: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// Whether it has a key of its own.
fn own_key(text: &str) -> Result<bool, (&'static str, String)> {
    if !text.starts_with('{') {
        return Err(("not_an_object", "The line is not a JSON object".to_owned()));
    }
    let known: Known = serde_json::from_str(text)
        .map_err(|error| ("malformed_json", format!("The line is not a JSON object: {error}")))?;
    match known.idempotency_key {
        // The server would take it for none at all, and a second time would be a second effect.
        Some(Value::Null) => {
            let text = "idempotencyKey is null: leave it out, or give the line a key of its own";
            Err(("key_is_null", text.to_owned()))
        }
        own => Ok(own.is_some()),
    }
}

/// What the keys of a file's lines begin with: made of its first line that is not blank, so that neither its name nor what
/// is appended changes it.
pub fn prefix(from: impl BufRead) -> io::Result<String> {
    let mut lines = Lines::new(from, "");
    let mut digest = Sha256::new();
    if let Some(line) = lines.next()? {
        match line {
            Line::Item(item) => digest.update(item.text),
            Line::Bad(_) => digest.update(lines.line.trim_ascii()),
        }
    }
    Ok(format!("import-{}", &hex(&digest.finalize())[..32]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, and key or code, of every line.
    fn all(text: &[u8]) -> Vec<(u64, String)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(7, text), "p");
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(match line {
                Line::Bad(bad) => (bad.line, bad.code),
                Line::Item(item) => (item.line, item.key.unwrap_or_default()),
            });
        }
        assert_eq!(lines.place().offset, text.len() as u64);
        all
    }

    fn is(line: u64, word: &str) -> (u64, String) {
        (line, word.to_owned())
    }

    #[test]
    fn bad_lines_are_named_by_number_and_do_not_stop_the_others() {
        let text = b"{\"a\":1}\nnot json\n[1]\n\xff{}\n{\"a\":\n{\"idempotencyKey\":null}\n{}\n";
        let codes = ["p:1", "not_an_object", "not_an_object", "not_utf8", "malformed_json"];
        let codes = codes.into_iter().chain(["key_is_null", "p:7"]);
        let expected: Vec<_> = (1..).zip(codes).map(|(line, word)| is(line, word)).collect();
        assert_eq!(all(text), expected);
    }

    #[test]
    fn a_line_of_more_than_a_mebibyte_is_refused_and_the_longest_one_is_not() {
        let padded = |length: usize| {
            let mut line = b"{\"a\":\"".to_vec();
            line.resize(length - 2, b'x');
            line.extend(b"\"}");
            line
        };
        let text = [padded(LONGEST), padded(LONGEST + 1), padded(3 * LONGEST), b"{}".to_vec()];
        let text = text.join(b"\r\n".as_slice());
        let expected = [is(1, "p:1"), is(2, "line_too_long"), is(3, "line_too_long"), is(4, "p:4")];
        assert_eq!(all(&text), expected);
    }

    #[test]
    fn a_mark_at_the_beginning_carriage_returns_blank_lines_and_a_missing_newline_do_not_matter() {
        let text = b"\xef\xbb\xbf{}\r\n\r\n  \n{\"idempotencyKey\":\"own\"}\r\n{ }";
        assert_eq!(all(text), [is(1, "p:1"), is(4, ""), is(5, "p:5")]);
    }

    #[test]
    fn a_key_is_put_into_the_object_without_touching_the_rest() {
        let written = |text: &str, key: Option<&str>| {
            let mut body = String::new();
            let item = Item { line: 1, key: key.map(str::to_owned), text: text.to_owned() };
            item.write(&mut body);
            assert!(body.len() < item.size());
            body
        };
        assert_eq!(written("{ }", Some("p:1")), r#"{"idempotencyKey":"p:1"}"#);
        assert_eq!(
            written("{ \"amount\": 1.0 }", Some("p:1")),
            r#"{"idempotencyKey":"p:1","amount": 1.0 }"#
        );
        assert_eq!(written("{\"a\" :1}", None), "{\"a\" :1}");
    }

    #[test]
    fn the_prefix_is_that_of_the_first_line_and_stays_when_lines_are_appended() {
        let of = |text: &str| prefix(text.as_bytes()).unwrap();
        assert_eq!(of("{\"a\":1}"), of("\n{\"a\":1}\r\n{\"b\":2}\n"));
        assert_ne!(of("{\"a\":1}"), of("{\"a\":2}"));
        assert_ne!(of("what\n"), of("that\n"));
    }

    #[test]
    fn what_is_done_is_passed_over_only_where_it_ends_with_a_line() {
        let after = |text: &str, offset: usize, lines| {
            let mut lines_of = Lines::new(text.as_bytes(), "p");
            let done = &text.as_bytes()[..text.len().min(offset)];
            let hash = hex(&Sha256::digest(done));
            let passed = lines_of.pass(offset as u64, lines, &hash).unwrap();
            passed.then(|| match lines_of.next().unwrap() {
                Some(Line::Item(item)) => item.line,
                _ => 0,
            })
        };
        assert_eq!(after("{}\n{}\n", 3, 1), Some(2));
        assert_eq!(after("{}\r\n{}\n", 2, 1), Some(2), "the newline came later");
        assert_eq!(after("{}", 2, 1), Some(0), "nothing is left");
        assert_eq!(after("{}x\n{}\n", 2, 1), None, "the line goes on");
        assert_eq!(after("{}\n", 9, 1), None, "too short");
        let mut altered = Lines::new("{}\n".as_bytes(), "p");
        assert!(!altered.pass(3, 1, &hex(&Sha256::digest("[]\n"))).unwrap());
    }
}
