//! The mistakes that have a sentence of their own, each found by the words around it.

use super::grammar::Rule;
use super::message::{Said, Stop, character_length, first_character, is_reserved, is_word, word_at_start};

/// The mistakes that have a sentence of their own; the first that fits is said.
pub(super) const HINTS: [fn(&Stop) -> Option<Said>; 19] = [
    |stop| stop.unclosed_comment(),
    |stop| stop.unclosed_string(),
    |stop| stop.stray_doc(),
    |stop| stop.stray_file_doc(),
    |stop| stop.single_quotes(),
    |stop| stop.semicolon(),
    |stop| stop.logic_signs(),
    |stop| stop.assignment(),
    |stop| stop.not_equal_sign(),
    |stop| stop.count_star(),
    |stop| stop.no_zone(),
    |stop| stop.calendar_unit(),
    |stop| stop.spaced_unit(),
    |stop| stop.late_filter(),
    |stop| stop.upper_case(),
    |stop| stop.reserved_name(),
    |stop| stop.leading_zero(),
    |stop| stop.unopened(),
    |stop| stop.taken_for_a_name(),
];

impl Stop<'_> {
    fn unclosed_comment(&self) -> Option<Said> {
        let open = self.starts("/*") && !self.rest().contains("*/");
        open.then(|| Said::new(self.next(2), "this comment is not closed", "no `*/` follows"))
    }

    fn unclosed_string(&self) -> Option<Said> {
        let at = self.rest();
        if let Some(body) = at.strip_prefix("\"\"\"") {
            let said = Said::new(self.next(3), "this string is not closed", "no `\"\"\"` follows");
            return (!body.contains("\"\"\"")).then_some(said);
        }
        let line = at.lines().next().unwrap_or("").trim_end();
        if let Some(body) = line.strip_prefix('`') {
            let said = Said::new(self.next(1), "this name is not closed", "no back-tick on this line");
            return (!body.contains('`')).then_some(said);
        }
        let body = line.strip_prefix("r\"").or_else(|| line.strip_prefix('"'))?;
        (!body.contains('"')).then(|| {
            Said::new(self.next(line.len()), "this string is not closed", "no `\"` on this line")
                .help("a string of several lines is written `\"\"\"…\"\"\"`")
        })
    }

    /// `///` before what takes none: here, or on the line before.
    fn stray_doc(&self) -> Option<Said> {
        let line_start = |at: usize| self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let mut end = self.text.len();
        let here = self.starts("///") && !self.starts("////");
        if !here {
            let member = line_start(self.at);
            let word = word_at_start(self.text[member..].trim_start());
            let takes_none = self.at == self.text.len() || UNDOCUMENTED.contains(&word) || self.starts("}");
            end = self.text[..member].trim_end().len();
            let doc = self.text[line_start(end)..].trim_start();
            if !takes_none || !doc.starts_with("///") || doc.starts_with("////") {
                return None;
            }
        }
        let start = line_start(end.min(self.at + 3));
        let start = start + self.text[start..].find("///")?;
        let length = self.text[start..].lines().next().map_or(3, |line| line.trim_end().len());
        let label = "nothing that takes documentation follows";
        let said = Said::new((start, start + length), "this `///` documents nothing", label);
        Some(said.help("it stands above an item, a column or a feature; a remark is written `//`"))
    }

    fn stray_file_doc(&self) -> Option<Said> {
        let said = Said::new(self.next(3), "`//!` documents the file", "not inside an item");
        self.starts("//!").then(|| said.help("a remark is written `//`"))
    }

    fn single_quotes(&self) -> Option<Said> {
        let body = self.rest().strip_prefix('\'')?;
        let line = body.lines().next().unwrap_or("");
        let said = |length| Said::new(self.next(length), "strings use double quotes", "single quotes");
        Some(match line.split_once('\'') {
            Some((text, _)) => {
                said(text.len() + 2).help(format!("write `\"{text}\"`")).fix(format!("\"{text}\""))
            }
            None => said(1),
        })
    }

    fn semicolon(&self) -> Option<Said> {
        let said = Said::new(self.next(1), "there are no semicolons", "not needed");
        self.starts(";").then(|| said.help("a statement ends where the next one starts").fix(""))
    }

    fn logic_signs(&self) -> Option<Said> {
        let signs = [("&&", "and"), ("&", "and"), ("||", "or"), ("!", "not")];
        let (sign, word) = *signs.iter().find(|(sign, _)| self.starts(sign))?;
        if self.starts("!=") {
            return None;
        }
        let fix = if sign == "!" { "not ".to_owned() } else { word.to_owned() };
        let said = Said::new(self.next(sign.len()), "logic is written with words", format!("use `{word}`"));
        Some(said.help("`and`, `or`, `not`").fix(fix))
    }

    fn assignment(&self) -> Option<Said> {
        if !self.starts("=") || self.starts("=>") || !self.expects(Rule::binary_op) {
            // `===`: the first two signs were read as `==`.
            let tripled = self.starts("=") && self.text[..self.at].ends_with("==");
            return tripled.then(|| Said::new(self.next(1), "`==` compares", "one `=` too many").fix(""));
        }
        let said = Said::new(self.next(1), "`=` defines a name; it does not compare", "use `==`");
        Some(said.help("write `==`").fix("=="))
    }

    fn not_equal_sign(&self) -> Option<Said> {
        let written = self.starts(">") && self.text[..self.at].ends_with('<');
        let range = (self.at.saturating_sub(1), self.at + 1);
        written.then(|| Said::new(range, "`<>` is written `!=`", "use `!=`").fix("!="))
    }

    fn count_star(&self) -> Option<Said> {
        let after = self.rest().strip_prefix('*')?.trim_start();
        let before = self.text[..self.at].trim_end().strip_suffix('(')?;
        let start = before.rfind(|c: char| !is_word(c)).map_or(0, |at| at + character_length(before, at));
        let name = &before[start..];
        let said = Said::new(self.next(1), format!("`{name}(*)` is written `{name}()`"), "no `*` here");
        after.starts_with(')').then(|| said.fix(""))
    }

    fn no_zone(&self) -> Option<Said> {
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '+');
        let start =
            self.text[..self.at].rfind(|c| !part(c)).map_or(0, |at| at + character_length(self.text, at));
        let length = self.text[start..].find(|c| !part(c)).unwrap_or(self.text.len() - start);
        let written = &self.text[start..start + length];
        let shape: String = written.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let zoned = shape.ends_with('Z') || shape.get(16..).is_some_and(|tail| tail.contains(['+', '-']));
        (shape.starts_with("0000-00-00T00:00") && !zoned).then(|| {
            Said::new((start, start + length), "a timestamp needs a zone", "which clock?")
                .help(format!("write `{written}Z`, or an offset such as `{written}+01:00`"))
        })
    }

    /// The number at this place or right before it, where the word behind it starts, and the word.
    fn number_and_word(&self) -> Option<(usize, &str, usize, &str)> {
        for start in [self.at, self.word_before().0, self.number_before_word()] {
            let rest = &self.text[start..];
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let gap = rest[digits..].len() - rest[digits..].trim_start_matches([' ', '\t']).len();
            let word = word_at_start(&rest[digits + gap..]);
            if digits > 0 && word.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return Some((start, &rest[..digits], start + digits + gap, word));
            }
        }
        None
    }

    fn number_before_word(&self) -> usize {
        let before = self.text[..self.word_before().0].trim_end();
        before.len() - (before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len())
    }

    fn calendar_unit(&self) -> Option<Said> {
        let (start, _, from, word) = self.number_and_word()?;
        let unit = match word.trim_end_matches('s') {
            "mo" | "mon" | "month" => "month",
            "y" | "yr" | "year" => "year",
            _ => return None,
        };
        let range = (start, from + word.len());
        let said = Said::new(range, "months and years have no fixed length", "not a duration");
        Some(said.help(format!("write days, such as `30d`, or a window `calendar(\"{unit}\", tz: \"…\")`")))
    }

    fn spaced_unit(&self) -> Option<Said> {
        let (start, digits, from, word) = self.number_and_word()?;
        let unit = match word {
            "us" | "micro" | "micros" | "microsecond" | "microseconds" => "us",
            "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => "ms",
            "s" | "sec" | "secs" | "second" | "seconds" => "s",
            "m" | "min" | "mins" | "minute" | "minutes" => "m",
            "h" | "hr" | "hrs" | "hour" | "hours" => "h",
            "d" | "day" | "days" => "d",
            "w" | "week" | "weeks" => "w",
            _ => return None,
        };
        let written = format!("{digits}{unit}");
        if self.text[start..].starts_with(&written) && from + word.len() == start + written.len() {
            return None;
        }
        let message = "a unit is one of `us`, `ms`, `s`, `m`, `h`, `d`, `w`, without a space";
        let said = Said::new((start, from + word.len()), message, "not a duration");
        Some(said.help(format!("write `{written}`")).fix(written))
    }

    fn late_filter(&self) -> Option<Said> {
        let word = word_at_start(self.rest());
        let before = self.statement();
        let follows = |clause| before.split(|c| !is_word(c)).any(|word| word == clause);
        let late = follows("over") || follows("next") || (word == "where" && follows("by"));
        let after = if follows("over") || follows("next") { "window" } else { "bucket" };
        (late && matches!(word, "where" | "by")).then(|| {
            let name = if word == "where" { "filter" } else { "bucket" };
            let message = format!("the {name} comes before the {after}");
            Said::new(self.next(word.len()), message, "too late")
                .help("the order is `agg(…) where … by … over …`")
        })
    }

    fn upper_case(&self) -> Option<Said> {
        let (start, before) = self.word_before();
        let candidates = [(self.at, word_at_start(self.rest())), (start, before)];
        candidates.into_iter().find_map(|(start, word)| {
            let lower = word.to_ascii_lowercase();
            let keyword = lower != word && (is_reserved(&lower) || KEYWORDS.contains(&&*lower));
            let said =
                Said::new((start, start + word.len()), format!("`{word}` must be lower case"), "a keyword");
            keyword.then(|| said.help(format!("write `{lower}`")).fix(lower))
        })
    }

    fn reserved_name(&self) -> Option<Said> {
        let word = word_at_start(self.rest());
        let after = self.rest()[word.len()..].trim_start();
        let defines = after.starts_with([':', '=']) && !after.starts_with("==") && !after.starts_with("=>");
        let wanted = |rule: &Rule| matches!(rule, Rule::ident | Rule::tident | Rule::qname | Rule::path);
        let only_names = !self.expected.is_empty() && self.expected.iter().all(wanted);
        (is_reserved(word) && (defines || only_names)).then(|| {
            Said::new(self.next(word.len()), format!("`{word}` is a reserved word"), "not a name")
                .help(format!("quote it, `` `{word}` ``, or choose another name"))
                .fix(format!("`{word}`"))
        })
    }

    fn leading_zero(&self) -> Option<Said> {
        let digits = word_at_start(self.rest());
        let zero = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
        let short = digits.trim_start_matches('0');
        let short = if short.is_empty() { "0" } else { short };
        let said = Said::new(self.next(digits.len()), "an integer has no leading zeros", "starts with `0`");
        (zero && self.expects_value()).then(|| said.help(format!("write `{short}`")).fix(short))
    }

    fn expects_value(&self) -> bool {
        let values = [Rule::expr, Rule::row_expr, Rule::operand, Rule::row_operand, Rule::literal, Rule::int];
        self.expected.is_empty() || values.iter().any(|rule| self.expects(*rule))
    }

    fn unopened(&self) -> Option<Said> {
        let closer = first_character(self.rest());
        let stray = matches!(closer, "}" | ")" | "]") && self.expects(Rule::EOI);
        stray.then(|| Said::new(self.next(1), format!("this `{closer}` closes nothing"), "nothing is open"))
    }

    /// A reserved word where an argument should be: only a colon would make it a name.
    fn taken_for_a_name(&self) -> Option<Said> {
        let (start, word) = self.word_before();
        (self.expected == [Rule::colon] && is_reserved(word)).then(|| {
            let message = format!("expected an expression or `)`, found `{word}`");
            Said::new((start, start + word.len()), message, "expected an expression or `)`")
        })
    }
}

/// Words that start a line which takes no documentation.
const UNDOCUMENTED: [&str; 23] = [
    "version", "ttl", "refresh", "online", "offline", "latency", "log", "sample", "history", "keep",
    "expect", "for", "time", "known", "key", "order", "dedupe", "lateness", "since", "batch", "stream",
    "given", "import",
];

/// Words of their context that are often written in capitals.
const KEYWORDS: [&str; 30] = [
    "package", "import", "let", "fn", "type", "entity", "source", "features", "derived", "labels", "service",
    "dataset", "test", "from", "of", "with", "join", "on", "every", "offset", "along", "next", "after",
    "limit", "expect", "keep", "given", "rows", "events", "table",
];
