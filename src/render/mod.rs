//! Pictures, boxes and states become scenes.

mod camera;
mod canvas;
mod composer;
mod dress;
pub mod layout;
mod look;
pub mod paint;
mod picture;
mod rect;
mod scale;
mod scene;
mod state;

pub(crate) use camera::{Camera, ViewKey, timestamp};
pub use canvas::{Canvas, Color};
pub(crate) use composer::Composer;
pub(crate) use look::Look;
pub use picture::{PictureError, Placement, TilePicture, TileScaler};
pub use rect::Rect;
pub use scene::{Outlook, Scene};
pub use state::{Analysis, AnalysisFacts, Condition, Reason, Video, VideoFacts};
