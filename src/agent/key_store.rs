//! The keys that the box trusts: those that it was provisioned with, changed by signed documents. Durable in the folder of the
//! state.

use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::state_dir;
use crate::fleet::Keyring;

/// The name of the file.
pub(super) const KEY_FILE: &str = "keys.json";

/// The changed keys can't be saved.
#[derive(Debug, thiserror::Error)]
#[error("can't save the trusted keys in {}: {source}; the change does not outlast a restart", path.display())]
pub(super) struct KeyStoreError {
    path: PathBuf,
    source: io::Error,
}

/// The trusted keys of the box.
#[derive(Debug)]
pub(super) struct KeyStore {
    path: PathBuf,
    keys: Keyring,
}

impl KeyStore {
    /// The saved keys in `folder`, else the `provisioned` ones. A damaged file is not the end of trust: the provisioned keys hold.
    pub(super) fn open(folder: &Path, provisioned: Keyring) -> Self {
        let path = folder.join(KEY_FILE);
        let keys = match std::fs::read(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => None,
            Err(err) => {
                warn!(path = %path.display(), %err, "the trusted keys can't be read; the provisioned ones hold");
                None
            }
            Ok(bytes) => serde_json::from_slice(&bytes)
                .inspect_err(|err| {
                    warn!(path = %path.display(), %err, "the trusted keys are damaged; the provisioned ones hold");
                })
                .ok(),
        };
        // A box whose provisioned keys were removed by hand trusts none: whoever can write that file owns the box.
        let keys = keys.filter(|_| provisioned.is_provisioned());
        Self {
            path,
            keys: keys.unwrap_or(provisioned),
        }
    }

    pub(super) fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// Trusts `keys` from now on.
    ///
    /// # Errors
    /// When they can't be saved. They hold until the end of the agent all the same.
    pub(super) fn replace(&mut self, keys: Keyring) -> Result<(), KeyStoreError> {
        if keys == self.keys {
            return Ok(());
        }
        self.keys = keys;
        let saved = serde_json::to_vec_pretty(&self.keys)
            .map_err(io::Error::from)
            .and_then(|text| state_dir::save(&self.path, &text));
        saved.map_err(|source| KeyStoreError {
            path: self.path.clone(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::PrivateKey;

    fn keyring(seed: u8) -> Keyring {
        Keyring::new([PrivateKey::from_seed([seed; 32]).expect("a key").public()])
    }

    #[test]
    fn changed_keys_hold_after_a_restart_and_damage_returns_to_the_provisioned_ones() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut store = KeyStore::open(dir.path(), keyring(1));
        assert_eq!(store.keys(), &keyring(1));
        store.replace(keyring(2)).expect("saved");
        assert_eq!(KeyStore::open(dir.path(), keyring(1)).keys(), &keyring(2));
        std::fs::write(dir.path().join(KEY_FILE), "{").expect("written");
        assert_eq!(KeyStore::open(dir.path(), keyring(1)).keys(), &keyring(1));
    }
}
