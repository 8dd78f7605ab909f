//! Measures the overlap of drawn boxes and objects, with objects detected a few times per second and shown in every frame.
//!
//! `pattern`: objects of known place that move, stop and turn, under several conditions. `footage`: people and cyclists, with
//! the detector's boxes at full rate as truth. Events are taken from every n-th frame and handed to an
//! [`nvr::align::Aligner`] as late as a processor's are; the boxes that it gives for each displayed frame are compared with the
//! truth by intersection over union (IoU): its mean, the share of frames in which every object's is at least 0.6, and that share of
//! boxes. Nothing is timed: `pattern` gives the same figures on every machine, `footage` on all with the same engine.
//! `cargo bench --bench align -- pattern` runs one part.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(
    clippy::expect_used,
    reason = "a benchmark ends where a part of it is missing"
)]

mod film;
mod footage;
#[path = "../../tests/suite/support/footage.rs"]
mod frames;
mod overlap;
mod run;

use nvr::base::Size;

use film::Film;
use overlap::Overlap;
use run::Conditions;

const PARTS: [(&str, fn()); 2] = [("pattern", pattern), ("footage", footage)];

/// An hour at 25 frames a second.
const HOUR: u32 = 90_000;

fn main() {
    // `cargo bench` says --bench; a name filters benchmarks: this program's own means all parts.
    let first = std::env::args().nth(1);
    let filter = first.filter(|word| !word.starts_with('-') && !"align".contains(&**word));
    for (name, part) in PARTS {
        if filter
            .as_ref()
            .is_none_or(|wanted| name.contains(&**wanted))
        {
            println!(
                "\n{name:<62} {:>8} {:>9} {:>9} {:>8}",
                "mean IoU", "frames", "boxes", "dashed"
            );
            part();
        }
    }
}

fn print(what: &str, overlap: &Overlap) {
    println!(
        "{what:<62} {:>8.4} {:>7.2} % {:>7.2} % {:>6.1} %",
        overlap.mean(),
        overlap.good_frames() * 100.0,
        overlap.good_boxes() * 100.0,
        overlap.dashed() * 100.0
    );
}

fn pattern() {
    let size = Size::new(640, 360);
    let film = Film::pattern(size, 3, HOUR);
    let usual = Conditions::five_a_second();
    let uneven = Conditions {
        is_uneven: true,
        ..usual
    };
    let noisy = Conditions {
        noise_px: 1.5,
        ..uneven
    };
    let hindered = Conditions {
        late_share: 0.05,
        lost_share: 0.02,
        missed_share: 0.03,
        ..noisy
    };
    let seldom = Conditions { every: 10, ..usual };
    let unheld = Conditions {
        is_held_back: false,
        ..usual
    };
    for (what, conditions) in [
        ("5 events a second", usual),
        ("the same, 4 to 6 frames apart", uneven),
        ("the same, edges off by up to 1.5 px", noisy),
        ("the same, events late and lost, objects missed", hindered),
        ("2.5 events a second", seldom),
        ("5 events a second, video not held back", unheld),
    ] {
        let mut overlap = Overlap::default();
        for phase in 0..5 {
            let conditions = Conditions {
                phase,
                ..conditions
            };
            overlap.add(&run::every_frame(&film, &conditions));
        }
        print(what, &overlap);
    }
}

fn footage() {
    for (file, fps, rates) in [("bikes.mp4", 25, &[5][..]), ("vtest.mp4", 10, &[2, 5])] {
        let film = footage::film(file, fps);
        for &every in rates {
            for is_held_back in [true, false] {
                let mut overlap = Overlap::default();
                for phase in 0..every {
                    let conditions = Conditions {
                        every,
                        phase,
                        is_held_back,
                        ..Conditions::five_a_second()
                    };
                    overlap.add(&run::between_events(&film, &conditions));
                }
                let held = if is_held_back { "" } else { ", not held back" };
                let what = format!("{file}, {fps} frames a second, 1 in {every} inferred{held}");
                print(&what, &overlap);
            }
        }
    }
}
