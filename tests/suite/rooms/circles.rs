//! Which file of `src/` needs which other, and the circles among them.
//!
//! A file needs the file that defines an item that it names: in a `use`, or by a path (`super::x::Y`, `x::y()`). Re-exports
//! are followed: who names `crate::bus::Link` needs `bus/link.rs`, not `bus/mod.rs`. `mod x;` needs nothing, nor does a
//! `pub use` of a name that the file itself has no use for. An item that a `mod.rs` defines is needed there, as of any other
//! file. What only tests say does not count. Methods are not seen: they are named without a path.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{Import, Path, Source};
use super::tokens::{tokens, without_tests};

/// Imports lead to imports; no name goes further than this.
const LONGEST_CHAIN: usize = 16;

/// Where a path ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// At a module.
    Module(usize),
    /// At an item that this file defines.
    Item(usize),
}

/// All files that are reached from `lib.rs` without tests.
pub(super) struct Sources(Vec<Source>);

impl Sources {
    /// `read` gives a file's text by its path below `src/`.
    pub(super) fn read(read: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut sources = Self(Vec::new());
        let text = read("lib.rs").expect("src/lib.rs");
        sources.add("lib.rs".to_owned(), "", None, &text, read);
        sources
    }

    fn add(
        &mut self,
        name: String,
        folder: &str,
        parent: Option<usize>,
        text: &str,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> usize {
        let mut source = Source {
            name,
            parent,
            ..Source::default()
        };
        let declared = source.take(&without_tests(&tokens(text)));
        let index = self.0.len();
        self.0.push(source);
        for module in declared {
            let flat = format!("{folder}{module}.rs");
            let nested = format!("{folder}{module}/mod.rs");
            let (file, text) = match (read(&flat), read(&nested)) {
                (Some(text), _) => (flat, text),
                (None, Some(text)) => (nested, text),
                (None, None) => panic!("no file of mod {module} in {folder}"),
            };
            let below = format!("{folder}{module}/");
            let child = self.add(file, &below, Some(index), &text, read);
            self.0[index].children.insert(module, child);
        }
        index
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|source| source.name.as_str())
    }

    /// Each circle: its files, and for each need among them the name that makes it.
    pub(super) fn circles(&self) -> Vec<String> {
        let needs: Vec<BTreeMap<usize, String>> =
            (0..self.0.len()).map(|file| self.needs(file)).collect();
        let reached: Vec<BTreeSet<usize>> = (0..needs.len())
            .map(|file| {
                let mut found = BTreeSet::new();
                let mut open = vec![file];
                while let Some(next) = open.pop() {
                    open.extend(needs[next].keys().filter(|to| found.insert(**to)));
                }
                found
            })
            .collect();
        let mut told = BTreeSet::new();
        let mut circles = Vec::new();
        for file in 0..needs.len() {
            let circle: Vec<usize> = reached[file]
                .iter()
                .copied()
                .filter(|other| reached[*other].contains(&file))
                .collect();
            if circle.is_empty() || !told.insert(circle.clone()) {
                continue;
            }
            let names: Vec<&str> = circle.iter().map(|at| self.0[*at].name.as_str()).collect();
            let mut text = format!("a circle of {}:", names.join(", "));
            for from in &circle {
                for (to, by) in needs[*from].iter().filter(|(to, _)| circle.contains(to)) {
                    let (from, to) = (&self.0[*from].name, &self.0[*to].name);
                    text += &format!("\n    {from} needs {to} for {by}");
                }
            }
            circles.push(text);
        }
        circles
    }

    /// The files that a file needs, each with one name that it needs there.
    fn needs(&self, file: usize) -> BTreeMap<usize, String> {
        let source = &self.0[file];
        let mut needs = BTreeMap::new();
        let mut need = |ends: Vec<End>, path: &[String]| {
            for end in ends {
                if let End::Item(to) = end
                    && to != file
                {
                    needs.entry(to).or_insert_with(|| path.join("::"));
                }
            }
        };
        for import in &source.imports {
            let is_used = |name: &String| source.words.contains(name);
            if import.is_public && !import.name.as_ref().is_some_and(is_used) {
                continue;
            }
            let (_, path) = &import.path;
            let ends = self.ends(file, &import.path, 0);
            if import.name.is_none() {
                // A glob may bring in anything that is defined there.
                let all = ends
                    .iter()
                    .map(|(End::Module(at) | End::Item(at))| End::Item(*at));
                need(all.collect(), path);
            } else {
                need(ends, path);
            }
        }
        for path in &source.paths {
            need(self.ends(file, path, 0), &path.1);
        }
        needs
    }

    /// Where a path leads that a file says; nowhere for other crates and for names of the language.
    fn ends(&self, file: usize, (inline, path): &Path, chain: usize) -> Vec<End> {
        let mut inline = *inline;
        let mut at = file;
        let mut rest = path.as_slice();
        let mut is_ours = false;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => at = 0,
                "super" if inline > 0 => inline -= 1,
                "super" => match self.0[at].parent {
                    Some(parent) => at = parent,
                    None => return Vec::new(),
                },
                "self" => {}
                _ => break,
            }
            is_ours = true;
            rest = others;
        }
        let found = self.inside(at, rest, chain);
        if found.is_empty() && is_ours {
            return vec![End::Item(at)];
        }
        found
    }

    /// Where a path leads from inside a module.
    fn inside(&self, at: usize, path: &[String], chain: usize) -> Vec<End> {
        let Some((first, rest)) = path.split_first() else {
            return vec![End::Module(at)];
        };
        if chain > LONGEST_CHAIN {
            return Vec::new();
        }
        let source = &self.0[at];
        let mut found = Vec::new();
        if let Some(child) = source.children.get(first) {
            let ends = self.inside(*child, rest, chain + 1);
            if ends.is_empty() {
                found.push(End::Item(*child));
            }
            found.extend(ends);
            if !rest.is_empty() {
                return found;
            }
        }
        // A module and a function may have one name.
        for import in source
            .imports
            .iter()
            .filter(|import| import.name.as_ref() == Some(first))
        {
            let mut path = import.path.clone();
            path.1.extend_from_slice(rest);
            if path.1.first() != Some(first) || source.children.contains_key(first) {
                found.extend(self.ends(at, &path, chain + 1));
            }
        }
        if source.items.contains(first) {
            found.push(End::Item(at));
        }
        if found.is_empty() {
            let is_ours = |import: &&Import| {
                let (_, path) = &import.path;
                path.first().is_some_and(|first| {
                    matches!(first.as_str(), "crate" | "self" | "super")
                        || source.children.contains_key(first)
                })
            };
            let globs = source.imports.iter().filter(|import| import.name.is_none());
            for import in globs.filter(is_ours) {
                for end in self.ends(at, &import.path, chain + 1) {
                    if let End::Module(module) = end {
                        found.extend(self.inside(module, path, chain + 1));
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        Sources::read(&|path| files.get(path).map(|text| (*text).to_owned())).circles()
    }

    #[test]
    fn two_files_that_name_each_other_are_a_circle() {
        let found = circles(&[
            ("lib.rs", "mod room;"),
            ("room/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
            ("room/a.rs", "use super::B; pub struct A(B);"),
            (
                "room/b.rs",
                "pub struct B; fn f() -> Box<super::a::A> { loop {} }",
            ),
        ]);
        assert_eq!(
            found,
            ["a circle of room/a.rs, room/b.rs:\
                \n    room/a.rs needs room/b.rs for super::B\
                \n    room/b.rs needs room/a.rs for super::a::A"]
        );
    }

    #[test]
    fn an_item_of_a_mod_rs_is_needed_there() {
        let files = |text: &'static str| {
            circles(&[
                ("lib.rs", "mod room;"),
                ("room/mod.rs", text),
                ("room/a.rs", "use super::Shared; pub fn a(_: Shared) {}"),
            ])
        };
        assert_eq!(files("mod a; pub use a::a; pub struct Shared;"), [""; 0]);
        assert_eq!(
            files("mod a; pub struct Shared; fn f() { a::a(Shared) }").len(),
            1
        );
        assert_eq!(
            files("mod a; pub use self::a::a; pub struct Shared; fn f() { a(Shared) }").len(),
            1
        );
    }

    #[test]
    fn modules_that_are_imported_are_followed_to_the_items_that_are_named() {
        let files = |text: &'static str| {
            circles(&[
                ("lib.rs", "mod room;"),
                (
                    "room/mod.rs",
                    "mod a; mod b; mod c; pub use c::{C, D as E};",
                ),
                ("room/a.rs", "pub struct A; fn f() { super::b::b() }"),
                ("room/b.rs", text),
                ("room/c.rs", "pub struct C; pub struct D;"),
            ])
        };
        assert_eq!(files("use crate::room; pub fn b() { room::C }"), [""; 0]);
        assert_eq!(
            files("use crate::room::{self, E}; pub fn b() { room::a::A }").len(),
            1
        );
        assert_eq!(
            files("use super::a as other; pub fn b() { other::A }").len(),
            1
        );
        assert_eq!(
            files("use super::super::room::a::*; pub fn b() { A }").len(),
            1
        );
    }

    #[test]
    fn comments_literals_and_tests_name_nothing() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A<'b>(&'b B);"),
            (
                "b.rs",
                r##"
                //! [`crate::a::A`] /* crate::a::A
                pub struct B; // crate::a::A
                const C: (char, &str, &str) = ('"', "\" crate::a::A", r#"" crate::a::A"#);
                #[cfg(test)]
                fn of(_: crate::a::A) { loop {} }
                #[cfg(test)]
                #[path = "b_tests.rs"]
                mod tests;
                "##,
            ),
        ]);
        assert_eq!(found, [""; 0]);
    }
}
