//! Checks the certificate of an RTSPS camera: it must be signed by an authority, or be the pinned one.
//!
//! GLib asks only about certificates that it does not trust itself, so a certificate of a public authority would pass
//! despite a pin. Therefore the default trust of this process is emptied, and every certificate is checked here.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use gio::prelude::*;
use gstreamer as gst;
use gstreamer::glib;
use sha2::{Digest, Sha256};

use super::element::{PipelineError, element};
use super::session_state::Failure;
use crate::base::hexadecimal;
use crate::base::sync::lock;
use crate::config::SourceTls;

/// Extended key usage of a server, RFC 5280.
const SERVER_PURPOSE: &str = "1.3.6.1.5.5.7.3.1";

/// The result of checking a camera's certificate.
#[derive(Debug, Default)]
pub(super) struct CertificateCheck(Mutex<Option<String>>);

impl CertificateCheck {
    /// Why the certificate was refused; none if it was not refused or not seen.
    pub(super) fn refusal(&self) -> Option<String> {
        lock(&self.0).clone()
    }

    fn set(&self, refusal: Option<String>) {
        *lock(&self.0) = refusal;
    }
}

/// Why certificates can't be checked.
#[derive(Debug, thiserror::Error)]
enum TrustError {
    /// The element that keeps the default trust is missing.
    #[error(transparent)]
    Element(#[from] PipelineError),
    /// GLib has no TLS backend.
    #[error("GLib has no TLS here; install glib-networking")]
    NoTls,
    /// The store without authorities can't be made.
    #[error("GLib does not accept the trust store: {0}")]
    Store(String),
    /// The file of authorities can't be read.
    #[error("the authorities in {} can't be read: {error}", file.display())]
    Authorities {
        file: PathBuf,
        error: gst::glib::Error,
    },
}

/// Checks the certificates that `source` receives, by `trust`.
///
/// # Errors
/// If GLib has no TLS on this machine, or the file of authorities can't be read.
pub(super) fn check_certificates(
    source: &gst::Element,
    trust: &SourceTls,
    verdict: &Arc<CertificateCheck>,
    name: &str,
) -> Result<(), Failure> {
    let keeper = SYSTEM_TRUST
        .as_ref()
        .map_err(|reason| Failure::new("tls", format!("{name} needs TLS: {reason}")))?;
    if let Some(file) = &trust.ca {
        authorities(file).map_err(|reason| Failure::new("tls", format!("{name}: {reason}")))?;
    }
    if trust.pinned_sha256.is_none() {
        // Certificates of the machine's authorities are accepted.
        let system = keeper.property::<Option<gio::TlsDatabase>>("tls-database");
        source.set_property("tls-database", system);
    }
    let (trust, verdict) = (trust.clone(), verdict.clone());
    source.connect("accept-certificate", false, move |arguments| {
        let refusal = match arguments
            .get(2)
            .map(|value| value.get::<gio::TlsCertificate>())
        {
            Some(Ok(certificate)) => match trust.pinned_sha256 {
                Some(pin) => refused_by_pin(&certificate, pin),
                None => {
                    let errors = arguments.get(3).and_then(|value| value.get().ok());
                    let connection = arguments.get(1).and_then(|value| value.get().ok());
                    refused_by_authorities(&certificate, connection, errors, trust.ca.as_deref())
                }
            },
            _ => Some("it can't be read".to_owned()),
        };
        let accept = refusal.is_none();
        verdict.set(refusal);
        Some(accept.to_value())
    });
    Ok(())
}

/// The machine's authorities, taken from GLib's default. They are kept as the property of an element that is never
/// started, because the bindings do not allow GLib's object to move between threads.
static SYSTEM_TRUST: LazyLock<Result<gst::Element, TrustError>> = LazyLock::new(|| {
    let keeper = element("rtspsrc")?;
    let backend = gio::TlsBackend::default();
    if !backend.supports_tls() {
        return Err(TrustError::NoTls);
    }
    keeper.set_property("tls-database", backend.default_database());
    let nobody = empty_trust().map_err(|err| TrustError::Store(err.to_string()))?;
    backend.set_default_database(Some(&nobody));
    Ok(keeper)
});

/// A trust store with one authority whose key was not kept (`openssl req -x509 -newkey ec -pkeyopt
/// ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -days 1 -subj /CN=nobody`). GLib refuses an empty store, and
/// reads the file again for each connection: this one is in memory and stays open.
fn empty_trust() -> Result<gio::TlsFileDatabase, Box<dyn std::error::Error>> {
    static KEPT_OPEN: OnceLock<File> = OnceLock::new();
    let file = rustix::fs::memfd_create("nobody", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(file);
    file.write_all(include_bytes!("nobody.pem"))?;
    let file = KEPT_OPEN.get_or_init(|| file);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(gio::TlsFileDatabase::new(path)?)
}

fn authorities(file: &Path) -> Result<gio::TlsFileDatabase, TrustError> {
    gio::TlsFileDatabase::new(file).map_err(|error| TrustError::Authorities {
        file: file.to_owned(),
        error,
    })
}

fn refused_by_authorities(
    certificate: &gio::TlsCertificate,
    connection: Option<gio::TlsConnection>,
    by_system: Option<gio::TlsCertificateFlags>,
    own: Option<&Path>,
) -> Option<String> {
    let identity = connection
        .and_then(|connection| connection.downcast::<gio::TlsClientConnection>().ok())
        .and_then(|client| client.server_identity());
    let problem = match own.map(authorities) {
        Some(Ok(own)) => problems(own.upcast_ref(), certificate, identity.as_ref())?,
        Some(Err(error)) => error.to_string(),
        None => describe(by_system.unwrap_or(gio::TlsCertificateFlags::GENERIC_ERROR)),
    };
    let shown = hexadecimal(&fingerprint(certificate));
    Some(format!("{problem}; its SHA-256 is {shown}"))
}

fn refused_by_pin(certificate: &gio::TlsCertificate, pin: [u8; 32]) -> Option<String> {
    let shown = fingerprint(certificate);
    (shown != pin).then(|| {
        format!(
            "its SHA-256 is {}, pinned is {}",
            hexadecimal(&shown),
            hexadecimal(&pin)
        )
    })
}

fn problems(
    database: &gio::TlsDatabase,
    certificate: &gio::TlsCertificate,
    identity: Option<&gio::SocketConnectable>,
) -> Option<String> {
    let verified = database.verify_chain(
        certificate,
        SERVER_PURPOSE,
        identity,
        gio::TlsInteraction::NONE,
        gio::TlsDatabaseVerifyFlags::empty(),
        gio::Cancellable::NONE,
    );
    match verified {
        Ok(flags) if flags.is_empty() => None,
        Ok(flags) => Some(describe(flags)),
        Err(err) => Some(format!("it can't be verified ({err})")),
    }
}

fn describe(flags: gio::TlsCertificateFlags) -> String {
    use gio::TlsCertificateFlags as Flags;
    let words = [
        (Flags::UNKNOWN_CA, "no known authority signed it"),
        (Flags::BAD_IDENTITY, "it is issued for another host"),
        (Flags::NOT_ACTIVATED, "it is not valid yet"),
        (Flags::EXPIRED, "it has expired"),
        (Flags::REVOKED, "it was revoked"),
        (Flags::INSECURE, "its algorithm is insecure"),
    ];
    let found: Vec<_> = words
        .into_iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, word)| word)
        .collect();
    if found.is_empty() {
        "it does not verify".to_owned()
    } else {
        found.join(", ")
    }
}

fn fingerprint(certificate: &gio::TlsCertificate) -> [u8; 32] {
    let der = certificate.property::<Option<glib::ByteArray>>("certificate");
    Sha256::digest(der.as_deref().unwrap_or_default()).into()
}
