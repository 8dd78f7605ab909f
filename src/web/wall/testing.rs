//! A wall for the tests of the page: one head, and scenes that the test changes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::view::WallView;
use crate::base::Size;
use crate::base::sync::lock;
use crate::control::wall_state::{Identity, WallState};
use crate::health::{MetricsSource, Sample};
use crate::render::{Canvas, Color, Rect};

pub(super) use crate::web::testing::{ask, send};

pub(super) struct Scripted {
    scene: Mutex<Arc<Canvas>>,
    asked: AtomicUsize,
}

/// Red, green, blue and white quarters.
pub(super) fn colored(size: Size) -> Canvas {
    let mut canvas = Canvas::new(size, Color::WHITE);
    let (width, height) = (size.width / 2, size.height / 2);
    canvas.fill(&Rect::new(0, 0, width, height), Color::rgb(200, 16, 32));
    canvas.fill(
        &Rect::new(width as i32, 0, width, height),
        Color::rgb(16, 160, 64),
    );
    canvas.fill(
        &Rect::new(0, height as i32, width, height),
        Color::rgb(24, 48, 208),
    );
    canvas
}

/// A picture that compresses badly.
pub(super) fn noise(size: Size) -> Canvas {
    let mut canvas = Canvas::new(size, Color::BLACK);
    fastrand::fill(canvas.from_mut(&Rect::of(size)));
    canvas
}

impl Scripted {
    pub(super) fn new() -> Self {
        Self {
            scene: Mutex::new(Arc::new(colored(Size::new(320, 240)))),
            asked: AtomicUsize::new(0),
        }
    }

    /// Another scene that looks the same.
    pub(super) fn change(&self) {
        self.show(colored(Size::new(320, 240)));
    }

    pub(super) fn show(&self, scene: Canvas) {
        *lock(&self.scene) = Arc::new(scene);
    }

    /// How often a picture was asked for.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl WallView for Scripted {
    fn heads(&self) -> Vec<String> {
        vec!["headless".to_owned()]
    }

    fn picture(&self, head: usize, _limit: Duration) -> Option<Arc<Canvas>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let scene = lock(&self.scene);
        (head == 0).then(|| scene.clone())
    }

    fn state(&self) -> WallState {
        WallState {
            wall: Identity {
                name: Some("</script><b>gate".to_owned()),
                ..Identity::default()
            },
            ..WallState::default()
        }
    }
}

impl MetricsSource for Scripted {
    fn samples(&self) -> Vec<Sample> {
        super::samples(&self.state())
    }
}

/// The page of `wall` at a free port of this machine.
pub(super) async fn page(wall: &Arc<Scripted>, token: Option<&str>) -> super::Page {
    super::serve(
        ([127, 0, 0, 1], 0).into(),
        token.map(crate::config::Secret::new),
        &["wall.example".to_owned()],
        wall.clone(),
        wall.clone(),
        crate::base::Heartbeats::new(crate::base::Clock::system()),
    )
    .await
    .expect("a free port")
}
