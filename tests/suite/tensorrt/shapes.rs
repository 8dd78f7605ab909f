//! Engines with two outputs, with 16-bit tensors, and with batches of several pictures.

use super::{Counters, SERVED, child, network, opened, see, vans};
use crate::support::alone::is_alone;
use crate::support::tensorrt::{DoubleEngine, Site};

/// Boxes of 32-bit floats and scores of 16 bits are different outputs, and a third one is not read.
#[test]
fn boxes_and_scores_of_two_outputs_belong_together() {
    for major in SERVED {
        for batch in [1, 2] {
            let (site, network) = (Site::new(major), network());
            let model = site.import(&network);
            let manifest = std::fs::read_to_string(&model.manifest_path).expect("a manifest");
            let (before, _) = manifest.split_once("[output]").expect("its output");
            let output = "[output]\nname = \"boxes\"\nformat = \"detr\"\nscores = \"scores\"\n";
            std::fs::write(&model.manifest_path, format!("{before}{output}")).expect("written");
            let share = |index: usize, value: f32| (index, value, 0.0);
            let engine = DoubleEngine {
                tensors: vec![
                    DoubleEngine::input(&network, 0, batch),
                    format!("tensor out hidden 0 3 {batch} 3 5"),
                    format!("tensor out boxes 0 3 {batch} 3 4"),
                    format!("tensor out scores 1 3 {batch} 3 2"),
                ],
                batch: (1, 2),
                // The second query: 15 numbers that are not read, 4 of the first box.
                set: vec![
                    share(3, 9.0),
                    share(19, 0.25),
                    share(20, 0.5),
                    share(21, 0.25),
                    share(22, 0.5),
                    // 12 numbers of boxes, 2 scores of the first query; the van's is the second class.
                    (15 + 12 + 3, 0.0, 1.0 / 256.0),
                ],
                ..DoubleEngine::of(&network, major)
            };
            site.keep(&engine, &site.key(&model));
            child(&site, "shapes::child_sees_vans_of_queries", &[]);
        }
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_sees_vans_of_queries() {
    if !is_alone() {
        return;
    }
    let mut opened = opened();
    let bytes = [16, 32, 48, 200, 8];
    let mut wanted = vans(&bytes);
    for van in wanted.iter_mut().flatten() {
        van.bbox.width = 24.0;
        van.bbox.height = 32.0;
    }
    assert_eq!(see(&mut opened, &bytes), Ok(wanted));
}

#[test]
fn sixteen_bit_tensors_are_converted_on_both_sides() {
    for major in SERVED {
        for (fed, read) in [(1, 1), (0, 1), (1, 0)] {
            let (site, network) = (Site::new(major), network());
            let model = site.import(&network);
            let mut engine = DoubleEngine::of(&network, major);
            engine.tensors[0] = DoubleEngine::input(&network, fed, 1);
            engine.tensors[1] = DoubleEngine::output(&network, read, 1);
            site.keep(&engine, &site.key(&model));
            child(&site, "shapes::child_sees_in_halves", &[]);
        }
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_sees_in_halves() {
    if !is_alone() {
        return;
    }
    // Bytes, 256ths of bytes and these edges are exact in 16 bits too.
    let bytes = [255, 1, 77, 128, 200];
    assert_eq!(see(&mut opened(), &bytes), Ok(vans(&bytes)));
}

/// More pictures than all requests take, a few, one, and again many.
const COUNTS: [u8; 5] = [29, 3, 1, 2, 30];

#[test]
fn a_batch_is_as_large_as_the_profile_has_it() {
    // By version: inference requests. TensorRT 8 lets one context alone use a profile.
    for (major, requests) in [(8, 1), (9, 1), (10, 2), (11, 2)] {
        for (declared, batch, largest) in [(-1, (1, 4), 4), (3, (1, 1), 3), (-1, (2, 32), 8)] {
            let (site, network) = (Site::new(major), network());
            let model = site.import(&network);
            let mut engine = DoubleEngine::of(&network, major);
            engine.tensors[0] = DoubleEngine::input(&network, 0, declared);
            engine.tensors[1] = DoubleEngine::output(&network, 0, declared);
            engine.batch = batch;
            site.keep(&engine, &site.key(&model));
            let requests = if declared > 0 { 2 } else { requests };
            let most = (largest * requests).to_string();
            // With an open batch, no more than are there; with a fixed one, always all.
            let least = if declared > 0 {
                largest
            } else {
                batch.0 as usize
            };
            let runs = |count: u8| {
                let (full, rest) = (count as usize / largest, count as usize % largest);
                full * largest + if rest > 0 { rest.max(least) } else { 0 }
            };
            let pictures = COUNTS.map(runs).iter().sum::<usize>().to_string();
            let told = [("TEST_MOST", most.as_str()), ("TEST_PICTURES", &pictures)];
            child(&site, "shapes::child_sees_batches", &told);
        }
    }
}

#[test]
#[ignore = "needs a separate process: the libraries are opened once a process; another test here runs it"]
fn child_sees_batches() {
    if !is_alone() {
        return;
    }
    let mut opened = opened();
    let most = std::env::var("TEST_MOST").expect("the parent says it");
    assert_eq!(opened.detector.max_batch().to_string(), most);
    for count in COUNTS {
        let bytes: Vec<u8> = (1..=count).map(|step| step * 8).collect();
        assert_eq!(see(&mut opened, &bytes), Ok(vans(&bytes)));
    }
    let pictures = std::env::var("TEST_PICTURES").expect("the parent says it");
    let inferred = Counters::new().of_tensorrt("double_pictures");
    assert_eq!(inferred.to_string(), pictures);
}
