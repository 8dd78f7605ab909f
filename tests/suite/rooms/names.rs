//! The names in a source file: its modules, its imports, its items, and the names in its code.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::is_name;

/// A file, and what it says.
#[derive(Default)]
pub(super) struct Source {
    /// As the reports name it: `bus/link.rs`.
    pub(super) name: String,
    pub(super) parent: Option<usize>,
    /// Its `mod x;`, by name.
    pub(super) children: BTreeMap<String, usize>,
    pub(super) imports: Vec<Import>,
    /// Items that it defines.
    pub(super) items: BTreeSet<String>,
    /// Paths of two segments and more outside of `use`, with the number of inline modules around each.
    pub(super) paths: BTreeSet<Path>,
    /// Single names outside of `use`.
    pub(super) words: BTreeSet<String>,
}

pub(super) type Path = (usize, Vec<String>);

pub(super) struct Import {
    /// Under which name; none of a glob.
    pub(super) name: Option<String>,
    pub(super) path: Path,
    pub(super) is_public: bool,
}

impl Source {
    /// Takes a file's tokens in; its `mod x;` are returned.
    pub(super) fn take(&mut self, tokens: &[&str]) -> Vec<String> {
        let mut declared = Vec::new();
        let mut depth = 0usize;
        // The depths at which inline modules end.
        let mut inline: Vec<usize> = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let before = at.checked_sub(1).map_or("", |before| tokens[before]);
            match tokens[at] {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    if inline.last() == Some(&depth) {
                        inline.pop();
                    }
                }
                "use" => {
                    let is_public = before == "pub" || before == ")";
                    let end = at + tokens[at..].iter().position(|t| *t == ";").unwrap_or(0);
                    let tree = &tokens[at + 1..end];
                    self.import(tree, &mut Vec::new(), (inline.len(), is_public));
                    at = end;
                }
                "mod" if tokens.get(at + 2) == Some(&";") => {
                    declared.push(tokens[at + 1].to_owned());
                    at += 2;
                }
                "mod" if tokens.get(at + 2) == Some(&"{") => {
                    self.items.insert(tokens[at + 1].to_owned());
                    inline.push(depth);
                    at += 1;
                }
                "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static"
                    if tokens.get(at + 1).is_some_and(|next| is_name(next)) =>
                {
                    let name = tokens[at + 1..].iter().find(|token| **token != "mut");
                    // Those inside of other items are named through these.
                    if depth == inline.len() {
                        self.items.extend(name.map(|name| (*name).to_owned()));
                    }
                    if tokens[at + 1] != "fn" {
                        at += 1;
                    }
                }
                "macro_rules" => {
                    self.items
                        .extend(tokens.get(at + 2).map(|name| (*name).to_owned()));
                    at += 2;
                }
                token if is_name(token) && before != "." && before != "::" => {
                    let mut path = vec![token.to_owned()];
                    while tokens.get(at + 1) == Some(&"::")
                        && let Some(next) = tokens.get(at + 2).filter(|next| is_name(next))
                    {
                        path.push((*next).to_owned());
                        at += 2;
                    }
                    self.words.insert(token.to_owned());
                    if path.len() > 1 {
                        self.paths.insert((inline.len(), path));
                    }
                }
                _ => {}
            }
            at += 1;
        }
        declared
    }

    /// Takes one tree of a `use` in: `a::{b, c as d, self, *}`.
    fn import(&mut self, tree: &[&str], above: &mut Vec<String>, how: (usize, bool)) {
        let (inline, is_public) = how;
        let length = above.len();
        let mut name = None;
        let mut at = 0;
        while at < tree.len() {
            match tree[at] {
                "::" => {}
                "{" => {
                    for part in parts(&tree[at + 1..tree.len() - 1]) {
                        self.import(part, above, how);
                    }
                    above.truncate(length);
                    return;
                }
                "*" => {
                    self.imports.push(Import {
                        name: None,
                        path: (inline, above.clone()),
                        is_public,
                    });
                    above.truncate(length);
                    return;
                }
                "as" => {
                    name = tree.get(at + 1).map(|name| (*name).to_owned());
                    break;
                }
                "self" if !above.is_empty() => {}
                segment => above.push(segment.to_owned()),
            }
            at += 1;
        }
        let name = name.or_else(|| above.last().cloned());
        if name.is_some() {
            self.imports.push(Import {
                name,
                path: (inline, above.clone()),
                is_public,
            });
        }
        above.truncate(length);
    }
}

/// What stands between the commas of a group.
fn parts<'a>(group: &'a [&'a str]) -> Vec<&'a [&'a str]> {
    let mut depth = 0usize;
    group
        .split(move |token| {
            match *token {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            *token == "," && depth == 0
        })
        .filter(|part| !part.is_empty())
        .collect()
}
