//! What a source's pictures are wanted for: their size and rate, which may change while the source runs.
//!
//! It is a wish. Where hardware scales on the way out of the decoder, pictures come no larger than they are needed, and
//! the processor's own scaler has little left to do; elsewhere they come as they were coded. More pictures than are wanted may
//! come, too: who needs fewer takes fewer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::base::{PictureShape, Size};

/// A scaler in hardware reduces to a sixteenth at most (the VIC of a Jetson).
const LEAST_FACTOR: f64 = 1.0 / 16.0;
/// Pictures with less than this along a side are nothing that scalers are made for.
const LEAST_SIDE: u32 = 16;

/// One thing that pictures are needed for; their aspect ratio stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The whole picture inside so many pixels: a detector's input, a tile with bars.
    Within(Size),
    /// As large as these pixels or larger on both sides: a tile that is filled.
    Covering(Size),
}

/// What a source's pictures are wanted for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    /// Pictures are to be large enough for each; as they are coded where nothing is needed.
    pub needs: Vec<Need>,
    /// The most pictures a second that are of use; none: all.
    pub max_fps: Option<f64>,
}

/// The wish of whoever takes a source's pictures, changed at any time; clones are the same one.
#[derive(Clone, Default)]
pub struct OutputControl(Arc<OutputState>);

/// DeclaredShape of each change, from the thread that makes it.
pub(super) type Listener = dyn Fn(&Output) + Send + Sync;

#[derive(Default)]
struct OutputState {
    wanted: Mutex<Output>,
    /// Sessions that run: one, and for a moment the one before.
    listeners: Mutex<Vec<Weak<Listener>>>,
}

impl Output {
    /// What `picture` is to be scaled to; nothing where it should stay as it is. Sides are even, as 4:2:0 wants them.
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

    /// What decoded samples of that shape are to be scaled to; nothing where they should stay as they are. They come to the
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

    /// Of how many pictures one is of use, where a stream has `fps` a second: 1 for all of them.
    pub(super) fn interval(&self, fps: Option<f64>) -> u32 {
        match (self.max_fps, fps) {
            // A little less than a whole number of pictures is meant as that number: 24.98 for 25.
            (Some(most), Some(fps)) if most > 0.0 && fps > most => (fps / most + 0.05) as u32,
            _ => 1,
        }
        .max(1)
    }
}

impl OutputControl {
    /// A wish to begin with.
    pub fn new(output: Output) -> Self {
        Self(Arc::new(OutputState {
            wanted: Mutex::new(output),
            listeners: Mutex::default(),
        }))
    }

    /// Changes the wish; a session that runs follows at once, without a new connection where its elements can.
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

    /// The present wish.
    pub fn wanted(&self) -> Output {
        lock(&self.0.wanted).clone()
    }

    /// Tells `listener` of changes for as long as it lives.
    pub(super) fn listen(&self, listener: &Arc<Listener>) {
        lock(&self.0.listeners).push(Arc::downgrade(listener));
    }
}

impl std::fmt::Debug for OutputControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.wanted().fmt(f)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: Size = Size::new(1920, 1080);

    fn size(needs: &[Need], picture: Size) -> Option<Size> {
        let output = Output {
            needs: needs.to_vec(),
            max_fps: None,
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
    fn a_session_hears_of_changes_while_it_lives() {
        let control = OutputControl::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let received = heard.clone();
        let listener: Arc<Listener> = Arc::new(move |output| lock(&received).push(output.max_fps));
        control.listen(&listener);
        let at = |fps| Output {
            needs: Vec::new(),
            max_fps: Some(fps),
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
