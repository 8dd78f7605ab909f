//! A camera's request for a login, and the answer: Basic (RFC 7617), Digest with MD5 or SHA-256 (RFC 2617, 7616).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gstreamer::glib;

use crate::config::Credentials;

/// The login scheme that a camera asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Digest(Digest),
}

/// A supported Digest challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    realm: String,
    pub(super) nonce: String,
    opaque: Option<String>,
    /// The algorithm's name in the camera's spelling; absent means MD5.
    algorithm: Option<String>,
    hash: Hash,
    /// `MD5-sess`, `SHA-256-sess`.
    session: bool,
    /// `auth` or `auth-int`; absent for RFC 2069.
    qop: Option<&'static str>,
    pub(super) stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Md5,
    Sha256,
}

pub(super) fn basic(Credentials { username, password }: &Credentials) -> String {
    let pair = format!("{}:{}", username.reveal(), password.reveal());
    format!("Basic {}", BASE64.encode(pair))
}

impl Digest {
    /// RFC 7616, 3.4.1.
    pub(super) fn answer(
        &self,
        credentials: &Credentials,
        method: &str,
        uri: &str,
        count: u32,
        client_nonce: &str,
    ) -> String {
        let (user, password) = (credentials.username.reveal(), credentials.password.reveal());
        let Self { realm, nonce, .. } = self;
        let hash = |text: String| self.hash.hex(&text);
        let mut secret = hash(format!("{user}:{realm}:{password}"));
        if self.session {
            secret = hash(format!("{secret}:{nonce}:{client_nonce}"));
        }
        let request = hash(match self.qop {
            // Our requests have no body.
            Some("auth-int") => format!("{method}:{uri}:{}", self.hash.hex("")),
            _ => format!("{method}:{uri}"),
        });
        let response = hash(match self.qop {
            Some(qop) => format!("{secret}:{nonce}:{count:08x}:{client_nonce}:{qop}:{request}"),
            None => format!("{secret}:{nonce}:{request}"),
        });
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{response}\"",
            quoted(user),
            quoted(realm),
            quoted(nonce),
            quoted(uri)
        );
        if let Some(algorithm) = &self.algorithm {
            value += &format!(", algorithm={algorithm}");
        }
        if let Some(opaque) = &self.opaque {
            value += &format!(", opaque=\"{}\"", quoted(opaque));
        }
        if let Some(qop) = self.qop {
            value += &format!(", qop={qop}, nc={count:08x}");
        }
        if self.qop.is_some() || self.session {
            value += &format!(", cnonce=\"{client_nonce}\"");
        }
        value
    }
}

impl Hash {
    fn hex(self, text: &str) -> String {
        let kind = match self {
            Self::Md5 => glib::ChecksumType::Md5,
            Self::Sha256 => glib::ChecksumType::Sha256,
        };
        glib::compute_checksum_for_data(kind, text.as_bytes())
            .map(|sum| sum.to_string())
            .unwrap_or_default()
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// A login scheme that is not supported, by its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct UnsupportedScheme(String);

/// All schemes of a camera, none of which is supported; empty if it names none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|scheme| scheme.0.as_str()).collect::<Vec<_>>().join(" or "))]
pub(super) struct UnsupportedSchemes(Vec<UnsupportedScheme>);

/// Picks the first supported Digest challenge, otherwise Basic. The error has the names of all schemes.
pub(super) fn pick(headers: &[String]) -> Result<Challenge, UnsupportedSchemes> {
    let offers: Vec<_> = headers.iter().flat_map(|header| offers(header)).collect();
    let mut basic = None;
    let mut others = Vec::new();
    for offer in &offers {
        match offer.challenge() {
            Ok(Challenge::Basic) => basic = Some(Challenge::Basic),
            Ok(digest) => return Ok(digest),
            Err(scheme) => others.push(scheme),
        }
    }
    basic.ok_or(UnsupportedSchemes(others))
}

/// A scheme and its parameters, as they appear in a header.
struct Offer {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offer {
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn challenge(&self) -> Result<Challenge, UnsupportedScheme> {
        if self.scheme.eq_ignore_ascii_case("basic") {
            return Ok(Challenge::Basic);
        }
        if !self.scheme.eq_ignore_ascii_case("digest") {
            return Err(UnsupportedScheme(self.scheme.clone()));
        }
        let algorithm = self.parameter("algorithm").filter(|name| !name.is_empty());
        let (hash, session) = match algorithm.map(str::to_ascii_uppercase).as_deref() {
            None | Some("MD5") => (Hash::Md5, false),
            Some("MD5-SESS") => (Hash::Md5, true),
            Some("SHA-256") => (Hash::Sha256, false),
            Some("SHA-256-SESS") => (Hash::Sha256, true),
            Some(other) => return Err(UnsupportedScheme(format!("Digest with {other}"))),
        };
        let qops = self.parameter("qop").unwrap_or_default();
        let mut qops = qops
            .split([',', ' '])
            .filter(|qop| !qop.is_empty())
            .peekable();
        let any = qops.peek().is_some();
        let known: Vec<_> = ["auth", "auth-int"]
            .into_iter()
            .filter(|known| qops.clone().any(|qop| qop.eq_ignore_ascii_case(known)))
            .collect();
        if any && known.is_empty() {
            return Err(UnsupportedScheme(format!(
                "Digest with qop {}",
                self.parameter("qop").unwrap_or_default()
            )));
        }
        let (Some(realm), Some(nonce)) = (self.parameter("realm"), self.parameter("nonce")) else {
            return Err(UnsupportedScheme(
                "Digest without realm and nonce".to_owned(),
            ));
        };
        Ok(Challenge::Digest(Digest {
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            opaque: self.parameter("opaque").map(str::to_owned),
            algorithm: algorithm.map(str::to_owned),
            hash,
            session,
            qop: known.first().copied(),
            stale: self
                .parameter("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        }))
    }
}

/// The challenges of one header: cameras send a header for each, or several challenges separated by commas (RFC 9110,
/// 11.6.1).
fn offers(header: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        rest = match (value, offers.last_mut()) {
            (Some(value), Some(offer)) => {
                let (value, after) = value_of(value);
                offer.parameters.push((word.to_owned(), value));
                after
            }
            // A parameter without a scheme.
            (Some(value), None) => value_of(value).1,
            (None, _) => {
                offers.push(Offer {
                    scheme: word.to_owned(),
                    parameters: Vec::new(),
                });
                after
            }
        };
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    offers
}

/// A value, with or without quotes, and the text after it.
fn value_of(text: &str) -> (String, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = inner.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &inner[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            _ => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn headers(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn digest(text: &str) -> Digest {
        match pick(&headers(&[text])) {
            Ok(Challenge::Digest(digest)) => digest,
            other => panic!("{other:?}"),
        }
    }

    /// The examples of RFC 7616, 3.9.1.
    #[test]
    fn the_published_digest_examples_are_reproduced() {
        let credentials = Credentials {
            username: Secret::new("Mufasa"),
            password: Secret::new("Circle of Life"),
        };
        let client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let digest = digest(&format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            ));
            let answer = digest.answer(&credentials, "GET", "/dir/index.html", 1, client_nonce);
            assert_eq!(
                answer,
                format!(
                    "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
                     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", \
                     response=\"{response}\", algorithm={algorithm}, \
                     opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", qop=auth, nc=00000001, \
                     cnonce=\"{client_nonce}\""
                )
            );
        }
    }

    /// The example of RFC 2617, 3.5, as RFC 2069 has it: without qop.
    #[test]
    fn a_challenge_without_qop_and_algorithm_is_answered_like_one_of_old_cameras() {
        let credentials = Credentials {
            username: Secret::new("a"),
            password: Secret::new("b"),
        };
        let digest = digest("Digest realm=\"cam\", nonce=\"n\", stale=\"FALSE\"");
        let md5 = |text: &str| Hash::Md5.hex(text);
        let wanted = md5(&format!(
            "{}:n:{}",
            md5("a:cam:b"),
            md5("DESCRIBE:rtsp://h/")
        ));
        assert_eq!(
            digest.answer(&credentials, "DESCRIBE", "rtsp://h/", 1, "c"),
            format!(
                "Digest username=\"a\", realm=\"cam\", nonce=\"n\", uri=\"rtsp://h/\", response=\"{wanted}\""
            )
        );
    }

    #[test]
    fn several_challenges_are_told_apart_however_they_are_written() {
        let both = "Basic realm=\"a, b\", Digest realm=\"c\\\"d\" , nonce = n1,algorithm=SHA-256";
        let found = digest(both);
        assert_eq!((found.realm.as_str(), found.nonce.as_str()), ("c\"d", "n1"));
        assert_eq!(found.hash, Hash::Sha256);
        let in_two = headers(&[
            "Digest realm=\"c\", nonce=\"n\", algorithm=SHA-512-256",
            "Digest realm=\"c\", nonce=\"n\", algorithm=MD5-sess, qop=\"auth-int\"",
        ]);
        let Ok(Challenge::Digest(found)) = pick(&in_two) else {
            panic!("the second can be answered");
        };
        assert_eq!((found.session, found.qop), (true, Some("auth-int")));
        assert_eq!(pick(&headers(&["Basic"])), Ok(Challenge::Basic));
        assert_eq!(
            pick(&headers(&[
                "Digest realm=\"c\", nonce=\"n\", algorithm=SHA-512-256",
                "Negotiate"
            ]))
            .map_err(|schemes| schemes.to_string()),
            Err("Digest with SHA-512-256 or Negotiate".to_owned())
        );
    }
}
