//! From frames and events to scenes: what a wall shows, as pixels.
//!
//! Each camera's decoder thread scales its frames to tile size (`picture`, `scale`). The camera holds them for as long as
//! their boxes may take to arrive (`camera`, [`crate::align`]). The composer's thread divides the screen into tiles
//! ([`layout`]), finds what each tile looks like now (`state`, `look`), and paints what changed (`composer`, `dress`,
//! [`paint`]) onto a [`Canvas`]. The result is a [`Scene`], for a display that tells its [`DisplayInfo`]. Nothing here knows of a
//! monitor, a broker or a page, and nothing here has a thread of its own.

mod camera;
mod canvas;
mod composer;
mod frame_cache;
mod frame_rate;
mod overlay;
pub mod layout;
mod tile_content;
pub mod paint;
mod picture;
mod rect;
mod scale;
mod scene;
mod state;

pub(crate) use camera::{Camera, timestamp};
pub(crate) use frame_cache::TileKey;
pub use canvas::{Canvas, Color};
pub(crate) use composer::Composer;
pub(crate) use tile_content::TileContent;
pub use picture::{PictureError, Placement, TilePicture, TileScaler};
pub use rect::Rect;
pub use scene::{DisplayInfo, Scene};
pub use state::{Analysis, AnalysisFacts, Condition, Reason, Video, VideoFacts};
