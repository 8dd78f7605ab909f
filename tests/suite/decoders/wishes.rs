//! Sizes and rates that change while a source runs: its scaler and its decoder follow.

use nvr::base::Size;
use nvr::media::Output;

use super::{SIZE, Session, expected, run, within};

#[test]
fn a_scaler_follows_its_source_s_wish_while_it_runs() {
    // nvvidconv as it is on boards, where a change of caps alone gives nothing but old memory; and one that takes it.
    // Its widths are multiples of 16.
    for (list, narrow) in [
        ("nvv4l2decoder,nvvidconv", "208"),
        ("nvv4l2decoder:surfaces=4,nvvidconv:renegotiates", "208"),
        ("vah264dec,vapostproc", "200"),
        ("nvh264dec,cudascale,cudadownload", "200"),
    ] {
        run("wishes::wishes_alone", list, narrow);
    }
}

#[test]
#[ignore = "needs a separate process: elements that are registered stay; another test here calls it"]
fn wishes_alone() {
    let narrow: u32 = expected().parse().expect("a number");
    let session = Session::with_camera(within(Size::new(320, 320)));
    let mut seen = 0;
    let mut last = None;
    for (wish, scaled) in [
        (within(Size::new(320, 320)), Some(Size::new(320, 180))),
        (within(Size::new(480, 480)), Some(Size::new(480, 270))),
        (within(Size::new(200, 200)), Some(Size::new(narrow, 112))),
        (Output::default(), None),
        (within(Size::new(320, 320)), Some(Size::new(320, 180))),
    ] {
        session.output.set(wish);
        let what = format!("picture of {scaled:?}");
        let frame = session.frame(seen, &what, |sighting| sighting.scaled == scaled);
        assert_eq!(frame.size, SIZE);
        seen = session.frames();
        // And the next ones can be read: five pixels a cell at the least.
        let read = session.frame(seen, &format!("readable {what}"), |sighting| {
            sighting.scaled == scaled && sighting.number.is_some()
        });
        assert!(read.number > last, "{read:?} comes after {last:?}");
        last = read.number;
        seen = session.frames();
    }
    // Nothing of it took another session: the camera was asked once.
    assert_eq!(session.told.lock().decoders.len(), 1);
    let pages = session.told.lock();
    let numbers: Vec<u32> = pages
        .sightings
        .iter()
        .filter_map(|one| one.number)
        .collect();
    let lost = numbers.windows(2).filter(|two| two[1] > two[0] + 1).count();
    assert!(lost <= 1, "{lost} gaps in {numbers:?}");
    let unread = pages.sightings.len() - numbers.len();
    assert!(
        unread <= 1,
        "{unread} of {} are unreadable",
        pages.sightings.len()
    );
}

#[test]
fn the_decoder_drops_what_is_not_wanted_and_opens_anew_for_more() {
    run("wishes::rates_alone", "nvv4l2decoder,nvvidconv", "4");
    run(
        "wishes::rates_alone",
        "nvv4l2decoder:latched,nvvidconv",
        "4",
    );
    // Where it can't drop, all of them come.
    run("wishes::rates_alone", "vah264dec,vapostproc", "1");
}

#[test]
#[ignore = "needs a separate process: elements that are registered stay; another test here calls it"]
fn rates_alone() {
    let at = |fps| Output {
        needs: Vec::new(),
        max_fps: Some(fps),
        ..Output::default()
    };
    let interval: u32 = expected().parse().expect("a number");
    let session = Session::with_camera(at(5.0));
    let steps = |after: usize| {
        session.told.wait("frames", |pages| {
            let later = pages.sightings.get(after..)?;
            let numbers: Vec<u32> = later.iter().filter_map(|one| one.number).collect();
            (numbers.len() >= 8).then(|| {
                let steps = numbers.windows(2).map(|two| two[1] - two[0]);
                steps.collect::<Vec<_>>()
            })
        })
    };
    assert!(
        steps(0).iter().all(|step| *step == interval),
        "{:?}",
        steps(0)
    );
    // Fewer: the mailbox's affair, nothing changes here.
    session.output.set(at(2.0));
    let after = session.frames();
    assert!(
        steps(after).iter().all(|step| *step == interval),
        "{:?}",
        steps(after)
    );
    // More than it gives: it is opened again, and gives them.
    session.output.set(at(20.0));
    let after = session.frames();
    session.told.wait("every picture", |pages| {
        let numbers: Vec<u32> = pages.sightings[after..]
            .iter()
            .filter_map(|one| one.number)
            .collect();
        let last = numbers.last_chunk::<6>()?;
        last.windows(2)
            .all(|two| two[1] == two[0] + 1)
            .then_some(())
    });
}
