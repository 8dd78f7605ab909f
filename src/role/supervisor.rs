//! A role from its start to its end: signals, watchdog, control socket and drain.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::controls::Controls;
use super::{Role, STATUS_INTERVAL, StartError, Supervision, source_of};
use crate::base::{Clock, Stuck};
use crate::config::{ConfigSource, Settings};
use crate::control::{Server, SignalRequest, Signals};
use crate::health::{Verdict, Watchdog, notify_ready, notify_status, notify_stopping};
use crate::web::PageError;

/// How long a stop may take. Parts that have not ended by then are named and left.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Why a role did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its parts.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The page's address.
    #[error(transparent)]
    Page(#[from] PageError),
    /// Signals can't be received.
    #[error("signals can't be received: {0}")]
    Signals(#[from] std::io::Error),
}

/// Runs a role until SIGTERM or SIGINT; a second one aborts the drain. SIGHUP reads the configuration again, SIGUSR1 asks
/// for a snapshot. Fails only at the start.
///
/// # Errors
/// When its parts can't be started, or its page's address can't be used.
pub async fn run<R: Role>(settings: Settings, config: ConfigSource) -> Result<ExitCode, RunError> {
    let mut signals = Signals::new()?;
    let (supervision, page) = (R::supervision(&settings), R::page_settings(&settings));
    let instance_id = settings.instance_id.clone();
    info!(
        role = R::NAME,
        sources = settings.sources.len(),
        instance_id,
        "starting"
    );
    let runtime = Handle::current();
    // A processor loads its model now, which takes seconds.
    let start = move || R::start(settings, runtime, Clock::system());
    let started = tokio::task::spawn_blocking(start).await;
    let role = started.map_err(std::io::Error::other)??;
    let controls = Arc::new(Controls::new(role.clone(), page, config).await?);
    let _socket = Server::start(R::NAME, &instance_id, controls.clone())
        .inspect_err(|err| warn!(%err, "no control socket; SIGHUP still reloads"))
        .ok();
    notify_ready();
    role.started();
    let code = supervise(&controls, &mut signals, supervision).await;
    notify_stopping();
    info!("stopping");
    let drained = tokio::time::timeout(DRAIN_LIMIT, role.stop(DRAIN_LIMIT));
    let code = tokio::select! {
        done = drained => {
            if done.is_err() {
                error!(limit_s = DRAIN_LIMIT.as_secs(), "not drained in time; leaving what is stuck");
            }
            info!("stopped");
            code
        }
        () = signals.end() => {
            error!("second signal: aborting");
            ExitCode::FAILURE
        }
    };
    role.release();
    Ok(code)
}

/// Serves a role until a signal ends it, or a stage of it is stuck beyond recovery.
async fn supervise<R: Role>(
    controls: &Arc<Controls<R>>,
    signals: &mut Signals,
    supervision: Supervision,
) -> ExitCode {
    let role = &controls.role;
    let mut watchdog = Watchdog::new(role.heartbeats().clone(), supervision.watchdog);
    let mut check = interval(watchdog.interval());
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut status = interval(STATUS_INTERVAL);
    let mut starving_since: Option<Instant> = None;
    loop {
        tokio::select! {
            request = signals.next() => match request {
                SignalRequest::End => return ExitCode::SUCCESS,
                SignalRequest::Reload => {
                    // On another thread: a new model takes seconds to load, and the watchdog is fed meanwhile.
                    let controls = controls.clone();
                    tokio::task::spawn_blocking(move || controls.reload());
                }
                SignalRequest::Snapshot => role.snapshot(),
            },
            _ = status.tick() => {
                role.publish_statuses();
                notify_status(&role.summary());
            }
            _ = check.tick() => match watchdog.check(|stage| source_of(stage).is_some()) {
                Verdict::Healthy => starving_since = None,
                Verdict::Restart(stuck) => restart(&**role, &stuck),
                Verdict::Unrecoverable(stuck) => {
                    let since = *starving_since.get_or_insert_with(Instant::now);
                    let is_over = since.elapsed() > supervision.stage_limit;
                    // systemd ends the process itself, with a core dump. Without systemd it must exit here.
                    if supervision.watchdog && is_over && !watchdog.feeds() {
                        let stages: Vec<_> = stuck.into_iter().map(|one| one.stage).collect();
                        error!(?stages, "stuck beyond recovery: exiting, to be started again");
                        return ExitCode::FAILURE;
                    }
                }
            }
        }
    }
}

fn restart(role: &impl Role, stuck: &[Stuck]) {
    for id in stuck.iter().filter_map(|one| source_of(&one.stage)) {
        role.restart(id);
    }
}
