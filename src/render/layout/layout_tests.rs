//! Tests of the plan: known screens by hand, and what holds for every screen.

use proptest::prelude::*;

use super::*;
use crate::config::ModeRequest;

const HD: Size = Size::new(1920, 1080);
const PORTRAIT: Size = Size::new(1080, 1920);
const TILE: Size = Size::new(480, 360);

fn ids(count: u32) -> Vec<SourceId> {
    (0..count).map(SourceId).collect()
}

fn head(layout: Layout) -> HeadSettings {
    HeadSettings {
        layout,
        ..HeadSettings::default()
    }
}

fn grid(columns: Option<u32>) -> HeadSettings {
    head(Layout::Grid { columns })
}

fn free(tiles: &[[f32; 4]]) -> HeadSettings {
    head(Layout::Free {
        name: "mine".to_owned(),
        tiles: tiles.to_vec(),
    })
}

/// Rectangles of the first page as x, y, width, height.
fn rects(head: &HeadSettings, screen: Size, exact: Option<Size>, cameras: u32) -> Vec<[i64; 4]> {
    let tiles = Plan::new(head, screen, exact, &ids(cameras)).tiles(0, None);
    let numbers = |rect: Rect| {
        [
            rect.x.into(),
            rect.y.into(),
            rect.width.into(),
            rect.height.into(),
        ]
    };
    tiles.iter().map(|tile| numbers(tile.rect)).collect()
}

/// Columns and rows of a grid without a gap.
fn division(head: &HeadSettings, screen: Size, cameras: u32) -> (usize, usize) {
    let rects = rects(head, screen, None, cameras);
    let columns = rects.iter().filter(|rect| rect[1] == 0).count();
    (columns, rects.len() / columns)
}

fn sources(tiles: &[PlacedTile]) -> Vec<Option<u32>> {
    tiles
        .iter()
        .map(|tile| tile.source.map(|id| id.0))
        .collect()
}

#[test]
fn the_published_grid_has_tiles_of_exactly_the_wanted_size() {
    let screen = |cameras, columns| headless_screen(&grid(columns), cameras, TILE);
    assert_eq!(screen(12, None), Size::new(1920, 1080));
    assert_eq!(screen(6, None), Size::new(1920, 720));
    assert_eq!(screen(2, None), Size::new(960, 360));
    assert_eq!(screen(0, None), TILE);
    assert_eq!(screen(6, Some(2)), Size::new(960, 1080));
    let six = rects(&grid(None), screen(6, None), Some(TILE), 6);
    assert_eq!(six.len(), 8);
    assert_eq!(six[5], [480, 360, 480, 360]);
    // Also where edges are odd, and where all of them would be too high a picture.
    let odd = Size::new(101, 77);
    let rects_odd = rects(
        &grid(None),
        headless_screen(&grid(None), 5, odd),
        Some(odd),
        5,
    );
    assert_eq!(rects_odd[7], [303, 77, 101, 77]);
    let high = headless_screen(&grid(Some(1)), 64, TILE);
    assert_eq!(high, Size::new(480, 45 * 360));
    let plan = Plan::new(&grid(Some(1)), high, Some(TILE), &ids(64));
    assert_eq!(plan.pages(), 2);
}

#[test]
fn a_mode_is_the_size_of_a_screen_without_a_monitor() {
    let mut portrait = grid(None);
    portrait.rotate = Rotation::Quarter;
    portrait.mode = Some(ModeRequest {
        size: HD,
        refresh_hz: None,
    });
    assert_eq!(headless_screen(&portrait, 6, TILE), PORTRAIT);
    assert_eq!(
        rects(&portrait, PORTRAIT, Some(TILE), 6),
        rects(&portrait, PORTRAIT, None, 6)
    );
    assert_eq!(headless_screen(&head(Layout::Focus), 6, TILE), HD);
}

#[test]
fn a_grid_fills_the_screen_with_the_largest_pictures() {
    let usual = |screen, cameras| division(&grid(None), screen, cameras);
    assert_eq!(usual(HD, 1), (1, 1));
    assert_eq!(usual(HD, 2), (2, 1));
    assert_eq!(usual(HD, 4), (2, 2));
    assert_eq!(usual(HD, 6), (3, 2));
    assert_eq!(usual(HD, 12), (4, 3));
    assert_eq!(usual(HD, 20), (4, 5));
    assert_eq!(usual(PORTRAIT, 3), (1, 3));
    assert_eq!(usual(PORTRAIT, 6), (1, 6));
    assert_eq!(usual(PORTRAIT, 8), (2, 4));
    assert_eq!(division(&grid(Some(4)), HD, 6), (4, 2));
    assert_eq!(division(&grid(Some(4)), PORTRAIT, 6), (4, 2));
    assert_eq!(division(&grid(Some(8)), HD, 3), (3, 1));
    assert_eq!(
        rects(&grid(None), Size::new(1366, 768), None, 6)[..4],
        [
            [0, 0, 454, 384],
            [454, 0, 456, 384],
            [910, 0, 456, 384],
            [0, 384, 454, 384]
        ]
    );
}

#[test]
fn more_cameras_than_a_page_takes_spread_evenly() {
    let plan = Plan::new(&grid(None), HD, None, &ids(33));
    assert_eq!(plan.pages(), 2);
    let (first, second) = (plan.tiles(0, None), plan.tiles(1, None));
    let shown = |tiles: &[PlacedTile]| tiles.iter().filter(|tile| tile.source.is_some()).count();
    assert_eq!((shown(&first), shown(&second)), (20, 13));
    assert_eq!(first[0].source, Some(SourceId(0)));
    assert_eq!(second[0].source, Some(SourceId(20)));
    assert_eq!(first[7].rect, second[7].rect);
}

#[test]
fn the_focus_is_large_with_the_others_around_it() {
    let focus = head(Layout::Focus);
    assert_eq!(rects(&focus, HD, None, 1), [[0, 0, 1920, 1080]]);
    assert_eq!(
        rects(&focus, HD, None, 3),
        [
            [0, 0, 1440, 1080],
            [1440, 0, 480, 360],
            [1440, 360, 480, 360],
            [1440, 720, 480, 360]
        ]
    );
    assert_eq!(
        rects(&focus, HD, None, 6),
        [
            [0, 0, 1280, 720],
            [1280, 0, 640, 360],
            [1280, 360, 640, 360],
            [1280, 720, 640, 360],
            [0, 720, 640, 360],
            [640, 720, 640, 360]
        ]
    );
    assert_eq!(rects(&focus, HD, None, 7).len(), 8);
    assert_eq!(
        rects(&focus, PORTRAIT, None, 3),
        [[0, 0, 1080, 602], [0, 602, 1080, 658], [0, 1260, 1080, 660]]
    );
}

#[test]
fn fractions_become_neighbours_on_even_pixels() {
    let thirds = free(&[
        [0.0, 0.0, 0.333, 1.0],
        [0.333, 0.0, 0.334, 1.0],
        [0.6669, 0.0, 0.333, 1.0],
    ]);
    assert_eq!(
        rects(&thirds, Size::new(1366, 768), None, 3),
        [[0, 0, 454, 768], [454, 0, 458, 768], [912, 0, 454, 768]]
    );
    let tall = free(&[
        [0.0, 0.0, 1.0, 0.6],
        [0.0, 0.6, 0.5, 0.4],
        [0.5, 0.6, 0.5, 0.4],
    ]);
    assert_eq!(
        rects(&tall, PORTRAIT, None, 9),
        [
            [0, 0, 1080, 1152],
            [0, 1152, 540, 768],
            [540, 1152, 540, 768]
        ]
    );
}

#[test]
fn a_promoted_camera_changes_places_with_the_first_on_every_page() {
    let plan = Plan::new(&head(Layout::Focus), HD, None, &ids(20));
    assert_eq!(plan.pages(), 2);
    let usual = sources(&plan.tiles(0, None));
    let promoted = sources(&plan.tiles(0, Some(SourceId(3))));
    assert_eq!((usual[0], usual[3]), (Some(0), Some(3)));
    assert_eq!((promoted[0], promoted[3]), (Some(3), Some(0)));
    assert_eq!(usual[4..], promoted[4..]);
    let second = plan.tiles(1, Some(SourceId(3)));
    assert_eq!(second[0].role, TileRole::Focus);
    assert_eq!(sources(&second)[..2], [Some(3), Some(16)]);
    // A camera of another head promotes nothing here.
    assert_eq!(plan.tiles(0, Some(SourceId(99))), plan.tiles(0, None));
}

#[test]
fn a_tile_that_is_alone_shows_all_cameras_in_turn_and_stays_with_an_alarm() {
    let plan = Plan::new(&free(&[[0.0, 0.0, 1.0, 1.0]]), HD, None, &ids(3));
    assert_eq!(plan.pages(), 3);
    assert_eq!(sources(&plan.tiles(2, None)), [Some(2)]);
    assert_eq!(sources(&plan.tiles(2, Some(SourceId(1)))), [Some(1)]);
}

#[test]
fn pages_turn_with_time_and_begin_again() {
    let plan = Plan::new(&free(&[[0.0, 0.0, 1.0, 1.0]]), HD, None, &ids(3));
    let page = |seconds| plan.page_at(Duration::from_secs(seconds), Duration::from_secs(10));
    assert_eq!([0, 9, 10, 29, 30].map(page), [0, 0, 1, 2, 0]);
}

#[test]
fn a_head_shows_its_own_cameras_in_its_order() {
    let mut head = grid(None);
    head.cameras = Some([5, 9, 2].map(SourceId).to_vec());
    let plan = Plan::new(&head, HD, None, &ids(6));
    assert_eq!(plan.cameras(), [5, 2].map(SourceId));
}

#[test]
fn without_cameras_a_grid_has_no_tiles() {
    for exact in [None, Some(TILE)] {
        let plan = Plan::new(&grid(None), TILE, exact, &[]);
        assert_eq!((plan.pages(), plan.tiles(0, None)), (1, Vec::new()));
    }
}

fn any_head() -> impl Strategy<Value = HeadSettings> {
    let tiles = prop::collection::vec(
        (0u8..8, 0u8..8, 1u8..8, 1u8..8).prop_map(|(x, y, width, height)| {
            let eighths = |eighths: u8| f32::from(eighths) / 8.0;
            [
                eighths(x),
                eighths(y),
                eighths(width.min(8 - x)),
                eighths(height.min(8 - y)),
            ]
        }),
        1..12,
    );
    prop_oneof![
        prop::option::of(1u32..=32).prop_map(grid),
        Just(head(Layout::Focus)),
        tiles.prop_map(|tiles| free(&tiles)),
    ]
}

fn any_screen() -> impl Strategy<Value = Size> {
    prop_oneof![
        prop::sample::select(vec![
            HD,
            PORTRAIT,
            Size::new(3840, 2160),
            Size::new(2160, 3840),
            Size::new(1366, 768),
            Size::new(800, 480),
            Size::new(64, 64),
        ]),
        (1u32..5000, 1u32..5000).prop_map(|(width, height)| Size::new(width, height)),
        (1u32..100, 1u32..100).prop_map(|(width, height)| Size::new(width, height)),
    ]
}

proptest! {
    #[test]
    fn tiles_lie_apart_and_on_the_screen(
        head in any_head(), screen in any_screen(), cameras in 1u32..=64, headless: bool, page in 0usize..9
    ) {
        let exact = headless.then_some(TILE);
        let screen = if headless { headless_screen(&head, cameras as usize, TILE) } else { screen };
        let tiles = Plan::new(&head, screen, exact, &ids(cameras)).tiles(page, None);
        prop_assert!(!tiles.is_empty());
        for (index, tile) in tiles.iter().enumerate() {
            prop_assert!(!tile.rect.is_empty() && Rect::of(screen).covers(&tile.rect), "{tile:?}");
            for other in &tiles[..index] {
                prop_assert!(!tile.rect.meets(&other.rect), "{tile:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_grid_leaves_no_gap_and_breaks_on_even_pixels(
        columns in prop::option::of(1u32..=32), screen in any_screen(), cameras in 1u32..=64
    ) {
        let tiles = Plan::new(&grid(columns), screen, None, &ids(cameras)).tiles(0, None);
        let area: u64 = tiles.iter().map(|tile| u64::from(tile.rect.width) * u64::from(tile.rect.height)).sum();
        prop_assert_eq!(area, u64::from(screen.width) * u64::from(screen.height));
        prop_assert!(tiles.iter().all(|tile| tile.rect.x % 2 == 0 && tile.rect.y % 2 == 0));
        let across = tiles.iter().filter(|tile| tile.rect.y == 0).count();
        prop_assert!(across <= columns.unwrap_or(4) as usize);
    }

    #[test]
    fn every_camera_is_on_one_page_and_the_focus_on_all(
        head in any_head(), screen in any_screen(), cameras in 1u32..=64, promoted in prop::option::of(0u32..64)
    ) {
        let plan = Plan::new(&head, screen, None, &ids(cameras));
        let promoted = promoted.map(|id| SourceId(id % cameras));
        let pages: Vec<_> = (0..plan.pages()).map(|page| plan.tiles(page, promoted)).collect();
        let is_alone = pages[0].len() == 1;
        prop_assert_eq!(&plan.tiles(plan.pages(), promoted), &pages[0]);
        for id in ids(cameras) {
            let on = pages.iter().filter(|page| page.iter().any(|tile| tile.source == Some(id))).count();
            let in_focus = |page: &Vec<PlacedTile>| page[0].role == TileRole::Focus && page[0].source == Some(id);
            let is_focus = pages.iter().all(in_focus);
            match promoted {
                // The only tile belongs to the alarm.
                Some(alarm) if is_alone && pages[0][0].role == TileRole::Focus => {
                    prop_assert_eq!(on, if alarm == id { pages.len() } else { 0 });
                }
                _ if is_focus => prop_assert_eq!(on, pages.len()),
                _ => prop_assert_eq!(on, 1, "camera {}", id),
            }
            if promoted == Some(id) && pages[0][0].role == TileRole::Focus {
                prop_assert!(is_focus);
            }
        }
        for page in &pages {
            let mut shown: Vec<_> = page.iter().filter_map(|tile| tile.source).collect();
            let all = shown.len();
            shown.sort_unstable();
            shown.dedup();
            prop_assert_eq!(shown.len(), all);
        }
    }

    #[test]
    fn an_alarm_moves_two_cameras_at_most(screen in any_screen(), cameras in 1u32..=64, promoted in 0u32..64) {
        let plan = Plan::new(&head(Layout::Focus), screen, None, &ids(cameras));
        let promoted = SourceId(promoted % cameras);
        for page in 0..plan.pages() {
            let (before, after) = (plan.tiles(page, None), plan.tiles(page, Some(promoted)));
            let moved = before.iter().zip(&after).filter(|(one, other)| one != other).count();
            prop_assert!(moved <= 2);
        }
    }
}
