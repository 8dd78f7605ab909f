//! `nvr control`: asks a running process of this box.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::out;
use crate::control::{Answer, Request, find, request};

/// Ask a running processor or wall on this machine.
#[derive(Debug, Args)]
pub(super) struct ControlArgs {
    /// Whom, by its role. Default: whichever runs.
    #[arg(long, global = true)]
    role: Option<Role>,
    /// Whom, by its instance id. Default: the only one that runs.
    #[arg(long, global = true)]
    instance_id: Option<String>,
    #[command(subcommand)]
    ask: Ask,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    Processor,
    Wall,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// What runs, and how it fares, as JSON.
    Status,
    /// What this build and this box can do, as JSON.
    Capabilities,
    /// Replace the running configuration by FILE's; refused whole, with every problem, or applied source by source.
    Apply {
        /// TOML as for --config, or the same structure as JSON.
        file: PathBuf,
    },
}

/// A new model may have to be loaded before the answer.
const LIMIT: Duration = Duration::from_secs(120);

pub(super) fn main(args: ControlArgs) -> Result<ExitCode> {
    let roles = [("processor", Role::Processor), ("wall", Role::Wall)];
    let mut sockets: Vec<PathBuf> = Vec::new();
    let mut passed_over = BTreeSet::new();
    for (name, role) in roles {
        if args.role.is_none_or(|wanted| wanted == role) {
            let found = find(name, args.instance_id.as_deref());
            sockets.extend(found.sockets);
            passed_over.extend(found.passed_over.iter().map(ToString::to_string));
        }
    }
    let path = match sockets.as_slice() {
        [one] => one,
        [] => {
            let (who, start) = match args.role {
                Some(Role::Wall) => ("wall", "`nvr wall`"),
                Some(Role::Processor) => ("processor", "`nvr processor`"),
                None => ("processor or wall", "`nvr processor` or `nvr wall`"),
            };
            let not_looked: Vec<_> = passed_over.into_iter().collect();
            match not_looked.as_slice() {
                [] => bail!("no {who} of this user runs here; start one with {start}"),
                folders => bail!(
                    "no {who} that may be asked runs here; not looked into, for others might answer: {}; ask as that user or as root, or remove it",
                    folders.join(", ")
                ),
            }
        }
        many => {
            let names: Vec<_> = many.iter().map(|path| path.display().to_string()).collect();
            bail!(
                "several run here: {}; choose one with --role or --instance-id",
                names.join(", ")
            );
        }
    };
    let question = match args.ask {
        Ask::Status => Request::Status,
        Ask::Capabilities => Request::Capabilities,
        Ask::Apply { file } => Request::Apply {
            document: document(&file)?,
        },
    };
    match request(path, &question, LIMIT)? {
        Answer::Ok(value) => {
            out::line(serde_json::to_string_pretty(&value)?);
            Ok(ExitCode::SUCCESS)
        }
        Answer::Refused(problems) => {
            for problem in problems {
                let place = if problem.path.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", problem.path)
                };
                out::error(format!("{place}{}", problem.message));
            }
            Ok(ExitCode::from(2))
        }
    }
}

fn document(file: &std::path::Path) -> Result<serde_json::Value> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    if file
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        return serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", file.display()));
    }
    toml::from_str(&text).with_context(|| format!("{} is not TOML", file.display()))
}
