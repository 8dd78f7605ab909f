//! In how many ways a secret may be spelled: patterns that find it in URLs, JSON, logs, headers and what is encoded.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// Shorter than this a secret is looked for as a word of its own only: a log without the letter `a` tells nothing.
const SHORT: usize = 4;

/// Whether `value` is a word rather than a secret by its length.
pub(super) fn is_short(value: &str) -> bool {
    value.chars().count() < SHORT
}

/// A pattern for `value` however its letters are written: as they are, percent-encoded, or escaped as in JSON, Rust, HTML and
/// systemd's journal; any mixture.
pub(super) fn written(value: &str) -> String {
    let mut form = String::new();
    for letter in value.chars() {
        let mut utf8 = [0; 4];
        let bytes = letter.encode_utf8(&mut utf8).as_bytes();
        let mut ways = vec![regex::escape(&letter.to_string())];
        let by_byte = |prefix: &str| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                // Writing into a text does not fail.
                let _ = write!(text, "{prefix}(?i:{byte:02x})");
                text
            })
        };
        ways.push(by_byte("%"));
        if !letter.is_ascii_alphanumeric() {
            ways.push(by_byte(r"\\x"));
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units).iter();
            ways.push(units.map(|unit| format!(r"\\u(?i:{unit:04x})")).collect());
            ways.push(format!(r"\\u\{{(?i:{:x})\}}", u32::from(letter)));
            ways.push(format!("&#{};", u32::from(letter)));
        }
        ways.extend(
            match letter {
                '"' => &[r#"\\""#, "&quot;"][..],
                '\\' => &[r"\\\\"],
                '\'' => &[r"\\'", "&apos;"],
                '&' => &["&amp;"],
                '<' => &["&lt;"],
                '>' => &["&gt;"],
                '\t' => &[r"\\t"],
                '/' => &[r"\\/"],
                ' ' => &[r"\+"],
                _ => &[],
            }
            .iter()
            .map(|way| (*way).to_owned()),
        );
        // The longest first: `\\` would leave the half of `\\\\`.
        ways.sort_by_key(|way| std::cmp::Reverse(way.len()));
        let _ = write!(form, "(?:{})", ways.join("|"));
    }
    form
}

/// Not within a longer word, where its ends are letters.
pub(super) fn as_word(value: &str, form: &str) -> String {
    let edge = |letter: Option<char>| match letter {
        Some(letter) if letter.is_alphanumeric() || letter == '_' => r"\b",
        _ => "",
    };
    format!(
        "{}{form}{}",
        edge(value.chars().next()),
        edge(value.chars().next_back())
    )
}

/// Patterns of `value` in base64, at each of the three places that a byte may have there, and in hexadecimal.
pub(super) fn encodings(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    if bytes.len() < SHORT {
        let whole = regex::escape(&STANDARD.encode(bytes));
        // A word of two or three letters in base64 is a word of others, too.
        return if bytes.len() < SHORT - 1 {
            Vec::new()
        } else {
            vec![format!(r"\b{whole}")]
        };
    }
    let mut forms: Vec<String> = (0..3_usize)
        .map(|before| {
            let mut padded = vec![0; before];
            padded.extend_from_slice(bytes);
            let encoded = STANDARD_NO_PAD.encode(&padded);
            // Only digits that the secret alone determines.
            let first = (before * 8).div_ceil(6);
            let last = (before + bytes.len()) * 8 / 6;
            let inner: String = encoded[first..last]
                .chars()
                .map(|digit| match digit {
                    '+' => r"[+\-]".to_owned(),
                    '/' => "[/_]".to_owned(),
                    digit => digit.to_string(),
                })
                .collect();
            format!(r"[A-Za-z0-9+/_\-]*{inner}[A-Za-z0-9+/_\-]*={{0,2}}")
        })
        .collect();
    let hex = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    forms.push(format!("(?i){hex}"));
    forms
}
