//! Comments: what stands between two leaves of the grammar besides blanks.

/// A comment and how many line breaks stand before it, counted from the leaf or comment before.
pub(super) struct Comment<'t> {
    pub(super) breaks: usize,
    pub(super) text: &'t str,
}

impl Comment<'_> {
    /// Whether the line must end behind it.
    pub(super) fn ends_line(&self) -> bool {
        self.text.starts_with("//")
    }
}

/// The comments of a gap in order, and the line breaks behind the last.
pub(super) fn comments(gap: &str) -> (Vec<Comment<'_>>, usize) {
    let mut found = Vec::new();
    let mut breaks = 0;
    let mut at = 0;
    while let Some(byte) = gap.as_bytes().get(at) {
        if *byte == b'/' {
            let length = length(&gap[at..]);
            found.push(Comment { breaks, text: gap[at..at + length].trim_end() });
            breaks = 0;
            at += length;
        } else {
            breaks += usize::from(*byte == b'\n');
            at += 1;
        }
    }
    (found, breaks)
}

/// The length of the comment at the start of `text`.
fn length(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let step = &text.as_bytes()[at..];
        if step.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if step.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_comments_are_one_and_breaks_are_counted() {
        let (found, behind) = comments(" // a\n\n /* b /* c */ */ /* d */\n");
        let found: Vec<_> = found.iter().map(|comment| (comment.breaks, comment.text)).collect();
        assert_eq!(found, [(0, "// a"), (2, "/* b /* c */ */"), (0, "/* d */")]);
        assert_eq!(behind, 1);
    }
}
