//! Options that are made from settings: help text, default and value come from the declaration, a row says the rest.

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use serde_json::{Value, json};

use super::declare::{Key, Section, defaults};

/// Options that set keys of one table.
pub(super) struct Group {
    /// The table's path.
    table: &'static str,
    keys: &'static [Key],
    defaults: fn() -> Value,
    options: &'static [Row],
}

/// Options for the table `T`, which lies at the path `table`.
pub(super) const fn group<T: Section>(table: &'static str, options: &'static [Row]) -> Group {
    Group {
        table,
        keys: T::KEYS,
        defaults: defaults::<T>,
        options,
    }
}

/// What an option gives: the value of its key, or what is wrong with it.
pub(super) type Given = Result<Value, &'static str>;

/// How an option is read.
pub(super) type Read = fn(&ArgMatches, &str) -> Option<Given>;

/// An option that sets a key: the one of its name, unless the row says another.
pub(super) struct Row {
    name: &'static str,
    value_name: &'static str,
    shape: fn(Arg) -> Arg,
    read: Read,
    key: Option<&'static str>,
    help: Option<&'static str>,
    tells_range: bool,
    off: Option<(&'static str, &'static str)>,
}

/// An option that none of the usual forms is right for.
pub(super) const fn option(
    name: &'static str,
    value_name: &'static str,
    shape: fn(Arg) -> Arg,
    read: Read,
) -> Row {
    Row {
        name,
        value_name,
        shape,
        read,
        key: None,
        help: None,
        tells_range: true,
        off: None,
    }
}

impl Row {
    /// Sets a key of another name.
    pub(super) const fn key(self, key: &'static str) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// A text instead of the key's. The default stands at `{default}` in it, else behind it, unless the text has brackets.
    pub(super) const fn help(self, help: &'static str) -> Self {
        Self {
            help: Some(help),
            ..self
        }
    }

    /// Leaves the range out of the key's text.
    pub(super) const fn without_range(self) -> Self {
        Self {
            tells_range: false,
            ..self
        }
    }

    /// Has a counterpart `no`, with this help text.
    pub(super) const fn off(self, no: &'static str, help: &'static str) -> Self {
        Self {
            off: Some((no, help)),
            ..self
        }
    }

    fn key_name(&self) -> String {
        self.key
            .map_or_else(|| self.name.replace('-', "_"), str::to_owned)
    }

    /// The option, and its counterpart where it has one.
    fn arguments(&self, keys: &[Key], defaults: &Value) -> Vec<Arg> {
        let name = self.key_name();
        let key = keys.iter().find(|key| key.name == name);
        let help = key.map(|key| {
            let text = match self.help {
                Some(help) => help.to_owned(),
                None if self.tells_range => key.text(),
                None => key.text().replace(", {range}", ""),
            };
            key.help(&text, defaults)
        });
        let argument = Arg::new(self.name)
            .long(self.name)
            .value_name(self.value_name)
            .help(help.unwrap_or_default());
        let argument = (self.shape)(argument);
        let Some((no, help)) = self.off else {
            return vec![argument];
        };
        let counterpart = Arg::new(no)
            .long(no)
            .action(ArgAction::SetTrue)
            .overrides_with(self.name)
            .help(help);
        vec![argument.overrides_with(no), counterpart]
    }

    fn given(&self, matches: &ArgMatches) -> Option<(&'static str, Given)> {
        match self.off {
            Some((no, _)) if matches.get_flag(no) => Some((no, Ok(json!(false)))),
            _ => Some((self.name, (self.read)(matches, self.name)?)),
        }
    }
}

/// The options of the groups, behind those that the command has.
pub(super) fn augmented(command: Command, groups: &[Group]) -> Command {
    let arguments = groups.iter().flat_map(|group| {
        let defaults = (group.defaults)();
        let options = group.options.iter();
        options.flat_map(move |row| row.arguments(group.keys, &defaults))
    });
    command.args(arguments)
}

/// What options set in the tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Assignments(Vec<Assignment>);

/// What one option sets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Assignment {
    /// The key's path.
    pub(super) path: String,
    /// The option's name.
    pub(super) option: &'static str,
    /// The value, or what is wrong with it.
    pub(super) value: Given,
}

impl Assignments {
    /// What was given of the groups' options.
    pub(super) fn read(matches: &ArgMatches, groups: &[Group]) -> Self {
        let given = rows(groups).filter_map(|(table, row)| {
            let (option, value) = row.given(matches)?;
            Some(Assignment {
                path: path_of(table, row),
                option,
                value,
            })
        });
        Self(given.collect())
    }

    /// Sets what an option of the groups would set. `value` is as the file has it.
    ///
    /// # Panics
    /// Where no option has that name.
    pub(super) fn set(&mut self, groups: &[Group], option: &str, value: impl Serialize) {
        let found = rows(groups).find(|(_, row)| row.name == option);
        let (table, row) = found.expect("an option of the role");
        let value = serde_json::to_value(value).map_err(|_| "is no value of a file");
        self.0.push(Assignment {
            path: path_of(table, row),
            option: row.name,
            value,
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.0.iter()
    }
}

fn rows(groups: &[Group]) -> impl Iterator<Item = (&'static str, &'static Row)> {
    groups
        .iter()
        .flat_map(|group| group.options.iter().map(|row| (group.table, row)))
}

fn path_of(table: &str, row: &Row) -> String {
    let key = row.key_name();
    if table.is_empty() {
        key
    } else {
        format!("{table}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;
    use crate::config::{ProcessorFlags, WallFlags};

    #[test]
    fn every_option_sets_a_key_that_is_declared() {
        for command in [
            ProcessorFlags::augment_args(Command::new("processor")),
            WallFlags::augment_args(Command::new("wall")),
        ] {
            for argument in command.get_arguments() {
                let help = argument.get_help().map(ToString::to_string);
                let help = help.unwrap_or_default();
                let id = argument.get_id();
                assert!(
                    !help.is_empty(),
                    "{id} has no text: its key is not declared"
                );
                for left in ["{range}", "{least}", "{most}", "{default}"] {
                    assert!(!help.contains(left), "{id}: {help}");
                }
            }
        }
    }

    #[test]
    fn a_help_text_says_the_default_of_the_declaration() {
        let command = WallFlags::augment_args(Command::new("wall"));
        let help = |name: &str| {
            let argument = command
                .get_arguments()
                .find(|argument| argument.get_id() == name);
            argument
                .and_then(clap::Arg::get_help)
                .map(ToString::to_string)
        };
        for (name, told) in [
            (
                "detection-ttl",
                "How long boxes are shown that nothing confirms, 100ms to 1m [default: 1s]",
            ),
            ("tile-height", "Rows of a tile [default: 360]"),
            ("clock", "Show the time of day in a corner [default: no]"),
            (
                "name",
                "What people call this wall; shown in a corner [default: none]",
            ),
            ("no-watchdog", "Leave systemd's watchdog alone"),
        ] {
            assert_eq!(help(name).as_deref(), Some(told), "{name}");
        }
    }
}
