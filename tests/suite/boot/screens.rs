//! What the monitor of the box has to show.

use std::collections::BTreeSet;
use std::time::Duration;

use image::RgbaImage;
use nvr::base::Size;
use serde_json::Value;

use super::outside::{ANALYSED, EXACT, LATER, PATTERN};
use crate::support::device::{Device, PATIENCE, SCREEN};
use crate::support::tiles::{FAULT, has_boxes, has_exact_colours, has_warning, says, tile};
use crate::support::wall::{Wall, WallOptions};

/// Longest first picture after the start of the kernel: the goal where the machine has nothing else to do is 60 s.
pub(super) const FIRST_PICTURE: Duration = Duration::from_secs(240);

/// The lines of the notice that the box shows, from the configuration of its wall.
fn notice(device: &mut Device) -> Vec<String> {
    let found = device.run("cat /run/nvr/roles-*/wall.json");
    let config: Value = serde_json::from_str(&found.out).unwrap_or_default();
    let lines = config["wall"]["notice"].as_array();
    let lines = lines.into_iter().flatten().filter_map(Value::as_str);
    lines.map(str::to_owned).collect()
}

/// Waits until the monitor shows a notice with these beginnings of lines, exactly as a wall on this machine draws it.
pub(super) fn until_notice(device: &mut Device, label: &str, limit: Duration, beginnings: &[&str]) {
    let lines = device.until(label, limit, |device| {
        let lines = notice(device);
        let begins = |(line, start): (&String, &&str)| line.starts_with(start);
        let has_all = lines.len() == beginnings.len() && lines.iter().zip(beginnings).all(begins);
        match has_all {
            true => Ok(lines),
            false => Err(format!("the notice is {lines:#?}, not {beginnings:#?}")),
        }
    });
    let drawn = drawn(&lines);
    device.until_shown(label, PATIENCE, |picture| is_like(picture, &drawn));
}

/// What a wall draws for a notice on a screen of the same size.
fn drawn(lines: &[String]) -> RgbaImage {
    let list = serde_json::to_string(lines).expect("text");
    // Nothing listens at the port discard.
    let options = WallOptions {
        file: &format!("camera = []\n[wall]\nnotice = {list}\n"),
        tile: Size::new(SCREEN.0, SCREEN.1),
        ..WallOptions::of(9)
    };
    let wall = Wall::start_with(&options, &[]);
    wall.picture()
}

fn is_like(picture: &RgbaImage, wanted: &RgbaImage) -> Result<(), String> {
    if picture.dimensions() != wanted.dimensions() {
        let sizes = (picture.dimensions(), wanted.dimensions());
        return Err(format!("the screen has {:?}, not {:?}", sizes.0, sizes.1));
    }
    let colours: BTreeSet<[u8; 4]> = wanted.pixels().map(|pixel| pixel.0).collect();
    assert!(colours.len() > 1, "an empty notice proves nothing");
    let other = std::iter::zip(picture.pixels(), wanted.pixels())
        .filter(|(is, wanted)| is.0[..3] != wanted.0[..3])
        .count();
    match other {
        0 => Ok(()),
        _ => Err(format!("{other} pixels differ from the notice")),
    }
}

/// Every tile: boxes round what was detected, exact colours without boxes, a live camera, and one that is missing or has come.
pub(super) fn shows_all(picture: &RgbaImage, has_last: bool) -> Result<(), String> {
    if picture.dimensions() != SCREEN {
        return Err(format!("a screen of {:?}", picture.dimensions()));
    }
    let tile = |index| tile(picture, PATTERN.size, index);
    has_boxes(&tile(ANALYSED), &PATTERN)?;
    has_exact_colours(&tile(EXACT), &PATTERN)?;
    has_warning(&tile(1))?;
    has_warning(&tile(EXACT))?;
    match has_last {
        true => has_warning(&tile(LATER)),
        false => says(&tile(LATER), FAULT, "NO CAMERA"),
    }
}

/// A box that reaches nothing: what is missing in each tile of a camera, and the wall's own pattern.
pub(super) fn shows_offline(picture: &RgbaImage) -> Result<(), String> {
    let tile = |index| tile(picture, PATTERN.size, index);
    has_exact_colours(&tile(EXACT), &PATTERN)?;
    for index in [ANALYSED, 1, LATER] {
        says(&tile(index), FAULT, "NO CAMERA")?;
    }
    Ok(())
}
