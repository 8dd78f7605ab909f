//! Key files: private keys as PKCS#8 PEM, readable only by their owner, and public keys as SubjectPublicKeyInfo PEM. OpenSSL
//! reads and writes both.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::{KeyError, PrivateKey, PublicKey};

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
/// Maximum length of a key file in bytes. One of ed25519 has some hundred.
const LONGEST_BYTES: u64 = 16 * 1024;

/// A key file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file can't be read or written.
    #[error("can't {verb} the key file {}: {cause}", path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: io::Error,
    },
    /// Others can read the private key.
    #[error("others can read the private key {} (mode {mode:03o}); run chmod 600 on it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// No PEM of the wanted kind.
    #[error("{} has no `-----BEGIN {label}-----` block", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The wanted kind.
        label: &'static str,
    },
    /// A key of another kind.
    #[error("{} {cause}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: KeyError,
    },
}

/// Writes the private key to `path` (mode 0600) and the public one beside it, as `{path}.pub`. Returns the path of the public
/// key.
///
/// # Errors
/// When a file exists already or can't be written.
pub fn write_key_pair(key: &PrivateKey, path: &Path) -> Result<PathBuf, KeyFileError> {
    let mut public_path = path.as_os_str().to_owned();
    public_path.push(".pub");
    let public_path = PathBuf::from(public_path);
    write_private_key(key, path)?;
    create(&public_path, 0o644, &public_key_pem(&key.public()))?;
    Ok(public_path)
}

/// Writes the private key to `path` (mode 0600).
///
/// # Errors
/// When the file exists already or can't be written.
pub fn write_private_key(key: &PrivateKey, path: &Path) -> Result<(), KeyFileError> {
    create(path, 0o600, &pem(PRIVATE, &key.to_der()))
}

/// The content of the file of a public key.
pub fn public_key_pem(key: &PublicKey) -> String {
    pem(PUBLIC, &key.to_der())
}

/// Reads a private key in PKCS#8 PEM.
///
/// # Errors
/// When the file can't be read, is readable by others, or is no such key.
pub fn read_private_key(path: &Path) -> Result<PrivateKey, KeyFileError> {
    let (text, mode) = read(path)?;
    if mode & 0o077 != 0 {
        let path = path.to_path_buf();
        return Err(KeyFileError::Open { path, mode });
    }
    let der = block(path, &text, PRIVATE)?;
    PrivateKey::from_der(&der).map_err(|cause| refused(path, cause))
}

/// Reads a public key in SubjectPublicKeyInfo PEM.
///
/// # Errors
/// When the file can't be read or is no such key.
pub fn read_public_key(path: &Path) -> Result<PublicKey, KeyFileError> {
    let (text, _) = read(path)?;
    let der = block(path, &text, PUBLIC)?;
    PublicKey::from_der(&der).map_err(|cause| refused(path, cause))
}

fn refused(path: &Path, cause: KeyError) -> KeyFileError {
    KeyFileError::Key {
        path: path.to_path_buf(),
        cause,
    }
}

fn failed(verb: &'static str, path: &Path) -> impl Fn(io::Error) -> KeyFileError {
    move |cause| KeyFileError::Io {
        verb,
        path: path.to_path_buf(),
        cause,
    }
}

/// Creates a file. An existing one is never replaced: a lost private key can't be made again.
fn create(path: &Path, mode: u32, text: &str) -> Result<(), KeyFileError> {
    let failed = failed("write", path);
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(&failed)?;
    file.write_all(text.as_bytes()).map_err(&failed)?;
    file.sync_all().map_err(&failed)
}

/// The text of a file, and its permissions.
fn read(path: &Path) -> Result<(String, u32), KeyFileError> {
    let failed = failed("read", path);
    let file = File::open(path).map_err(&failed)?;
    let mode = file.metadata().map_err(&failed)?.permissions().mode() & 0o777;
    let mut text = String::new();
    file.take(LONGEST_BYTES)
        .read_to_string(&mut text)
        .map_err(&failed)?;
    Ok((text, mode))
}

/// One block of RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    // A line of PEM has 64 characters, and base64 is ASCII.
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// The contents of the first block with this label.
fn block(path: &Path, text: &str, label: &'static str) -> Result<Vec<u8>, KeyFileError> {
    let missing = || KeyFileError::Pem {
        path: path.to_path_buf(),
        label,
    };
    let (_, rest) = text
        .split_once(&format!("-----BEGIN {label}-----"))
        .ok_or_else(missing)?;
    let (body, _) = rest
        .split_once(&format!("-----END {label}-----"))
        .ok_or_else(missing)?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).map_err(|_| missing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pair_is_read_back_and_is_never_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("fleet.key");
        let key = PrivateKey::generate().expect("a key");
        let public_path = write_key_pair(&key, &path).expect("written");
        assert_eq!(public_path, dir.path().join("fleet.key.pub"));
        let mode = |path: &Path| read(path).expect("it is there").1;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&public_path) & 0o022, 0);
        let public = read_public_key(&public_path).expect("a public key");
        assert_eq!(public, key.public());
        let read_back = read_private_key(&path).expect("a private key");
        assert_eq!(read_back.public(), public);
        let error = write_key_pair(&key, &path).expect_err("it exists");
        assert!(error.to_string().contains("can't write"), "{error}");
    }

    #[test]
    fn a_private_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("fleet.key");
        write_key_pair(&PrivateKey::generate().expect("a key"), &path).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
        let error = read_private_key(&path).expect_err("open");
        assert!(
            error
                .to_string()
                .ends_with("(mode 640); run chmod 600 on it"),
            "{error}"
        );
    }

    #[test]
    fn files_without_a_key_are_refused_by_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("x.pem");
        let shown = path.display().to_string();
        for (text, told) in [
            ("", "has no `-----BEGIN PUBLIC KEY-----` block"),
            (
                "-----BEGIN PUBLIC KEY-----\n*\n-----END PUBLIC KEY-----",
                "has no `",
            ),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
                "is not a public key of ed25519",
            ),
        ] {
            std::fs::write(&path, text).expect("written");
            let error = read_public_key(&path).expect_err("no key").to_string();
            assert!(error.starts_with(&format!("{shown} {told}")), "{error}");
        }
        let gone = read_public_key(&dir.path().join("gone")).expect_err("no file");
        assert!(
            gone.to_string().starts_with("can't read the key file "),
            "{gone}"
        );
    }
}
