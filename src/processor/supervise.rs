//! From start to exit: signals, reload, the watchdog, the figures, the page and the control socket.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::run::{Processor, StartError, source_of};
use crate::base::{Clock, SourceId};
use crate::config::{ConfigSource, Settings};
use crate::control::{Controlled, Problem, Server, Signals, Wish, problems};
use crate::health::{Report, Verdict, Watchdog, notify_ready, notify_status, notify_stopping};
use crate::web::{Page, PageError};

/// How long a stop may take; what is not done by then is named and left.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// A status carries its figures at most this often while its state stays.
const FIGURES_EVERY: Duration = Duration::from_secs(10);

/// Why a processor did not come up.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Model or link.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The page's address.
    #[error(transparent)]
    Page(#[from] PageError),
    /// Signals can't be received.
    #[error("signals can't be received: {0}")]
    Signals(#[from] std::io::Error),
}

/// What SIGHUP and the control socket change.
struct Controls {
    processor: Arc<Processor>,
    config: ConfigSource,
    /// One change at a time, and what the last one asked of the page.
    page: Mutex<Option<Page>>,
}

/// Runs a processor until SIGTERM or SIGINT; a second one aborts. SIGHUP reads the configuration again.
///
/// # Errors
/// What keeps it from starting: the model, the link's settings, the page's address.
pub async fn run(settings: Settings, config: ConfigSource) -> Result<ExitCode, RunError> {
    let mut signals = Signals::new()?;
    let (watchdog, http, hosts, instance_id) = (
        settings.watchdog,
        settings.http,
        settings.http_hosts.clone(),
        settings.instance_id.clone(),
    );
    let stage_limit = settings.processor.stage_limit;
    info!(
        sources = settings.sources.len(),
        instance_id, "starting the processor"
    );
    let processor = {
        let handle = Handle::current();
        let started = tokio::task::spawn_blocking(move || {
            Processor::start(settings, handle, Clock::system())
        });
        started.await.map_err(std::io::Error::other)??
    };
    let page = match http {
        Some(address) => Some(serve_page(address, &hosts, &processor).await?),
        None => None,
    };
    let controls = Arc::new(Controls {
        processor: processor.clone(),
        config,
        page: Mutex::new(page),
    });
    let _socket = Server::start("processor", &instance_id, controls.clone())
        .inspect_err(|err| warn!(%err, "no control socket; SIGHUP still reloads"))
        .ok();
    notify_ready();
    let code = watch_over(
        &controls,
        &mut signals,
        Watchdog::new(processor.heartbeats.clone(), watchdog),
        watchdog.then_some(stage_limit),
    )
    .await;
    notify_stopping();
    info!("stopping");
    let drained = tokio::time::timeout(DRAIN_LIMIT, processor.stop(DRAIN_LIMIT));
    tokio::select! {
        done = drained => if done.is_err() {
            error!(limit_s = DRAIN_LIMIT.as_secs(), "not drained in time; leaving what is stuck");
        },
        () = signals.end() => {
            error!("second signal: aborting");
            return Ok(ExitCode::FAILURE);
        }
    }
    info!("stopped");
    Ok(code)
}

async fn watch_over(
    controls: &Arc<Controls>,
    signals: &mut Signals,
    mut watchdog: Watchdog,
    starve_limit: Option<Duration>,
) -> ExitCode {
    let mut look = interval(watchdog.interval());
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut figures = interval(FIGURES_EVERY);
    let mut starving_since: Option<Instant> = None;
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::End => return ExitCode::SUCCESS,
                Wish::Reload => reload(controls.clone()),
                // A processor has no picture to save.
                Wish::Snapshot => {}
            },
            _ = figures.tick() => {
                controls.processor.publish_figures();
                notify_status(&controls.processor.summary());
            }
            _ = look.tick() => match watchdog.look(|stage| source_of(stage).is_some()) {
                Verdict::Well => starving_since = None,
                Verdict::Restart(stuck) => {
                    for id in stuck.iter().filter_map(|one| source_of(&one.stage)) {
                        controls.processor.restart(id);
                    }
                }
                Verdict::Starving(stuck) => {
                    let since = *starving_since.get_or_insert_with(Instant::now);
                    // Under systemd its own limit ends us, with a core dump to look at; elsewhere nobody would.
                    if starve_limit.is_some_and(|limit| since.elapsed() > limit) && !watchdog.feeds() {
                        let stages: Vec<_> = stuck.into_iter().map(|one| one.stage).collect();
                        error!(?stages, "stuck beyond recovery: exiting, to be started again");
                        return ExitCode::FAILURE;
                    }
                }
            }
        }
    }
}

/// Reads every layer again and applies the difference, beside the supervision, which must go on meanwhile.
fn reload(controls: Arc<Controls>) {
    tokio::task::spawn_blocking(move || {
        info!("reading the configuration again");
        let applied = controls
            .config
            .load()
            .map_err(problems)
            .and_then(|settings| controls.apply_settings(settings));
        if let Err(problems) = applied {
            for problem in &problems {
                error!(
                    path = problem.path,
                    problem = problem.message,
                    "the new configuration is refused"
                );
            }
            error!(
                problems = problems.len(),
                "nothing was changed; what runs keeps running"
            );
        }
    });
}

async fn serve_page(
    address: std::net::SocketAddr,
    hosts: &[String],
    processor: &Arc<Processor>,
) -> Result<Page, PageError> {
    Page::serve(
        address,
        hosts,
        processor.clone() as Arc<dyn Report>,
        processor.heartbeats.clone(),
    )
    .await
}

impl Controls {
    fn apply_settings(&self, settings: Settings) -> Result<Value, Vec<Problem>> {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let http = settings.http;
        // The new address is tried before anything is changed: a document is applied whole or not at all.
        let hosts = settings.http_hosts.clone();
        let stays = page.as_ref().map(Page::asked) == http;
        let moved = !stays || page.as_ref().is_some_and(|page| page.hosts() != hosts);
        // One that only gets other names has to be given up first.
        if stays && moved {
            *page = None;
        }
        let fresh = match http.filter(|_| moved) {
            Some(address) => Some(
                Handle::current()
                    .block_on(serve_page(address, &hosts, &self.processor))
                    .map_err(|err| {
                        vec![Problem {
                            path: "processor.http".to_owned(),
                            message: err.to_string(),
                        }]
                    })?,
            ),
            None => None,
        };
        let changes = self
            .processor
            .apply(settings)
            .map_err(|problem| vec![problem])?;
        if moved {
            *page = fresh;
        }
        Ok(json!({ "sources": changes }))
    }
}

impl Controlled for Controls {
    fn status(&self) -> Value {
        self.processor.status()
    }

    fn capabilities(&self) -> Value {
        super::report::capabilities()
    }

    fn restart(&self, id: SourceId) -> bool {
        self.processor.restart(id)
    }

    fn apply(&self, document: Value) -> Result<Value, Vec<Problem>> {
        let settings = self
            .config
            .with_document(document)
            .load()
            .map_err(problems)?;
        self.apply_settings(settings)
    }
}
