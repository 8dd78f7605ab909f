//! A connector, for the tests of this folder.

use super::connector::{ConnectorFacts, ConnectorStatus};

/// A connector without modes that the first CRTC can drive.
pub(super) fn connector(id: u32, name: &str, status: ConnectorStatus) -> ConnectorFacts {
    ConnectorFacts {
        id,
        name: name.to_owned(),
        is_writeback: name.starts_with("Writeback"),
        status,
        modes: Vec::new(),
        edid: None,
        crtcs: 1,
        crtc: None,
        link_is_bad: false,
    }
}
