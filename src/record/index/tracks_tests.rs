use super::*;
use crate::record::index::testing::scene;

/// Track, class, from, to, confidence, time of the best.
type Row = (u64, String, u64, u64, f32, u64);

fn events(scenes: &[Scene]) -> Vec<Row> {
    let mut sightings = Sightings::default();
    scenes.iter().for_each(|scene| sightings.add(scene));
    let of_track = |(name, sightings): (&TrackName, &[Sighting])| {
        let (track, class) = (name.track, name.class.to_string());
        let rows = merged(sightings.to_vec()).into_iter().map(move |event| {
            let class = class.clone();
            let (from, to) = (event.from_ms, event.to_ms);
            (track, class, from, to, event.confidence, event.best_ms)
        });
        rows.collect::<Vec<_>>()
    };
    sightings.tracks().flat_map(of_track).collect()
}

#[test]
fn an_event_has_the_time_and_the_highest_confidence_of_its_track() {
    let scenes = [
        scene(1_000, &[("person", Some(1), 0.5), ("car", Some(2), 0.9)]),
        scene(1_100, &[("person", Some(1), 0.8)]),
        scene(1_200, &[("person", Some(1), 0.8)]),
        scene(1_300, &[("person", Some(1), 0.3)]),
    ];
    let wanted = [
        (1, "person".to_owned(), 1_000, 1_300, 0.8, 1_100),
        (2, "car".to_owned(), 1_000, 1_000, 0.9, 1_000),
    ];
    assert_eq!(events(&scenes), wanted);
}

#[test]
fn a_number_is_another_object_after_more_than_ten_seconds() {
    let seen = |at_ms| scene(at_ms, &[("car", Some(3), 0.5)]);
    let spans = |scenes: &[Scene]| -> Vec<(u64, u64)> {
        let events = events(scenes).into_iter();
        events.map(|event| (event.2, event.3)).collect()
    };
    assert_eq!(spans(&[seen(1_000), seen(11_000)]), [(1_000, 11_000)]);
    assert_eq!(
        spans(&[seen(1_000), seen(11_001)]),
        [(1_000, 1_000), (11_001, 11_001)]
    );
}

#[test]
fn objects_of_different_classes_are_different_events() {
    let scenes = [
        scene(1_000, &[("car", Some(3), 0.5)]),
        scene(1_100, &[("bus", Some(3), 0.5)]),
    ];
    let classes: Vec<_> = events(&scenes).into_iter().map(|event| event.1).collect();
    assert_eq!(classes, ["bus", "car"]);
}

#[test]
fn objects_without_a_track_are_no_events() {
    assert_eq!(events(&[scene(1_000, &[("car", None, 0.9)])]), []);
}

#[test]
fn a_confidence_that_is_no_number_counts_as_the_lowest() {
    let scenes = [
        scene(1_000, &[("car", Some(3), f32::NAN)]),
        scene(1_100, &[("car", Some(3), 0.1)]),
    ];
    let wanted = (3, "car".to_owned(), 1_000, 1_100, 0.1, 1_100);
    assert_eq!(events(&scenes), [wanted]);
}

#[test]
fn the_order_of_scenes_does_not_matter() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..200 {
        let mut scenes: Vec<Scene> = (0..random.usize(1..40))
            .map(|_| {
                let at_ms = random.u64(0..200) * 1_000;
                let confidence = random.u8(0..4).into();
                scene(at_ms, &[("car", Some(random.u64(0..2)), confidence)])
            })
            .collect();
        let wanted = events(&scenes);
        random.shuffle(&mut scenes);
        assert_eq!(events(&scenes), wanted);
    }
}
