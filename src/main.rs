//! The one binary; everything is in the library.

fn main() -> std::process::ExitCode {
    // A camera's session takes some ten descriptors, and the usual soft limit of 1,024 is there for programs that use
    // select(2), which this one does not. A refusal is no reason not to start: cameras are then admitted by what there is.
    let _ = nvr::base::raise_descriptor_limit();
    nvr::cli::main()
}
