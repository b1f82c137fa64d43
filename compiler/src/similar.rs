//! Similar names, for suggestions.

/// The known name nearest to `name`, if one is near: at most `1 + length / 4` edits away.
///
/// Of equally near names the first wins. Cost: `known` × the product of the lengths.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let reach = 1 + name.chars().count() / 4;
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let distance = distance(name, candidate, reach);
        if candidate != name && distance <= reach && best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or nothing.
pub(crate) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// Levenshtein distance with swaps of neighbours as one edit; anything above `reach` may be reported
/// as `reach + 1`.
fn distance(a: &str, b: &str, reach: usize) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    if a.len().abs_diff(b.len()) > reach {
        return reach + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(nearest("amuont", ["country", "amount"]), Some("amount"));
    }

    #[test]
    fn short_names_must_be_near() {
        assert_eq!(nearest("ts", ["amount", "txn"]), None);
        assert_eq!(nearest("t", ["ts"]), Some("ts"));
    }
}
