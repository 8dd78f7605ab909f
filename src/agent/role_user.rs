//! The user as which the processor runs where the agent is root. The processor reads what cameras send, so it gets no right that it
//! does not need.

#![expect(
    unsafe_code,
    reason = "the groups of a child can be set only between fork and exec"
)]

use std::io;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use tokio::process::Command;

use crate::base::folder::user;

/// The user can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RoleUserError {
    /// There is none of this name.
    #[error(
        "there is no user {name} in {file}; create it (systemd-sysusers, or useradd --system {name}), or leave out --processor-user"
    )]
    Unknown {
        /// Its name.
        name: String,
        /// The file of users.
        file: String,
    },
    /// Only root may start processes of other users.
    #[error("--processor-user {name} needs an agent that runs as root; leave the option out")]
    NotRoot {
        /// Its name.
        name: String,
    },
    /// The superuser gives up nothing.
    #[error("--processor-user {name} is the superuser; name another user, or leave the option out")]
    Superuser {
        /// Its name.
        name: String,
    },
    /// Its folders can't be made.
    #[error("can't make a folder for the user of the processor: {0}")]
    Folder(#[from] io::Error),
}

/// A user of this machine with its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoleUser {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Groups besides `gid`: video and render, as a rule.
    groups: Vec<u32>,
    home: String,
}

impl RoleUser {
    /// Looks up `name` in `etc` (`/etc`).
    ///
    /// # Errors
    /// When there is no such user, or this process may not become it.
    pub(super) fn find(name: &str, etc: &Path) -> Result<Self, RoleUserError> {
        let name = name.to_owned();
        if user() != 0 {
            return Err(RoleUserError::NotRoot { name });
        }
        let users = std::fs::read_to_string(etc.join("passwd")).unwrap_or_default();
        let groups = std::fs::read_to_string(etc.join("group")).unwrap_or_default();
        match Self::read(&name, &users, &groups) {
            Some(found) if found.uid == 0 => Err(RoleUserError::Superuser { name }),
            Some(found) => Ok(found),
            None => Err(RoleUserError::Unknown {
                name,
                file: etc.join("passwd").display().to_string(),
            }),
        }
    }

    /// Reads the formats of passwd(5) and group(5).
    fn read(name: &str, users: &str, groups: &str) -> Option<Self> {
        let mut lines = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>());
        let fields = lines.find(|fields| fields.len() >= 6 && fields[0] == name)?;
        let member_of = groups.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let is_member = fields
                .get(3)?
                .split(',')
                .any(|member| member.trim() == name);
            fields[2].parse().ok().filter(|_| is_member)
        });
        Some(Self {
            name: name.to_owned(),
            uid: fields[2].parse().ok()?,
            gid: fields[3].parse().ok()?,
            groups: member_of.collect(),
            home: fields[5].to_owned(),
        })
    }

    /// Lets `command` run as this user.
    pub(super) fn run(&self, command: &mut Command) {
        command
            .env("HOME", &self.home)
            .env("USER", &self.name)
            .env("LOGNAME", &self.name)
            // That of the agent. Without it the caches of libraries are in the home of this user.
            .env_remove("XDG_CACHE_HOME");
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        let become_it = move || {
            // The groups first: without root they can't be changed any more.
            set_thread_groups(&groups)?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
            Ok(())
        };
        // SAFETY: runs in the child between fork and exec, where only async-signal-safe functions may be called: these are three
        // system calls, without allocation and without locks. The child has one thread, so its whole process gets the user. The
        // closure owns its data.
        unsafe {
            command.pre_exec(become_it);
        }
    }
}

#[cfg(test)]
impl RoleUser {
    /// A user without a name.
    pub(super) fn for_tests(uid: u32, gid: u32) -> Self {
        Self {
            name: String::new(),
            uid,
            gid,
            groups: Vec::new(),
            home: "/".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nnvr:x:990:980:nvr processor:/var/lib/nvr/processor:/usr/sbin/nologin\nbroken:x\n";
    const GROUPS: &str =
        "video:x:44:nvr,alice\nrender:x:105:nvr\nnvrx:x:7:nvrx\nempty:x:8:\nbroken\n";

    #[test]
    fn a_user_has_the_groups_that_name_it() {
        let found = RoleUser::read("nvr", USERS, GROUPS).expect("it is there");
        assert_eq!((found.uid, found.gid), (990, 980));
        assert_eq!(found.groups, [44, 105]);
        assert_eq!(found.home, "/var/lib/nvr/processor");
        assert_eq!(RoleUser::read("broken", USERS, GROUPS), None);
        assert_eq!(RoleUser::read("nv", USERS, GROUPS), None);
    }

    #[test]
    fn who_can_t_be_used_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("passwd"), USERS).expect("written");
        let told = |name| {
            let found = RoleUser::find(name, dir.path());
            found.expect_err("not usable").to_string()
        };
        if user() != 0 {
            assert!(told("nvr").contains("needs an agent that runs as root"));
            return;
        }
        assert!(
            told("bob").contains("there is no user bob"),
            "{}",
            told("bob")
        );
        assert!(told("root").contains("is the superuser"));
    }
}
