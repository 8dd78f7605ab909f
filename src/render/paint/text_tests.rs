use super::*;

#[test]
fn letters_are_written_with_soft_edges_and_inside_the_clip() {
    let mut canvas = Canvas::new(Size::new(80, 40), Color::BLACK);
    let clip = Rect::new(0, 0, 30, 40);
    Typeface::default().write(&mut canvas, &clip, (2, 2), "WWWW", 24, Color::WHITE);
    let shades: Vec<u8> = canvas.bytes().chunks(4).map(|pixel| pixel[0]).collect();
    assert!(shades.contains(&255), "something is fully white");
    assert!(
        shades.iter().any(|shade| (1..255).contains(shade)),
        "edges are soft"
    );
    let beyond = (0..40).flat_map(|y| (30..80).map(move |x| (x, y)));
    for (x, y) in beyond {
        assert_eq!(canvas.pixel(x, y), Some(Color::BLACK), "({x}, {y})");
    }
}

#[test]
fn what_does_not_fit_ends_in_an_ellipsis() {
    let mut letters = Typeface::default();
    let full = letters.width("Loading dock", 20);
    assert_eq!(letters.fitted("Loading dock", 20, full), "Loading dock");
    let short = letters.fitted("Loading dock", 20, full / 2);
    assert!(short.ends_with('…') && short.starts_with("Load"), "{short}");
    assert!(letters.width(&short, 20) <= full / 2);
}

#[test]
fn long_text_breaks_between_words() {
    let mut letters = Typeface::default();
    let limit = letters.width("camera refused", 16);
    let lines = letters.wrapped("camera refused the login of viewer", 16, limit, 2);
    assert_eq!(lines[0], "camera refused");
    assert_eq!(lines.len(), 2);
    assert!(lines[1].ends_with('…'), "{lines:?}");
}

#[test]
fn a_plate_has_the_pixels_of_text_on_its_ground() {
    let mut letters = Typeface::default();
    let style = Style {
        size_px: 12,
        ground: Color::rgb(0, 114, 178),
        ink: Color::WHITE,
    };
    let width = letters.width("7 Dock", 12) + 2 * padding(12).unsigned_abs();
    let mut direct = Canvas::new(Size::new(width, Typeface::line_px(12)), style.ground);
    let clip = direct.bounds();
    letters.write(
        &mut direct,
        &clip,
        (padding(12), 0),
        "7 Dock",
        12,
        style.ink,
    );
    for _ in 0..2 {
        assert_eq!(letters.label("7 Dock", width, style), Some(&direct));
    }
    assert_eq!(letters.label("7 Dock", WIDEST_PX + 1, style), None);
}

fn ink(text: &str, size_px: u32) -> (Vec<u8>, u32) {
    let mut letters = Typeface::default();
    let width = letters.width(text, size_px);
    let mut canvas = Canvas::new(Size::new(width.max(1) + 8, 3 * size_px), Color::BLACK);
    let clip = canvas.bounds();
    letters.write(
        &mut canvas,
        &clip,
        (4, size_px as i32 / 2),
        text,
        size_px,
        Color::WHITE,
    );
    let shades = canvas.bytes().chunks(4).map(|pixel| pixel[0]).collect();
    (shades, width)
}

#[test]
fn text_of_the_built_in_font_takes_the_short_way() {
    let mut letters = Typeface::default();
    for text in [
        "Loading dock",
        "Straße · 7 €",
        "Проходная №2",
        "Πύλη",
        "Größe…",
        "a\tb",
    ] {
        assert!(
            letters.shaped(&legible::clean(text), 16).is_none(),
            "{text}"
        );
    }
}

#[test]
fn names_in_other_scripts_are_legible() {
    let mut letters = Typeface::default();
    // Of the packages of `tools/setup system`: fonts-dejavu-core, fonts-droid-fallback, fonts-lohit-deva.
    for name in [
        "3 停车场",
        "3 مرحبا",
        "3 पार्किंग",
        "3 駐車場 カメラ",
        "3 שער",
        "3 e\u{301}t\u{e9}",
    ] {
        assert!(letters.can_write(name, 24), "{name}");
        let (shades, width) = ink(name, 24);
        assert!(width > 30, "{name}: {width}");
        assert!(
            shades.iter().filter(|shade| **shade > 128).count() > 60,
            "{name}"
        );
    }
}

#[test]
fn what_no_font_has_is_not_drawn_as_boxes() {
    let mut letters = Typeface::default();
    // A letter of private use; no font of a system has it.
    let unknown = "\u{10fffd}";
    let named = letters.width(&format!("Dock{unknown}"), 16);
    assert!(named.abs_diff(letters.width("Dock", 16)) <= 1, "{named}");
    assert!(
        letters.can_write(&format!("Dock {unknown}"), 16),
        "it is no letter"
    );
    // Of the Tangut script, which has a package for itself.
    assert!(!letters.can_write("\u{17000}\u{17001}", 16));
    assert_eq!(letters.width("\u{17000}", 16), 0);
}

#[test]
fn arabic_letters_are_joined_and_go_from_right_to_left() {
    let mut letters = Typeface::default();
    let apart: u32 = "مرحبا"
        .chars()
        .map(|letter| letters.width(&letter.to_string(), 32))
        .sum();
    let joined = letters.width("مرحبا", 32);
    assert!(joined < apart, "{joined} of {apart}");
    // A digit before the name stays at its left, and a blank behind it.
    let (shades, width) = ink("7 مرحبا", 32);
    let row = width as usize + 8;
    let lit = |column: usize| (0..shades.len() / row).any(|y| shades[y * row + column] > 128);
    let lit: Vec<bool> = (0..row).map(lit).collect();
    let digit = letters.width("7", 32) as usize;
    assert!(lit[4..4 + digit].contains(&true), "{lit:?}");
    assert!(
        !lit[4 + digit..4 + digit + digit / 2].contains(&true),
        "{lit:?}"
    );
    assert!(lit[4 + 2 * digit..].contains(&true), "{lit:?}");
}

#[test]
fn long_names_of_any_script_end_in_an_ellipsis_between_letters() {
    let mut letters = Typeface::default();
    for name in [
        "停车场".repeat(2000),
        "مرحبا ".repeat(500),
        "e\u{301}".repeat(3000),
    ] {
        let short = letters.fitted(&name, 16, 120);
        assert!(short.ends_with('…') && short.chars().count() > 3, "{short}");
        assert!(letters.width(&short, 16) <= 120, "{short}");
        assert!(
            !short.ends_with("e…") || name.starts_with("停"),
            "an accent was lost: {short}"
        );
    }
}

#[test]
fn marks_do_not_run_into_other_lines() {
    let mut letters = Typeface::default();
    let name = format!("a{}", "\u{30d}\u{316}".repeat(40));
    let mut canvas = Canvas::new(Size::new(60, 200), Color::BLACK);
    let clip = canvas.bounds();
    letters.write(&mut canvas, &clip, (10, 90), &name, 20, Color::WHITE);
    let line = 90..90 + Typeface::line_px(20) as i32;
    for y in (0..200).filter(|y| !line.contains(y)) {
        for x in 0..60 {
            assert_eq!(canvas.pixel(x, y), Some(Color::BLACK), "({x}, {y})");
        }
    }
}

#[test]
fn memory_is_bounded_whatever_is_written() {
    let mut letters = Typeface::default();
    for size in 8..200 {
        letters.width("abcdefghijklmnopqrstuvwxyz", size);
    }
    assert!(letters.glyphs.len() <= MOST_GLYPHS);
    for number in 0..2 * MOST_LINES {
        letters.width(&format!("门 {number}"), 12);
    }
    assert!(letters.lines.len() <= MOST_LINES);
}
