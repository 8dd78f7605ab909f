//! What only the C library says of the kernel: its clock, and the files that this process has mapped.

mod clock;
mod pages;

pub use clock::{KernelClock, kernel_clock};
pub use pages::give_back_file_pages;
