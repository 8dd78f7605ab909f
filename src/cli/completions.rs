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
pub(super) fn main(args: &CompletionsArgs, program: Command) -> anyhow::Result<()> {
    write(&script(args.shell, program)).context("can't write to standard output")
}

fn script(shell: Shell, mut program: Command) -> Vec<u8> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    script
}

/// A closed pipe (`nvr completions bash | head`) is no error.
fn write(script: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(script).and_then(|()| out.flush()) {
        Err(err) if err.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// What bash offers for the last of `words`.
    fn offered(words: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("nvr");
        std::fs::write(&file, script(Shell::Bash, Cli::command())).expect("written");
        let offer = r#". "$0" && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _nvr nvr "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}" && printf '%s\n' "${COMPREPLY[@]}""#;
        let out = std::process::Command::new("bash")
            .args(["-c", offer])
            .arg(&file)
            .args(words)
            .output()
            .expect("bash runs");
        assert!(out.status.success(), "{out:?}");
        let text = String::from_utf8(out.stdout).expect("UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes_subcommands_options_and_values() {
        assert_eq!(offered(&["nvr", "comp"]), ["completions"]);
        assert_eq!(offered(&["nvr", "fleet", "app"]), ["apply"]);
        assert_eq!(offered(&["nvr", "fleet", "apply", "--can"]), ["--canary"]);
        assert_eq!(offered(&["nvr", "completions", "z"]), ["zsh"]);
    }
}
