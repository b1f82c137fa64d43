//! The fields of a line of JSON as they are written.
//!
//! A line is split into its fields without making anything of them; each becomes its column's type from
//! its own text, so that no number passes through a float. What counts as a value is what Python's
//! `json` reads, `NaN` and the infinities among it.

use std::borrow::Cow;

use super::Raw;

/// How deep lists and objects may stand in each other.
const DEEPEST: usize = 128;

/// Calls `each` with every field of the object `text`, in their order.
///
/// Errors: where `text` is no object, or what `each` says.
pub fn fields<'a>(
    text: &'a str,
    mut each: impl FnMut(&str, &Raw<'a>) -> Result<(), String>,
) -> Result<(), String> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.object(|scanner, name, value| each(&scanner.string(name)?, &scanner.raw(value)?))?;
    scanner.end()
}

/// Calls `each` with every item of the list `text`, in their order.
pub(super) fn items<'a>(
    text: &'a str,
    mut each: impl FnMut(&Raw<'a>) -> Result<(), String>,
) -> Result<(), String> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.list(|scanner, value| each(&scanner.raw(value)?))?;
    scanner.end()
}

/// A value's place in its line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    kind: Kind,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Null,
    True,
    False,
    Number,
    /// A string, with its quotes.
    Plain,
    /// A string in which a backslash stands.
    Escaped,
    Nested,
}

/// A reader of one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    /// The next byte that is not a blank; zero at the end.
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() == byte {
            self.at += 1;
            return Ok(());
        }
        Err(self.wrong(&format!("`{}`", byte as char)))
    }

    fn wrong(&self, expected: &str) -> String {
        let column = self.text[..self.at].chars().count() + 1;
        format!("is not one JSON object: expected {expected} at column {column}")
    }

    pub(super) fn end(&mut self) -> Result<(), String> {
        if self.peek() == 0 && self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.wrong("the end of the line"))
        }
    }

    /// Reads an object, calling `each` with the places of names and values.
    pub(super) fn object(
        &mut self,
        mut each: impl FnMut(&Self, Place, Place) -> Result<(), String>,
    ) -> Result<(), String> {
        self.expect(b'{')?;
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != b'"' {
                return Err(self.wrong("a name in double quotes"));
            }
            let name = self.quoted()?;
            self.expect(b':')?;
            let value = self.value()?;
            each(self, name, value)?;
            if self.peek() == b',' {
                self.at += 1;
            } else {
                return self.expect(b'}').map_err(|_| self.wrong("`,` or `}`"));
            }
        }
    }

    fn list(&mut self, mut each: impl FnMut(&Self, Place) -> Result<(), String>) -> Result<(), String> {
        self.expect(b'[')?;
        if self.peek() == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            let value = self.value()?;
            each(self, value)?;
            if self.peek() == b',' {
                self.at += 1;
            } else {
                return self.expect(b']').map_err(|_| self.wrong("`,` or `]`"));
            }
        }
    }

    /// Reads a value.
    fn value(&mut self) -> Result<Place, String> {
        let first = self.peek();
        let start = self.at;
        let kind = match first {
            b'"' => return self.quoted(),
            b'{' | b'[' => {
                self.nested()?;
                Kind::Nested
            }
            b't' => self.word("true", Kind::True)?,
            b'f' => self.word("false", Kind::False)?,
            b'n' => self.word("null", Kind::Null)?,
            b'N' => self.word("NaN", Kind::Number)?,
            b'I' => self.word("Infinity", Kind::Number)?,
            b'-' if self.text[start..].starts_with("-I") => self.word("-Infinity", Kind::Number)?,
            _ => {
                self.number()?;
                Kind::Number
            }
        };
        Ok(Place { kind, start, end: self.at })
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, String> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.wrong("a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    /// Reads a string; its content is looked at when it is wanted.
    fn quoted(&mut self) -> Result<Place, String> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut kind = Kind::Plain;
        let mut at = start + 1;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    kind = Kind::Escaped;
                    at += 2;
                }
                Some(_) => at += 1,
                None => {
                    self.at = self.text.len();
                    return Err(self.wrong("`\"`"));
                }
            }
        }
        self.at = at + 1;
        Ok(Place { kind, start, end: self.at })
    }

    fn number(&mut self) -> Result<(), String> {
        let bytes = self.text.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let whole = self.at + usize::from(bytes.get(self.at) == Some(&b'-'));
        let mut at = digits(whole);
        let leading_zero = bytes.get(whole) == Some(&b'0') && at > whole + 1;
        if at == whole || leading_zero {
            return Err(self.wrong(if leading_zero { "a number without leading zeros" } else { "a value" }));
        }
        if bytes.get(at) == Some(&b'.') {
            let end = digits(at + 1);
            if end == at + 1 {
                return Err(self.wrong("a number with digits behind the point"));
            }
            at = end;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let end = digits(at + 1 + sign);
            if end == at + 1 + sign {
                return Err(self.wrong("a number with digits behind its `e`"));
            }
            at = end;
        }
        self.at = at;
        Ok(())
    }

    /// Passes over a list or an object.
    fn nested(&mut self) -> Result<(), String> {
        let mut open = Vec::new();
        loop {
            match self.peek() {
                bracket @ (b'{' | b'[') => {
                    if open.len() == DEEPEST {
                        return Err(self.wrong("no more brackets in each other"));
                    }
                    self.at += 1;
                    let close = if bracket == b'{' { b'}' } else { b']' };
                    if self.peek() == close {
                        self.at += 1;
                    } else {
                        open.push(close);
                        self.name(close)?;
                        continue;
                    }
                }
                _ => {
                    self.value()?;
                }
            }
            // A value ends here, and with it perhaps what it stands in.
            loop {
                let Some(&close) = open.last() else { return Ok(()) };
                match self.peek() {
                    b',' => {
                        self.at += 1;
                        self.name(close)?;
                        break;
                    }
                    byte if byte == close => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return Err(self.wrong(&format!("`,` or `{}`", close as char))),
                }
            }
        }
    }

    /// Passes over the name and colon before a value of what `close` closes, if it has names.
    fn name(&mut self, close: u8) -> Result<(), String> {
        if close == b'}' {
            if self.peek() != b'"' {
                return Err(self.wrong("a name in double quotes"));
            }
            self.quoted()?;
            self.expect(b':')?;
        }
        Ok(())
    }

    pub(super) fn string(&self, place: Place) -> Result<Cow<'a, str>, String> {
        if matches!(place.kind, Kind::Plain) {
            return Ok(Cow::Borrowed(&self.text[place.start + 1..place.end - 1]));
        }
        let text = &self.text[place.start..place.end];
        serde_json::from_str(text).map(Cow::Owned).map_err(|_| format!("`{text}` has a wrong escape"))
    }

    pub(super) fn raw(&self, place: Place) -> Result<Raw<'a>, String> {
        let text = &self.text[place.start..place.end];
        Ok(match place.kind {
            Kind::Null => Raw::Null,
            Kind::True => Raw::Bool(true),
            Kind::False => Raw::Bool(false),
            Kind::Number => Raw::Number(text),
            Kind::Plain | Kind::Escaped => Raw::Text(self.string(place)?),
            Kind::Nested => Raw::Nested(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Result<Vec<(String, String)>, String> {
        let mut found = Vec::new();
        fields(line, |name, raw| {
            found.push((name.to_owned(), format!("{raw:?}")));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn a_line_is_split_into_what_serde_json_reads() {
        for line in [
            "{}",
            " { } ",
            r#"{"a":1,"b":-0.5e+3,"c":"x","d":null,"e":true,"f":false}"#,
            r#"{"a" : [1, {"b": []}, [[]], "]"], "b": {"c": {"d": "}"}, "e": []} , "c":{}}"#,
            r#"{"a\n\u00e9":"\"\\\ud83d\ude00","b":""}"#,
            "{\"ü\":\"ß\"}\r\n",
        ] {
            let expected: serde_json::Value = serde_json::from_str(line).unwrap();
            let expected = expected.as_object().unwrap();
            let mut names: Vec<&str> = expected.keys().map(String::as_str).collect();
            let found = split(line).unwrap();
            let mut found_names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            found_names.sort_unstable();
            assert_eq!(names, found_names, "{line}");
            fields(line, |name, raw| {
                match (raw, &expected[name]) {
                    (Raw::Text(text), serde_json::Value::String(wanted)) => assert_eq!(text, wanted),
                    (Raw::Nested(text) | Raw::Number(text), wanted) => {
                        assert_eq!(&serde_json::from_str::<serde_json::Value>(text).unwrap(), wanted);
                    }
                    (Raw::Bool(value), wanted) => assert_eq!(wanted.as_bool(), Some(*value)),
                    (raw, wanted) => assert!(*raw == Raw::Null && wanted.is_null(), "{raw:?} {wanted}"),
                }
                Ok(())
            })
            .unwrap();
        }
    }

    #[test]
    fn what_is_no_object_is_refused_where_it_goes_wrong() {
        for line in [
            "",
            "[]",
            "1",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":+5}",
            "{\"a\":1e}",
            "{\"a\":tru}",
            "{\"a\":\"x}",
            "{\"a\":[1}",
            "{\"a\":[1,]}",
            "{\"a\":{\"b\"}}",
            "{\"a\":{1:2}}",
            "{a:1}",
            "{} {}",
            "{\"a\":\"\\q\"}",
            "{\"a\":\"\\ud800\"}",
        ] {
            assert!(split(line).is_err(), "{line}");
        }
        assert!(split(&format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500))).is_err());
        let wrong = split("{\"ü\": 1 \"b\"}").unwrap_err();
        assert_eq!(wrong, "is not one JSON object: expected `,` or `}` at column 9");
    }

    #[test]
    fn numbers_keep_their_text_and_python_s_words_are_numbers() {
        let found = split(r#"{"a":9007199254740993.0,"b":NaN,"c":-Infinity,"d":1e400}"#).unwrap();
        let texts: Vec<&str> = found.iter().map(|(_, raw)| raw.as_str()).collect();
        let expected =
            ["9007199254740993.0", "NaN", "-Infinity", "1e400"].map(|text| format!("Number({text:?})"));
        assert_eq!(texts, expected);
    }
}
