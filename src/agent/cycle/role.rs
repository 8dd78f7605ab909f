//! The roles of a box.

use std::fmt;

/// A role that the box runs as a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChildRole {
    /// `nvr processor`.
    Processor,
    /// `nvr wall`.
    Wall,
}

impl fmt::Display for ChildRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Processor => "processor",
            Self::Wall => "wall",
        })
    }
}
