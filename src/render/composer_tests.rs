use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::align::FrameTimes;
use crate::base::{Frame, OwnedPixels, PixelFormat, Size};
use crate::config::Fit;
use crate::render::frame_cache::CachedFrame;
use crate::render::state::{Analysis, Recording, Video};
use crate::render::tile_content::ContentBox;
use crate::render::{Placement, TileKey, TileScaler};

const SCREEN: Size = Size::new(640, 240);
const TILES: [Rect; 2] = [Rect::new(0, 0, 320, 240), Rect::new(320, 0, 320, 240)];

fn cached_frame(number: u64, white: bool) -> CachedFrame {
    let size = Size::new(320, 180);
    let placement = Placement::new(size, TILES[0].size(), Fit::Contain);
    let plane = |size: Size, sample: u8| {
        let (width, height) = (size.width as usize, size.height as usize);
        (vec![sample; width * height], width)
    };
    let half = Size::new(160, 90);
    let luma = if white { 235 } else { 16 };
    let planes = vec![plane(size, luma), plane(half, 128), plane(half, 128)];
    let pixels = OwnedPixels::from_planes(PixelFormat::I420, planes);
    let frame = Frame::untimed(size, pixels);
    CachedFrame {
        number,
        times: FrameTimes {
            arrival: Duration::ZERO,
            ntp_ns: None,
            size,
        },
        key: TileKey {
            head: 0,
            tile: TILES[0].size(),
            fit: Fit::Contain,
        },
        placement,
        picture: Arc::new(
            TileScaler::default()
                .scale(&frame, &placement)
                .expect("it scales"),
        ),
    }
}

fn content(number: u64, white: bool) -> TileContent {
    TileContent {
        picture: Some(cached_frame(number, white)),
        boxes: Vec::new(),
        video: Video::Live,
        analysis: Analysis::Ok,
        recording: Recording::Ok,
        title: None,
        number: "camera 0".to_owned(),
        rates: None,
        unsynchronised: false,
        corner: None,
    }
}

fn boxed(rect: Rect) -> ContentBox {
    ContentBox {
        rect,
        class_name: "person".into(),
        label: "person".to_owned(),
        dashed: false,
    }
}

fn composer(overlay: bool) -> Composer {
    let info = DisplayInfo {
        size: SCREEN,
        interval: Duration::from_millis(16),
        overlay,
        exact_tiles: true,
        description: String::new(),
        visible: true,
    };
    let mut composer = Composer::new(&info, &WallSettings::default());
    composer.lay_out(&TILES);
    composer.presented();
    composer
}

#[test]
fn equal_content_damages_nothing() {
    for overlay in [false, true] {
        let mut composer = composer(overlay);
        composer.show(0, content(1, true));
        assert!(composer.is_damaged());
        composer.presented();
        composer.show(0, content(1, true));
        assert!(!composer.is_damaged(), "overlay: {overlay}");
    }
}

#[test]
fn a_new_picture_damages_its_tile_and_no_other() {
    let mut composer = composer(false);
    composer.show(0, content(1, true));
    composer.show(1, content(1, true));
    composer.presented();
    composer.show(1, content(2, false));
    let damage = composer.scene().base_damage.to_vec();
    assert_eq!(damage, [TILES[1]]);
    let picture = composer.flattened();
    assert_eq!(picture.pixel(160, 120), Some(Color::WHITE));
    assert_eq!(picture.pixel(480, 120), Some(Color::BLACK));
}

#[test]
fn the_picture_alone_is_damaged_below_a_layer_of_boxes() {
    let mut composer = composer(true);
    composer.show(0, content(1, true));
    composer.presented();
    composer.show(0, content(2, false));
    let scene = composer.scene();
    assert_eq!(scene.base_damage, [Rect::new(0, 30, 320, 180)]);
    assert!(scene.overlay_damage.is_empty());
    assert_eq!(scene.pictures, [Rect::new(0, 30, 320, 180)]);
}

#[test]
fn boxes_look_the_same_blended_and_on_a_layer_of_their_own() {
    let mut flat = Vec::new();
    for overlay in [false, true] {
        let mut composer = composer(overlay);
        for step in 0..5 {
            let mut content = content(step, true);
            content
                .boxes
                .push(boxed(Rect::new(40 + 7 * step as i32, 80, 60, 70)));
            content.title = Some("1 Loading dock".to_owned());
            content.rates = Some("25 fps".to_owned());
            composer.show(0, content);
            composer.presented();
        }
        flat.push(composer.flattened());
    }
    // What moved leaves no trace on either. Two layers of glass are rounded one by one, or together.
    let furthest = flat[0]
        .bytes()
        .iter()
        .zip(flat[1].bytes())
        .map(|(one, other)| one.abs_diff(*other))
        .max();
    assert!(furthest.is_some_and(|steps| steps <= 2), "{furthest:?}");
}

#[test]
fn what_was_said_beside_a_picture_leaves_no_trace() {
    let bare = |number| {
        let mut composer = composer(false);
        composer.show(0, content(number, false));
        composer
    };
    let mut with_texts = content(1, false);
    with_texts.title = Some("1 Loading dock".to_owned());
    with_texts.rates = Some("25 fps".to_owned());
    with_texts.analysis = Analysis::NoProcessor;
    with_texts.unsynchronised = true;
    // Its label stands on the bar above.
    with_texts.boxes.push(boxed(Rect::new(40, 32, 60, 70)));
    let mut composer = bare(0);
    composer.show(0, with_texts);
    assert_ne!(composer.flattened(), bare(2).flattened());
    composer.show(0, content(2, false));
    assert_eq!(composer.flattened(), bare(2).flattened());
}

#[test]
fn a_box_that_is_gone_is_cleared_from_its_layer() {
    let mut composer = composer(true);
    let mut with_box = content(1, true);
    with_box.boxes.push(boxed(Rect::new(40, 80, 60, 70)));
    composer.show(0, with_box);
    composer.presented();
    composer.show(0, content(1, true));
    let scene = composer.scene();
    assert!(scene.base_damage.is_empty());
    let overlay = scene.overlay.expect("a layer");
    assert!(overlay.bytes().iter().all(|byte| *byte == 0));
    assert!(!scene.overlay_damage.is_empty());
}

#[test]
fn a_stale_picture_is_dimmed_and_says_so() {
    let mut composer = composer(false);
    let mut stale = content(1, true);
    stale.video = Video::Stale {
        age: Duration::from_secs(12),
        reason: None,
    };
    composer.show(0, stale);
    let picture = composer.flattened();
    let [shade, ..] = picture.pixel(20, 60).expect("a pixel").0;
    assert!((80..130).contains(&shade), "{shade}");
    let plate = Rect::new(100, 90, 120, 60);
    let dark = (0..plate.height)
        .flat_map(|row| picture.row(&plate, row).to_vec())
        .min();
    assert!(
        dark.is_some_and(|dark| dark < 60),
        "the words stand on a dark ground"
    );
}

#[test]
fn a_notice_is_drawn_once_below_the_tiles_and_leaves_no_trace() {
    let mut composer = composer(true);
    let lines: Arc<[String]> = ["refused".to_owned(), "next".to_owned()].into();
    let height = composer.set_notice(lines.clone());
    assert!(height > 0 && height < SCREEN.height / 2);
    let above = Rect::new(0, 0, 320, SCREEN.height - height);
    composer.lay_out(&[above]);
    composer.show(0, content(1, true));
    composer.show_notice();
    let ground = Color::rgb(16, 24, 32);
    let (x, y) = (SCREEN.width as i32 - 1, SCREEN.height as i32 - 1);
    assert_eq!(composer.flattened().pixel(x, y), Some(ground));
    composer.presented();
    composer.set_notice(lines);
    composer.show_notice();
    assert!(!composer.is_damaged(), "nothing has changed");
    assert_eq!(composer.set_notice(Arc::default()), 0);
    composer.show_notice();
    assert!(composer.is_damaged());
    assert_ne!(composer.flattened().pixel(x, y), Some(ground));
}
