//! Regular expressions that find a known secret in URLs, JSON, logs, headers and encoded text.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::base::hexadecimal;

/// A shorter secret is searched as a whole word only: a log without the letter `a` says nothing.
const SHORT: usize = 4;

/// All patterns of a password or token: encoded, and as text.
pub(super) fn value_patterns(value: &str) -> Vec<String> {
    let mut patterns = encoded(value);
    patterns.push(if value.chars().count() < SHORT {
        word_pattern(value)
    } else {
        text_pattern(value)
    });
    patterns
}

/// A pattern for `value` as a whole word; its ends count as word boundaries only if they are letters.
pub(super) fn word_pattern(value: &str) -> String {
    let boundary = |letter: Option<char>| match letter {
        Some(letter) if letter.is_alphanumeric() || letter == '_' => r"\b",
        _ => "",
    };
    let first = boundary(value.chars().next());
    let last = boundary(value.chars().next_back());
    format!("{first}{}{last}", text_pattern(value))
}

/// A pattern for `value` in which each letter is written as it is, percent-encoded, or escaped as in JSON, Rust, HTML or systemd's
/// journal; in any mixture.
fn text_pattern(value: &str) -> String {
    value.chars().map(letter_pattern).collect()
}

fn letter_pattern(letter: char) -> String {
    let mut utf8 = [0; 4];
    let bytes = letter.encode_utf8(&mut utf8).as_bytes();
    let by_byte = |prefix: &str| -> String {
        let forms = bytes.iter().map(|byte| format!("{prefix}(?i:{byte:02x})"));
        forms.collect()
    };
    let mut forms = vec![regex::escape(&letter.to_string()), by_byte("%")];
    if !letter.is_ascii_alphanumeric() {
        let mut units = [0; 2];
        let units = letter.encode_utf16(&mut units).iter();
        forms.extend([
            by_byte(r"\\x"),
            units.map(|unit| format!(r"\\u(?i:{unit:04x})")).collect(),
            format!(r"\\u\{{(?i:{:x})\}}", u32::from(letter)),
            format!("&#{};", u32::from(letter)),
        ]);
    }
    let named = match letter {
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
    };
    forms.extend(named.iter().map(|form| (*form).to_owned()));
    // The longest first: `\\` would leave the half of `\\\\`.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    format!("(?:{})", forms.join("|"))
}

/// Patterns of `value` in base64, at each of the three positions that a byte may have there, and in hexadecimal.
fn encoded(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    // In base64, one or two letters are ordinary words too.
    if bytes.len() < SHORT - 1 {
        return Vec::new();
    }
    if bytes.len() < SHORT {
        return vec![format!(r"\b{}", regex::escape(&STANDARD.encode(bytes)))];
    }
    let base64 = |before: usize| {
        let encoded = STANDARD_NO_PAD.encode([&vec![0; before], bytes].concat());
        // Only the digits that depend on the secret alone.
        let first = (before * 8).div_ceil(6);
        let last = (before + bytes.len()) * 8 / 6;
        // Both alphabets.
        let inner = encoded[first..last]
            .replace('/', "[/_]")
            .replace('+', r"[+\-]");
        format!(r"[A-Za-z0-9+/_\-]*{inner}[A-Za-z0-9+/_\-]*={{0,2}}")
    };
    let mut patterns: Vec<String> = (0..3).map(base64).collect();
    patterns.push(format!("(?i){}", hexadecimal(bytes)));
    patterns
}
