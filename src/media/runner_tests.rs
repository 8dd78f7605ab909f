//! Tests of the runner with scripted sessions.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::time::Instant;

use super::super::source::{FrameSink, SessionEnd};
use super::*;
use crate::base::sync::lock;
use crate::base::{Clock, Frame, OwnedPixels, PixelFormat, Size};

/// A step of a scripted session.
enum Act {
    Frames(u32),
    Fail(&'static str, Duration),
    WaitForStop,
    Hang(mpsc::Receiver<()>),
}

struct Scripted(VecDeque<Vec<Act>>);

impl FrameSource for Scripted {
    fn run(&mut self, sink: &Arc<dyn FrameSink>, stop: &Stop) -> SessionEnd {
        for act in self.0.pop_front().unwrap_or_default() {
            match act {
                Act::Frames(count) => (0..count).for_each(|_| sink.frame(frame())),
                Act::Fail(code, live_for) => {
                    return SessionEnd::Failed {
                        code,
                        message: format!("because of {code}"),
                        live_for,
                    };
                }
                Act::WaitForStop => {
                    stop.wait(Duration::from_secs(30));
                }
                Act::Hang(release) => {
                    let _ = release.recv();
                }
            }
        }
        stop.wait(Duration::from_secs(30));
        SessionEnd::Stopped
    }
}

fn frame() -> Frame {
    let pixels = OwnedPixels::from_planes(PixelFormat::Rgb, Vec::new());
    Frame::untimed(Size::new(2, 2), pixels)
}

#[derive(Debug, PartialEq)]
enum Update {
    Frame(u64),
    Status(Health, Option<&'static str>),
}

struct Listener(Mutex<mpsc::Sender<Update>>);

impl SourceListener for Listener {
    fn frame(&self, frame: Frame) {
        let _ = lock(&self.0).send(Update::Frame(frame.meta.frame_id));
    }

    fn status(&self, status: &SourceSnapshot) {
        let reason = status.reason.as_ref().map(|reason| reason.code);
        let _ = lock(&self.0).send(Update::Status(status.health, reason));
    }
}

fn start(sessions: Vec<Vec<Act>>, wait: Duration) -> (Runner, mpsc::Receiver<Update>, Heartbeats) {
    start_with(sessions, wait, wait)
}

fn start_with(
    sessions: Vec<Vec<Act>>,
    wait: Duration,
    login_wait: Duration,
) -> (Runner, mpsc::Receiver<Update>, Heartbeats) {
    let mut script = Some(Scripted(sessions.into()));
    start_source(
        move || Box::new(script.take().expect("opened once")),
        wait,
        login_wait,
    )
}

fn start_source(
    open: impl FnMut() -> Box<dyn FrameSource> + Send + 'static,
    wait: Duration,
    login_wait: Duration,
) -> (Runner, mpsc::Receiver<Update>, Heartbeats) {
    let (sender, updates) = mpsc::channel();
    let heartbeats = Heartbeats::new(Clock::system());
    let options = RunnerOptions {
        id: SourceId(7),
        heartbeats: heartbeats.clone(),
        stage_limit: Duration::from_millis(1),
        retry_first: wait,
        retry_longest: wait,
        login_waits: (login_wait, login_wait),
        descriptors: 0,
        counters: Arc::default(),
    };
    let listener = Arc::new(Listener(Mutex::new(sender)));
    let runner = Runner::spawn(options, open, listener).expect("a thread");
    (runner, updates, heartbeats)
}

fn next(updates: &mpsc::Receiver<Update>) -> Update {
    updates
        .recv_timeout(Duration::from_secs(20))
        .expect("in time")
}

const SOON: Duration = Duration::from_millis(1);
const SHORT: Duration = Duration::ZERO;

#[test]
fn a_failed_source_stays_failed_with_its_latest_reason_until_frames_flow() {
    let sessions = vec![
        vec![Act::Fail("unreachable", SHORT)],
        vec![Act::Fail("unreachable", SHORT)],
        vec![Act::Fail("unauthorized", SHORT)],
        vec![Act::Frames(2), Act::Fail("stalled", SHORT)],
        vec![Act::Fail("stalled", SHORT)],
        vec![Act::Frames(1), Act::WaitForStop],
    ];
    let (runner, updates, _) = start(sessions, SOON);
    let expected = [
        Update::Status(Health::Connecting, None),
        Update::Status(Health::Failed, Some("unreachable")),
        Update::Status(Health::Failed, Some("unauthorized")),
        Update::Status(Health::Live, None),
        Update::Frame(0),
        Update::Frame(1),
        Update::Status(Health::Stalled, Some("stalled")),
        Update::Status(Health::Failed, Some("stalled")),
        Update::Status(Health::Live, None),
        Update::Frame(2),
    ];
    for expected in expected {
        assert_eq!(next(&updates), expected);
    }
    assert_eq!(runner.snapshot().reconnects, 5);
    assert_eq!(runner.counters().frames(), 3);
    assert!(runner.stop(Duration::from_secs(20)));
}

#[test]
fn a_restart_cuts_the_session_and_the_wait_short() {
    let hour = Duration::from_secs(3600);
    let sessions = vec![
        vec![Act::Fail("unreachable", SHORT)],
        vec![Act::Frames(1), Act::WaitForStop],
        vec![Act::Frames(1), Act::WaitForStop],
    ];
    let (runner, updates, heartbeats) = start(sessions, hour);
    assert_eq!(next(&updates), Update::Status(Health::Connecting, None));
    assert_eq!(
        next(&updates),
        Update::Status(Health::Failed, Some("unreachable"))
    );
    // A waiting source is not stuck.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !heartbeats.stuck().is_empty() {
        assert!(Instant::now() < deadline, "{:?}", heartbeats.stuck());
        std::thread::yield_now();
    }
    runner.restart();
    assert_eq!(next(&updates), Update::Status(Health::Live, None));
    assert_eq!(next(&updates), Update::Frame(0));
    runner.restart();
    assert_eq!(next(&updates), Update::Status(Health::Connecting, None));
    assert_eq!(next(&updates), Update::Status(Health::Live, None));
    assert_eq!(next(&updates), Update::Frame(1));
    assert!(runner.stop(Duration::from_secs(20)));
    assert_eq!(heartbeats.stuck(), []);
}

#[test]
fn a_source_that_hangs_is_named_and_left_behind() {
    let (release, held) = mpsc::channel();
    let (runner, updates, heartbeats) = start(vec![vec![Act::Hang(held), Act::Frames(1)]], SOON);
    assert_eq!(next(&updates), Update::Status(Health::Connecting, None));
    let deadline = Instant::now() + Duration::from_secs(20);
    while heartbeats.stuck().is_empty() {
        assert!(Instant::now() < deadline, "nobody noticed");
        std::thread::yield_now();
    }
    assert_eq!(heartbeats.stuck()[0].stage, "source 7");
    assert!(!runner.stop(Duration::from_millis(20)));
    drop(release);
    assert!(runner.stop(Duration::from_secs(20)));
    assert!(
        updates.try_recv().is_err(),
        "a stopped source delivers nothing"
    );
}

#[test]
fn a_refused_login_waits_by_its_own_rule_and_a_restart_tries_at_once() {
    let hour = Duration::from_secs(3600);
    let sessions = vec![
        vec![Act::Fail("unreachable", SHORT)],
        vec![Act::Fail("unauthorized", SHORT)],
        vec![Act::Frames(1), Act::WaitForStop],
    ];
    let (runner, updates, _) = start_with(sessions, SOON, hour);
    let expected = [
        Update::Status(Health::Connecting, None),
        Update::Status(Health::Failed, Some("unreachable")),
        Update::Status(Health::Failed, Some("unauthorized")),
    ];
    for expected in expected {
        assert_eq!(next(&updates), expected);
    }
    // An ordinary wait would have passed a hundred times.
    assert!(updates.recv_timeout(Duration::from_millis(100)).is_err());
    assert_eq!(runner.snapshot().reconnects, 1);
    let reason = runner.snapshot().reason.expect("it stays");
    assert_eq!(reason.code, "unauthorized");
    runner.restart();
    assert_eq!(next(&updates), Update::Status(Health::Live, None));
    assert!(runner.stop(Duration::from_secs(20)));
}

/// Fails, and wants an hour until the next session.
struct HoldsBack(mpsc::Sender<Instant>);

impl FrameSource for HoldsBack {
    fn run(&mut self, _: &Arc<dyn FrameSink>, _: &Stop) -> SessionEnd {
        SessionEnd::Failed {
            code: "unauthorized",
            message: "refused".to_owned(),
            live_for: SHORT,
        }
    }

    fn asked_for(&mut self, at: Instant) {
        let _ = self.0.send(at);
    }

    fn shortest_wait(&self) -> Duration {
        Duration::from_secs(3600)
    }
}

#[test]
fn a_source_may_want_a_longer_wait_and_learns_when_it_was_asked_for() {
    let begun = Instant::now();
    let (sender, asked) = mpsc::channel();
    let mut source = Some(Box::new(HoldsBack(sender)));
    let open = move || source.take().expect("opened once") as Box<dyn FrameSource>;
    let (runner, updates, _) = start_source(open, SOON, SOON);
    assert_eq!(next(&updates), Update::Status(Health::Connecting, None));
    let failed = Update::Status(Health::Failed, Some("unauthorized"));
    assert_eq!(next(&updates), failed);
    let spawned_at = asked.recv().expect("at the start");
    assert!(spawned_at > begun);
    // The runner's own wait would have passed a hundred times.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(runner.snapshot().reconnects, 0);
    let restarted_at = Instant::now();
    runner.restart();
    let asked_at = asked.recv_timeout(Duration::from_secs(20));
    assert!(asked_at.expect("after the restart") > restarted_at);
    assert!(runner.stop(Duration::from_secs(20)));
}

#[test]
fn hundreds_of_sources_that_wait_have_no_thread() {
    let hour = Duration::from_secs(3600);
    let sources: Vec<_> = (0..300)
        .map(|_| start(vec![vec![Act::Fail("unreachable", SHORT)]], hour))
        .collect();
    for (_, updates, _) in &sources {
        assert_eq!(next(updates), Update::Status(Health::Connecting, None));
        assert_eq!(
            next(updates),
            Update::Status(Health::Failed, Some("unreachable"))
        );
    }
    let names = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("/proc is there");
        let name = |task: io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        };
        tasks.filter_map(name).collect::<Vec<_>>()
    };
    // Other tests have a few sources of the same name.
    let deadline = Instant::now() + Duration::from_secs(20);
    while names().iter().filter(|name| *name == "source-7\n").count() > 30 {
        assert!(Instant::now() < deadline, "{:?}", names());
        std::thread::yield_now();
    }
    assert!(names().contains(&"sources\n".to_owned()));
    let stopped = Instant::now();
    for (runner, _, _) in &sources {
        assert!(runner.stop(Duration::from_secs(20)));
    }
    assert!(stopped.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_login_is_tried_again_after_a_minute_and_later_after_ten() {
    let (first, longest) = LOGIN_WAITS;
    let mut waits = Backoff::new(first, longest);
    let drawn: Vec<_> = (0..6).map(|_| waits.next_wait().as_secs()).collect();
    for (wait, nominal) in drawn.iter().zip([60, 120, 240, 480, 600, 600]) {
        assert!((nominal / 2..=nominal).contains(wait), "{drawn:?}");
    }
}

#[test]
fn a_reason_shows_no_login() {
    let end = SessionEnd::Failed {
        code: "unreachable",
        message: "could not open rtsp://admin:hunter2@10.0.0.9/cam?authbasic=YWRtaW4=".to_owned(),
        live_for: SHORT,
    };
    let SessionEnd::Failed { message, .. } = end.without_secrets() else {
        panic!("it failed");
    };
    assert_eq!(
        message,
        "could not open rtsp://***@10.0.0.9/cam?authbasic=***"
    );
}
