//! Descriptions of TLS errors with remedies. The messages of rustls are names of its types.

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

/// Describes an error of the client's side, with the remedy.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => alerted(*alert),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::PeerSentOversizedRecord => {
            "the server does not speak TLS on this port; use the broker's TLS port, usually 8883, or connect without TLS (mqtt://)"
                .to_owned()
        }
        Error::NoCertificatesPresented => {
            "the broker presents no certificate; configure one there (mosquitto: certfile and keyfile)".to_owned()
        }
        Error::PeerIncompatible(_) => {
            "the broker and this program have no common TLS version or cipher; enable TLS 1.2 or 1.3 in the broker".to_owned()
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
            "the authority that signed the broker's certificate is not trusted here; set that authority's certificate as the CA \
             file (--mqtt-ca, mqtt.tls.ca)"
                .to_owned()
        }
        E::BadSignature => {
            "the broker's certificate names the CA file's authority but was not signed with its key; set the CA file of the \
             authority that signed it (--mqtt-ca, mqtt.tls.ca)"
                .to_owned()
        }
        E::NotValidForNameContext {
            expected,
            presented,
        } => {
            other_host(&expected.to_str(), presented)
        }
        E::NotValidForName => {
            "the broker's certificate is for another host name; connect by a name in it"
                .to_owned()
        }
        E::Revoked => "the broker's certificate was revoked; renew it".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "the broker's certificate is not for servers; create one with the extended key usage serverAuth".to_owned()
        }
        E::BadEncoding => {
            "the broker's certificate is malformed; create a new one".to_owned()
        }
        E::UnhandledCriticalExtension => {
            "the broker's certificate has an unknown critical extension; create one without it".to_owned()
        }
        #[expect(deprecated, reason = "verifiers may still give it")]
        E::UnsupportedSignatureAlgorithm
        | E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the broker's certificate has an outdated signature (SHA-1, or a short key); create one with SHA-256 and RSA of 2048 \
             bits, or ECDSA"
                .to_owned()
        }
        E::Other(other) => unnamed(format!("{other:?}")),
        other => format!("the broker's certificate is not accepted ({other}); create a new one"),
    }
}

/// The certificate does not name the host that was asked for.
fn other_host(expected: &str, presented: &[String]) -> String {
    let names: Vec<String> = presented.iter().map(|name| plain(name)).collect();
    if names.is_empty() {
        format!(
            "the broker's certificate names no host (it has no subjectAltName; a common name does not count); create one \
             for {expected}"
        )
    } else {
        format!(
            "the broker's certificate is for {} and not for {expected}; connect by a name in it, or create one that also \
             names {expected}",
            names.join(", ")
        )
    }
}

/// rustls passes errors of webpki on without a type; they are recognised by their names.
fn unnamed(error: String) -> String {
    match error {
        text if text.contains("CaUsedAsEndEntity") => {
            "the broker presents the certificate of an authority (a self-signed one with CA:TRUE); create a certificate for the \
             broker that is signed by it, or create the self-signed one with CA:FALSE (openssl req -x509 -addext \
             basicConstraints=critical,CA:FALSE) and set it as the CA file"
                .to_owned()
        }
        text if text.contains("EndEntityUsedAsCa") => {
            "the broker's certificate was signed by a certificate that is not an authority's; have it signed by an authority".to_owned()
        }
        text if text.contains("UnsupportedCertVersion") => {
            "the broker's certificate is not of X.509 version 3; create one with a subjectAltName"
                .to_owned()
        }
        text => format!("the broker's certificate is not accepted ({text}); create a new one"),
    }
}

/// Describes a TLS alert from the broker.
fn alerted(alert: AlertDescription) -> String {
    use AlertDescription as A;
    const OPTIONS: &str = "--mqtt-cert and --mqtt-key, mqtt.tls.certificate and mqtt.tls.key";
    match alert {
        A::CertificateRequired => {
            format!("the broker requires a client certificate, and none is set; set one ({OPTIONS})")
        }
        A::UnknownCA => format!(
            "the broker does not trust the authority that signed the client certificate; set one of an authority that it trusts ({OPTIONS})"
        ),
        A::CertificateExpired => {
            format!(
                "the broker reports that the client certificate has expired; renew it ({OPTIONS}), or set the broker's clock"
            )
        }
        A::CertificateRevoked => {
            format!("the broker reports that the client certificate was revoked; set another one ({OPTIONS})")
        }
        A::BadCertificate | A::UnsupportedCertificate | A::CertificateUnknown | A::AccessDenied => {
            format!(
                "the broker does not accept the client certificate ({alert:?}); set another one ({OPTIONS}), and see the broker's log"
            )
        }
        A::ProtocolVersion | A::InsufficientSecurity => {
            "the broker has no TLS version that is accepted here; enable TLS 1.2 or 1.3 in the broker"
                .to_owned()
        }
        A::HandshakeFailure => format!(
            "the broker ended the handshake: it requires a client certificate ({OPTIONS}), or there is no common cipher"
        ),
        A::UnrecognisedName => {
            "the broker does not know this host name; connect by another name of it"
                .to_owned()
        }
        other => format!("the broker ended the handshake ({other:?}); see its log"),
    }
}

/// The name in `DnsName("a.example")` or `IpAddress(10.0.0.1)`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"').to_owned()
}

fn moment(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| "a time out of range".to_owned(), |time| time.to_string())
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
                "connect by a name in it",
            ),
            (
                named(&[]),
                "the broker's certificate names no host",
                "create one for broker.example",
            ),
            (
                CertificateError::Other(OtherError(std::sync::Arc::new(CaUsedAsEndEntity))),
                "the broker presents the certificate of an authority",
                "CA:FALSE",
            ),
        ] {
            let words = describe(&Error::InvalidCertificate(error));
            assert!(words.starts_with(begins), "{words}");
            assert!(words.contains(remedy), "{words}");
            assert!(words.contains(';'), "the remedy follows: {words}");
        }
        for (error, part) in [
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "does not speak TLS on this port; use the broker's TLS port",
            ),
            (
                Error::AlertReceived(AlertDescription::CertificateRequired),
                "requires a client certificate, and none is set; set one (--mqtt-cert",
            ),
            (
                Error::AlertReceived(AlertDescription::ProtocolVersion),
                "enable TLS 1.2 or 1.3 in the broker",
            ),
        ] {
            assert!(describe(&error).contains(part), "{}", describe(&error));
        }
    }
}
