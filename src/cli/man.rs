//! `nvr man`: manual pages, made from the same texts as `--help`. One page for the program, one for each subcommand.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::out;

/// Options of `nvr man`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ManArgs {
    /// Subcommand whose page is printed, for example `fleet apply` [default: the page of `nvr`]
    #[arg(conflicts_with = "out")]
    subcommand: Vec<String>,
    /// Directory for the pages of all subcommands, one file each; created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  nvr man fleet apply | man -l -
  nvr man --out ~/.local/share/man/man1";

/// Writes the pages of `program` and its subcommands, or prints one of them.
pub(super) fn main(args: &ManArgs, program: Command) -> anyhow::Result<()> {
    let program = built(program);
    match &args.out {
        Some(dir) => {
            fs::create_dir_all(dir).with_context(|| format!("can't create {}", dir.display()))?;
            let pages = write_all(&program, &program, dir)?;
            out::line(format_args!("{}: {pages} pages", dir.display()));
        }
        None => {
            let page = page(&program, find(&program, &args.subcommand)?)?;
            out::line(String::from_utf8_lossy(&page).trim_end());
        }
    }
    Ok(())
}

/// The command line with the options that subcommands inherit. It has no subcommands `help`: each would be a page.
fn built(program: Command) -> Command {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    program
}

fn find<'a>(program: &'a Command, path: &[String]) -> anyhow::Result<&'a Command> {
    let mut found = program;
    for name in path {
        let Some(next) = found.find_subcommand(name) else {
            let name_of_parent = found.get_bin_name().unwrap_or("nvr");
            bail!("no subcommand {name}; `{name_of_parent} --help` lists those that exist");
        };
        found = next;
    }
    Ok(found)
}

/// Returns the number of pages.
fn write_all(program: &Command, command: &Command, dir: &Path) -> anyhow::Result<usize> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let file = dir.join(format!("{name}.1"));
    fs::write(&file, page(program, command)?)
        .with_context(|| format!("can't write {}", file.display()))?;
    let mut pages = 1;
    for subcommand in visible(command) {
        pages += write_all(program, subcommand, dir)?;
    }
    Ok(pages)
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set())
}

/// The page of one command, as the input of troff.
fn page(program: &Command, command: &Command) -> std::io::Result<Vec<u8>> {
    let version = program.get_version().unwrap_or_default();
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    // By hand: the crate leaves out the date, which is empty, and the version would take its place.
    writeln!(page, r#".TH "{name}" 1 "" "nvr {version}" nvr"#)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if visible(command).next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    let notes = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    if let Some(notes) = notes {
        write_notes(&notes.to_string(), &mut page)?;
    }
    write_see_also(command, &mut page)?;
    Ok(page)
}

/// What follows the options in `--help`. Indented lines there are examples and tables, whose line ends count.
fn write_notes(notes: &str, page: &mut impl Write) -> std::io::Result<()> {
    let mut roff = Roff::default();
    roff.control("SH", ["NOTES"]);
    let mut verbatim = false;
    for line in notes.lines() {
        let indented = line.starts_with(' ');
        if indented != verbatim && !line.is_empty() {
            roff.control(if indented { "nf" } else { "fi" }, []);
            verbatim = indented;
        }
        if line.is_empty() {
            roff.control("PP", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    if verbatim {
        roff.control("fi", []);
    }
    roff.to_writer(page)
}

/// A subcommand refers to the command that it belongs to.
fn write_see_also(command: &Command, page: &mut impl Write) -> std::io::Result<()> {
    let path = command.get_bin_name().unwrap_or_default();
    let Some((parent, _)) = path.rsplit_once(' ') else {
        return Ok(());
    };
    let mut roff = Roff::default();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(format!("{}(1)", parent.replace(' ', "-")))]);
    roff.to_writer(page)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn page_of(path: &[&str]) -> String {
        let program = built(Cli::command());
        let path: Vec<_> = path.iter().map(ToString::to_string).collect();
        let command = find(&program, &path).expect("a subcommand");
        String::from_utf8(page(&program, command).expect("written")).expect("UTF-8")
    }

    #[test]
    fn a_page_has_the_texts_of_the_help() {
        let page = page_of(&["fleet", "apply"]);
        let version = env!("CARGO_PKG_VERSION");
        let title = format!(r#".TH "nvr-fleet-apply" 1 "" "nvr {version}" nvr"#);
        assert_eq!(page.lines().next(), Some(&*title));
        for text in ["\\-\\-canary", "\\-\\-max\\-failures", "\\-\\-log\\-format"] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(page.ends_with("SEE ALSO\"\nnvr\\-fleet(1)\n"), "{page}");
    }

    #[test]
    fn line_ends_of_examples_are_kept() {
        let mut page = Vec::new();
        write_notes("One\ntext.\n\nExamples:\n  a\n  .b\n\nEnd", &mut page).expect("written");
        let page = String::from_utf8(page).expect("UTF-8");
        let body = page.split_once("NOTES\n").expect("a heading").1;
        assert_eq!(
            body,
            "One\ntext.\n.PP\nExamples:\n.nf\n  a\n  .b\n.PP\n.fi\nEnd\n"
        );
    }

    #[test]
    fn every_visible_subcommand_has_a_page_of_its_own() {
        fn count(command: &Command) -> usize {
            1 + visible(command).map(count).sum::<usize>()
        }
        let program = built(Cli::command());
        let dir = tempfile::tempdir().expect("a folder");
        let pages = write_all(&program, &program, dir.path()).expect("written");
        assert_eq!(pages, count(&program));
        let files = fs::read_dir(dir.path()).expect("a folder").count();
        assert_eq!(files, pages, "two pages have one name");
    }

    #[test]
    fn an_unknown_subcommand_is_named() {
        let program = built(Cli::command());
        let path = ["fleet".to_owned(), "aply".to_owned()];
        let error = find(&program, &path).expect_err("no such subcommand");
        assert_eq!(
            error.to_string(),
            "no subcommand aply; `nvr fleet --help` lists those that exist"
        );
    }
}
