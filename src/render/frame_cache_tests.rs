use super::*;
use crate::base::{Frame, OwnedPixels, PixelFormat};
use crate::render::TileScaler;

const SOURCE: Size = Size::new(64, 36);
const LARGE: Size = Size::new(32, 18);
const SMALL: Size = Size::new(16, 10);

fn key(tile: Size, fit: Fit) -> TileKey {
    TileKey { head: 0, tile, fit }
}

fn at(frame: u64) -> Duration {
    Duration::from_millis(40 * frame)
}

/// A frame that arrives at [`at`] its number.
fn frame(number: u64, key: TileKey) -> CachedFrame {
    let pixels = OwnedPixels::zeroed(PixelFormat::I420, SOURCE);
    let placement = Placement::new(SOURCE, key.tile, key.fit);
    let picture = TileScaler::default()
        .scale(&Frame::untimed(SOURCE, pixels), &placement)
        .expect("it scales");
    CachedFrame {
        number,
        times: FrameTimes {
            arrival: at(number),
            ntp_ns: None,
            size: SOURCE,
        },
        key,
        placement,
        picture: Arc::new(picture),
    }
}

/// A cache with a tile for which frames 0 to 3 wait, of which the first is shown.
fn cache() -> FrameCache {
    let cache = FrameCache::default();
    let large = key(LARGE, Fit::Contain);
    assert!(assign(&cache, large).is_some());
    for number in 0..4 {
        assert!(cache.add(frame(number, large)));
    }
    assert_eq!(shown(&cache, 0), Some((0, None, 0)));
    cache
}

fn assign(cache: &FrameCache, key: TileKey) -> Option<Assigned> {
    let waker = Waker::new().expect("a descriptor");
    cache.assign(0, Some((key, waker)), at(0))
}

/// The frame that is shown when frame `now` arrives, the tile for which it has to be scaled again, and how many were dropped.
fn shown(cache: &FrameCache, now: u64) -> Option<(u64, Option<TileKey>, u64)> {
    let due = cache.due(0, at(now), Duration::ZERO);
    Some((due.picture?.number, due.other_size, due.dropped))
}

#[test]
fn a_tile_that_changes_its_size_shows_every_frame() {
    let cache = cache();
    let small = key(SMALL, Fit::Contain);
    let assigned = assign(&cache, small).expect("a change");
    assert_eq!(assigned.dropped, 0);
    assert_eq!(assigned.needs, [small.need()]);
    assert_eq!(shown(&cache, 0), Some((0, Some(small), 0)));
    assert_eq!(cache.blank_for(None, at(0), Duration::ZERO), None);
    // The decoder's thread had begun to scale it for the former size.
    assert!(cache.add(frame(4, key(LARGE, Fit::Contain))));
    assert!(cache.add(frame(5, small)));
    for number in 1..5 {
        assert_eq!(shown(&cache, number), Some((number, Some(small), 0)));
    }
    assert_eq!(shown(&cache, 5), Some((5, None, 0)));
    assert!(assign(&cache, small).is_none());
}

#[test]
fn a_frame_is_scaled_again_once() {
    let cache = cache();
    let small = key(SMALL, Fit::Contain);
    assign(&cache, small);
    // Not the frame that is shown.
    cache.replace_shown(frame(1, small));
    assert_eq!(shown(&cache, 0), Some((0, Some(small), 0)));
    cache.replace_shown(frame(0, small));
    assert_eq!(shown(&cache, 0), Some((0, None, 0)));
}

#[test]
fn frames_that_can_not_be_shown_are_counted() {
    let cache = cache();
    let other = key(LARGE, Fit::Cover);
    assert_eq!(assign(&cache, other).map(|change| change.dropped), Some(3));
    assert_eq!(shown(&cache, 3), None);
    assert!(!cache.add(frame(4, key(LARGE, Fit::Contain))));
    assert_eq!(shown(&cache, 4), None);
    // A camera without a tile has nothing to show.
    let gone = cache.assign(0, None, at(4)).expect("a change");
    assert_eq!((gone.dropped, gone.needs.len()), (0, 0));
    assert!(cache.add(frame(5, other)));
    assert_eq!(shown(&cache, 5), None);
}
