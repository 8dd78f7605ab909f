//! Everything in one process, to be seen working.

mod picture;
