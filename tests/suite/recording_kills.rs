//! A processor that records and is killed again and again: while it recovers, opens, writes and closes files.
#![expect(
    clippy::print_stdout,
    reason = "the seed and the counts are what the long run is for"
)]

use std::path::PathBuf;
use std::time::Duration;

use nvr::media::testcam::Testcam;

use crate::recording::{fsck, is_closed, plays, recordings};
use crate::support::broker::{Broker, Kind};
use crate::support::process::{Running, nvr};
use crate::support::stage::{configuration, pattern_cameras};
use crate::support::wait::{SOON, until};

const CAMERAS: usize = 2;
/// The kills come within this time of a start. The program closes the files that the kill before has left open, and opens and closes
/// new ones.
const WINDOW: Duration = Duration::from_secs(7);
/// More than a file has before its first fragment.
const HEAD_BYTES: usize = 4096;

/// Kills the processor at `kills` random moments. What it had written is there in the end, and is closed.
fn kill_again_and_again(kills: usize) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let broker = Broker::start(Kind::Mosquitto);
    let cameras = Testcam::start(&pattern_cameras(CAMERAS)).expect("cameras start");
    let dir = tempfile::tempdir().expect("a folder");
    let record = format!(
        "[record]\ndir = \"{}\"\nfile_length = \"2s\"\ndurable_every = \"1s\"\n",
        dir.path().display()
    );
    let ids: Vec<usize> = (0..CAMERAS).collect();
    let settings = tempfile::NamedTempFile::new().expect("a file");
    let text = configuration(&broker, &cameras, &ids, "") + &record;
    std::fs::write(settings.path(), text).expect("written");
    let start = || {
        let mut command = nvr();
        command
            .arg("processor")
            .arg("--config")
            .arg(settings.path());
        Running::start(command)
    };
    let files = || (0..CAMERAS as u32).flat_map(|id| recordings(dir.path(), id));

    // Each open file as a kill has left it, and what the program has said of files that it could not close as they were.
    let (mut left, mut told): (Vec<(PathBuf, Vec<u8>)>, Vec<String>) = Default::default();
    let said = |run: &Running| -> Vec<String> {
        let lines = run.err().all().into_iter();
        let of_damage = |line: &String| line.contains("cut off") || line.contains("nothing sound");
        lines.filter(of_damage).collect()
    };
    for _ in 0..kills {
        let mut run = start();
        std::thread::sleep(WINDOW.mul_f64(random.f64()));
        run.kill();
        told.extend(said(&run));
        let read = |file: PathBuf| (std::fs::read(&file).expect("it can be read"), file);
        let now = files().map(read).filter(|(bytes, _)| !is_closed(bytes));
        left.extend(now.map(|(bytes, file)| (file, bytes)));
    }
    let mut last = start();
    until("every file of a kill is closed or gone", SOON * 3, || {
        let is_done = |file: &PathBuf| match std::fs::read(file) {
            Ok(bytes) => is_closed(&bytes),
            Err(_) => true,
        };
        left.iter().all(|(file, _)| is_done(file)).then_some(())
    });
    last.signal("TERM");
    last.end(SOON);
    told.extend(said(&last));

    let (mut gone, mut shorter) = (0, 0);
    for (file, was) in &left {
        let path = file.display().to_string();
        let is_told = told.iter().any(|line| line.contains(&path));
        match std::fs::read(file) {
            Ok(now) if now.starts_with(was) => plays(file),
            Ok(_) => {
                assert!(is_told, "{path} is another one, and nothing was said of it");
                plays(file);
                shorter += 1;
            }
            Err(_) => {
                assert!(
                    is_told && was.len() < HEAD_BYTES,
                    "{path}, {} bytes, is gone",
                    was.len()
                );
                gone += 1;
            }
        }
    }
    println!(
        "{kills} kills left {} open files: {gone} without a fragment are gone, {shorter} were torn, all others are whole",
        left.len()
    );
    // A kill seldom comes within the write of a fragment.
    assert!(
        shorter * 20 <= kills,
        "{shorter} files were torn: {told:#?}"
    );
    let (code, said) = fsck(dir.path());
    assert_eq!(code, Some(0), "{said}");
}

#[test]
#[ignore = "takes ten minutes: `tools/test power_cuts` runs it"]
fn a_processor_that_is_killed_a_hundred_times_keeps_what_it_has_written() {
    kill_again_and_again(100);
}
