//! The form in which subcommands print what they have found.

use clap::ValueEnum;

/// The form of a list or a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Form {
    #[default]
    Text,
    Json,
}
