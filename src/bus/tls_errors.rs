//! TLS errors in plain words, each with its remedy: rustls tells them as names of its own types.

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

/// What is wrong, and what to do. `error` is the client's; the peer is the broker.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => alerted(*alert),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::PeerSentOversizedRecord => {
            "what answers there does not speak TLS; use the broker's port for TLS, 8883 as a rule, or leave TLS out (mqtt://)"
                .to_owned()
        }
        Error::NoCertificatesPresented => {
            "the broker shows no certificate; give it one (mosquitto: certfile and keyfile)".to_owned()
        }
        Error::PeerIncompatible(_) => {
            "the broker and this program have no version of TLS or no cipher in common; let it speak TLS 1.2 or 1.3".to_owned()
        }
        Error::FailedToGetCurrentTime => {
            "this machine's clock can't be read; set it".to_owned()
        }
        other => format!("{other}; see the broker's log"),
    }
}

fn certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::ExpiredContext { time, not_after } => format!(
            "the broker's certificate expired at {}, and this machine's clock says {}; renew the certificate, or set the clock",
            moment(*not_after),
            moment(*time)
        ),
        E::Expired => {
            "the broker's certificate has expired; renew it, or set this machine's clock".to_owned()
        }
        E::NotValidYetContext { time, not_before } => format!(
            "the broker's certificate is valid only from {}, and this machine's clock says {}; set the clock of this machine, or \
             of the one that made the certificate",
            moment(*not_before),
            moment(*time)
        ),
        E::NotValidYet => {
            "the broker's certificate is not valid yet; set the clock of this machine, or of the one that made the certificate"
                .to_owned()
        }
        E::UnknownIssuer => {
            "the authority that signed the broker's certificate is not trusted here; name that authority's certificate as the CA \
             file (--mqtt-ca, mqtt.tls.ca)"
                .to_owned()
        }
        E::BadSignature => {
            "the broker's certificate was not signed with the key of the CA file's authority, though it bears that name; name \
             the CA file that signed it (--mqtt-ca, mqtt.tls.ca)"
                .to_owned()
        }
        E::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            let names: Vec<String> = presented.iter().map(|name| plain(name)).collect();
            if names.is_empty() {
                format!(
                    "the broker's certificate names no host (it has no subjectAltName; a common name does not count); have it made \
                     for {expected}"
                )
            } else {
                format!(
                    "the broker's certificate is for {} and not for {expected}; connect by a name that it has, or have it made for \
                     {expected} as well",
                    names.join(", ")
                )
            }
        }
        E::NotValidForName => {
            "the broker's certificate is for another name than the one that it is reached by; connect by a name that it has"
                .to_owned()
        }
        E::Revoked => "the broker's certificate was revoked; renew it".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "the broker's certificate is not made for servers; have it made with the extended key usage serverAuth".to_owned()
        }
        E::BadEncoding => {
            "the broker's certificate can't be read; have it made anew".to_owned()
        }
        E::UnhandledCriticalExtension => {
            "the broker's certificate has an extension that is critical and not known here; have it made without that".to_owned()
        }
        #[expect(deprecated, reason = "verifiers may still give it")]
        E::UnsupportedSignatureAlgorithm
        | E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the broker's certificate is signed in a way that is not trusted any more (SHA-1, or a short key); have it made with \
             SHA-256 and RSA of 2048 bits, or ECDSA"
                .to_owned()
        }
        // rustls does not name what webpki says: its words are those of webpki's error type.
        E::Other(other) => match format!("{other:?}") {
            text if text.contains("CaUsedAsEndEntity") => {
                "the broker shows the certificate of an authority (a self-signed one that is marked CA) instead of one of its own; \
                 have it sign a certificate for the broker, or make the self-signed one without that mark (openssl req -x509 \
                 -addext basicConstraints=critical,CA:FALSE) and name it as the CA file"
                    .to_owned()
            }
            text if text.contains("EndEntityUsedAsCa") => {
                "the broker's certificate was signed by one that is no authority's; have it signed by an authority".to_owned()
            }
            text if text.contains("UnsupportedCertVersion") => {
                "the broker's certificate is not of X.509 version 3; have it made with a subjectAltName, which makes it so"
                    .to_owned()
            }
            text => format!("the broker's certificate is not accepted ({text}); have it made anew"),
        },
        other => format!("the broker's certificate is not accepted ({other}); have it made anew"),
    }
}

/// The broker's objection to us.
fn alerted(alert: AlertDescription) -> String {
    use AlertDescription as A;
    const OURS: &str = "--mqtt-cert and --mqtt-key, mqtt.tls.certificate and mqtt.tls.key";
    match alert {
        A::CertificateRequired => {
            format!("the broker asks for a certificate of ours, and none is set; name one ({OURS})")
        }
        A::UnknownCA => format!(
            "the broker does not trust the authority that signed our certificate; name a certificate of one that it trusts ({OURS})"
        ),
        A::CertificateExpired => {
            format!(
                "the broker says that our certificate has expired; renew it ({OURS}), or set its clock"
            )
        }
        A::CertificateRevoked => {
            format!("the broker says that our certificate was revoked; name another ({OURS})")
        }
        A::BadCertificate | A::UnsupportedCertificate | A::CertificateUnknown | A::AccessDenied => {
            format!(
                "the broker does not accept our certificate ({alert:?}); name another ({OURS}), and see the broker's log"
            )
        }
        A::ProtocolVersion | A::InsufficientSecurity => {
            "the broker speaks no version of TLS that is accepted here; let it speak TLS 1.2 or 1.3"
                .to_owned()
        }
        A::HandshakeFailure => format!(
            "the broker ended the handshake: it asks for a certificate of ours ({OURS}), or has no cipher in common with us"
        ),
        A::UnrecognisedName => {
            "the broker does not know the name that it is reached by; connect by a name that it has"
                .to_owned()
        }
        other => format!("the broker ended the handshake ({other:?}); see its log"),
    }
}

/// `DnsName("a.example")` and `IpAddress(10.0.0.1)` without their wrapping.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"').to_owned()
}

fn moment(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| "a time far off".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::ServerName;
    use rustls::{InvalidMessage, OtherError};

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn each_error_says_what_is_wrong_and_what_to_do() {
        #[derive(Debug, thiserror::Error)]
        #[error("x")]
        struct CaUsedAsEndEntity;
        let named = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("broker.example").expect("a name"),
            presented: presented.iter().map(|name| (*name).to_owned()).collect(),
        };
        for (error, begins, remedy) in [
            (
                CertificateError::ExpiredContext {
                    time: at(86_400),
                    not_after: at(0),
                },
                "the broker's certificate expired at 1970-01-01T00:00:00Z, and this machine's clock says 1970-01-02T00:00:00Z",
                "set the clock",
            ),
            (
                CertificateError::NotValidYetContext {
                    time: at(0),
                    not_before: at(86_400),
                },
                "the broker's certificate is valid only from 1970-01-02T00:00:00Z",
                "set the clock",
            ),
            (
                CertificateError::UnknownIssuer,
                "the authority that signed the broker's certificate is not trusted here",
                "--mqtt-ca",
            ),
            (
                named(&["DnsName(\"a.example\")", "IpAddress(10.0.0.1)"]),
                "the broker's certificate is for a.example, 10.0.0.1 and not for broker.example",
                "connect by a name that it has",
            ),
            (
                named(&[]),
                "the broker's certificate names no host",
                "made for broker.example",
            ),
            (
                CertificateError::Other(OtherError(std::sync::Arc::new(CaUsedAsEndEntity))),
                "the broker shows the certificate of an authority",
                "CA:FALSE",
            ),
        ] {
            let words = describe(&Error::InvalidCertificate(error));
            assert!(words.starts_with(begins), "{words}");
            assert!(words.contains(remedy), "{words}");
            assert!(words.contains(';'), "the remedy stands behind it: {words}");
        }
        for (error, part) in [
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "does not speak TLS; use the broker's port for TLS",
            ),
            (
                Error::AlertReceived(AlertDescription::CertificateRequired),
                "asks for a certificate of ours, and none is set; name one (--mqtt-cert",
            ),
            (
                Error::AlertReceived(AlertDescription::ProtocolVersion),
                "let it speak TLS 1.2 or 1.3",
            ),
        ] {
            assert!(describe(&error).contains(part), "{}", describe(&error));
        }
    }
}
