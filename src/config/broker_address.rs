//! The broker's address in every common notation: a name, `name:port`, `[address]:port`, a URL.
//!
//! No message quotes text that may be a password.

use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;

/// The parts of a broker's address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct BrokerAddress {
    /// Name or address; an IPv6 address without brackets.
    pub(super) host: String,
    /// Port, if the text has one.
    pub(super) port: Option<u16>,
    /// TLS by the scheme, if the text has one.
    pub(super) tls: Option<bool>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
}

const REMEDY: &str = "write a name or an address, host:port, mqtt://host:port or mqtts://host:port";

/// Digits of the highest port.
const LONGEST_PORT: usize = 5;

impl BrokerAddress {
    /// Parses the text.
    ///
    /// # Errors
    /// The problem and the remedy, without the login.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(tls_of(scheme)?), rest),
            None => (None, text),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        if behind.contains('@') {
            return Err(
                "has a login that contains `/`, `?` or `#`: write them as %2F, %3F and %23, or set MQTT_USERNAME and MQTT_PASSWORD"
                    .to_owned(),
            );
        }
        if !behind.trim_start_matches('/').is_empty() {
            return Err(format!(
                "contains more than a host and a port (topics are set with topic_root); {REMEDY}"
            ));
        }
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (host, port) = host_and_port(place)?;
        let (username, password) = login.map(credentials).transpose()?.unwrap_or_default();
        Ok(Self {
            host,
            port,
            tls,
            username,
            password,
        })
    }
}

fn tls_of(scheme: &str) -> Result<bool, String> {
    match scheme.to_ascii_lowercase().as_str() {
        "mqtt" | "tcp" => Ok(false),
        "mqtts" | "ssl" | "tls" | "tcps" | "mqtt+ssl" | "mqtt+tls" => Ok(true),
        "ws" | "wss" => Err(
            "MQTT over WebSockets is not supported; use the broker's port for MQTT: mqtt://host:1883, or \
             mqtts://host:8883 with TLS"
                .to_owned(),
        ),
        "http" | "https" => Err(format!("is the address of a web page; {REMEDY}")),
        word if word.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) => Err(format!(
            "scheme must be mqtt, mqtts, tcp, ssl or tls, got {word}; {REMEDY}"
        )),
        // Not quoted: it is the beginning of a login.
        _ => Err(
            "has :// in its login: write it as %3A%2F%2F, or set MQTT_USERNAME and MQTT_PASSWORD"
                .to_owned(),
        ),
    }
}

fn credentials(login: &str) -> Result<(Option<String>, Option<String>), String> {
    let text = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(|text| text.into_owned())
            .map_err(|_| {
                "has a login that is not UTF-8; set MQTT_USERNAME and MQTT_PASSWORD".to_owned()
            })
    };
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    let given = |text: String| (!text.is_empty()).then_some(text);
    let password = password.map(text).transpose()?;
    Ok((given(text(user)?), password.and_then(given)))
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), String> {
    if let Some(inner) = place.strip_prefix('[') {
        let Some((address, behind)) = inner.split_once(']') else {
            return Err(format!("has [ without ]; {REMEDY}"));
        };
        let address = with_plain_zone(address);
        if !is_ipv6(&address) {
            return Err(format!("has no IPv6 address between [ and ]; {REMEDY}"));
        }
        return match behind.strip_prefix(':') {
            Some(text) => Ok((address, Some(port(text)?))),
            None if behind.is_empty() => Ok((address, None)),
            None => Err(format!("has something between ] and its end; {REMEDY}")),
        };
    }
    if is_ipv6(place) {
        return Ok((place.to_owned(), None));
    }
    let (name, port) = match place.split_once(':') {
        Some((_, rest)) if rest.contains(':') => {
            return Err(format!(
                "has more than one colon and is not an IPv6 address (with a port: [address]:port); {REMEDY}"
            ));
        }
        Some((name, text)) => (name, Some(port(text)?)),
        None => (place, None),
    };
    if name.is_empty() {
        return Err(format!("names no host; {REMEDY}"));
    }
    // The host of a URL: a name (international ones in ASCII) or an IPv4 address.
    match url::Host::parse(name) {
        Ok(host) => {
            let host = host.to_string();
            match host.chars().find(|letter| !is_in_names(*letter)) {
                Some(letter) => Err(format!(
                    "has {letter} in its host; give one host, without quotes and with variables filled in; {REMEDY}"
                )),
                None => Ok((host, port)),
            }
        }
        Err(err) => Err(format!("has an invalid host ({err}); {REMEDY}")),
    }
}

/// Whether a name of a host may have the character. URLs allow more.
fn is_in_names(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_.".contains(letter)
}

/// An address between brackets. In a URL the `%` before a zone is written `%25` (RFC 6874): `[fe80::1%25eth0]`. Digits behind it
/// are not decoded, because `%251` may be the interface with the number 251.
fn with_plain_zone(address: &str) -> String {
    match address.split_once("%25") {
        Some((address, zone)) if zone.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            format!("{address}%{zone}")
        }
        _ => address.to_owned(),
    }
}

/// Also with a zone: `fe80::1%eth0` is a link-local address.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    !zone.is_empty() && address.parse::<Ipv6Addr>().is_ok()
}

fn port(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Err("ends with a colon; add the port, or leave the colon out".to_owned());
    }
    // Not quoted: in `user:password` without a host it is a password, which may consist of digits.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port @ 1..) if digits => Ok(port),
        _ if digits && text.len() > LONGEST_PORT => Err(format!(
            "has a port of more than {LONGEST_PORT} digits (it must be 1 to 65535); {REMEDY}"
        )),
        _ if digits => Err(format!("port must be 1 to 65535, got {text}")),
        _ => Err(format!(
            "has a port that is no number (it must be 1 to 65535); {REMEDY}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> (String, Option<u16>, Option<bool>) {
        let address = BrokerAddress::parse(text).unwrap_or_else(|err| panic!("{text}: {err}"));
        (address.host, address.port, address.tls)
    }

    #[test]
    fn every_usual_spelling_is_read() {
        for (text, host, port, tls) in [
            ("broker", "broker", None, None),
            ("my_broker.local", "my_broker.local", None, None),
            ("BROKER", "broker", None, None),
            ("bücher.example", "xn--bcher-kva.example", None, None),
            ("10.0.0.1", "10.0.0.1", None, None),
            ("broker:1884", "broker", Some(1884), None),
            (" broker:1884 ", "broker", Some(1884), None),
            ("broker:1884/", "broker", Some(1884), None),
            ("::1", "::1", None, None),
            ("[::1]", "::1", None, None),
            ("[::1]:1884", "::1", Some(1884), None),
            ("fe80::1%eth0", "fe80::1%eth0", None, None),
            ("[fe80::1%eth0]:1", "fe80::1%eth0", Some(1), None),
            (
                "mqtt://[fe80::1%25eth0]:1",
                "fe80::1%eth0",
                Some(1),
                Some(false),
            ),
            ("[fe80::1%25]:1", "fe80::1%25", Some(1), None),
            ("[fe80::1%251]", "fe80::1%251", None, None),
            ("mqtt://broker", "broker", None, Some(false)),
            ("MQTT://broker:1", "broker", Some(1), Some(false)),
            ("tcp://broker:1883", "broker", Some(1883), Some(false)),
            ("ssl://broker:8883", "broker", Some(8883), Some(true)),
            ("tls://broker", "broker", None, Some(true)),
            (
                "mqtts://[2001:db8::1]:8884//",
                "2001:db8::1",
                Some(8884),
                Some(true),
            ),
        ] {
            assert_eq!(parsed(text), (host.to_owned(), port, tls), "{text}");
        }
    }

    #[test]
    fn a_login_is_read_with_or_without_a_scheme() {
        for (text, user, password) in [
            ("mqtt://us%65r:p%40ss@broker:1", Some("user"), Some("p@ss")),
            ("user:p@ss@broker:1", Some("user"), Some("p@ss")),
            ("user:a:b@broker:1", Some("user"), Some("a:b")),
            ("user@broker:1", Some("user"), None),
            ("mqtt://:@broker:1", None, None),
        ] {
            let address = BrokerAddress::parse(text).expect("an address");
            assert_eq!((address.host.as_str(), address.port), ("broker", Some(1)));
            assert_eq!(address.username.as_deref(), user, "{text}");
            assert_eq!(address.password.as_deref(), password, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_remedy_and_without_its_password() {
        for (text, part) in [
            ("", "names no host; write"),
            ("mqtt://", "names no host; write"),
            (":1883", "names no host; write"),
            (
                "localhost:",
                "ends with a colon; add the port, or leave the colon out",
            ),
            ("mqtt://u:hunter2@b:", "ends with a colon"),
            (
                "127.0.0.1:abc",
                "has a port that is no number (it must be 1 to 65535); write",
            ),
            ("broker:0", "port must be 1 to 65535, got 0"),
            ("broker:65536", "port must be 1 to 65535, got 65536"),
            (
                "user:123456",
                "has a port of more than 5 digits (it must be 1 to 65535); write",
            ),
            ("broker:+1", "has a port that is no number"),
            (
                "a:1:2",
                "has more than one colon and is not an IPv6 address (with a port: [address]:port)",
            ),
            ("::1]:1", "has more than one colon"),
            ("[::1", "has [ without ]"),
            ("[broker]:1", "has no IPv6 address between"),
            ("[::1]1", "has something between ]"),
            ("256.0.0.1", "has an invalid host (invalid IPv4 address)"),
            ("two words", "has an invalid host"),
            (
                "\"broker\"",
                "has \" in its host; give one host, without quotes",
            ),
            ("broker,broker2", "has , in its host; give one host"),
            ("mqtt://${BROKER}", "has $ in its host"),
            (
                "ws://broker:9001",
                "MQTT over WebSockets is not supported; use the broker's port for MQTT",
            ),
            ("wss://broker", "MQTT over WebSockets"),
            ("http://broker", "is the address of a web page"),
            (
                "amqp://broker",
                "scheme must be mqtt, mqtts, tcp, ssl or tls, got amqp; write",
            ),
            (
                "mqtt://broker/topic",
                "contains more than a host and a port (topics are set with topic_root)",
            ),
            ("mqtt://broker?x=1", "contains more than a host and a port"),
            (
                "mqtt://u:hunter2/x@broker",
                "has a login that contains `/`, `?` or `#`: write them as %2F",
            ),
            ("u:hunter2", "has a port that is no number"),
            (
                "u:hunter2://x@broker",
                "has :// in its login: write it as %3A%2F%2F, or set MQTT_USERNAME",
            ),
            ("mqtt://u:%ffhunter2@b", "has a login that is not UTF-8"),
        ] {
            let error = BrokerAddress::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("hunter"), "{error}");
            assert!(!error.contains("123456"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = BrokerAddress::parse(&text);
        }
    }
}
