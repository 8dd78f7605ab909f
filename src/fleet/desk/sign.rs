//! Signs a file.

use std::path::Path;

use super::{DeskError, Signer};
use crate::fleet::{Command, Desired, PayloadType};

/// The envelope of a desired document or a command. Its bytes are signed as they are, after the check of a device.
///
/// # Errors
/// When there is no key, the file can't be read, or a device would refuse it.
pub fn sign(path: &Path, payload_type: PayloadType, signer: &Signer) -> Result<String, DeskError> {
    if signer.is_empty() {
        let message =
            "a signature needs a key; name it with --key, or make one with `nvr fleet keygen`";
        return Err(DeskError::Usage(message.to_owned()));
    }
    let shown = path.display();
    let payload = std::fs::read(path)
        .map_err(|err| DeskError::Usage(format!("can't read {shown}: {err}")))?;
    let errors = match payload_type {
        PayloadType::Desired => Desired::read(&payload).err(),
        PayloadType::Command => Command::read(&payload).err().map(|refused| refused.errors),
    };
    if let Some(errors) = errors {
        return Err(DeskError::Usage(format!("{shown} is not valid:\n{errors}")));
    }
    let message = signer.message(payload_type, payload);
    Ok(String::from_utf8_lossy(&message).into_owned())
}
