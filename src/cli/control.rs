//! `nvr control`: queries and changes of a running role on this machine.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::out;
use crate::base::SourceId;
use crate::config::read_document;
use crate::control::{Answer, Request, find, request};

/// Query or change a running processor or wall on this machine.
#[derive(Debug, Args)]
pub(super) struct ControlArgs {
    /// Role of the process [default: the one that runs]
    #[arg(long, global = true)]
    role: Option<Role>,
    /// Instance id of the process [default: the only one that runs]
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
    /// Print the state of the process and its parts as JSON
    Status,
    /// Print the abilities of this build on this machine as JSON
    Capabilities,
    /// Replace the running configuration by that of FILE. Unchanged sources go on; if FILE has a problem, nothing changes
    Apply {
        /// TOML as for --config, or the same structure as JSON
        file: PathBuf,
    },
    /// Restart the session of a camera now, without waiting for the next attempt
    Restart {
        /// Id of the camera
        id: u32,
    },
    /// Stop the analysis of cameras: no events, and their status is `paused`. Ends with `resume`, or with the process
    Pause(SourceArgs),
    /// Go on with the analysis of cameras
    Resume(SourceArgs),
}

#[derive(Debug, Args)]
struct SourceArgs {
    /// Id of the camera [default: all cameras]
    #[arg(long, value_name = "ID")]
    source: Option<u32>,
}

impl SourceArgs {
    fn id(&self) -> Option<SourceId> {
        self.source.map(SourceId)
    }
}

impl Ask {
    /// The only role that obeys; absent if both do.
    fn role(&self) -> Option<Role> {
        matches!(self, Self::Pause(_) | Self::Resume(_)).then_some(Role::Processor)
    }
}

/// Longest wait for the answer: `apply` may have to load a model first.
const LIMIT: Duration = Duration::from_secs(120);

pub(super) fn main(args: ControlArgs) -> Result<ExitCode> {
    let path = socket(args.role.or(args.ask.role()), args.instance_id.as_deref())?;
    let question = question(args.ask)?;
    match request(&path, &question, LIMIT)? {
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

fn question(ask: Ask) -> Result<Request> {
    Ok(match ask {
        Ask::Status => Request::Status,
        Ask::Capabilities => Request::Capabilities,
        Ask::Apply { file } => Request::Apply {
            document: read_document(&file)?,
        },
        Ask::Restart { id } => Request::Restart {
            source_id: SourceId(id),
        },
        Ask::Pause(args) => Request::Pause {
            source_id: args.id(),
        },
        Ask::Resume(args) => Request::Resume {
            source_id: args.id(),
        },
    })
}

/// The socket of the only process that runs with this role and this instance id, as far as they are given.
fn socket(wanted: Option<Role>, instance_id: Option<&str>) -> Result<PathBuf> {
    let roles = [("processor", Role::Processor), ("wall", Role::Wall)];
    let mut sockets: Vec<PathBuf> = Vec::new();
    let mut skipped = BTreeSet::new();
    for (name, role) in roles {
        if wanted.is_none_or(|wanted| wanted == role) {
            let found = find(name, instance_id);
            sockets.extend(found.sockets);
            skipped.extend(found.skipped.iter().map(ToString::to_string));
        }
    }
    match sockets.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let (who, start) = match wanted {
                Some(Role::Wall) => ("wall", "`nvr wall`"),
                Some(Role::Processor) => ("processor", "`nvr processor`"),
                None => ("processor or wall", "`nvr processor` or `nvr wall`"),
            };
            let skipped: Vec<_> = skipped.into_iter().collect();
            match skipped.as_slice() {
                [] => bail!("no {who} of this user runs on this machine; start one with {start}"),
                folders => bail!(
                    "no accessible {who} runs on this machine; skipped, because other users could answer there: {}; run this command as that user or as root, or remove the folder",
                    folders.join(", ")
                ),
            }
        }
        many => {
            let names: Vec<_> = many.iter().map(|path| path.display().to_string()).collect();
            bail!(
                "several processes run on this machine: {}; choose one with --role or --instance-id",
                names.join(", ")
            );
        }
    }
}
