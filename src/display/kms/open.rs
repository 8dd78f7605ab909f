//! Chooses the card of each head by its connected monitors, never by the number of the card.

use std::sync::Arc;

use tracing::info;

use super::card::Card;
use super::connector::{ConnectorFacts, ConnectorStatus, is_named, listed};
use super::hardware;
use super::head::KmsDisplay;
use crate::base::Clock;
use crate::config::{HeadSettings, WallSettings};
use crate::display::DisplayError;

/// Drivers of virtual cards, USB adapters and firmware framebuffers. They are used if there is no other card, or by name.
const LAST_RESORT_DRIVERS: &[&str] = &["vkms", "udl", "evdi", "simpledrm", "simple-framebuffer"];

/// A card with its connectors.
struct Candidate {
    card: Arc<Card>,
    connectors: Vec<ConnectorFacts>,
}

/// Opens one display per head, on one card or on several. A head without a monitor waits for it. The text console is in
/// graphics mode while any of the displays is open.
///
/// # Errors
/// [`DisplayError::Missing`] if there is no card, or the configured card or connector is missing.
/// [`DisplayError::Device`] if a card can't be used: missing rights, another master, a driver without atomic mode setting.
pub fn open_heads(settings: &WallSettings, clock: &Clock) -> Result<Vec<KmsDisplay>, DisplayError> {
    let candidates = candidates(settings.card.as_deref())?;
    let facts: Vec<CardFacts<'_>> = candidates
        .iter()
        .map(|candidate| CardFacts {
            driver: candidate.card.driver(),
            connectors: &candidate.connectors,
        })
        .collect();
    let chosen = choose_cards(&facts, &settings.heads)?;
    for index in &chosen {
        // Called twice for a card with two heads, which is harmless.
        candidates[*index].card.become_master()?;
    }
    for index in &chosen {
        candidates[*index].card.take_console();
    }
    let named: Vec<String> = settings
        .heads
        .iter()
        .filter_map(|head| head.connector.clone())
        .collect();
    chosen
        .iter()
        .zip(&settings.heads)
        .map(|(index, head)| {
            KmsDisplay::open(
                &candidates[*index].card,
                head.clone(),
                named.clone(),
                clock.clone(),
            )
        })
        .collect()
}

/// All usable cards.
///
/// # Errors
/// If there are none, with the reasons.
fn candidates(wanted: Option<&str>) -> Result<Vec<Candidate>, DisplayError> {
    let nodes = Card::nodes();
    if nodes.is_empty() {
        return Err(DisplayError::Missing(
            "there is no DRM device (/dev/dri/card*); load the graphics driver, pass the device to the container \
             (--device /dev/dri), or use --output headless"
                .to_owned(),
        ));
    }
    let mut problems = Vec::new();
    let mut seen = Vec::new();
    let mut candidates = Vec::new();
    for node in nodes {
        match Card::open(&node) {
            Ok(card) => {
                seen.push(format!("{} ({})", node.display(), card.driver()));
                if wanted.is_some_and(|wanted| !card.is_named(wanted)) {
                    continue;
                }
                let connectors = hardware::connectors(&card, false)
                    .map_err(|err| card.refused("read its connectors", &err))?;
                candidates.push(Candidate {
                    card: Arc::new(card),
                    connectors,
                });
            }
            Err(err) => {
                info!(%err, "card can't be used");
                problems.push(err);
            }
        }
    }
    if candidates.is_empty() {
        if let Some(wanted) = wanted
            && !seen.is_empty()
        {
            return Err(DisplayError::Missing(format!(
                "there is no card {wanted}; there are {}",
                seen.join(", ")
            )));
        }
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        return Err(DisplayError::Device(texts.join("; ")));
    }
    Ok(candidates)
}

/// The facts that decide the choice of a card.
struct CardFacts<'a> {
    driver: &'a str,
    connectors: &'a [ConnectorFacts],
}

/// Chooses the card of each head: the card with its configured connector, else a card with a free connected connector, else the
/// card to which a monitor is most likely to be connected.
fn choose_cards(
    cards: &[CardFacts<'_>],
    heads: &[HeadSettings],
) -> Result<Vec<usize>, DisplayError> {
    let mut order: Vec<usize> = (0..cards.len())
        .filter(|index| {
            cards[*index]
                .connectors
                .iter()
                .any(ConnectorFacts::is_output)
        })
        .collect();
    order.sort_unstable_by_key(|index| {
        (LAST_RESORT_DRIVERS.contains(&cards[*index].driver), *index)
    });
    let Some(&first) = order.first() else {
        let drivers: Vec<&str> = cards.iter().map(|card| card.driver).collect();
        return Err(DisplayError::Missing(format!(
            "no card has a connector for a monitor; there are {}",
            drivers.join(", ")
        )));
    };
    // A connector that is configured for a head is not available to other heads.
    let mut taken: Vec<(usize, u32)> = Vec::new();
    let mut chosen = vec![None; heads.len()];
    for (slot, head) in chosen.iter_mut().zip(heads) {
        let Some(name) = &head.connector else {
            continue;
        };
        let found = order.iter().flat_map(|index| {
            let outputs = cards[*index]
                .connectors
                .iter()
                .filter(|connector| connector.is_output());
            outputs.map(move |connector| (*index, connector))
        });
        let (index, connector) = found
            .filter(|(_, connector)| is_named(connector, name))
            // Several cards may have a connector HDMI-A-1.
            .min_by_key(|(_, connector)| connector.status != ConnectorStatus::Connected)
            .ok_or_else(|| {
                let all = cards.iter().flat_map(|card| card.connectors);
                DisplayError::Missing(format!(
                    "there is no connector {name}; there are {}",
                    listed(all)
                ))
            })?;
        taken.push((index, connector.id));
        *slot = Some(index);
    }
    for slot in chosen.iter_mut().filter(|slot| slot.is_none()) {
        let free = order.iter().find_map(|index| {
            let connectors = cards[*index].connectors.iter();
            let mut connected = connectors.filter(|connector| {
                connector.is_output() && connector.status == ConnectorStatus::Connected
            });
            let free = connected.find(|connector| !taken.contains(&(*index, connector.id)))?;
            Some((*index, free.id))
        });
        taken.extend(free);
        *slot = Some(free.map_or(first, |(index, _)| index));
    }
    Ok(chosen.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::connector;
    use super::*;

    fn head(connector: Option<&str>) -> HeadSettings {
        HeadSettings {
            connector: connector.map(str::to_owned),
            ..HeadSettings::default()
        }
    }

    fn chosen(
        cards: &[(&str, &[ConnectorFacts])],
        heads: &[HeadSettings],
    ) -> Result<Vec<usize>, String> {
        let facts: Vec<CardFacts<'_>> = cards
            .iter()
            .map(|(driver, connectors)| CardFacts { driver, connectors })
            .collect();
        choose_cards(&facts, heads).map_err(|err| err.to_string())
    }

    #[test]
    fn the_card_with_a_monitor_is_taken_whatever_its_number() {
        let render_only: &[ConnectorFacts] = &[];
        let unplugged = [connector(1, "HDMI-A-1", ConnectorStatus::Disconnected)];
        let connected = [connector(1, "DP-1", ConnectorStatus::Connected)];
        let cards = [
            ("v3d", render_only),
            ("vc4", &unplugged[..]),
            ("tegra", &connected[..]),
        ];
        assert_eq!(chosen(&cards, &[head(None)]), Ok(vec![2]));
    }

    #[test]
    fn a_virtual_card_does_not_win_over_a_real_monitor_and_a_writeback_connector_is_none() {
        let virtual_one = [
            connector(1, "Virtual-1", ConnectorStatus::Connected),
            connector(2, "Writeback-1", ConnectorStatus::Connected),
        ];
        let connected = [connector(1, "HDMI-A-1", ConnectorStatus::Connected)];
        assert_eq!(
            chosen(
                &[("vkms", &virtual_one), ("i915", &connected)],
                &[head(None)]
            ),
            Ok(vec![1])
        );
        assert_eq!(
            chosen(&[("vkms", &virtual_one)], &[head(None)]),
            Ok(vec![0])
        );
        assert_eq!(
            chosen(&[("writer", &virtual_one[1..])], &[head(None)]),
            Err("no card has a connector for a monitor; there are writer".to_owned())
        );
    }

    #[test]
    fn without_any_monitor_a_card_is_taken_to_wait_on() {
        let unplugged = [connector(1, "HDMI-A-1", ConnectorStatus::Disconnected)];
        assert_eq!(
            chosen(
                &[("vkms", &unplugged), ("vc4", &unplugged)],
                &[head(None), head(None)]
            ),
            Ok(vec![1, 1])
        );
    }

    #[test]
    fn several_heads_take_what_the_others_leave() {
        let two = [
            connector(1, "HDMI-A-1", ConnectorStatus::Connected),
            connector(2, "HDMI-A-2", ConnectorStatus::Connected),
        ];
        let one = [connector(7, "DP-1", ConnectorStatus::Connected)];
        let cards = [("vc4", &two[..]), ("amdgpu", &one[..])];
        assert_eq!(
            chosen(&cards, &[head(None), head(None), head(None)]),
            Ok(vec![0, 0, 1])
        );
        assert_eq!(
            chosen(&cards, &[head(None), head(None), head(Some("HDMI-A-1"))]),
            Ok(vec![0, 1, 0])
        );
    }

    #[test]
    fn a_connector_that_no_card_has_is_answered_with_those_there_are() {
        let two = [
            connector(1, "HDMI-A-1", ConnectorStatus::Connected),
            connector(2, "DP-1", ConnectorStatus::Disconnected),
        ];
        assert_eq!(
            chosen(&[("vc4", &two)], &[head(Some("HDMI-A-3"))]),
            Err(
                "there is no connector HDMI-A-3; there are HDMI-A-1 (connected), DP-1 (no monitor)"
                    .to_owned()
            )
        );
        assert_eq!(chosen(&[("vc4", &two)], &[head(Some("DP-1"))]), Ok(vec![0]));
    }
}
