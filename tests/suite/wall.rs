//! The wall under faults: each state is caused with real parts, and checked in the picture and on the page.

mod alarm_classes;
mod analysis;
mod browser_page;
mod events;
mod load;
mod many_topics;
mod settings;
mod snapshots;
mod states;
mod unbroken;
mod unusual_events;

use nvr::media::testcam::{Testcam, TestcamOptions};

use crate::support::stage::pattern_cameras;

/// Pattern cameras at the given port, or at any port if that is 0.
fn cameras_at(port: u16, count: usize) -> Testcam {
    let mut options = pattern_cameras(count);
    if port != 0 {
        options.port = port;
    }
    start(&options)
}

fn start(options: &TestcamOptions) -> Testcam {
    Testcam::start(options).expect("the port is free")
}

/// The options that show these cameras.
fn sources<'a>(sources: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    let options = sources.into_iter();
    options.flat_map(|source| ["--source", source]).collect()
}
