//! The limits of a session.

use super::*;

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(15),
    opening: None,
    start: Duration::from_secs(20),
    stall: Duration::from_secs(5),
    other_decoder: false,
};
const NOTHING: Progress = Progress {
    choosing: false,
    chosen: None,
    playing: None,
    units: 0,
    units_since_key: 0,
    last_unit: None,
    first_key: None,
    first_frame: None,
    last_frame: None,
};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn verdict_text(progress: Progress, limits: &Limits, now: u64) -> String {
    match next_limit(&progress, limits, at(100), at(now)) {
        Ok(wait) => format!("wait {}", wait.as_secs()),
        Err(ending) => format!("{ending:?}")
            .split(|end: char| !end.is_alphanumeric())
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

#[test]
fn a_session_that_never_plays_ends_at_the_connect_limit() {
    assert_eq!(verdict_text(NOTHING, &LIMITS, 101), "wait 14");
    assert_eq!(verdict_text(NOTHING, &LIMITS, 115), "NotConnected");
}

#[test]
fn trying_decoders_does_not_count_as_connecting() {
    let choosing = Progress {
        choosing: true,
        ..NOTHING
    };
    assert_eq!(verdict_text(choosing, &LIMITS, 160), "wait 15");
    let chosen = Progress {
        chosen: Some(at(160)),
        ..NOTHING
    };
    assert_eq!(verdict_text(chosen, &LIMITS, 174), "wait 1");
    assert_eq!(verdict_text(chosen, &LIMITS, 175), "NotConnected");
}

#[test]
fn the_first_frame_has_its_limit_from_play() {
    let playing = Progress {
        playing: Some(at(110)),
        units: 3,
        ..NOTHING
    };
    assert_eq!(verdict_text(playing, &LIMITS, 129), "wait 1");
    assert_eq!(verdict_text(playing, &LIMITS, 130), "NoFrame");
}

#[test]
fn a_source_that_shows_no_stream_may_have_a_shorter_limit() {
    let limits = Limits {
        opening: Some(Duration::from_secs(5)),
        ..LIMITS
    };
    let playing = Progress {
        playing: Some(at(110)),
        ..NOTHING
    };
    assert_eq!(verdict_text(playing, &limits, 114), "wait 1");
    assert_eq!(verdict_text(playing, &limits, 115), "NoFrame");
    for with_stream in [
        Progress {
            units: 1,
            ..playing
        },
        Progress {
            choosing: true,
            ..playing
        },
        Progress {
            chosen: Some(at(111)),
            ..playing
        },
    ] {
        assert_eq!(verdict_text(with_stream, &limits, 115), "wait 15");
    }
}

#[test]
fn a_silent_decoder_is_replaced_only_if_it_had_enough_to_decode() {
    let limits = Limits {
        other_decoder: true,
        ..LIMITS
    };
    let fed = Progress {
        playing: Some(at(110)),
        units: 100,
        units_since_key: 20,
        first_key: Some(at(111)),
        last_unit: Some(at(116)),
        ..NOTHING
    };
    assert_eq!(verdict_text(fed, &limits, 115), "wait 1");
    assert_eq!(verdict_text(fed, &limits, 116), "DecoderSilent");
    assert_eq!(verdict_text(fed, &LIMITS, 116), "wait 14");
    let slow = Progress {
        units_since_key: 19,
        ..fed
    };
    assert_eq!(verdict_text(slow, &limits, 117), "wait 1");
}

#[test]
fn a_live_session_stalls_without_access_units_and_ends_without_frames() {
    let live = Progress {
        playing: Some(at(110)),
        units: 100,
        units_since_key: 100,
        first_key: Some(at(110)),
        first_frame: Some(at(111)),
        last_frame: Some(at(150)),
        last_unit: Some(at(150)),
        ..NOTHING
    };
    assert_eq!(verdict_text(live, &LIMITS, 152), "wait 3");
    assert_eq!(verdict_text(live, &LIMITS, 155), "Stalled");
    let blind = Progress {
        last_unit: Some(at(169)),
        ..live
    };
    assert_eq!(verdict_text(blind, &LIMITS, 169), "wait 1");
    let blind = Progress {
        last_unit: Some(at(170)),
        ..live
    };
    assert_eq!(verdict_text(blind, &LIMITS, 170), "NoFrame");
}
