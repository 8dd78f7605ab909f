//! What an act of the operator needs: connection, signatures, audit file, and the lines that the operator sees.

use super::{Audit, Session, Signer};

/// The means of an act.
pub struct Operation<'a> {
    /// The connection, which follows the devices of the act.
    pub session: Session,
    /// Signs what is published.
    pub signer: &'a Signer,
    /// The audit file.
    pub audit: &'a Audit,
    /// Takes the lines of progress.
    pub say: &'a mut dyn FnMut(&str),
}

/// The first names of a list.
pub(super) fn some(names: &[String]) -> String {
    const MOST: usize = 8;
    let shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    match names.len().checked_sub(MOST) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}
