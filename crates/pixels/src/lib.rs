//! The loops over pixels and numbers of `nvr`, with interfaces that are not generic: scaling, blending, rotation, tensors, JPEG.
//!
//! A crate apart from `nvr`, so that these loops are optimised in every profile, for speed in releases, and `nvr` itself need not be:
//! it is built for size in releases, and not optimised for tests. And for compile time: fast_image_resize and jpeg-encoder are generic
//! in their pixels, views and outputs: called from `nvr` directly, more than a quarter of the code that LLVM had to compile there was
//! theirs, once for the library and once more for the unit tests. Here it is compiled once, for one kind of view.

mod blend;
mod jpeg;
mod rotate;
mod scale;
mod tensor;

pub use blend::{cover_row, cover_run, fill_row, lay_row, scaled};
pub use jpeg::{JpegError, bgra_to_jpeg};
pub use rotate::{column_to_row, reverse_row};
pub use scale::{PixelBytes, ScaleError, Scaler, Source, Target};
pub use tensor::{Normalization, column_maxima, rgb_to_interleaved, rgb_to_planes};
