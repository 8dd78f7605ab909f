//! The size and rate of pictures that the consumer of a source needs. Both may change while the source runs.
//!
//! They are a hint. Where hardware scales behind the decoder, pictures arrive no larger than needed, and little work is
//! left for the CPU. Elsewhere pictures arrive as they were coded. More pictures than wanted may arrive; the consumer
//! drops the surplus.

use std::sync::{Arc, Mutex, Weak};

use super::wanted_units::WantedRate;
use crate::base::sync::lock;
use crate::base::{PictureShape, Size};
use crate::config::DecodeChoice;

/// A hardware scaler reduces to a sixteenth at most (the VIC of a Jetson).
const LEAST_FACTOR: f64 = 1.0 / 16.0;
/// Scalers do not support pictures with a shorter side than this.
const LEAST_SIDE: u32 = 16;

/// One use of the pictures. Their aspect ratio is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The whole picture within this size: a detector's input, or a tile with bars.
    Within(Size),
    /// At least this size on both sides: a tile that is filled.
    Covering(Size),
}

/// The wanted size and rate of pictures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    /// Pictures are large enough for each of these; without any, they have their coded size.
    pub needs: Vec<Need>,
    /// Maximum useful pictures per second; none for all.
    pub max_fps: Option<f64>,
    /// Which pictures are decoded.
    pub decode: DecodeChoice,
}

/// The wanted output of a source, which its consumer may change at any time. Clones share one state.
#[derive(Clone, Default)]
pub struct OutputControl(Arc<OutputState>);

/// Called after each change, on the thread that makes it.
pub(super) type Listener = dyn Fn(&Output) + Send + Sync;

#[derive(Default)]
struct OutputState {
    wanted: Mutex<Output>,
    /// Running sessions: one, and during a restart also the previous one.
    listeners: Mutex<Vec<Weak<Listener>>>,
}

impl Output {
    /// The size to which `picture` is scaled; none if it stays as it is. Sides are even, as 4:2:0 needs.
    pub fn size_for(&self, picture: Size) -> Option<Size> {
        let (width, height) = (f64::from(picture.width), f64::from(picture.height));
        if width < 1.0 || height < 1.0 {
            return None;
        }
        let factor = self
            .needs
            .iter()
            .map(|need| match need {
                Need::Within(size) => {
                    (f64::from(size.width) / width).min(f64::from(size.height) / height)
                }
                Need::Covering(size) => {
                    (f64::from(size.width) / width).max(f64::from(size.height) / height)
                }
            })
            .reduce(f64::max)?
            .max(LEAST_FACTOR);
        if factor >= 1.0 {
            return None;
        }
        let along = |length: f64| ((length * factor / 2.0).round() as u32 * 2).max(LEAST_SIDE);
        Some(Size::new(along(width), along(height)))
    }

    /// The size to which decoded samples of this shape are scaled; none if they stay as they are. They get the
    /// picture's proportions, but no side is enlarged.
    pub(super) fn planes_for(&self, shape: &PictureShape) -> Option<Size> {
        let decoded = shape.crop.size;
        let wanted = shape.orientation.turned(self.size_for(shape.picture())?);
        let planes = Size::new(
            wanted.width.min(decoded.width),
            wanted.height.min(decoded.height),
        );
        (planes != decoded).then_some(planes)
    }

    /// One of this many pictures is needed from a stream with `fps` pictures per second; 1 for all.
    pub(super) fn interval(&self, fps: Option<f64>) -> u32 {
        // A stream of key frames alone has another rate than the camera states.
        let max_fps = self.max_fps.filter(|_| self.decode != DecodeChoice::Key);
        match (max_fps, fps) {
            // A stream slightly below a whole multiple counts as that multiple: 24.98 as 25.
            (Some(most), Some(fps)) if most > 0.0 && fps > most => (fps / most + 0.05) as u32,
            _ => 1,
        }
        .max(1)
    }
}

impl OutputControl {
    /// A control with a first value.
    pub fn new(output: Output) -> Self {
        Self(Arc::new(OutputState {
            wanted: Mutex::new(output),
            listeners: Mutex::default(),
        }))
    }

    /// Changes the wanted output. A running session follows immediately; it reconnects only if its elements need it.
    pub fn set(&self, output: Output) {
        let mut wanted = lock(&self.0.wanted);
        if *wanted == output {
            return;
        }
        *wanted = output.clone();
        drop(wanted);
        let mut listeners = lock(&self.0.listeners);
        listeners.retain(|listener| listener.strong_count() > 0);
        let current: Vec<_> = listeners.iter().filter_map(Weak::upgrade).collect();
        drop(listeners);
        for listener in current {
            listener(&output);
        }
    }

    /// The wanted rate alone, for each access unit.
    pub(super) fn wanted_rate(&self) -> WantedRate {
        let wanted = lock(&self.0.wanted);
        WantedRate {
            max_fps: wanted.max_fps,
            decode: wanted.decode,
        }
    }

    /// The current wanted output.
    pub fn wanted(&self) -> Output {
        lock(&self.0.wanted).clone()
    }

    /// Calls `listener` after changes for as long as it lives.
    pub(super) fn listen(&self, listener: &Arc<Listener>) {
        lock(&self.0.listeners).push(Arc::downgrade(listener));
    }
}

impl std::fmt::Debug for OutputControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.wanted().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: Size = Size::new(1920, 1080);

    fn size(needs: &[Need], picture: Size) -> Option<Size> {
        let output = Output {
            needs: needs.to_vec(),
            max_fps: None,
            ..Output::default()
        };
        output.size_for(picture)
    }

    #[test]
    fn pictures_are_as_large_as_the_largest_need_and_never_larger_than_they_are() {
        let model = Need::Within(Size::new(640, 640));
        assert_eq!(size(&[model], HD), Some(Size::new(640, 360)));
        let tile = Need::Covering(Size::new(640, 640));
        assert_eq!(size(&[tile], HD), Some(Size::new(1138, 640)));
        assert_eq!(size(&[model, tile], HD), Some(Size::new(1138, 640)));
        assert_eq!(size(&[model], Size::new(640, 360)), None);
        assert_eq!(size(&[model], Size::new(320, 240)), None);
        assert_eq!(size(&[], HD), None);
        assert_eq!(size(&[model], Size::new(0, 0)), None);
    }

    #[test]
    fn pixels_that_are_not_square_and_pictures_on_their_side_are_scaled_to_what_they_show() {
        let output = |need| Output {
            needs: vec![need],
            max_fps: None,
            ..Output::default()
        };
        let mut shape = PictureShape {
            pixel: (40, 33),
            ..PictureShape::plain(Size::new(704, 480))
        };
        let planes = |need, shape: &PictureShape| output(need).planes_for(shape);
        let tile = Need::Within(Size::new(640, 360));
        assert_eq!(planes(tile, &shape), Some(Size::new(640, 360)));
        let large = Need::Within(Size::new(800, 600));
        assert_eq!(planes(large, &shape), Some(Size::new(704, 450)));
        shape.orientation.quarters = 1;
        assert_eq!(planes(tile, &shape), Some(Size::new(360, 202)));
        assert_eq!(planes(Need::Within(Size::new(853, 853)), &shape), None);
    }

    #[test]
    fn nothing_is_asked_for_that_a_scaler_can_not_do() {
        let icon = Need::Within(Size::new(8, 8));
        let picture = Size::new(3840, 2160);
        assert_eq!(size(&[icon], picture), Some(Size::new(240, 136)));
        assert_eq!(size(&[icon], Size::new(1920, 64)), Some(Size::new(120, 16)));
    }

    #[test]
    fn the_interval_gives_no_fewer_pictures_than_are_wanted() {
        let interval = |most: f64, fps: f64| {
            let output = Output {
                needs: Vec::new(),
                max_fps: Some(most),
                ..Output::default()
            };
            output.interval(Some(fps))
        };
        assert_eq!(interval(5.0, 25.0), 5);
        assert_eq!(interval(5.0, 24.98), 5);
        assert_eq!(interval(5.0, 29.97), 6);
        assert_eq!(interval(10.0, 25.0), 2);
        assert_eq!(interval(25.0, 25.0), 1);
        assert_eq!(interval(30.0, 25.0), 1);
        assert_eq!(Output::default().interval(Some(25.0)), 1);
    }

    #[test]
    fn a_listener_is_called_while_it_lives() {
        let control = OutputControl::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let received = heard.clone();
        let listener: Arc<Listener> = Arc::new(move |output| lock(&received).push(output.max_fps));
        control.listen(&listener);
        let at = |fps| Output {
            needs: Vec::new(),
            max_fps: Some(fps),
            ..Output::default()
        };
        control.set(at(5.0));
        control.clone().set(at(5.0));
        control.set(at(2.0));
        drop(listener);
        control.set(at(1.0));
        assert_eq!(*lock(&heard), [Some(5.0), Some(2.0)]);
        assert_eq!(control.wanted(), at(1.0));
    }
}
