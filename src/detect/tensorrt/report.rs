//! Describes the installed NVIDIA components one by one, for people who ask why a processor does not use them.

use std::path::{Path, PathBuf};

use super::TensorRtError;
use super::library::{self, Libraries};
use super::product::Product;
use super::runtime::Runtime;
use super::trtexec::Tool;

/// The components. A component that needs a missing one is missing, too.
#[derive(Debug)]
pub struct TensorRtReport {
    /// CUDA's runtime: its path and versions.
    pub cuda: Result<String, TensorRtError>,
    /// The GPU; none without CUDA's runtime.
    pub gpu: Option<Result<String, TensorRtError>>,
    /// TensorRT: its version and path. Also without a GPU.
    pub tensorrt: Result<String, TensorRtError>,
    /// Whether it makes a runtime, and the number of deep learning accelerators; none without a GPU.
    pub runtime: Option<Result<String, TensorRtError>>,
    /// `trtexec`, or what else builds its engines.
    pub tool: Result<String, TensorRtError>,
    /// TensorRT for RTX: its version and path, and whether it serves the GPU; none if it is not installed.
    pub rtx: Option<Result<String, TensorRtError>>,
}

impl TensorRtReport {
    /// Finds the components. Opens NVIDIA's libraries, which may end the process if they are damaged. Blocks for
    /// seconds.
    pub fn new() -> Self {
        let (cuda, gpu) = match library::open_cuda() {
            Ok(cuda) => {
                let versions = cuda.versions();
                let gpu = cuda.gpu().map(|gpu| gpu.to_string());
                (Ok(of_cuda(versions)), Some(gpu))
            }
            Err(error) => (Err(error), None),
        };
        let tensorrt = of_product(Product::TensorRt, "libnvinfer");
        let rtx = match of_product(Product::Rtx, "libtensorrt_rtx") {
            Err(TensorRtError::LibraryAbsent { .. }) => None,
            Ok(words) if matches!(gpu, Some(Ok(_))) => {
                Some(Libraries::open(Product::Rtx).map(|_| words))
            }
            found => Some(found),
        };
        // If TensorRT is missing, that is reported once.
        let runtime = (matches!(gpu, Some(Ok(_))) && tensorrt.is_ok()).then(|| {
            let libraries = Libraries::open(Product::TensorRt)?;
            let cores = Runtime::new(&libraries)?.dla_cores();
            Ok(match cores {
                ..1 => "gives a runtime; no deep learning accelerator (DLA) here".to_owned(),
                cores => format!("gives a runtime; {cores} deep learning accelerators (DLA)"),
            })
        });
        Self {
            cuda,
            gpu,
            tensorrt,
            runtime,
            tool: Tool::find(Product::TensorRt).map(|tool| tool.describe()),
            rtx,
        }
    }
}

impl Default for TensorRtReport {
    fn default() -> Self {
        Self::new()
    }
}

/// The version of a product and its file.
fn of_product(product: Product, library: &str) -> Result<String, TensorRtError> {
    let (version, path) = library::supported(product)?;
    let path = mapped(library).unwrap_or(path);
    Ok(format!("{version} ({})", path.display()))
}

fn of_cuda((runtime, driver): (Option<i32>, Option<i32>)) -> String {
    let file = mapped("libcudart").map_or_else(
        || "in a file that the kernel does not name".to_owned(),
        |path| path.display().to_string(),
    );
    let version = |number: i32| format!("{}.{}", number / 1000, number % 1000 / 10);
    let runtime = runtime.map_or_else(|| "of an unknown version".to_owned(), version);
    let driver = match driver {
        None => String::new(),
        Some(..=0) => ", no driver".to_owned(),
        Some(number) => format!(", a driver for up to {}", version(number)),
    };
    format!("runtime {runtime}{driver} ({file})")
}

/// The path of an open library: the loader takes names, and the kernel knows the file.
fn mapped(name: &str) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines()
        .filter_map(|line| line.split_once('/'))
        .map(|(_, path)| PathBuf::from(format!("/{path}")))
        .find(|path| starts_with(path, name))
}

fn starts_with(path: &Path, name: &str) -> bool {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    file.starts_with(&format!("{name}.so")) || file.starts_with(&format!("{name}_lean.so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_as_nvidia_writes_them() {
        for (versions, wanted) in [
            ((Some(12_060), Some(0)), "runtime 12.6, no driver ("),
            (
                (Some(11_040), Some(12_020)),
                "runtime 11.4, a driver for up to 12.2 (",
            ),
            ((None, None), "runtime of an unknown version ("),
        ] {
            let words = of_cuda(versions);
            assert!(words.starts_with(wanted), "{words}");
        }
    }

    #[test]
    fn the_file_of_an_open_library_is_found() {
        let path = mapped("libc").expect("this program uses it");
        assert!(path.is_file(), "{}", path.display());
        assert_eq!(mapped("libnothing-of-the-kind"), None);
    }
}
