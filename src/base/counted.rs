//! Numbers of things in sentences.

/// `1 fault`, `2 faults`: a count with its noun, whose plural ends in `s`.
pub fn counted(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_is_not() {
        let found = [0, 1, 2].map(|count| counted(count, "camera"));
        assert_eq!(found, ["0 cameras", "1 camera", "2 cameras"]);
    }
}
