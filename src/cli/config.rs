//! `nvr config`: write, show and check configuration files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};

use super::{out, processor};
use crate::config::{ConfigSource, Environment, Flags, TEMPLATE, json_schema};

/// Options of `nvr config`.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Write a commented configuration file, in which every key stands with its default
    Init {
        /// The file, which must not be there yet [default: standard output]
        file: Option<PathBuf>,
    },
    /// Print the settings that result from options, environment and file; secrets as ***
    #[command(after_help = processor::AFTER_HELP)]
    Show {
        /// How they are written
        #[arg(long, value_enum, default_value_t)]
        format: ShowFormat,
        #[command(flatten)]
        flags: Box<Flags>,
    },
    /// Check a file and report every problem at once; exit code 2 where there is one
    Check {
        /// The file
        file: String,
    },
    /// Print the JSON Schema of the file and of documents
    Schema,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ShowFormat {
    #[default]
    Toml,
    Json,
}

pub(super) fn main(args: ConfigArgs) -> anyhow::Result<()> {
    match args.command {
        ConfigCommand::Init { file: None } => out::line(TEMPLATE.trim_end()),
        ConfigCommand::Init { file: Some(file) } => {
            let shown = file.display();
            std::fs::File::create_new(&file)
                .and_then(|mut created| created.write_all(TEMPLATE.as_bytes()))
                .with_context(|| {
                    format!("can't write {shown}; an existing file is not overwritten")
                })?;
            out::line(format_args!(
                "wrote {shown}; next: nvr config check {shown}"
            ));
        }
        ConfigCommand::Show { format, flags } => {
            let raw = loaded(*flags)?.raw;
            out::line(match format {
                ShowFormat::Toml => toml::to_string(&raw)?.trim_end().to_owned(),
                ShowFormat::Json => serde_json::to_string_pretty(&raw)?,
            });
        }
        ConfigCommand::Check { file } => {
            let settings = loaded(Flags {
                config: Some(file.clone()),
                ..Flags::default()
            })?
            .settings;
            let cameras = settings.sources.len();
            let s = if cameras == 1 { "" } else { "s" };
            out::line(format_args!("{file}: no problem, {cameras} camera{s}"));
        }
        ConfigCommand::Schema => out::line(serde_json::to_string_pretty(&json_schema())?),
    }
    Ok(())
}

fn loaded(flags: Flags) -> anyhow::Result<crate::config::Loaded> {
    let loaded = ConfigSource::new(flags, Environment::of_process()).load_all()?;
    for warning in &loaded.warnings {
        out::error(format_args!("warning: {warning}"));
    }
    Ok(loaded)
}
