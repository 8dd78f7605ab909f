//! Numbers and lists of things in sentences.

/// `1 fault`, `2 faults`: a count with its noun, whose plural ends in `s`.
pub fn counted(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// The first names of a list, at most `most`, with `separator` between them, and the number of the others: `a, b and 2 more`.
pub fn first_names(
    names: impl IntoIterator<Item = impl ToString, IntoIter: ExactSizeIterator>,
    most: usize,
    separator: &str,
) -> String {
    let names = names.into_iter();
    let count = names.len();
    let first: Vec<String> = names.take(most).map(|name| name.to_string()).collect();
    let first = first.join(separator);
    match count.saturating_sub(most) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_is_not() {
        let found = [0, 1, 2].map(|count| counted(count, "camera"));
        assert_eq!(found, ["0 cameras", "1 camera", "2 cameras"]);
    }

    #[test]
    fn a_long_list_is_cut_and_the_others_are_counted() {
        assert_eq!(first_names(["a", "b"], 2, ", "), "a, b");
        assert_eq!(first_names(1..6, 2, " "), "1 2 and 3 more");
        assert_eq!(first_names([""; 0], 2, ", "), "");
    }
}
