//! The board file: what the maker of an image knows of the board, and the system does not tell. Every figure has its source.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use tracing::info;

use crate::config::{ConfigProblems, read_document};
use crate::fleet::DeviceCapabilities;

/// Where an image has the file.
const BOARD_FILE: &str = "/usr/share/nvr/board.toml";

/// The board file can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BoardError {
    /// It can't be read, or is not TOML.
    #[error("the board file can't be used, so its limits are unknown: {0}")]
    Syntax(#[from] ConfigProblems),
    /// A key or a value.
    #[error("{}: {problem}; correct the board file, until then its limits are unknown", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
}

/// What is known of a board. A table that is absent is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Board {
    /// Its name for people.
    pub(super) name: Option<String>,
    /// The video decoder.
    pub(super) decoder: Option<Decoder>,
    /// The accelerator for inference besides the GPU.
    pub(super) dla: Option<Dla>,
    /// The outputs for monitors.
    pub(super) display: Option<Display>,
    /// The power modes.
    pub(super) power: Option<Power>,
    /// How the board shows which one it is.
    pub(super) identify: Option<Identify>,
}

/// The video decoder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decoder {
    /// Maximum number of streams that the board is to decode at once.
    pub(super) sessions: u32,
    /// Where the figure comes from.
    pub(super) source: String,
}

/// The accelerator for inference besides the GPU.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Dla {
    /// Number of cores; 0 if there is none.
    pub(super) cores: u32,
    /// Where the figure comes from.
    pub(super) source: String,
}

/// The outputs for monitors.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Display {
    /// Maximum number of monitors at once; 0 if there is none.
    pub(super) heads: u32,
    /// Where the figure comes from.
    pub(super) source: String,
}

/// The power modes of a Jetson, as `nvpmodel` has them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Power {
    /// The modes.
    pub(super) modes: Vec<PowerMode>,
    /// The number of the mode after the first start.
    pub(super) default: u32,
    /// Where the list comes from.
    pub(super) source: String,
}

/// A power mode.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PowerMode {
    /// Its number, for `nvpmodel -m`.
    pub(super) id: u32,
    /// Its name.
    pub(super) name: String,
}

/// How the board shows which one it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Identify {
    /// Name of an LED, as in `/sys/class/leds`.
    pub(super) led: String,
}

impl Board {
    /// Reads the file that the operator has `named`, else [`BOARD_FILE`]. Without the latter nothing is known.
    ///
    /// # Errors
    /// When the file can't be used.
    pub(super) fn read(named: Option<&Path>) -> Result<Self, BoardError> {
        let path = named.unwrap_or(Path::new(BOARD_FILE));
        if named.is_none() && !path.exists() {
            return Ok(Self::default());
        }
        let board: Self =
            serde_json::from_value(read_document(path)?).map_err(|err| BoardError::Content {
                path: path.to_owned(),
                problem: err.to_string(),
            })?;
        board.check(path)?;
        info!(path = %path.display(), name = board.name, "read the board file");
        for (what, figure, source) in board.figures() {
            info!(what, figure, source, "a limit of the board");
        }
        Ok(board)
    }

    /// A default mode that is not in the list is a mistake of the file.
    fn check(&self, path: &Path) -> Result<(), BoardError> {
        let Some(power) = &self.power else {
            return Ok(());
        };
        let default = power.default;
        if let Some(mode) = power.modes.iter().find(|mode| mode.id == default) {
            let source = &*power.source;
            info!(
                default = mode.name,
                modes = power.modes.len(),
                source,
                "the power modes of the board"
            );
            return Ok(());
        }
        Err(BoardError::Content {
            path: path.to_owned(),
            problem: format!("power.default: {default} is none of power.modes"),
        })
    }

    fn figures(&self) -> Vec<(&'static str, u32, &str)> {
        let decoder = self.decoder.iter();
        let decoder = decoder.map(|known| ("decoder sessions", known.sessions, &*known.source));
        let dla = self.dla.iter();
        let dla = dla.map(|known| ("DLA cores", known.cores, &*known.source));
        let display = self.display.iter();
        let display = display.map(|known| ("monitors at once", known.heads, &*known.source));
        decoder.chain(dla).chain(display).collect()
    }

    /// Fills in what the board file says.
    pub(super) fn add_to(&self, capabilities: &mut DeviceCapabilities) {
        if let Some(dla) = &self.dla {
            capabilities.machine.dla_cores = Some(dla.cores);
        }
        if let Some(decoder) = &self.decoder {
            let hardware = capabilities.decoders.iter_mut();
            hardware
                .filter(|found| found.hardware)
                .for_each(|found| found.sessions = Some(decoder.sessions));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::DecoderAbility;

    const TEXT: &str = r#"
        name = "a board"
        [decoder]
        sessions = 11
        source = "data sheet, H.265 at 1080p30"
        [dla]
        cores = 2
        source = "data sheet"
        [identify]
        led = "green:status"
        "#;

    fn read(text: &str) -> Result<Board, BoardError> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("board.toml");
        std::fs::write(&path, text).expect("written");
        Board::read(Some(&path))
    }

    #[test]
    fn its_figures_become_capabilities() {
        let board = read(TEXT).expect("a good file");
        let decoder = |element: &str, hardware| DecoderAbility {
            element: element.to_owned(),
            hardware,
            ..DecoderAbility::default()
        };
        let mut known = DeviceCapabilities::new();
        known.decoders = vec![decoder("nvv4l2decoder", true), decoder("avdec_h264", false)];
        board.add_to(&mut known);
        assert_eq!(known.machine.dla_cores, Some(2));
        let sessions: Vec<_> = known.decoders.iter().map(|one| one.sessions).collect();
        assert_eq!(sessions, [Some(11), None]);
        assert_eq!(board.display, None);
        let led = board.identify.map(|identify| identify.led);
        assert_eq!(led.as_deref(), Some("green:status"));
    }

    #[test]
    fn an_absent_or_bad_file_is_named() {
        let absent = Board::read(Some(Path::new("/nonexistent/board.toml")));
        let told = absent.expect_err("it was named").to_string();
        assert!(told.contains("/nonexistent/board.toml"), "{told}");
        for (text, wanted) in [
            ("[decoder", "board.toml"),
            ("[decoder]\nsessions = 11", "missing field `source`"),
            ("[decoders]\nsessions = 11", "unknown field `decoders`"),
            ("[dla]\ncores = -1\nsource = \"x\"", "-1"),
            (
                "[power]\nmodes = [{ id = 0, name = \"15W\" }]\ndefault = 1\nsource = \"x\"",
                "power.default: 1 is none of power.modes",
            ),
        ] {
            let told = read(text).expect_err("a problem").to_string();
            assert!(told.contains(wanted), "{wanted} in {told}");
        }
    }

    #[test]
    fn every_board_of_this_repository_is_read_and_names_the_sources_of_its_figures() {
        let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("board");
        let mut read = Vec::new();
        for entry in std::fs::read_dir(boards).expect("a folder").flatten() {
            let path = entry.path().join("board.toml");
            if !path.exists() {
                continue;
            }
            let board = Board::read(Some(&path)).unwrap_or_else(|err| panic!("{err}"));
            for (what, _, source) in board.figures() {
                assert!(
                    source.len() > 10,
                    "{}: the source of {what}",
                    path.display()
                );
            }
            read.push(entry.file_name().to_string_lossy().into_owned());
        }
        read.sort();
        assert_eq!(
            read,
            [
                "jetson-agx-orin-devkit",
                "jetson-orin-nano-devkit",
                "p3768-0000-p3767-0000",
                "qemuarm64"
            ]
        );
    }

    #[test]
    fn the_committed_schema_is_that_of_the_board_file() {
        crate::event::assert_committed("board", &crate::event::schema_of::<Board>());
    }
}
