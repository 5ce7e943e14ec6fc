//! The known name that was probably meant.

/// The name that differs from `typed` in the fewest places, if those are few.
pub(crate) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (distance(typed, name), name));
    scored.filter(|(distance, name)| *distance <= name.len() / 2).min().map(|(_, name)| name)
}

/// How many characters must be inserted, left out or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(b.chars()) {
            let replaced = diagonal + usize::from(ca != cb);
            diagonal = *cell;
            left = replaced.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["token", "session", "subject", "all"];
        for (typed, expected) in [
            ("subjct", Some("subject")),
            ("tokens", Some("token")),
            ("al", Some("all")),
            ("department", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), expected, "{typed}");
        }
        assert_eq!([distance("", "abc"), distance("kitten", "sitting"), distance("ab", "ab")], [3, 3, 0]);
    }
}
