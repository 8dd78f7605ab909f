//! Certificates and keys of PEM files, and what a file has in their place.

use std::fs;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::BusError;

/// Editors of Windows put it before the first line, which then is no line of PEM.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The first byte of a certificate or a key in DER, and of PKCS #12.
const DER: u8 = 0x30;

/// The certificates of a file, at least one. `file` and `what` name the file and its contents in errors.
pub(super) fn certificates(
    path: &Path,
    file: &'static str,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, BusError> {
    let pem = read(path, file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(other_content(path, what, &pem)),
    }
}

/// The private key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, BusError> {
    const WHAT: &str = "private key";
    let pem = read(path, WHAT)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| other_content(path, WHAT, &pem))
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, BusError> {
    let mut pem = fs::read(path).map_err(|source| BusError::TlsFile {
        what,
        path: path.to_owned(),
        source,
    })?;
    if pem.starts_with(BYTE_ORDER_MARK) {
        pem.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(pem)
}

fn other_content(path: &Path, what: &'static str, pem: &[u8]) -> BusError {
    BusError::TlsContent {
        what,
        path: path.to_owned(),
        found: found(pem),
    }
}

/// What the file has instead, with the remedy.
fn found(pem: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(pem);
    let has = |words: &str| text.contains(words);
    if text.trim().is_empty() {
        "it is empty; give another file"
    } else if pem.starts_with(&[0xff, 0xfe]) || pem.starts_with(&[0xfe, 0xff]) {
        "it is UTF-16; save it as UTF-8"
    } else if pem.first() == Some(&DER) {
        "it is DER or PKCS #12; convert it (openssl x509 -inform der, openssl pkey -inform der, or openssl pkcs12 -nodes)"
    } else if has("ENCRYPTED") {
        "its key is encrypted with a passphrase, which can't be given; store it without one (openssl pkey -in OLD -out NEW)"
    } else if has("BEGIN OPENSSH PRIVATE KEY") {
        "it has a key of OpenSSH; convert it (ssh-keygen -p -m PEM -f FILE)"
    } else if has("BEGIN TRUSTED CERTIFICATE") {
        "it has OpenSSL's own form of a certificate; convert it (openssl x509 -in OLD -out NEW)"
    } else if has("CERTIFICATE REQUEST-----") {
        "it has the request for a certificate; have it signed by an authority"
    } else if has("BEGIN CERTIFICATE-----") {
        "it has a certificate, whole or damaged; give another file, or copy it again"
    } else if has("PRIVATE KEY-----") {
        "it has a private key, whole or damaged; give another file, or copy it again"
    } else {
        "it has no line such as -----BEGIN CERTIFICATE-----; give another file"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), bytes).expect("it is written");
        let path = format!("{} ", file.path().display());
        certificates(file.path(), "CA file", "CA certificate")
            .map(|certificates| certificates.len())
            .map_err(|error| error.to_string().replace(&path, ""))
    }

    #[test]
    fn a_file_without_a_certificate_is_told_by_what_it_has() {
        for (bytes, told) in [
            (&b"\n"[..], "it is empty; give another file"),
            (b"\xff\xfe-\0-\0", "it is UTF-16; save it as UTF-8"),
            (
                b"\x30\x82\x01\x0a",
                "it is DER or PKCS #12; convert it (openssl x509 -inform der, openssl pkey -inform der, or openssl pkcs12 -nodes)",
            ),
            (
                b"-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n",
                "it has OpenSSL's own form of a certificate; convert it (openssl x509 -in OLD -out NEW)",
            ),
            (
                b"-----BEGIN CERTIFICATE-----\nAAAA\n",
                "it has a certificate, whole or damaged; give another file, or copy it again",
            ),
            (
                b"ca.pem",
                "it has no line such as -----BEGIN CERTIFICATE-----; give another file",
            ),
        ] {
            assert_eq!(
                of(bytes),
                Err(format!("holds no CA certificate in PEM: {told}"))
            );
        }
    }

    #[test]
    fn a_key_with_a_passphrase_is_refused_with_the_way_to_remove_it() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let pem =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        fs::write(file.path(), pem).expect("it is written");
        assert_eq!(
            private_key(file.path())
                .expect_err("it is encrypted")
                .to_string(),
            format!(
                "{} holds no private key in PEM: its key is encrypted with a passphrase, which can't be given; store it without \
                 one (openssl pkey -in OLD -out NEW)",
                file.path().display()
            )
        );
    }

    #[test]
    fn a_byte_order_mark_and_line_ends_of_windows_are_read_past() {
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let pem = made.cert.pem().replace("\r\n", "\n").replace('\n', "\r\n");
        assert_eq!(of(format!("\u{feff}{pem}").as_bytes()), Ok(1));
    }
}
