//! What an act of the operator needs: connection, signatures, audit file, and the lines that the operator sees.

use super::{Act, Audit, Journal, Session, Signer};

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

/// An act about a whole rollout.
pub(super) fn act(act: &'static str, journal: &Journal) -> Act {
    Act {
        detail: Some(devices(journal.entries().len())),
        ..Act::of_rollout(act, journal.id())
    }
}

/// A number of devices in words: `1 device`, `3 devices`.
pub(super) fn devices(count: usize) -> String {
    match count {
        1 => "1 device".to_owned(),
        _ => format!("{count} devices"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_of_devices_are_short() {
        assert_eq!(
            [0, 1, 2].map(devices),
            ["0 devices", "1 device", "2 devices"]
        );
        let names: Vec<String> = (0..10).map(|number| format!("d{number}")).collect();
        assert_eq!(some(&names[..2]), "d0, d1");
        assert_eq!(some(&names[..8]), "d0, d1, d2, d3, d4, d5, d6, d7");
        assert_eq!(some(&names), "d0, d1, d2, d3, d4, d5, d6, d7 and 2 more");
    }
}
