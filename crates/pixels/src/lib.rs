//! Scaling of planes and encoding of JPEG pictures for `nvr`, with interfaces that are not generic.
//!
//! A crate apart from `nvr` for its compile time. fast_image_resize and jpeg-encoder are generic in their pixels, views and outputs:
//! called from `nvr` directly, more than a quarter of the code that LLVM had to compile there was theirs, once for the library and
//! once more for the unit tests. Here it is compiled once, for one kind of view, and optimised in every profile.

mod jpeg;
mod scale;

pub use jpeg::{JpegError, bgra_to_jpeg};
pub use scale::{PixelBytes, ScaleError, Scaler, Source, Target};
