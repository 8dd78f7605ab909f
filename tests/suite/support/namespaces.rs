//! Namespaces of Linux for tests that need a file system or a network of their own. They need no privilege where the kernel lets
//! users make namespaces. Where it does not, such a test fails and says what is missing.

use std::process::Command;

use super::process::Running;
use super::wait::{SOON, until};

/// What to do where no namespaces can be made.
const REMEDY: &str = "unshare can't make namespaces here: install util-linux and iproute2, and permit user namespaces (sysctl \
                      user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0), or run the tests as root";

/// Namespaces that exist as long as this value, and in which programs can be started.
pub(crate) struct Namespaces {
    /// A sleeping process, which keeps them.
    keeper: Running,
    kinds: Vec<&'static str>,
}

impl Namespaces {
    /// New namespaces of `kinds`, each an option of unshare such as `--mount`, after the shell script `prepare` has run in them as
    /// root.
    pub(crate) fn new(kinds: &[&'static str], prepare: &str) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user"]).args(kinds);
        Self::kept_by(command, kinds, prepare)
    }

    /// Others of the same kinds, made by and belonging to the root of these.
    pub(crate) fn beside(&self, prepare: &str) -> Self {
        let mut command = self.enter();
        command.arg("unshare").args(&self.kinds);
        Self::kept_by(command, &self.kinds, prepare)
    }

    fn kept_by(mut command: Command, kinds: &[&'static str], prepare: &str) -> Self {
        command.args(["sh", "-ec"]);
        command.arg(format!("{prepare}\necho ready\nexec sleep 3600"));
        let mut keeper = Running::start(command);
        until("the namespaces", SOON, || {
            let ended = keeper.has_ended();
            let ready = keeper.out().all().contains(&"ready".to_owned());
            assert!(ready || !ended, "{REMEDY}: {:#?}", keeper.err().settled());
            ready.then_some(())
        });
        Self {
            keeper,
            kinds: kinds.to_vec(),
        }
    }

    /// The process that keeps them, by which the kernel's tools name them.
    pub(crate) fn id(&self) -> u32 {
        self.keeper.id()
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.id().to_string()])
            .args(["--user", "--preserve-credentials"])
            .args(&self.kinds);
        command
    }

    /// `command`, inside: the process that is started becomes it.
    pub(crate) fn inside(&self, command: &Command) -> Command {
        let mut inside = self.enter();
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// Runs a shell script inside, as root of the namespaces.
    pub(crate) fn run(&self, script: &str) {
        let mut command = self.enter();
        command.args(["sh", "-ec", script]);
        let output = command.output().expect("nsenter is installed");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {told}");
    }
}
