//! The options of the role that runs: processor or wall.

use super::options::Assignments;
use super::overrides::of_environment;
use super::problem::Problems;
use super::{CommonFlags, Environment, ProcessorFlags, WallFlags};

/// The options of the role that runs. The role decides which tables the options set and which variables are read.
#[derive(Debug, Clone, PartialEq)]
pub enum RoleFlags {
    /// Of `nvr processor`.
    Processor(Box<ProcessorFlags>),
    /// Of `nvr wall`.
    Wall(Box<WallFlags>),
}

impl RoleFlags {
    /// The options of every role.
    pub fn common(&self) -> &CommonFlags {
        match self {
            Self::Processor(flags) => &flags.common,
            Self::Wall(flags) => &flags.common,
        }
    }

    /// Keys that the options of this role set.
    pub(super) fn given(&self) -> &Assignments {
        match self {
            Self::Processor(flags) => &flags.given,
            Self::Wall(flags) => &flags.given,
        }
    }
}

impl From<ProcessorFlags> for RoleFlags {
    fn from(flags: ProcessorFlags) -> Self {
        Self::Processor(Box::new(flags))
    }
}

impl From<WallFlags> for RoleFlags {
    fn from(flags: WallFlags) -> Self {
        Self::Wall(Box::new(flags))
    }
}

/// Reads the options of the same role from environment variables.
pub(super) fn role_of_environment(
    role: &RoleFlags,
    environment: &Environment,
    problems: &mut Problems,
) -> RoleFlags {
    match role {
        RoleFlags::Processor(_) => of_environment::<ProcessorFlags>(environment, problems).into(),
        RoleFlags::Wall(_) => of_environment::<WallFlags>(environment, problems).into(),
    }
}
