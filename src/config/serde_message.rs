//! Serde's messages in terms of TOML, with a suggestion for an unknown word.

use super::address::shown_address;
use super::problem::ProblemKind;

/// Parts of serde's messages, and the same in terms of TOML.
const PLAIN_TERMS: [(&str, &str); 7] = [
    ("expected u16", "expected 0, 90, 180 or 270"),
    ("expected i64", "expected a whole number"),
    ("expected f64", "expected a number"),
    ("expected a boolean", "expected true or false"),
    ("expected a sequence", "expected a list"),
    ("invalid type: sequence", "invalid type: list"),
    ("invalid type: map", "invalid type: table"),
];

/// The kind of problem of which serde's message tells.
pub(super) fn kind_of(message: &str) -> ProblemKind {
    if message.starts_with("unknown field") {
        ProblemKind::UnknownKey
    } else if message.starts_with("invalid type") {
        ProblemKind::Type
    } else {
        ProblemKind::Value
    }
}

/// Serde's message in terms of TOML, with a suggestion for an unknown word.
pub(super) fn plain_message(message: &str) -> String {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (Some((wrong, known)), true) = (
        words.split_first(),
        message.starts_with("unknown field") || message.starts_with("unknown variant"),
    ) else {
        return PLAIN_TERMS
            .iter()
            .fold(without_quoted_login(message), |text, (serde, plain)| {
                text.replace(serde, plain)
            })
            .split(", expected struct Raw")
            .enumerate()
            .map(|(index, part)| {
                if index == 0 {
                    part
                } else {
                    ", expected a table"
                }
            })
            .collect();
    };
    if message.starts_with("unknown field") {
        unknown_key(wrong, known)
    } else {
        format!("must be one of {}, got `{wrong}`", known.join(", "))
    }
}

/// The message for a key that does not exist, with the most similar one and all that do.
pub fn unknown_key(wrong: &str, known: &[&str]) -> String {
    let guess = did_you_mean(wrong, known);
    format!("unknown key; {guess}known are {}", known.join(", "))
}

/// `did you mean …? ` with the most similar known word, or nothing.
pub fn did_you_mean(wrong: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(wrong, word), word))
        .min()
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4);
    match nearest {
        Some((_, word)) => format!("did you mean `{word}`? "),
        None => String::new(),
    }
}

/// Masks logins in serde's message, which quotes a value such as `camera = ["rtsp://user:password@host"]`.
fn without_quoted_login(message: &str) -> String {
    let quoted = message
        .find("string \"")
        .map(|at| at + "string \"".len())
        .zip(message.rfind("\", expected"))
        .filter(|(start, end)| start <= end);
    match quoted {
        // Without these it is no address and no login: `5,5s`.
        Some((start, end)) if message[start..end].contains(['@', ':', '/', '?', '=']) => {
            let shown = shown_address(&message[start..end]);
            [&message[..start], &shown, &message[end..]].concat()
        }
        _ => message.to_owned(),
    }
}
