//! What only the C library offers: the kernel's clock, the files that this process has mapped, and the loader of libraries.

mod clock;
mod loader;
mod pages;

pub use clock::{KernelClock, kernel_clock};
pub use loader::open_library;
pub use pages::give_back_file_pages;
