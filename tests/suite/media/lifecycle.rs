//! A source under its runner: it fails, stalls, comes back, and leaves nothing behind.

use super::*;

/// Records the calls of a runner.
#[derive(Default)]
struct StatusRecorder {
    recorder: Recorder,
    statuses: Mutex<Vec<SourceSnapshot>>,
}

impl SourceListener for StatusRecorder {
    fn frame(&self, frame: Frame) {
        self.recorder.frame(frame);
    }

    fn status(&self, status: &SourceSnapshot) {
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.push(status.clone());
        drop(statuses);
        self.recorder.written.notify_all();
    }
}

impl StatusRecorder {
    fn wait_for(&self, what: &str, found: impl Fn(&[SourceSnapshot]) -> bool) {
        self.recorder.wait(what, |_| {
            let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
            found(&statuses).then_some(())
        });
    }
}

fn run(id: u32, settings: StreamSettings) -> (Runner, Arc<StatusRecorder>) {
    nvr::media::init().expect("GStreamer starts");
    let log = Arc::new(StatusRecorder::default());
    let options = RunnerOptions {
        id: SourceId(id),
        heartbeats: Heartbeats::new(Clock::system()),
        stage_limit: Duration::from_secs(30),
        retry_first: Duration::from_millis(50),
        retry_longest: Duration::from_millis(200),
        login_waits: (Duration::from_millis(50), Duration::from_millis(200)),
        descriptors: descriptors_of(&settings),
        counters: Arc::default(),
    };
    let open = move || {
        open(
            SourceId(id),
            &settings,
            &Clock::system(),
            OpenOptions::default(),
        )
    };
    let runner = Runner::spawn(options, open, log.clone()).expect("a thread");
    (runner, log)
}

fn latest(statuses: &[SourceSnapshot]) -> Option<(Health, Option<&'static str>)> {
    let latest = statuses.last()?;
    Some((
        latest.health,
        latest.reason.as_ref().map(|reason| reason.code),
    ))
}

#[test]
fn a_source_reconnects_to_its_server_while_another_loses_no_frames() {
    let port = crate::support::ports::free_port();
    let mortal = start(TestcamOptions {
        port,
        cameras: vec![pattern()],
        ..TestcamOptions::default()
    });
    let steady = cameras(vec![pattern()]);
    let (runner, log) = run(0, settings(mortal.url(0).as_str()));
    let (other, other_log) = run(1, settings(steady.url(0).as_str()));
    log.wait_for("life", |told| latest(told) == Some((Health::Live, None)));
    other_log.wait_for("life", |told| latest(told) == Some((Health::Live, None)));
    mortal.stop();
    log.wait_for("death", |told| {
        latest(told) == Some((Health::Failed, Some("unreachable")))
    });
    let before = runner.counters().frames();
    let reborn = start(TestcamOptions {
        port,
        cameras: vec![pattern()],
        ..TestcamOptions::default()
    });
    log.wait_for("second life", |told| {
        latest(told) == Some((Health::Live, None))
    });
    log.recorder.wait("further frames", |recording| {
        (recording.frames.len() as u64 >= before + 5).then_some(())
    });
    log.recorder.wait("numbers", |recording| {
        for (number, frame) in (0u64..).zip(&recording.frames) {
            assert_eq!(frame.meta.frame_id, number);
        }
        Some(())
    });
    assert!(runner.snapshot().reconnects >= 1);
    drop(reborn);
    assert!(runner.stop(Duration::from_secs(5)));
    assert!(other.stop(Duration::from_secs(5)));
    other_log.recorder.wait("numbers", |recording| {
        let numbers: Vec<_> = recording.frames.iter().filter_map(code_of).collect();
        for pair in numbers.windows(2) {
            assert_eq!(pair[1].frame_number, pair[0].frame_number + 1);
        }
        Some(())
    });
}

#[test]
fn a_stalled_source_is_reported_and_continues_with_its_camera() {
    let testcam = cameras(vec![pattern()]);
    let mut settings = settings(testcam.url(0).as_str());
    settings.stall_limit = Duration::from_secs(1);
    settings.start_limit = Duration::from_secs(1);
    let (runner, log) = run(0, settings);
    log.wait_for("life", |told| latest(told) == Some((Health::Live, None)));
    testcam.silence(0, true);
    log.wait_for("the stall", |told| {
        told.iter().any(|told| told.health == Health::Stalled)
    });
    testcam.silence(0, false);
    log.wait_for("life again", |told| {
        latest(told) == Some((Health::Live, None))
    });
    assert!(runner.stop(Duration::from_secs(5)));
}

/// The number of open files and threads of this process.
fn open_files_and_threads() -> (usize, usize) {
    let count = |path: &str| std::fs::read_dir(path).map_or(0, Iterator::count);
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Runs in a separate process, where nothing else opens files or starts threads.
#[test]
#[ignore = "run by restarts_leak_neither_files_nor_threads"]
fn restarting_alone() {
    let restarts: u32 = std::env::var("NVR_TEST_RESTARTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(60);
    let testcam = cameras(vec![pattern()]);
    let settings = settings(testcam.url(0).as_str());
    let cycle = || {
        let session = Session::start(&settings);
        session.frames(1);
        drop(session);
        let deadline = Instant::now() + PATIENCE;
        while testcam.viewers(0) > 0 {
            assert!(Instant::now() < deadline, "a session is left");
            std::thread::yield_now();
        }
    };
    // The first sessions start pools and main loops.
    (0..5).for_each(|_| cycle());
    let before = open_files_and_threads();
    (0..restarts).for_each(|_| cycle());
    // The server takes some time to remove a session.
    let deadline = Instant::now() + PATIENCE;
    while open_files_and_threads().0 > before.0 + 5 || open_files_and_threads().1 > before.1 + 5 {
        assert!(
            Instant::now() < deadline,
            "files and threads before {before:?}, after {restarts} restarts {:?}",
            open_files_and_threads()
        );
        std::thread::yield_now();
    }
}

#[test]
fn restarts_leak_neither_files_nor_threads() {
    crate::support::run_alone("media::lifecycle::restarting_alone");
}
