//! Walkers and vehicles that cross each other and pass behind a pillar, and simulated detections of them: boxes that
//! change with the stride, misses, weak and cut boxes of half-hidden objects, one box for two people at one place, and
//! false detections. Deterministic: one seed, one scene.

use std::sync::Arc;

use nvr::base::BBox;
use nvr::detect::Detection;

use super::Scene;
use super::metrics::Truth;

const WIDTH: f32 = 1280.0;
const HEIGHT: f32 = 720.0;
/// Frames of a scene: 60 s at 10 per second.
const FRAMES: usize = 600;
const SECONDS_A_FRAME: f32 = 0.1;
/// Overlap above which a detector keeps only the stronger of two boxes.
const NMS_IOU: f32 = 0.45;

struct Mover {
    id: u64,
    vehicle: bool,
    /// Feet.
    x: f32,
    y: f32,
    /// In own heights per second.
    velocity: (f32, f32),
    stride: f32,
    appears: usize,
}

/// The scene of `seed`.
pub(super) fn scene(seed: u64) -> Scene {
    let mut rng = fastrand::Rng::with_seed(seed);
    let person: Arc<str> = "person".into();
    let car: Arc<str> = "car".into();
    let pillar = BBox::from_corners(620.0, 0.0, 665.0, 520.0);
    let cone = BBox::from_corners(300.0, 300.0, 330.0, 350.0);
    let mut movers: Vec<Mover> = (1..=8)
        .map(|id| Mover {
            x: WIDTH * rng.f32(),
            ..walker(&mut rng, id, 0)
        })
        .collect();
    let mut next_id = 9;
    let mut frames = Vec::new();
    for frame in 0..FRAMES {
        movers.retain(|mover| {
            (-40.0..WIDTH + 40.0).contains(&mover.x) && (150.0..HEIGHT + 60.0).contains(&mover.y)
        });
        let (walkers, vehicles) = (
            movers.iter().filter(|mover| !mover.vehicle).count(),
            movers.iter().filter(|mover| mover.vehicle).count(),
        );
        if walkers < 12 && rng.f32() < 0.05 {
            movers.push(walker(&mut rng, next_id, frame));
            next_id += 1;
        }
        if vehicles < 2 && rng.f32() < 0.03 {
            movers.push(vehicle(&mut rng, next_id, frame));
            next_id += 1;
        }
        for mover in &mut movers {
            advance(mover, &mut rng);
        }
        // Nearest first: it hides those behind it.
        movers.sort_by(|one, other| other.y.total_cmp(&one.y));
        let boxes: Vec<BBox> = movers.iter().map(|mover| whole_box(mover, frame)).collect();
        let mut truth = Vec::new();
        let mut detections = Vec::new();
        for (index, mover) in movers.iter().enumerate() {
            let full = boxes[index];
            let hidden_by = boxes[..index]
                .iter()
                .chain((mover.y < 515.0).then_some(&pillar));
            let (seen, share) = visible(&full, hidden_by);
            let inside = full
                .clamped(nvr::base::Size::new(WIDTH as u32, HEIGHT as u32))
                .area()
                / full.area();
            let share = share * inside;
            truth.push(Truth {
                id: mover.id,
                bbox: full.clamped(nvr::base::Size::new(WIDTH as u32, HEIGHT as u32)),
                counts: share > 0.15,
            });
            let class = if mover.vehicle { &car } else { &person };
            detections.extend(detect(&mut rng, &full, &seen, share, class));
        }
        if rng.f32() < 0.25 {
            detections.push(false_detection(&mut rng, &cone, &person));
        }
        suppress(&mut detections);
        frames.push((truth, detections));
    }
    frames
}

fn walker(rng: &mut fastrand::Rng, id: u64, appears: usize) -> Mover {
    let from_left = rng.bool();
    let speed = 0.5 + 0.6 * rng.f32();
    Mover {
        id,
        vehicle: false,
        x: if from_left { -20.0 } else { WIDTH + 20.0 },
        y: 260.0 + 420.0 * rng.f32(),
        velocity: (
            if from_left { speed } else { -speed },
            0.3 * (rng.f32() - 0.5),
        ),
        stride: rng.f32() * 6.0,
        appears,
    }
}

fn vehicle(rng: &mut fastrand::Rng, id: u64, appears: usize) -> Mover {
    let from_left = rng.bool();
    let speed = 1.5 + 3.0 * rng.f32();
    Mover {
        id,
        vehicle: true,
        x: if from_left { -30.0 } else { WIDTH + 30.0 },
        y: 280.0 + 60.0 * rng.f32(),
        velocity: (if from_left { speed } else { -speed }, 0.0),
        stride: 0.0,
        appears,
    }
}

fn advance(mover: &mut Mover, rng: &mut fastrand::Rng) {
    let height = height_at(mover);
    mover.x += mover.velocity.0 * height * SECONDS_A_FRAME;
    mover.y += mover.velocity.1 * height * SECONDS_A_FRAME;
    if mover.vehicle {
        return;
    }
    // Sometimes an object stops, turns round, or goes another way.
    match rng.u32(0..400) {
        0 => mover.velocity = (0.0, 0.0),
        1 => mover.velocity.0 = -mover.velocity.0,
        2..=8 => {
            let speed = 0.5 + 0.6 * rng.f32();
            let angle = rng.f32() * std::f32::consts::TAU;
            mover.velocity = (speed * angle.cos(), 0.4 * speed * angle.sin());
        }
        _ => {}
    }
}

/// Height in pixels at this position: the camera looks down, and objects lower in the picture are nearer.
fn height_at(mover: &Mover) -> f32 {
    let person = 40.0 + 0.18 * mover.y;
    if mover.vehicle { 0.9 * person } else { person }
}

fn whole_box(mover: &Mover, frame: usize) -> BBox {
    let height = height_at(mover);
    let width = if mover.vehicle {
        2.4 * height
    } else {
        let moving = (mover.velocity.0.abs() * 1.5).min(1.0);
        let stride = (mover.stride + 0.55 * (frame - mover.appears) as f32)
            .sin()
            .abs();
        height * (0.33 + 0.14 * moving * stride)
    };
    BBox {
        x: mover.x,
        y: mover.y - height / 2.0,
        width,
        height,
    }
}

/// The box of the visible part of `full` behind the objects in front, and the visible share, by a raster of points.
fn visible<'a>(full: &BBox, in_front: impl Iterator<Item = &'a BBox>) -> (BBox, f32) {
    const ACROSS: usize = 12;
    const DOWN: usize = 16;
    let mut seen = [[true; ACROSS]; DOWN];
    let [left, top, _, _] = full.corners();
    let point = |row: usize, column: usize| {
        (
            left + (column as f32 + 0.5) / ACROSS as f32 * full.width,
            top + (row as f32 + 0.5) / DOWN as f32 * full.height,
        )
    };
    for front in in_front {
        let [front_left, front_top, front_right, front_bottom] = front.corners();
        for (row, line) in seen.iter_mut().enumerate() {
            for (column, cell) in line.iter_mut().enumerate() {
                let (x, y) = point(row, column);
                *cell &= !((front_left..front_right).contains(&x)
                    && (front_top..front_bottom).contains(&y));
            }
        }
    }
    let cells: Vec<(usize, usize)> = (0..DOWN)
        .flat_map(|row| (0..ACROSS).map(move |column| (row, column)))
        .filter(|&(row, column)| seen[row][column])
        .collect();
    if cells.is_empty() {
        return (*full, 0.0);
    }
    let (mut low, mut high) = (point(cells[0].0, cells[0].1), point(cells[0].0, cells[0].1));
    for &(row, column) in &cells {
        let (x, y) = point(row, column);
        low = (low.0.min(x), low.1.min(y));
        high = (high.0.max(x), high.1.max(y));
    }
    let (half_column, half_row) = (
        full.width / ACROSS as f32 / 2.0,
        full.height / DOWN as f32 / 2.0,
    );
    let part = BBox::from_corners(
        low.0 - half_column,
        low.1 - half_row,
        high.0 + half_column,
        high.1 + half_row,
    );
    (part, cells.len() as f32 / (ACROSS * DOWN) as f32)
}

fn detect(
    rng: &mut fastrand::Rng,
    full: &BBox,
    seen: &BBox,
    share: f32,
    class_name: &Arc<str>,
) -> Option<Detection> {
    let missed = match share {
        _ if share < 0.2 => 0.95,
        _ if share < 0.5 => 0.35,
        _ if share < 0.8 => 0.08,
        _ => 0.02,
    };
    if rng.f32() < missed {
        return None;
    }
    let confidence = (0.05 + 0.85 * share + 0.2 * (rng.f32() - 0.5)).clamp(0.1, 0.97);
    // A detector sometimes draws the visible part, sometimes the whole person.
    let cut = rng.f32();
    let mix = |whole: f32, part: f32| whole + (part - whole) * cut;
    let noise = |rng: &mut fastrand::Rng, size: f32| {
        size * 0.03 * (rng.f32() + rng.f32() + rng.f32() + rng.f32() - 2.0) * 1.7
    };
    let bbox = BBox {
        x: mix(full.x, seen.x) + noise(rng, full.width),
        y: mix(full.y, seen.y) + noise(rng, full.height),
        width: mix(full.width, seen.width) + noise(rng, full.width),
        height: mix(full.height, seen.height) + noise(rng, full.height),
    }
    .clamped(nvr::base::Size::new(WIDTH as u32, HEIGHT as u32));
    (bbox.area() > 50.0).then(|| Detection {
        class_name: Arc::clone(class_name),
        confidence,
        bbox,
    })
}

fn false_detection(rng: &mut fastrand::Rng, cone: &BBox, class_name: &Arc<str>) -> Detection {
    let bbox = if rng.bool() {
        *cone
    } else {
        BBox {
            x: WIDTH * rng.f32(),
            y: 200.0 + 400.0 * rng.f32(),
            width: 20.0 + 40.0 * rng.f32(),
            height: 50.0 + 100.0 * rng.f32(),
        }
        .clamped(nvr::base::Size::new(WIDTH as u32, HEIGHT as u32))
    };
    Detection {
        class_name: Arc::clone(class_name),
        confidence: 0.1 + 0.55 * rng.f32() * rng.f32(),
        bbox,
    }
}

fn suppress(detections: &mut Vec<Detection>) {
    detections.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
    let mut kept: Vec<Detection> = Vec::with_capacity(detections.len());
    for detection in detections.drain(..) {
        let doubled = kept.iter().any(|one| {
            one.class_name == detection.class_name && one.bbox.iou(&detection.bbox) > NMS_IOU
        });
        if !doubled {
            kept.push(detection);
        }
    }
    *detections = kept;
}
