//! Turns frames and events into scenes, the pixels that a wall shows.
//!
//! The decoder's thread of each camera scales its frames to tile size (`picture`, `scale`). The camera keeps them
//! (`frame_cache`) until their boxes have arrived ([`crate::align`]). The thread of a head divides the screen into tiles
//! ([`layout`]), finds the content of each tile (`state`, `tile_content`), and paints the changes (`composer`, `overlay`,
//! [`paint`]) onto a [`Canvas`]. The result is a [`Scene`] for a display, which [`DisplayInfo`] describes. [`annotate()`] draws
//! detections on a still picture in the same way. This room has no threads and does not use monitors, the broker or the page.

mod annotate;
mod banner;
mod camera;
mod canvas;
mod composer;
mod frame_cache;
mod frame_rate;
pub mod layout;
mod overlay;
pub mod paint;
mod picture;
mod rect;
mod scale;
mod scene;
mod state;
mod tile_content;

pub use annotate::annotate;
pub(crate) use camera::{Camera, timestamp};
pub use canvas::{Canvas, Color};
pub(crate) use composer::Composer;
pub(crate) use frame_cache::TileKey;
pub use picture::{PictureError, Placement, TilePicture, TileScaler};
pub use rect::Rect;
pub use scene::{DisplayInfo, Scene};
pub use state::{Analysis, AnalysisFacts, CameraState, Reason, Recording, Video, VideoFacts};
pub(crate) use tile_content::TileContent;
