//! Types that all rooms share: ids, geometry, frames, time, locks, signing keys, and the mailbox between threads.
//!
//! This room does not depend on cameras, models or brokers, and imports no other room.

pub mod archive;
mod backoff;
mod busy;
mod checksum;
pub mod child;
mod clock;
mod descriptors;
mod dirs;
mod ending;
pub mod folder;
mod frame;
mod geometry;
mod heartbeat;
mod hexadecimal;
mod ids;
mod kernel;
mod key_file;
mod keys;
mod mailbox;
mod owned_pixels;
mod partial_file;
mod pattern;
mod planes;
mod private;
mod sentence;
mod shape;
mod space;
mod stop;
pub mod sync;
#[cfg(test)]
pub(crate) mod testing;
mod value;
mod waker;

pub use backoff::Backoff;
pub use busy::BusySince;
pub use checksum::Checksum;
pub use clock::{Clock, unix_now};
pub use descriptors::{descriptor_limit, open_descriptors, raise_descriptor_limit};
pub use dirs::{cache_dir, models_dirs};
pub use ending::ending;
pub use frame::{
    CaptureClock, ColorMatrix, ColorRange, Colorimetry, DmaBuf, Frame, FrameMeta, HostPixels,
    PixelFormat, Pixels, Plane,
};
pub use geometry::{BBox, Letterbox, Size};
pub use heartbeat::{Heartbeat, Heartbeats, Stuck};
pub use hexadecimal::hexadecimal;
pub use ids::{SessionId, SourceId, parse_id_list};
pub use kernel::{KernelClock, give_back_file_pages, kernel_clock, open_library};
pub use key_file::{
    KeyFileError, public_key_pem, read_private_key, read_public_key, write_key_pair,
    write_private_key,
};
pub use keys::{KeyError, KeyId, PrivateKey, PublicKey};
pub use mailbox::{Collected, Mailbox};
pub use owned_pixels::OwnedPixels;
pub use partial_file::PartialFile;
pub use pattern::{PATTERN_CLASSES, Pattern, PatternCode, PatternError, PatternObject, PlaneMut};
pub use planes::{PlaneError, PlaneScaler};
pub use private::{private_file, private_folder};
pub use sentence::{counted, first_names};
pub use shape::{Crop, Orientation, PictureShape};
pub use space::{free_bytes, shown_bytes, time_to_fill};
pub use stop::{Stop, WhenRaised};
pub use value::value_of;
pub use waker::Waker;
