//! `nvr config`: write, show and check configuration files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};

use super::wall::WallArgs;
use super::{out, processor};
use crate::base::counted;
use crate::config::{
    CommonFlags, ConfigProblems, ConfigSource, Environment, Loaded, ProcessorFlags, RoleFlags,
    WallFlags, json_schema, template,
};

/// Options of `nvr config`.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Write a configuration file with every key, its description and its default
    Init {
        /// The file; an existing file is not overwritten [default: standard output]
        file: Option<PathBuf>,
    },
    /// Print the settings that result from options, environment and file; secrets appear as ***. Takes the options of `nvr
    /// processor`; `nvr config show wall` takes those of `nvr wall`
    #[command(after_help = processor::AFTER_HELP, args_conflicts_with_subcommands = true)]
    Show {
        /// Output format
        #[arg(long, value_enum, default_value_t, global = true)]
        format: ShowFormat,
        #[command(flatten)]
        flags: Box<ProcessorFlags>,
        #[command(subcommand)]
        of: Option<ShowOf>,
    },
    /// Check a file and report all problems; exit code 2 if there is one
    Check {
        /// The configuration file
        file: String,
        /// Role to check for: a processor needs a camera, a wall must be able to read its token [default: both]
        #[arg(long, value_enum, value_name = "ROLE")]
        role: Option<CheckRole>,
    },
    /// Print the JSON Schema of the configuration
    Schema,
}

#[derive(Debug, Subcommand)]
enum ShowOf {
    /// Print the settings of `nvr wall`
    Wall(Box<WallArgs>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckRole {
    Processor,
    Wall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ShowFormat {
    #[default]
    Toml,
    Json,
}

pub(super) fn main(args: ConfigArgs) -> anyhow::Result<()> {
    match args.command {
        ConfigCommand::Init { file: None } => out::line(template().trim_end()),
        ConfigCommand::Init { file: Some(file) } => {
            let shown = file.display();
            std::fs::File::create_new(&file)
                .and_then(|mut created| created.write_all(template().as_bytes()))
                .with_context(|| {
                    format!("can't write {shown}; an existing file is not overwritten")
                })?;
            out::line(format_args!(
                "wrote {shown}; next: nvr config check {shown}"
            ));
        }
        ConfigCommand::Show { format, flags, of } => {
            let flags = match of {
                Some(ShowOf::Wall(args)) => RoleFlags::from(args.flags),
                None => RoleFlags::from(*flags),
            };
            let raw = warned(load(flags)?).raw;
            out::line(match format {
                ShowFormat::Toml => toml::to_string(&raw)?.trim_end().to_owned(),
                ShowFormat::Json => serde_json::to_string_pretty(&raw)?,
            });
        }
        ConfigCommand::Check { file, role } => {
            let cameras = counted(check(&file, role)?, "camera");
            out::line(format_args!("{file}: no problem, {cameras}"));
        }
        ConfigCommand::Schema => out::line(serde_json::to_string_pretty(&json_schema())?),
    }
    Ok(())
}

/// Checks a file for one role or for both. Returns the number of its cameras.
fn check(file: &str, role: Option<CheckRole>) -> Result<usize, ConfigProblems> {
    let common = CommonFlags {
        config: Some(file.to_owned()),
        ..CommonFlags::default()
    };
    let for_processor = || {
        let common = common.clone();
        load(ProcessorFlags {
            common,
            ..ProcessorFlags::default()
        })
    };
    let for_wall = || {
        let common = common.clone();
        load(WallFlags {
            common,
            ..WallFlags::default()
        })
    };
    let loaded = match role {
        Some(CheckRole::Processor) => for_processor(),
        Some(CheckRole::Wall) => for_wall(),
        None => match (for_processor(), for_wall()) {
            (Err(one), Err(other)) => Err(one.with(other)),
            (one, other) => one.and(other),
        },
    };
    Ok(warned(loaded?).settings.sources.len())
}

fn load(flags: impl Into<RoleFlags>) -> Result<Loaded, ConfigProblems> {
    ConfigSource::new(flags, Environment::of_process()).load_all()
}

fn warned(loaded: Loaded) -> Loaded {
    for warning in &loaded.warnings {
        out::error(format_args!("warning: {warning}"));
    }
    loaded
}
