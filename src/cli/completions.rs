//! `nvr completions`: writes the shell's own script that completes subcommands, options and their values.

use std::io::Write;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

/// Options of `nvr completions`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

const AFTER_HELP: &str = "\
Files that a shell reads at its start:
  bash  ~/.local/share/bash-completion/completions/nvr
  zsh   _nvr in a folder of $fpath
  fish  ~/.config/fish/completions/nvr.fish
The Debian package has the scripts of these three.";

/// Writes the script of the shell for `program` to standard output.
pub(super) fn main(args: &CompletionsArgs, mut program: Command) -> anyhow::Result<()> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    write(&script).context("can't write to standard output")
}

/// A closed pipe (`nvr completions bash | head`) is no error.
fn write(script: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(script).and_then(|()| out.flush()) {
        Err(err) if err.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
