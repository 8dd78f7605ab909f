//! Removes secrets from every text that enters a bundle.
//!
//! Two methods, one after the other. Secrets that the configuration knows are searched by value, in each form in which a log,
//! a URL or a header may write them. Other secrets are searched by their form: addresses (by the one function that the
//! whole program has for them), `password=…`, `Authorization:`, private keys. In doubt both remove too much.

use std::sync::LazyLock;

use regex::{Captures, Regex, RegexBuilder};
use serde_json::Value;

use super::secret_patterns::{value_patterns, word_pattern};
use super::secrets::Secrets;
use crate::config::without_secrets;

/// Replaces a secret.
const MASK: &str = "***";

/// Maximum size of a compiled pattern. A secret may be as long as a secret file (4 kB).
const PATTERN_BYTES: usize = 64 << 20;

/// Removes secrets from texts.
pub(super) struct Redaction {
    known: Vec<Regex>,
}

/// Forms of secrets. The first group is kept.
static FORMS: LazyLock<[Regex; 5]> = LazyLock::new(|| {
    [
        // A private key of any number of lines, also if its end is cut off.
        r"(?s)(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----).*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
        // Headers of HTTP and RTSP, to the end of the line.
        r"(?i)(\b(?:proxy-)?authorization\b\W{1,4})[^\r\n]+",
        r"(?i)(\bdigest\s+username=)[^\r\n]+",
        r"(?i)(\bbearer\s+)[A-Za-z0-9+/._~=\-]{6,}",
        r"(\b[Bb]asic\s+)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{3}[A-Z0-9+/])\B?",
    ]
    .map(pattern)
});

/// A key that names a secret, and its value: in TOML, JSON, logs and command lines.
static KEYED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?isx)
        ( \b[\w.\-]*(?:password|passwd|passphrase|token|secret|pwd|api_?key|username)[\w.\-]* ["']? \s*[=:]\s* (?:Some\()? )
        ( """.*?""" | '''.*?''' | "(?:[^"\\\r\n]|\\.)*" | '[^'\r\n]*' | ["'][^\r\n]* | [^\s,;&"'}\])]+ )"#,
    )
});

impl Redaction {
    /// A redaction that knows these secrets.
    pub(super) fn new(secrets: &Secrets) -> Self {
        let mut values: Vec<&String> = secrets.values.iter().collect();
        // One may be a part of another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let values = values.into_iter().flat_map(|value| value_patterns(value));
        let names = secrets.names.iter().map(|name| word_pattern(name));
        let known = values.chain(names).map(|form| pattern(&form)).collect();
        Self { known }
    }

    /// `text` without secrets.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // By form first: a URL whose password is already masked no longer has the form of one with a login.
        for form in FORMS.iter() {
            let masked = |found: &Captures<'_>| format!("{}{MASK}", &found[1]);
            text = form.replace_all(&text, masked).into_owned();
        }
        text = without_secrets(&text);
        text = KEYED.replace_all(&text, keyed).into_owned();
        for known in &self.known {
            text = known.replace_all(&text, MASK).into_owned();
        }
        text
    }

    /// `value` with every text redacted. A text under a key that names a secret is masked whole.
    pub(super) fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => values.iter().map(|value| self.json(value)).collect(),
            Value::Object(table) => {
                let masked = |(key, value): (&String, &Value)| {
                    let value = match value {
                        Value::String(_) if KEYED.is_match(&format!("{key}=x")) => MASK.into(),
                        value => self.json(value),
                    };
                    (self.text(key), value)
                };
                table.iter().map(masked).collect()
            }
            other => other.clone(),
        }
    }
}

/// Keeps the quotes around a value, and a reference (`{ file = "camera-0" }`), which is not secret.
fn keyed(found: &Captures<'_>) -> String {
    let (key, value) = (&found[1], &found[2]);
    if value.starts_with('{') || value.starts_with(MASK) {
        return found[0].to_owned();
    }
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => format!("{key}{quote}{MASK}{quote}"),
        _ => format!("{key}{MASK}"),
    }
}

fn pattern(form: &str) -> Regex {
    RegexBuilder::new(form)
        .size_limit(PATTERN_BYTES)
        .build()
        .expect("invariant: literals are escaped, and the size is that of a secret of 4 kB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::fixture::cases;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    fn knowing(values: &[&str], names: &[&str]) -> Redaction {
        Redaction::new(&Secrets::known(values, names))
    }

    /// A text and the expected result, with `\n` written as in Rust.
    const FORMS_OF_SECRETS: &str = r#"
rtsp://viewer:se@cr/et@10.0.0.20:554/x live → rtsp://***@10.0.0.20:554/x live
rtsp://10.0.0.20/x → rtsp://10.0.0.20/x
http://h/snap?channel=1&token=abc&x=2 → http://h/snap?channel=1&token=***&x=***
/user=admin&password=tlJwpbo6&channel=1 → /user=***&password=***&channel=1
Authorization: Digest username="a", response="b"\nnext → Authorization: ***\nnext
got Bearer abc.DEF-123 → got Bearer ***
a basic understanding of it → a basic understanding of it
a Basic dmlld2VyOnNlY3JldA== header → a Basic *** header
password = "hun\"ter" # mine → password = "***" # mine
# password = 'old one' → # password = '***'
password = """two\nlines"""\nhost = 1 → password = "***"\nhost = 1
password = "not closed\nhost = 1 → password = "***"\nhost = 1
password = { file = "camera-0" } → password = { file = "camera-0" }
{"http_token":"abc","port":1} → {"http_token":"***","port":1}
Login { password: Some("x y"), host: 1 } → Login { password: Some("***"), host: 1 }
MQTT_PASSWORD=abc nvr processor → MQTT_PASSWORD=*** nvr processor
check MQTT_USERNAME and MQTT_PASSWORD (some brokers) → check MQTT_USERNAME and MQTT_PASSWORD (some brokers)
a\n-----BEGIN EC PRIVATE KEY-----\nMIIB\n-----END EC PRIVATE KEY-----\nb → a\n-----BEGIN EC PRIVATE KEY-----***\nb
-----BEGIN PRIVATE KEY-----\nMIIB\ncut off → -----BEGIN PRIVATE KEY-----***
-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE----- → -----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----
"#;

    #[test]
    fn forms_of_secrets_are_masked_and_other_text_is_kept() {
        let redaction = knowing(&[], &[]);
        for (text, expected) in cases(FORMS_OF_SECRETS) {
            let (text, expected) = (text.replace("\\n", "\n"), expected.replace("\\n", "\n"));
            assert_eq!(redaction.text(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_known_secret_is_masked_in_every_form() {
        let secret = "p\"ä s/+w&d";
        let redaction = knowing(&[secret], &[]);
        let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        for text in [
            secret.to_owned(),
            encoded.to_lowercase(),
            encoded,
            serde_json::to_string(secret).expect("JSON"),
            format!("{secret:?}"),
            STANDARD.encode(secret),
            STANDARD.encode(format!("bob:{secret}")),
            STANDARD.encode(format!("alice:{secret}!")),
            secret.escape_default().to_string(),
        ] {
            let masked = redaction.text(&format!("before {text} after"));
            let masked = masked.replace('"', "");
            let expected = ["before *** after", "before p*** after"];
            assert!(expected.contains(&masked.as_str()), "{text}: {masked}");
        }
    }

    #[test]
    fn short_secrets_and_names_are_words() {
        let redaction = knowing(&["a1"], &["viewer"]);
        assert_eq!(
            redaction.text("a1 is not in a12 or ba1; viewer, viewers"),
            "*** is not in a12 or ba1; ***, viewers"
        );
    }

    #[test]
    fn a_document_stays_a_document() {
        let redaction = knowing(&["hunter2"], &[]);
        let value = serde_json::json!({
            "uri": "rtsp://a:b@h/x", "password": "x", "n": 3, "list": ["hunter2 \"quoted\""], "hunter2": null,
        });
        assert_eq!(
            redaction.json(&value),
            serde_json::json!({
                "uri": "rtsp://***@h/x", "password": "***", "n": 3, "list": ["*** \"quoted\""], "***": null,
            })
        );
    }

    proptest! {
        #[test]
        fn a_planted_secret_never_survives(
            secret in "[a-zA-Z0-9!\"#$%&'()+,/:;<=>?@\\[\\\\\\]^_`{|}~äé€ .-]{4,24}",
            user in "[a-z]{1,9}",
            before in "[a-zA-Z0-9 /:=]{0,12}",
        ) {
            prop_assume!(!secret.trim().is_empty());
            let redaction = knowing(&[&secret], &[]);
            let encoded = utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
            let quoted = serde_json::to_string(&secret).expect("JSON");
            let basic = STANDARD.encode(format!("{user}:{secret}"));
            let debugged = format!("{secret:?}");
            for text in [&secret, &encoded, &encoded.to_lowercase(), &quoted, &debugged, &basic] {
                let masked = redaction.text(&format!("{before} {text}\nuseful\n{text}"));
                for form in [&secret, &encoded, &basic, quoted.trim_matches('"')] {
                    prop_assert!(!masked.contains(form), "{masked}");
                }
            }
        }
    }
}
