//! The demonstration of a fleet: a broker, cameras, two boxes and a desk, each a process of this program.
//!
//! A box for the processor and one for the wall get their documents from `nvr fleet apply`; a second `apply` adds a camera. Every
//! command is printed as it would be typed. All files are in a temporary folder.

mod children;
mod error;
mod options;
mod page;
mod site;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{Instant, sleep, sleep_until};

use self::children::{Children, Ran};
pub use self::error::FleetDemoError;
pub use self::options::FleetDemoOptions;
use self::site::{BOXES, Site};
use crate::control::Signals;

/// Maximum time for the cameras, the broker and the boxes to be there.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Maximum time until every camera flows after an apply.
const FLOW_LIMIT: Duration = Duration::from_secs(60);
/// Period in which a condition is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Time to look at the page before the camera is added.
const WATCH: Duration = Duration::from_secs(15);
/// Shortest time to look at the page at the end.
const LAST_WATCH: Duration = Duration::from_secs(5);

/// Runs until the end of `duration`, SIGINT or SIGTERM, and ends every process that it has started. Passes each line to `print`.
/// The caller's thread starts the processes; the kernel ends them with it.
///
/// # Errors
/// When a process can't be started, or a step fails.
pub async fn run(options: FleetDemoOptions, print: impl Fn(&str)) -> Result<(), FleetDemoError> {
    let mut signals = Signals::new()?;
    let site = Site::new(&options)?;
    let mut children = Children::new(site.folder())?;
    print(&format!("# every file is in {}", site.folder().display()));
    let done = tokio::select! {
        done = steps(&options, &site, &mut children, &print) => done,
        () = signals.end() => Ok(()),
    };
    children.stop().await;
    done
}

async fn steps(
    options: &FleetDemoOptions,
    site: &Site,
    children: &mut Children,
    print: &impl Fn(&str),
) -> Result<(), FleetDemoError> {
    let began = Instant::now();
    let mut desk = Desk { children, print };
    desk.start_all(options, site).await?;
    print("# two boxes are online, and neither has a document");
    desk.fleet(&["status"], &[0]).await?;
    print(&format!("# fleet.toml: {}", site.about(options.cameras)));
    site.write_fleet(options.cameras)?;
    desk.fleet(&APPLY, &[0]).await?;
    desk.flow(options.cameras, site.http).await?;
    desk.fleet(&["status"], &[0]).await?;
    let watch = options.duration.map_or(WATCH, |limit| WATCH.min(limit / 4));
    print(&format!(
        "# open http://{}: {} cameras; one more follows in {} s",
        site.http,
        options.cameras,
        watch.as_secs()
    ));
    sleep(watch).await;
    let more = options.cameras + 1;
    print(&format!(
        "# camera {} is added to fleet.toml, for both boxes",
        options.cameras
    ));
    site.write_fleet(more)?;
    desk.fleet(&["plan"], &[0]).await?;
    desk.fleet(&APPLY, &[0]).await?;
    desk.flow(more, site.http).await?;
    desk.fleet(&["status"], &[0]).await?;
    print(&format!(
        "# http://{} shows {more} cameras; the others went on meanwhile",
        site.http
    ));
    match options.duration {
        Some(limit) => {
            let end = (began + limit).max(Instant::now() + LAST_WATCH);
            sleep_until(end).await;
        }
        None => std::future::pending().await,
    }
    match &options.snapshot {
        Some(path) => desk.snapshot(path).await,
        None => Ok(()),
    }
}

const APPLY: [&str; 5] = ["apply", "--soak", "0s", "--timeout", "2m"];

/// Types the commands of the operator, and shows them.
struct Desk<'a, P> {
    children: &'a mut Children,
    print: &'a P,
}

impl<P: Fn(&str)> Desk<'_, P> {
    /// Starts broker, cameras and boxes, and waits for them.
    async fn start_all(
        &mut self,
        options: &FleetDemoOptions,
        site: &Site,
    ) -> Result<(), FleetDemoError> {
        site.write_fleet(0)?;
        site.write_boxes()?;
        let port = site.mqtt_port.to_string();
        self.start(&["broker", "--port", &port])?;
        self.listens("the broker does not listen", site.mqtt_port)
            .await?;
        self.start(&strings(&site.cameras(options)))?;
        self.listens("the cameras do not answer", site.rtsp_port)
            .await?;
        for name in BOXES {
            let state = format!("{name}/state");
            self.start(&["agent", "--config-dir", name, "--state-dir", &state])?;
        }
        let what = "the boxes do not come to the broker";
        self.status_until(what, START_LIMIT, |status| status["online"] == BOXES.len())
            .await
    }

    fn start(&mut self, args: &[&str]) -> Result<(), FleetDemoError> {
        (self.print)(&format!("$ {} &", children::typed(args)));
        self.children.start(args)
    }

    async fn listens(&mut self, what: &str, port: u16) -> Result<(), FleetDemoError> {
        let deadline = Instant::now() + START_LIMIT;
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
        {
            self.children.check()?;
            late(what, START_LIMIT, deadline)?;
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Runs a subcommand of `nvr fleet` and shows its output. Its exit code must be one of `expected`.
    async fn fleet(&mut self, args: &[&str], expected: &[i32]) -> Result<Ran, FleetDemoError> {
        let args = [&["fleet"], args].concat();
        (self.print)(&format!("$ {}", children::typed(&args)));
        let ran = self.children.run(&args, self.print).await?;
        match ran.code.is_some_and(|code| expected.contains(&code)) {
            true => Ok(ran),
            false => Err(FleetDemoError::Step {
                command: children::typed(&args),
                status: ran.status,
            }),
        }
    }

    /// Waits until so many cameras are live, at the processor and on the wall with this page.
    async fn flow(&mut self, cameras: u32, page: SocketAddr) -> Result<(), FleetDemoError> {
        let what = format!("{cameras} cameras do not flow");
        self.status_until(&what, FLOW_LIMIT, |status| {
            let rows = status["rows"].as_array();
            let live = rows
                .into_iter()
                .flatten()
                .filter_map(|row| row["live"].as_u64());
            live.sum::<u64>() == u64::from(cameras)
        })
        .await?;
        let what = format!("the wall does not show {cameras} cameras");
        let deadline = Instant::now() + FLOW_LIMIT;
        loop {
            self.children.check()?;
            if page::live_tiles(page).await == Some(cameras as usize) {
                return Ok(());
            }
            late(&what, FLOW_LIMIT, deadline)?;
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits for a state of the fleet, without showing the command.
    async fn status_until(
        &mut self,
        what: &str,
        limit: Duration,
        is_reached: impl Fn(&serde_json::Value) -> bool,
    ) -> Result<(), FleetDemoError> {
        let deadline = Instant::now() + limit;
        loop {
            self.children.check()?;
            let args = ["fleet", "status", "--format", "json"];
            let ran = self.children.run(&args, &|_: &str| {}).await?;
            if serde_json::from_str(&ran.lines.join("\n")).is_ok_and(|status| is_reached(&status)) {
                return Ok(());
            }
            late(what, limit, deadline)?;
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Writes the picture of the wall to a file.
    async fn snapshot(&mut self, path: &Path) -> Result<(), FleetDemoError> {
        let args = ["fleet", "command", site::WALL, "snapshot"];
        (self.print)(&format!("$ {}", children::typed(&args)));
        let ran = self.children.run(&args, &|_: &str| {}).await?;
        let failed = |reason: String| FleetDemoError::Snapshot {
            path: path.to_owned(),
            reason,
        };
        let picture = picture(&ran.lines).map_err(failed)?;
        picture.save(path).map_err(|err| failed(err.to_string()))?;
        (self.print)(&format!(
            "# {} pixels, in {}",
            format_args!("{}×{}", picture.width(), picture.height()),
            path.display()
        ));
        Ok(())
    }
}

/// The picture in the answer to the command `snapshot`: JSON, then a line of words.
fn picture(lines: &[String]) -> Result<image::DynamicImage, String> {
    let end = lines
        .iter()
        .rposition(|line| line == "}")
        .map_or(0, |end| end + 1);
    let answer: serde_json::Value = serde_json::from_str(&lines[..end].join("\n"))
        .map_err(|_| format!("the wall has none: {}", lines.join(" ")))?;
    let text = answer["wall"]["base64"].as_str().unwrap_or_default();
    let jpeg = STANDARD.decode(text).map_err(|err| err.to_string())?;
    image::load_from_memory(&jpeg).map_err(|err| err.to_string())
}

fn strings(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

fn late(what: &str, limit: Duration, deadline: Instant) -> Result<(), FleetDemoError> {
    match Instant::now() < deadline {
        true => Ok(()),
        false => Err(FleetDemoError::Late {
            what: what.to_owned(),
            limit,
        }),
    }
}
