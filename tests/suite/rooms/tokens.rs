//! The tokens of a source file, without those of its tests.

pub(super) fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::` and other signs; neither comments nor literals.
pub(super) fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |rest: &str| {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len())
        };
        let raw = Some(rest)
            .filter(|_| matches!(first, 'b' | 'c' | 'r'))
            .and_then(|rest| rest.trim_start_matches(['b', 'c']).strip_prefix('r'));
        let hashes = raw.map(|raw| raw.len() - raw.trim_start_matches('#').len());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let (Some(raw), Some(hashes)) = (raw, hashes)
            && raw[hashes..].starts_with('"')
        {
            let start = rest.len() - raw.len() + hashes + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            let closed = rest[start..].find(&end);
            closed.map_or(rest.len(), |at| start + at + end.len())
        } else if first == '"' {
            quoted(rest)
        } else if first == '\'' {
            // A character, or else the name of a lifetime.
            let mut letters = rest[1..].chars();
            match (letters.next(), letters.next()) {
                (Some('\\'), Some(escaped)) => {
                    let start = 2 + escaped.len_utf8();
                    rest[start..]
                        .find('\'')
                        .map_or(rest.len(), |at| start + at + 1)
                }
                (Some(letter), Some('\'')) => 2 + letter.len_utf8(),
                _ => 1 + word(&rest[1..]),
            }
        } else if first.is_alphanumeric() || first == '_' {
            let length = word(rest);
            if is_name(rest) {
                found.push(&rest[..length]);
            }
            length
        } else if first.is_whitespace() {
            rest.len() - rest.trim_start().len()
        } else {
            let length = if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            found.push(&rest[..length]);
            length
        };
        rest = &rest[length..];
    }
    found
}

/// The length of a string literal.
fn quoted(text: &str) -> usize {
    let mut is_escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Leaves the items away that stand behind `#[cfg(test)]`.
pub(super) fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].starts_with(&MARK) {
            kept.push(tokens[at]);
            at += 1;
            continue;
        }
        at += MARK.len();
        let mut depth = 0usize;
        while at < tokens.len() {
            let token = tokens[at];
            // The end of what holds the item: it was the last field of a struct.
            if depth == 0 && [")", "]", "}"].contains(&token) {
                break;
            }
            at += 1;
            match token {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && (token == ";" || token == "}") {
                break;
            }
        }
    }
    kept
}
