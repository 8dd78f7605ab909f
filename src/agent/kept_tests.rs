//! Tests of the file beside this one.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::{ConfigSource, Environment, ProcessorFlags};

const GB: u64 = 1_000_000_000;

fn demand(document: serde_json::Value) -> Option<RecordingDemand> {
    let source = ConfigSource::new(ProcessorFlags::default(), Environment::default());
    let settings = source.with_document(document).load();
    RecordingDemand::of(&settings.expect("a good configuration"))
}

/// A disk with 300 GB of recordings and 202 GB free, and cameras of 40 GB a day, or 5 GB with events only.
fn measured() -> Measured {
    Measured {
        continuous_bytes_per_day: Some(40 * GB),
        events_bytes_per_day: Some(5 * GB),
        disk: Some(RecordingDisk {
            dir: "/srv/rec".into(),
            recordings_bytes: 300 * GB,
            free_bytes: Some(202 * GB),
        }),
    }
}

fn twelve() -> RecordingDemand {
    RecordingDemand {
        dir: "/srv/rec".into(),
        budget_bytes: None,
        min_free_bytes: 2 * GB,
        continuous: 12,
        events: 0,
    }
}

#[test]
fn cameras_that_are_recorded_are_counted_by_mode() {
    let camera = |id: u32, uri: &str, record: &str| json!({"id": id, "uri": uri, "record": record});
    let cameras = json!([
        camera(1, "rtsp://10.0.0.20/1", "continuous"),
        camera(2, "rtsp://10.0.0.20/2", "events"),
        camera(3, "rtsp://10.0.0.20/3", "continuous"),
        camera(4, "rtsp://10.0.0.20/4", "off"),
        camera(5, "test-pattern:", "continuous"),
    ]);
    let record = json!({"dir": "/srv/rec", "budget": "500 GB", "min_free": "1 GB"});
    let expected = RecordingDemand {
        dir: "/srv/rec".into(),
        budget_bytes: Some(500 * GB),
        min_free_bytes: GB,
        continuous: 2,
        events: 1,
    };
    let document = json!({"record": record, "camera": cameras});
    assert_eq!(demand(document), Some(expected));
    assert_eq!(demand(json!({"camera": cameras})), None);
    let off = json!([camera(4, "rtsp://10.0.0.20/4", "off")]);
    assert_eq!(demand(json!({"record": record, "camera": off})), None);
}

#[test]
fn recordings_are_kept_until_the_disk_or_the_budget_is_full() {
    let days = |demand: &RecordingDemand| {
        let estimate = estimate(demand, &measured()).expect("all is known");
        let days = estimate.kept_s.map(|kept| kept as f64 / 86_400.0);
        (estimate.cameras, estimate.bytes_per_day / GB, days)
    };
    assert_eq!(days(&twelve()), (12, 480, Some(500.0 / 480.0)));
    let budget = RecordingDemand {
        budget_bytes: Some(240 * GB),
        ..twelve()
    };
    assert_eq!(days(&budget), (12, 480, Some(0.5)));
    let mixed = RecordingDemand {
        continuous: 2,
        events: 4,
        ..twelve()
    };
    assert_eq!(days(&mixed), (6, 100, Some(5.0)));
    // Its disk was not measured.
    let elsewhere = RecordingDemand {
        dir: "/mnt/rec".into(),
        ..budget
    };
    assert_eq!(days(&elsewhere), (12, 480, None));
}

#[test]
fn a_kind_of_cameras_that_was_not_measured_has_no_estimate() {
    let none = Measured {
        continuous_bytes_per_day: None,
        ..measured()
    };
    assert_eq!(estimate(&twelve(), &none), None);
    let events = RecordingDemand {
        continuous: 0,
        events: 1,
        ..twelve()
    };
    let told = estimate(&events, &none).expect("events were measured");
    assert_eq!(told.kept_s, Some(100 * DAY_S));
    // No event yet: nothing fills the disk.
    let quiet = Measured {
        events_bytes_per_day: Some(0),
        ..none
    };
    let told = estimate(&events, &quiet).expect("events were measured");
    assert_eq!((told.bytes_per_day, told.kept_s), (0, None));
}

#[test]
fn less_than_a_day_is_a_warning_with_the_numbers_and_the_remedy() {
    let told = |cameras, kept_s| {
        warning(&RecordingEstimate {
            cameras,
            bytes_per_day: 480 * GB,
            kept_s,
        })
    };
    let short = told(12, Some(DAY_S / 2)).expect("a warning");
    assert_eq!(
        short.to_string(),
        "processor.record: recordings are kept for about 12.0 hours at the measured rate (12 cameras, 480.0 GB a day); raise \
         record.budget or use a larger disk, record fewer cameras, or lower their bit rate (short-retention)"
    );
    assert_eq!(told(12, Some(DAY_S)), None);
    assert_eq!(told(12, None), None);
}

fn some_bytes() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..1000 * GB]
}

prop_compose! {
    fn some_measured()(
        continuous in proptest::option::of(some_bytes()),
        events in proptest::option::of(some_bytes()),
        recordings_bytes in some_bytes(),
        free_bytes in proptest::option::of(some_bytes()),
        dir in prop_oneof![Just("/srv/rec"), Just("/mnt/rec")],
    ) -> Measured {
        Measured {
            continuous_bytes_per_day: continuous,
            events_bytes_per_day: events,
            disk: Some(RecordingDisk { dir: dir.into(), recordings_bytes, free_bytes }),
        }
    }
}

prop_compose! {
    fn some_demand()(
        continuous in prop_oneof![0..20_u32, any::<u32>()],
        events in prop_oneof![0..20_u32, any::<u32>()],
        budget_bytes in proptest::option::of(some_bytes()),
        min_free_bytes in some_bytes(),
    ) -> RecordingDemand {
        RecordingDemand { dir: "/srv/rec".into(), budget_bytes, min_free_bytes, continuous, events }
    }
}

proptest! {
    /// What is kept fits into every limit; and no numbers are too large.
    #[test]
    fn what_is_kept_fits(demand in some_demand(), measured in some_measured()) {
        let Some(told) = estimate(&demand, &measured) else {
            return Ok(());
        };
        let _ = warning(&told);
        if let Some(kept_s) = told.kept_s {
            prop_assert!(kept_s <= LONGEST_KEPT_S);
            let bytes = u128::from(kept_s) * u128::from(told.bytes_per_day) / u128::from(DAY_S);
            if let Some(budget) = demand.budget_bytes {
                prop_assert!(bytes <= u128::from(budget));
            }
            let disk = measured.disk.expect("it has one");
            if let Some(free) = disk.free_bytes {
                prop_assert!(bytes <= u128::from(disk.recordings_bytes) + u128::from(free));
            }
        }
    }

    #[test]
    fn one_camera_more_never_prolongs_and_more_budget_never_shortens(
        demand in some_demand(),
        measured in some_measured(),
        more in some_bytes(),
    ) {
        let kept = |demand: &RecordingDemand| estimate(demand, &measured).and_then(|told| told.kept_s);
        let further = RecordingDemand { continuous: demand.continuous.saturating_add(1), ..demand.clone() };
        if let (Some(kept), Some(with_further)) = (kept(&demand), kept(&further)) {
            prop_assert!(with_further <= kept);
        }
        let budget = demand.budget_bytes.map(|budget| budget.saturating_add(more));
        let larger = RecordingDemand { budget_bytes: budget, ..demand.clone() };
        prop_assert!(kept(&larger) >= kept(&demand));
    }
}
