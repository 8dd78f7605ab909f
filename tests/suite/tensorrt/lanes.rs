//! Several lanes of one engine and several detectors infer at once; a GPU without memory for two lanes has one.

use nvr::config::Backend;

use super::refusals::refused;
use super::{
    Counters, SERVED, child, network, opened, opened_with_lanes, see, see_with, site_dir, vans,
};
use crate::support::alone::is_alone;
use crate::support::tensorrt::{DoubleEngine, Site};

#[test]
fn lanes_share_an_engine_and_infer_at_once() {
    for major in SERVED {
        // TensorRT 8 lets one context alone use the profile of an engine with an open batch.
        for (batch, lanes) in [(1, 3), (-1, if major < 10 { 1 } else { 3 })] {
            let (site, network) = (Site::new(major), network());
            let model = site.import(&network);
            let mut engine = DoubleEngine::of(&network, major);
            engine.tensors[0] = DoubleEngine::input(&network, 0, batch);
            engine.tensors[1] = DoubleEngine::output(&network, 0, batch);
            site.keep(&engine, &site.key(&model));
            let lanes = lanes.to_string();
            child(&site, "lanes::child_has_lanes", &[("TEST_LANES", &lanes)]);
        }
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_has_lanes() {
    if !is_alone() {
        return;
    }
    let opened = opened_with_lanes(&site_dir(), Backend::Tensorrt, 3).expect("it opens");
    let mut lanes: Vec<_> = std::iter::once(opened.detector)
        .chain(opened.more)
        .collect();
    let wanted = std::env::var("TEST_LANES").expect("the parent says it");
    assert_eq!(lanes.len().to_string(), wanted);
    let counters = Counters::new();
    let count = lanes.len() as i64;
    if count > 1 {
        // Runtime, engine, a context for each lane; two tensors a lane, on the GPU and pinned; a stream for each lane.
        assert_eq!(counters.live(), [2 + count, 2 * count, 2 * count, count]);
    }
    std::thread::scope(|scope| {
        for (number, lane) in lanes.iter_mut().enumerate() {
            scope.spawn(move || {
                for step in 1..=50 {
                    let byte = (step * 5 + number) as u8;
                    assert_eq!(see_with(lane.as_mut(), &[byte]), Ok(vans(&[byte])));
                }
            });
        }
    });
    assert_eq!(counters.of_tensorrt("double_runs"), 50 * count);
    drop(lanes);
    assert_eq!(counters.live(), [0; 4]);
}

#[test]
fn two_detectors_infer_at_the_same_time() {
    for major in SERVED {
        let (site, network) = (Site::new(major), network());
        let model = site.import(&network);
        site.keep(&DoubleEngine::of(&network, major), &site.key(&model));
        child(
            &site,
            "lanes::child_sees_twice",
            &[("DOUBLE_RENDEZVOUS", "1")],
        );
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_sees_twice() {
    if !is_alone() {
        return;
    }
    let (mut one, mut other) = (opened(), opened());
    std::thread::scope(|threads| {
        threads.spawn(|| assert_eq!(see(&mut one, &[50]), Ok(vans(&[50]))));
        threads.spawn(|| assert_eq!(see(&mut other, &[90]), Ok(vans(&[90]))));
    });
    assert_eq!(Counters::new().of_tensorrt("double_most_running"), 2);
}

#[test]
fn a_gpu_without_memory_says_so_or_does_with_one_lane() {
    let (site, network) = (Site::new(10), network());
    let model = site.import(&network);
    site.keep(&DoubleEngine::of(&network, 10), &site.key(&model));
    refused(
        &site,
        &[("DOUBLE_MEMORY", "1000")],
        &["CUDA could not allocate memory of the GPU: out of memory (error 2)"],
    );
    // One lane: 73 728 bytes of picture and 3 024 of boxes.
    child(
        &site,
        "lanes::child_has_one_lane",
        &[("DOUBLE_MEMORY", "100000")],
    );
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_has_one_lane() {
    if !is_alone() {
        return;
    }
    let mut opened = opened();
    assert_eq!(opened.detector.max_batch(), 1);
    let bytes = [5, 6, 7];
    assert_eq!(see(&mut opened, &bytes), Ok(vans(&bytes)));
    // The lane that was not to be is gone with all that it had.
    assert_eq!(Counters::new().live(), [3, 2, 2, 1]);
}
