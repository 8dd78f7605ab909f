//! From start to exit: signals, reload, snapshots, the watchdog, the page and the control socket.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::run::{StartError, Wall, source_of};
use crate::base::{Clock, SourceId, private_file};
use crate::config::{ConfigSource, Settings};
use crate::control::{Controlled, Problem, Server, Signals, Wish, problems};
use crate::display::kms;
use crate::health::{Report, Verdict, Watchdog, notify_ready, notify_status, notify_stopping};
use crate::web::wall::view::Viewed;
use crate::web::wall::{self as page, Page, PageError};

/// How long a stop may take; what is not done by then is named and left.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// The line of `systemctl status` is renewed this often.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// The snapshot of the start waits for cameras no longer than this.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// How long a composer may take to hand its picture over.
const PICTURE_LIMIT: Duration = Duration::from_secs(2);

/// Why a wall did not come up.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Link, media or threads.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The page's address.
    #[error(transparent)]
    Page(#[from] PageError),
    /// Signals can't be received.
    #[error("signals can't be received: {0}")]
    Signals(#[from] std::io::Error),
}

/// A snapshot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Nothing was composed in time.
    #[error("no scene was composed within {} s; the log says why", .0.as_secs())]
    NoScene(Duration),
    /// The file.
    #[error("the snapshot can't be written to {}: {source}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: image::ImageError,
    },
}

/// What SIGHUP and the control socket change.
struct Controls {
    wall: Arc<Wall>,
    config: ConfigSource,
    /// One change at a time, and what the last one asked of the page.
    page: Mutex<Option<Page>>,
}

/// Runs a wall until SIGTERM or SIGINT; a second one aborts. SIGHUP reads the configuration again, SIGUSR1 writes the
/// snapshot.
///
/// # Errors
/// What keeps it from starting: the link's settings, the page's address.
pub async fn run(settings: Settings, config: ConfigSource) -> Result<ExitCode, RunError> {
    let mut signals = Signals::new()?;
    let wall_settings = settings.wall.clone();
    let instance_id = settings.instance_id.clone();
    info!(
        cameras = settings.sources.len(),
        heads = wall_settings.heads.len(),
        instance_id,
        "starting the wall"
    );
    let wall = Wall::start(settings, Handle::current(), Clock::system())?;
    let page = match wall_settings.http {
        Some(address) => Some(serve(address, &wall).await?),
        None => None,
    };
    let controls = Arc::new(Controls {
        wall: wall.clone(),
        config,
        page: Mutex::new(page),
    });
    let _socket = Server::start("wall", &instance_id, controls.clone())
        .inspect_err(|err| warn!(%err, "no control socket; SIGHUP still reloads"))
        .ok();
    notify_ready();
    if wall_settings.snapshot.is_some() {
        tokio::spawn(first_snapshot(wall.clone()));
    }
    let watchdog = Watchdog::new(wall.heartbeats.clone(), wall_settings.watchdog);
    let limit = wall_settings.watchdog.then_some(wall_settings.stage_limit);
    let code = watch_over(&controls, &mut signals, watchdog, limit).await;
    notify_stopping();
    info!("stopping");
    let drained = tokio::time::timeout(DRAIN_LIMIT, wall.stop(DRAIN_LIMIT));
    tokio::select! {
        done = drained => if done.is_err() {
            error!(limit_s = DRAIN_LIMIT.as_secs(), "not drained in time; leaving what is stuck");
        },
        () = signals.end() => {
            error!("second signal: aborting");
            kms::restore_console();
            return Ok(ExitCode::FAILURE);
        }
    }
    // A head that is stuck in its driver does not give the console back itself.
    kms::restore_console();
    info!("stopped");
    Ok(code)
}

/// Serves the page of `wall`.
///
/// # Errors
/// When the address can't be listened on, or is open to others without a token.
pub async fn serve(address: SocketAddr, wall: &Arc<Wall>) -> Result<Page, PageError> {
    let settings = wall.shared.settings();
    page::serve(
        address,
        settings.wall.http_token.clone(),
        &settings.http_hosts,
        wall.clone() as Arc<dyn Viewed>,
        wall.clone() as Arc<dyn Report>,
        wall.heartbeats.clone(),
    )
    .await
}

async fn watch_over(
    controls: &Arc<Controls>,
    signals: &mut Signals,
    mut watchdog: Watchdog,
    starve_limit: Option<Duration>,
) -> ExitCode {
    let mut look = interval(watchdog.interval());
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut status = interval(STATUS_EVERY);
    let mut starving_since: Option<Instant> = None;
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::End => return ExitCode::SUCCESS,
                Wish::Reload => reload(controls.clone()),
                Wish::Snapshot => snapshot_at_wish(controls.wall.clone()),
            },
            _ = status.tick() => notify_status(&controls.wall.summary()),
            _ = look.tick() => match watchdog.look(|stage| source_of(stage).is_some()) {
                Verdict::Well => starving_since = None,
                Verdict::Restart(stuck) => {
                    for id in stuck.iter().filter_map(|one| source_of(&one.stage)) {
                        controls.wall.restart(id);
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

/// Once every camera has a picture or a reason for having none.
async fn first_snapshot(wall: Arc<Wall>) {
    const LOOK: Duration = Duration::from_millis(100);
    let deadline = Instant::now() + SETTLE_LIMIT;
    while Instant::now() < deadline && !wall.is_settled() {
        tokio::time::sleep(LOOK).await;
    }
    // A moment for the boxes: pictures come before the first events of their frames.
    tokio::time::sleep(wall.shared.settings().wall.detection_ttl).await;
    snapshot_at_wish(wall);
}

fn snapshot_at_wish(wall: Arc<Wall>) {
    tokio::task::spawn_blocking(move || {
        let Some(path) = wall.shared.settings().wall.snapshot.clone() else {
            warn!("no snapshot: no file is named for it; give --snapshot FILE.png");
            return;
        };
        match wall.save(&path) {
            Ok(()) => info!(path = %path.display(), "snapshot written"),
            Err(err) => error!(%err, "no snapshot"),
        }
    });
}

impl Wall {
    /// Writes the present scene of every head: the first to `path`, further ones beside it with their numbers. Blocks.
    ///
    /// # Errors
    /// When nothing was composed in time, or a file can't be written; the old file is whole then.
    pub fn save(&self, path: &Path) -> Result<(), SnapshotError> {
        for head in 0..self.heads().len() {
            let scene = self
                .picture(head, PICTURE_LIMIT)
                .ok_or(SnapshotError::NoScene(PICTURE_LIMIT))?;
            let rgb: Vec<u8> = scene
                .bytes()
                .as_chunks::<4>()
                .0
                .iter()
                .flat_map(|[blue, green, red, _]| [*red, *green, *blue])
                .collect();
            let size = scene.size();
            let Some(image) = image::RgbImage::from_raw(size.width, size.height, rgb) else {
                continue;
            };
            let path = numbered(path, head);
            let failed = |source| SnapshotError::Write {
                path: path.clone(),
                source,
            };
            // Whoever reads the file never sees half of it.
            let part = path.with_extension("part");
            let file = private_file(&part).map_err(|err| failed(err.into()))?;
            // Whom somebody has let read it may go on doing so.
            if let Ok(old) = std::fs::metadata(&path) {
                file.set_permissions(old.permissions())
                    .map_err(|err| failed(err.into()))?;
            }
            let mut written = std::io::BufWriter::new(file);
            image
                .write_to(&mut written, image::ImageFormat::Png)
                .map_err(failed)?;
            written
                .into_inner()
                .map_err(|err| failed(err.into_error().into()))?;
            std::fs::rename(&part, &path).map_err(|err| failed(err.into()))?;
        }
        Ok(())
    }
}

fn numbered(path: &Path, head: usize) -> PathBuf {
    if head == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{head}.png"))
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

impl Controls {
    fn apply_settings(&self, settings: Settings) -> Result<Value, Vec<Problem>> {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let http = settings.wall.http;
        let old = self.wall.shared.settings();
        let moved = page.as_ref().map(Page::asked) != http
            || old.wall.http_token != settings.wall.http_token
            || old.http_hosts != settings.http_hosts;
        let address = http.filter(|_| moved);
        // The new address is tried before anything is changed: a document is applied whole or not at all. One that only
        // gets another token or other names has to be given up first.
        if page.as_ref().map(Page::asked) == http && moved {
            *page = None;
        }
        let fresh = match address {
            Some(address) => Some(
                Handle::current()
                    .block_on(page::serve(
                        address,
                        settings.wall.http_token.clone(),
                        &settings.http_hosts,
                        self.wall.clone() as Arc<dyn Viewed>,
                        self.wall.clone() as Arc<dyn Report>,
                        self.wall.heartbeats.clone(),
                    ))
                    .map_err(|err| {
                        vec![Problem {
                            path: "wall.http".to_owned(),
                            message: err.to_string(),
                        }]
                    })?,
            ),
            None => None,
        };
        let changes = self.wall.apply(settings).map_err(|problem| vec![problem])?;
        if moved {
            *page = fresh;
        }
        Ok(json!({ "cameras": changes }))
    }
}

impl Controlled for Controls {
    fn status(&self) -> Value {
        self.wall.status()
    }

    fn capabilities(&self) -> Value {
        super::report::capabilities()
    }

    fn restart(&self, id: SourceId) -> bool {
        self.wall.restart(id)
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
