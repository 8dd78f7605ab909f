//! Masks the secrets of addresses, and of texts that contain addresses. No other module decides which parts are secret.
//!
//! Camera makers put logins in many places: before an `@`, in queries under their own keys (`authbasic`, `loginpas`, `u` and
//! `p`), in paths (`/user=admin_password=…_channel=1.sdp`, `/0/admin:secret/main`), percent-encoded or in base64. Therefore
//! only parts that are known to be harmless are shown. Everything else is masked.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;

use super::harmless::{
    announces_login, holds_secret, is_harmless_key, is_harmless_value, is_login_key, is_strong_key,
    looks_like_name, looks_random,
};
use super::reference::MASK;

/// A part of an address that is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSecret {
    /// The key of the part; `username` and `password` for a login before the `@`; empty if it has no key.
    pub key: String,
    /// The text, percent-decoded.
    pub value: String,
}

impl AddressSecret {
    /// Whether the text is a number or a common word. Masking it everywhere would remove too much of other texts.
    pub fn is_common(&self) -> bool {
        self.value.len() < 4 || is_harmless_value(&self.value)
    }
}

/// An address without its login. Every other part that may be a secret is masked.
pub(super) fn shown_address(text: &str) -> String {
    Masking::new(Login::Dropped).address(text)
}

/// A text with masked addresses. Outside of addresses, the values of keys that name a secret are masked.
pub fn without_secrets(text: &str) -> String {
    Masking::new(Login::Masked).text(text)
}

/// The parts of an address that [`without_secrets`] masks.
pub fn address_secrets(text: &str) -> Vec<AddressSecret> {
    let mut masking = Masking::new(Login::Masked);
    masking.address(text);
    masking.secrets
}

/// Display of a login before the `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    Dropped,
    Masked,
}

/// Kind of a text, which decides the parts that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A path: names of folders and harmless pairs are shown.
    Path,
    /// A query: only harmless pairs are shown.
    Query,
    /// The path of a local file: everything except logins is shown.
    File,
    /// Words of a text: everything is shown except the values of keys that certainly name a secret.
    Words,
}

struct Masking {
    login: Login,
    secrets: Vec<AddressSecret>,
}

/// Characters that end a pair of key and value.
const SEPARATORS: [char; 8] = ['&', ';', ',', '/', '?', '|', ' ', '\t'];
/// Characters that end a word in a text; addresses do not contain them.
const QUOTES: [char; 5] = ['"', '\'', '`', '<', '>'];
/// Characters that may follow an address in a text.
const CLOSING: [char; 6] = ['.', ',', ';', ':', '!', ')'];
/// Maximum number of nested percent-encodings.
const MOST_ENCODINGS: usize = 3;

impl Masking {
    fn new(login: Login) -> Self {
        Self {
            login,
            secrets: Vec::new(),
        }
    }

    fn hide(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.secrets.push(AddressSecret {
                key: key.to_owned(),
                value: value.to_owned(),
            });
        }
    }

    /// Masks a text of words, some of which may be addresses.
    fn text(&mut self, text: &str) -> String {
        if !text.contains('=') && !text.contains("://") && !text.contains('%') {
            return text.to_owned();
        }
        let ends = |letter: char| {
            letter.is_whitespace() || letter.is_control() || QUOTES.contains(&letter)
        };
        let mut shown = String::with_capacity(text.len());
        for piece in text.split_inclusive(ends) {
            let word = piece.trim_end_matches(ends);
            let inner = word.trim_end_matches(CLOSING);
            shown.push_str(&self.word(inner));
            shown.push_str(&piece[inner.len()..]);
        }
        shown
    }

    fn word(&mut self, word: &str) -> String {
        if let Some(at) = word.find("://") {
            let scheme = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
            let start = word[..at].trim_end_matches(scheme).len();
            let before = self.part(&word[..start], Kind::Words);
            return before + &self.address(&word[start..]);
        }
        if has_local_scheme(word) {
            return self.address(word);
        }
        // A field of a log line, or an option.
        if let Some((key, path)) = word.split_once('=')
            && path.starts_with('/')
            && looks_like_name(key)
            && !is_strong_key(key)
        {
            return format!("{key}={}", self.word(path));
        }
        let plain = decoded(word);
        let is_address = plain.contains('=') && (plain.starts_with('/') || plain.contains('?'));
        if is_address {
            return self.behind_host(word, Kind::Path);
        }
        if plain.contains('=') && plain.contains('&') {
            return self.part(word, Kind::Query);
        }
        self.part(word, Kind::Words)
    }

    fn address(&mut self, text: &str) -> String {
        if is_local(text) {
            return self.behind_host(text, Kind::File);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), text),
        };
        // Passwords that are not encoded may contain `@`, `/` or `#`: the last `@` ends the login.
        let (login, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (host, tail) = rest.split_at(end);
        let host = decoded(host);
        let (login, host) = match host.rsplit_once('@') {
            Some((encoded, host)) => (format!("{login}{encoded}"), host.to_owned()),
            None => (login.to_owned(), host.into_owned()),
        };
        let mut shown = scheme;
        if !login.is_empty() {
            let login = decoded(&login);
            let (user, password) = login.split_once(':').unwrap_or((&login, ""));
            self.hide("username", user);
            self.hide("password", password);
            if self.login == Login::Masked {
                shown.extend([MASK, "@"]);
            }
        }
        shown.push_str(&self.host(&host));
        shown + &self.behind_host(tail, Kind::Path)
    }

    /// `host:port`, or the mask if the text is not one.
    fn host(&mut self, text: &str) -> String {
        // The last ones occur in templates and in messages of nvr: `rtsp://{host}`, `rtsp://…`.
        let letter = |letter: char| letter.is_alphanumeric() || "-_.[]:%{}$…".contains(letter);
        if !text.chars().all(letter) {
            self.hide("", text);
            return MASK.to_owned();
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => {
                let is_port = port.bytes().all(|byte| byte.is_ascii_digit())
                    || ["port", "PORT", "{port}"].contains(&port);
                if is_port || text.parse::<std::net::Ipv6Addr>().is_ok() {
                    return text.to_owned();
                }
                // `rtsp://admin:secret`, without a host.
                self.hide("password", port);
                format!("{host}:{MASK}")
            }
            _ => text.to_owned(),
        }
    }

    /// Masks path, query and fragment.
    fn behind_host(&mut self, text: &str, kind: Kind) -> String {
        let (text, fragment) = match text.split_once('#') {
            Some((text, fragment)) if kind != Kind::File => (text, fragment),
            _ => (text, ""),
        };
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        let mut shown = self.part(path, kind);
        // The text after a masked part may belong to it.
        let goes_on = shown.ends_with(MASK) && kind == Kind::Path;
        if let Some(query) = query {
            let of_query = if kind == Kind::File {
                kind
            } else {
                Kind::Query
            };
            shown.push('?');
            shown.push_str(&self.pairs(query, of_query, goes_on));
        }
        if !fragment.is_empty() {
            self.hide("", fragment);
            shown.extend(["#", MASK]);
        }
        shown
    }

    fn part(&mut self, text: &str, kind: Kind) -> String {
        self.pairs(text, kind, false)
    }

    /// Masks pairs and words between separators. Returns the original text if nothing is masked.
    fn pairs(&mut self, text: &str, kind: Kind, mut goes_on: bool) -> String {
        let plain = decoded(text);
        let before = self.secrets.len();
        let mut shown = String::with_capacity(plain.len());
        for piece in plain.split_inclusive(SEPARATORS) {
            let part = piece.trim_end_matches(SEPARATORS);
            let (masked, text) = self.pair(part, kind, goes_on);
            // A password may contain separators: mask up to the next key.
            goes_on = masked || (goes_on && !part.contains('='));
            shown.push_str(&text);
            shown.push_str(&piece[part.len()..]);
        }
        if self.secrets.len() == before && !shown.contains(MASK) {
            return text.to_owned();
        }
        shown.replace(char::is_control, "?")
    }

    /// Masks one part. The first value says whether its end is masked.
    fn pair(&mut self, part: &str, kind: Kind, goes_on: bool) -> (bool, String) {
        let Some((key, value)) = part.split_once('=') else {
            return self.bare(part, kind, goes_on);
        };
        // `…==` is the end of base64, and not a key without a value.
        if value.trim_matches('=').is_empty() && !is_known(key) {
            return self.bare(part, kind, goes_on);
        }
        // Some makers join pairs by `_`: `user=admin_password=…_channel=1`.
        if let Some((first, rest)) = joined(value) {
            let (_, first) = self.one(key, first, kind);
            let (masked, rest) = self.pair(rest, kind, false);
            return (masked, format!("{first}_{rest}"));
        }
        self.one(key, value, kind)
    }

    fn one(&mut self, key: &str, value: &str, kind: Kind) -> (bool, String) {
        let is_shown = match kind {
            Kind::Path | Kind::Query => is_harmless_key(key) && is_harmless_value(value),
            Kind::File => !is_login_key(key),
            Kind::Words => !is_strong_key(key),
        };
        if is_shown || value == MASK {
            return (false, format!("{key}={value}"));
        }
        self.hide(key, value);
        let key = if is_known(key) || looks_like_name(key) || kind == Kind::Words {
            key
        } else {
            self.hide("", key);
            MASK
        };
        (true, format!("{key}={MASK}"))
    }

    fn bare(&mut self, part: &str, kind: Kind, goes_on: bool) -> (bool, String) {
        let is_shown = match kind {
            Kind::Words | Kind::File => true,
            Kind::Path if !goes_on => is_folder(part),
            Kind::Path | Kind::Query => is_harmless_value(part) || is_harmless_key(part),
        };
        if is_shown || part.is_empty() || part == MASK {
            let announces = kind == Kind::Path && announces_login(part);
            return (part == MASK || announces, part.to_owned());
        }
        self.hide("", part);
        (true, MASK.to_owned())
    }
}

/// Splits `admin_password=…` at the `_`.
fn joined(value: &str) -> Option<(&str, &str)> {
    let at = value.find('=')?;
    let (first, key) = value[..at].rsplit_once('_')?;
    let is_key = !key.is_empty() && key.chars().all(|letter| letter.is_ascii_alphanumeric());
    is_key.then(|| (first, &value[first.len() + 1..]))
}

fn is_known(key: &str) -> bool {
    is_harmless_key(key) || is_login_key(key)
}

/// Whether a part of a path may be shown. A part with a colon, an encoded part, a random one or one that names a secret may be a
/// login or a token.
fn is_folder(part: &str) -> bool {
    let is_pair = part
        .split_once(':')
        .is_some_and(|(one, other)| !(is_harmless_value(one) && is_harmless_value(other)));
    !is_pair
        && !is_encoded_login(part)
        && !is_still_encoded(part)
        && !looks_random(part)
        && !holds_secret(part)
}

/// Whether the text is base64 of `user:password`.
fn is_encoded_login(part: &str) -> bool {
    let digits = part.trim_end_matches('=');
    if digits.len() < 6 {
        return false;
    }
    let bytes = STANDARD_NO_PAD
        .decode(digits)
        .or_else(|_| URL_SAFE_NO_PAD.decode(digits));
    bytes.is_ok_and(|bytes| {
        bytes.contains(&b':') && bytes.iter().all(|byte| (b' '..=b'~').contains(byte))
    })
}

/// Whether a part is encoded more often than [`decoded`] decodes.
fn is_still_encoded(part: &str) -> bool {
    part.contains('%') && percent_decode_str(part).decode_utf8_lossy() != part
}

/// Whether this is the address of a local file or device.
fn is_local(text: &str) -> bool {
    has_local_scheme(text) || (text.starts_with(['/', '.']) && !text.contains("://"))
}

/// Whether the text begins with the scheme of a local source.
fn has_local_scheme(text: &str) -> bool {
    const SCHEMES: [&str; 4] = ["file", "v4l2", "csi", "test-pattern"];
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()))
}

/// Percent-decodes a text, several times if it is encoded several times.
fn decoded(text: &str) -> Cow<'_, str> {
    let mut plain = Cow::Borrowed(text);
    for _ in 0..MOST_ENCODINGS {
        if !plain.contains('%') {
            break;
        }
        let next = percent_decode_str(&plain).decode_utf8_lossy().into_owned();
        if next == plain {
            break;
        }
        plain = Cow::Owned(next);
    }
    plain
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
