//! From frames and events to scenes: what a wall shows, as pixels.
//!
//! The decoder's thread of each camera scales its frames to tile size (`picture`, `scale`). The camera keeps them
//! (`frame_cache`) until their boxes have arrived ([`crate::align`]). The thread of a head divides the screen into tiles
//! ([`layout`]), finds the content of each tile (`state`, `tile_content`), and paints the changes (`composer`, `overlay`,
//! [`paint`]) onto a [`Canvas`]. The result is a [`Scene`], for a display that is described by its [`DisplayInfo`]. This room
//! knows no monitor, no broker and no page, and has no threads.

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

pub(crate) use camera::{Camera, timestamp};
pub use canvas::{Canvas, Color};
pub(crate) use composer::Composer;
pub(crate) use frame_cache::TileKey;
pub use picture::{PictureError, Placement, TilePicture, TileScaler};
pub use rect::Rect;
pub use scene::{DisplayInfo, Scene};
pub use state::{Analysis, AnalysisFacts, CameraState, Reason, Video, VideoFacts};
pub(crate) use tile_content::TileContent;
