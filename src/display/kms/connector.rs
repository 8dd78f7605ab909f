//! Connectors: classifies outputs, and chooses the connector of a head.

use super::choice::OfferedModes;
use super::mode::Mode;

/// Whether a monitor is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectorStatus {
    Connected,
    Disconnected,
    /// The hardware can't detect it.
    Unknown,
}

impl ConnectorStatus {
    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "no monitor",
            Self::Unknown => "unknown",
        }
    }
}

/// A connector as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConnectorFacts {
    pub id: u32,
    /// `HDMI-A-1`.
    pub name: String,
    /// Whether it writes into memory instead of to a monitor.
    pub is_writeback: bool,
    pub status: ConnectorStatus,
    pub modes: Vec<Mode>,
    pub edid: Option<Vec<u8>>,
    /// Bit mask of the CRTCs, by index, that can drive it.
    pub crtcs: u32,
    /// The CRTC that drives it now.
    pub crtc: Option<u32>,
    /// Whether the kernel reports that the link has to be trained again.
    pub link_is_bad: bool,
}

impl ConnectorFacts {
    /// Whether a monitor can be connected.
    pub(super) fn is_output(&self) -> bool {
        !self.is_writeback && self.crtcs != 0
    }

    /// The modes that the kernel lists. Without an EDID it lists small ones that every monitor accepts. Without an EDID the list
    /// is trusted only for known panels and for virtual machines.
    pub(super) fn offered(&self) -> OfferedModes<'_> {
        let by_cable = ["HDMI", "DP-", "DVI", "VGA"]
            .iter()
            .any(|kind| self.name.starts_with(kind));
        OfferedModes {
            modes: &self.modes,
            trusted: self.edid.is_some()
                || !by_cable
                || self.modes.iter().any(|mode| mode.preferred),
        }
    }
}

/// Order in which outputs are used if none is configured: HDMI, DisplayPort, a panel, then the rest.
fn rank(name: &str) -> usize {
    ["HDMI", "DP-", "eDP"]
        .iter()
        .position(|kind| name.starts_with(kind))
        .unwrap_or(3)
}

/// Whether `wanted` names this connector: `HDMI-A-1`, also as `card1-HDMI-A-1` or in lower case.
pub(super) fn is_named(connector: &ConnectorFacts, wanted: &str) -> bool {
    let wanted = wanted.trim();
    let bare = match wanted.split_once('-') {
        Some((card, rest))
            if card.starts_with("card") && card[4..].bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            rest
        }
        _ => wanted,
    };
    connector.name.eq_ignore_ascii_case(bare)
}

/// The outputs in the order in which heads use them, connected ones first.
pub(super) fn in_order(connectors: &[ConnectorFacts]) -> Vec<&ConnectorFacts> {
    let mut outputs: Vec<&ConnectorFacts> = connectors
        .iter()
        .filter(|connector| connector.is_output())
        .collect();
    outputs.sort_by_key(|connector| {
        (
            connector.status != ConnectorStatus::Connected,
            rank(&connector.name),
            connector.id,
        )
    });
    outputs
}

/// Chooses the connector of a head. With a configured name (`wanted`): that connector, unless it is known to be disconnected.
/// Otherwise the first connected one that no other head uses (`taken`) or is configured for (`reserved`).
pub(super) fn choose<'a>(
    connectors: &'a [ConnectorFacts],
    wanted: Option<&str>,
    taken: &[u32],
    reserved: &[String],
) -> Option<&'a ConnectorFacts> {
    match wanted {
        Some(name) => connectors.iter().find(|connector| {
            connector.is_output()
                && is_named(connector, name)
                && connector.status != ConnectorStatus::Disconnected
        }),
        None => in_order(connectors).into_iter().find(|connector| {
            connector.status == ConnectorStatus::Connected
                && !taken.contains(&connector.id)
                && !reserved.iter().any(|name| is_named(connector, name))
        }),
    }
}

/// `HDMI-A-1 (connected), DP-1 (no monitor)`.
pub(super) fn listed<'a>(connectors: impl IntoIterator<Item = &'a ConnectorFacts>) -> String {
    let names: Vec<String> = connectors
        .into_iter()
        .filter(|connector| connector.is_output())
        .map(|connector| {
            let link = match connector.status {
                ConnectorStatus::Connected => "connected",
                ConnectorStatus::Disconnected => "no monitor",
                ConnectorStatus::Unknown => "unknown",
            };
            format!("{} ({link})", connector.name)
        })
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::connector;
    use super::*;

    fn chosen(
        connectors: &[ConnectorFacts],
        wanted: Option<&str>,
        taken: &[u32],
    ) -> Option<String> {
        choose(connectors, wanted, taken, &["DP-7".to_owned()])
            .map(|connector| connector.name.clone())
    }

    #[test]
    fn hdmi_comes_before_displayport_before_a_panel_before_the_rest() {
        let names = ["Virtual-1", "eDP-1", "DP-2", "DP-1", "HDMI-A-1"];
        let connectors: Vec<_> = names
            .iter()
            .zip(1..)
            .map(|(name, id)| connector(id, name, ConnectorStatus::Connected))
            .collect();
        let order: Vec<&str> = in_order(&connectors)
            .iter()
            .map(|connector| connector.name.as_str())
            .collect();
        assert_eq!(order, ["HDMI-A-1", "DP-2", "DP-1", "eDP-1", "Virtual-1"]);
        assert_eq!(chosen(&connectors, None, &[5]), Some("DP-2".to_owned()));
        let reserved = [connector(1, "DP-7", ConnectorStatus::Connected)];
        assert_eq!(
            chosen(&reserved, None, &[]),
            None,
            "another head asks for it"
        );
        assert_eq!(
            chosen(&reserved, Some("DP-7"), &[]),
            Some("DP-7".to_owned())
        );
    }

    #[test]
    fn a_writeback_connector_is_never_an_output_though_it_says_connected() {
        let connectors = [
            connector(1, "Writeback-1", ConnectorStatus::Connected),
            connector(2, "DP-1", ConnectorStatus::Disconnected),
        ];
        assert_eq!(chosen(&connectors, None, &[]), None);
        assert_eq!(chosen(&connectors, Some("Writeback-1"), &[]), None);
        assert_eq!(listed(&connectors), "DP-1 (no monitor)");
    }

    #[test]
    fn a_named_connector_is_taken_also_where_the_hardware_can_not_tell() {
        let connectors = [
            connector(1, "VGA-1", ConnectorStatus::Unknown),
            connector(2, "HDMI-A-1", ConnectorStatus::Connected),
        ];
        assert_eq!(
            chosen(&connectors, Some("vga-1"), &[]),
            Some("VGA-1".to_owned())
        );
        assert_eq!(
            chosen(&connectors, Some("card12-HDMI-A-1"), &[]),
            Some("HDMI-A-1".to_owned())
        );
        assert_eq!(chosen(&connectors, None, &[]), Some("HDMI-A-1".to_owned()));
    }

    #[test]
    fn a_cable_without_edid_is_not_believed_and_a_virtual_monitor_is() {
        assert!(
            !connector(1, "HDMI-A-1", ConnectorStatus::Connected)
                .offered()
                .trusted
        );
        assert!(
            connector(1, "Virtual-1", ConnectorStatus::Connected)
                .offered()
                .trusted
        );
        assert!(
            connector(1, "eDP-1", ConnectorStatus::Connected)
                .offered()
                .trusted
        );
        let with_edid = ConnectorFacts {
            edid: Some(vec![0]),
            ..connector(1, "DP-1", ConnectorStatus::Connected)
        };
        assert!(with_edid.offered().trusted);
    }
}
