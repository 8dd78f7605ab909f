//! A role that runs as a child of the agent ends with the agent, and the agent itself with the demonstration that started it.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// The variable by which the agent tells its children its process id.
pub const PARENT_VARIABLE: &str = "NVR_AGENT_PID";

/// The child's side, called at the start of a role: the kernel kills this process when the agent ends, also when that is killed.
/// A role that goes on without its agent would hold the sources against the role that the next agent starts.
///
/// Returns false if the agent has ended already; then this process must end too. Does nothing in a role that no agent has
/// started.
pub fn end_with_agent() -> bool {
    let variable = std::env::var(PARENT_VARIABLE);
    let Some(agent) = variable.ok().and_then(|text| text.parse().ok()) else {
        return true;
    };
    // If the kernel refuses it, the role runs until it is stopped.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // The agent may have ended before the line above.
    getppid() == Pid::from_raw(agent)
}
