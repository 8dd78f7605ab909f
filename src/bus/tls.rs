//! TLS of the link and of the built-in broker: rustls with ring, files in PEM.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::{BusError, pem, tls_errors};
use crate::config::TlsSettings;

/// The client configuration of a link. Trusts the authorities of `ca`, or those of the system if it is absent.
pub(super) fn client(settings: &TlsSettings) -> Result<Arc<ClientConfig>, BusError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities(settings.ca.as_deref())?);
    let config = match (&settings.certificate, &settings.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => builder
            .with_client_auth_cert(chain(certificate)?, pem::private_key(key)?)
            .map_err(|error| unusable(error, certificate, key))?,
        (None, Some(_)) => {
            return Err(BusError::TlsHalf {
                missing: "the certificate",
            });
        }
        (Some(_), None) => {
            return Err(BusError::TlsHalf {
                missing: "the private key",
            });
        }
    };
    Ok(Arc::new(config))
}

/// What a client of other servers than the broker needs for TLS.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Authorities in DER.
    pub certificates: Vec<Vec<u8>>,
    /// The cryptography of this program.
    pub provider: Arc<rustls::crypto::CryptoProvider>,
}

impl Trust {
    /// Trusts the authorities of the system and those of the file `ca`. A file that can't be read adds none: the broker's
    /// connection names its fault.
    pub fn of(ca: Option<&Path>) -> Self {
        let of_file = ca.and_then(|ca| of_authorities(ca).ok());
        let of_system = rustls_native_certs::load_native_certs().certs;
        let all = of_system.iter().chain(of_file.iter().flatten());
        Self {
            certificates: all.map(|certificate| certificate.to_vec()).collect(),
            provider: provider(),
        }
    }
}

/// Files of a TLS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerTls {
    /// Certificate chain in PEM.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
    /// If set, clients must present a certificate of these authorities.
    pub ca: Option<PathBuf>,
}

/// The server configuration of the built-in broker.
pub(super) fn server(settings: &BrokerTls) -> Result<Arc<ServerConfig>, BusError> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match &settings.ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let authorities = Arc::new(authorities(Some(ca))?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider())
                .build()
                .map_err(|error| BusError::Broker(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (certificate, key) = (&settings.certificate, &settings.key);
    let config = builder
        .with_single_cert(chain(certificate)?, pem::private_key(key)?)
        .map_err(|error| unusable(error, certificate, key))?;
    Ok(Arc::new(config))
}

/// The name or address that the certificate of `host` must have. No certificate has the zone of a link-local address, which is the
/// name of an interface of this machine.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, InvalidDnsNameError> {
    let (host, _) = host.split_once('%').unwrap_or((host, ""));
    ServerName::try_from(host.to_owned())
}

/// A separate TLS handshake with a broker, to distinguish its failure from that of the login. Returns a description. Blocks;
/// each of its steps takes at most `limit`.
///
/// # Errors
/// A description with the remedy.
pub(super) fn handshake(
    address: SocketAddr,
    host: &str,
    config: Arc<ClientConfig>,
    limit: Duration,
) -> Result<String, String> {
    let describe = |error: std::io::Error| self::describe(&error);
    let name = server_name(host).map_err(|error| error.to_string())?;
    let mut session =
        rustls::ClientConnection::new(config, name).map_err(|error| error.to_string())?;
    let mut stream = TcpStream::connect_timeout(&address, limit).map_err(describe)?;
    stream.set_read_timeout(Some(limit)).map_err(describe)?;
    stream.set_write_timeout(Some(limit)).map_err(describe)?;
    while session.is_handshaking() {
        let (read, _) = session.complete_io(&mut stream).map_err(describe)?;
        if read == 0 && session.is_handshaking() {
            return Err(NO_TLS.to_owned());
        }
    }
    let version = session
        .protocol_version()
        .and_then(|version| version.as_str())
        .unwrap_or("TLS");
    Ok(format!("the broker's certificate is trusted, {version}").replace("TLSv1_", "TLS 1."))
}

/// The message for a connection that was closed during the handshake.
const NO_TLS: &str = "the broker closed the connection during the TLS handshake; use its TLS port, usually 8883, or connect \
                      without TLS (mqtt://)";

/// Whether an I/O error wraps a TLS error, as tokio-rustls does.
pub(super) fn is_tls(error: &std::io::Error) -> bool {
    of_rustls(error).is_some()
}

/// Describes an error of a TLS connection, with the remedy.
pub(super) fn describe(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match of_rustls(error) {
        Some(error) => tls_errors::describe(error),
        None if matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
        ) =>
        {
            NO_TLS.to_owned()
        }
        None => error.to_string(),
    }
}

fn of_rustls(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn authorities(ca: Option<&Path>) -> Result<RootCertStore, BusError> {
    let mut store = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in of_authorities(path)? {
                store
                    .add(certificate)
                    .map_err(|source| BusError::TlsDamaged {
                        path: path.to_owned(),
                        source,
                    })?;
            }
        }
        None => {
            // A system store may contain certificates that rustls can't parse; they are skipped.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err(BusError::NoAuthorities);
            }
        }
    }
    Ok(store)
}

fn of_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, BusError> {
    pem::certificates(path, "CA file", "CA certificate")
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, BusError> {
    pem::certificates(path, "certificate", "certificate")
}

/// Names the file of a client's or a server's certificate or key that is not accepted.
fn unusable(error: rustls::Error, certificate: &Path, key: &Path) -> BusError {
    match error {
        rustls::Error::InconsistentKeys(_) => BusError::TlsPair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        },
        source @ rustls::Error::InvalidCertificate(_) => BusError::TlsDamaged {
            path: certificate.to_owned(),
            source,
        },
        source => BusError::TlsKey {
            path: key.to_owned(),
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_missing_ca_file_is_named() {
        let settings = TlsSettings {
            ca: Some("/nowhere/ca.pem".into()),
            ..TlsSettings::default()
        };
        assert_eq!(
            client(&settings).expect_err("no such file").to_string(),
            "can't read CA file /nowhere/ca.pem"
        );
    }

    #[test]
    fn a_key_of_another_certificate_is_named_with_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let of = |name: &str| {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
            let made = made.expect("a certificate");
            let path = |suffix: &str| dir.path().join(format!("{name}.{suffix}"));
            fs::write(path("pem"), made.cert.pem()).expect("it is written");
            fs::write(path("key"), made.signing_key.serialize_pem()).expect("it is written");
            (path("pem"), path("key"))
        };
        let ((certificate, _), (_, key)) = (of("a"), of("b"));
        let settings = TlsSettings {
            ca: Some(certificate.clone()),
            certificate: Some(certificate.clone()),
            key: Some(key.clone()),
        };
        assert_eq!(
            client(&settings).expect_err("two pairs").to_string(),
            format!(
                "the private key {} does not belong to the certificate {}; give the two that were created together, the certificate \
                 of this machine first in its file",
                key.display(),
                certificate.display()
            )
        );
    }

    #[test]
    fn half_a_client_certificate_is_refused() {
        let key =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), key.cert.pem()).expect("it is written");
        let settings = TlsSettings {
            ca: Some(file.path().to_owned()),
            certificate: Some(file.path().to_owned()),
            key: None,
        };
        assert_eq!(
            client(&settings).expect_err("no key").to_string(),
            "a TLS client certificate needs both its certificate and its private key; the private key is missing"
        );
    }

    #[test]
    fn the_zone_of_an_address_is_in_no_certificate() {
        let name = |host: &str| server_name(host).expect("a name or an address");
        assert_eq!(name("fe80::1%eth0"), name("fe80::1"));
        assert_eq!(
            name("broker.example"),
            ServerName::try_from("broker.example").expect("a name")
        );
    }
}
