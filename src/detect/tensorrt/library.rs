//! Opens NVIDIA's libraries: CUDA's runtime and its GPU first, then TensorRT and its version.
//!
//! The order matters: without a GPU, TensorRT returns invalid pointers. Of each product a process opens one library,
//! which is never closed: the first one that opens stays.
#![expect(
    unsafe_code,
    reason = "TensorRT is a C++ library that is opened at run time"
)]

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use libloading::Library;

use super::compute;
use super::cuda::{Cuda, Gpu};
use super::error::TensorRtError;
use super::product::Product;
use super::search::{candidates, reasons};
use super::version::Version;
use super::vtable::VtableLayout;
use crate::base::sync::lock;

/// `createInferRuntime_INTERNAL(ILogger*, version)` and `createInferBuilder_INTERNAL`, which takes the same.
pub(super) type Create = unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void;

/// Names of the CUDA runtime, newest first: CUDA 13 (JetPack 7), 12 (JetPack 6), 11 (JetPack 5).
const CUDA_NAMES: [&str; 4] = [
    "libcudart.so.13",
    "libcudart.so.12",
    "libcudart.so.11.0",
    "libcudart.so",
];

/// The folder in which CUDA's own installer puts its libraries without configuring the system's loader.
const CUDA_FOLDER: &str = "/usr/local/cuda/lib64";

/// Plugins that some engines need are registered when their library is opened; most engines need none.
const PLUGINS: &str = "libnvinfer_plugin.so";

/// The opened libraries, after their checks.
pub(super) struct Libraries {
    /// CUDA.
    pub(super) cuda: Arc<Cuda>,
    /// The GPU.
    pub(super) gpu: Gpu,
    /// TensorRT's version.
    pub(super) version: Version,
    /// The version number that the library states; it must be passed back to it.
    pub(super) version_number: i32,
    /// The virtual tables of this version.
    pub(super) vtables: &'static VtableLayout,
    /// The function that makes runtimes.
    pub(super) create_runtime: Create,
    /// TensorRT's file.
    pub(super) path: PathBuf,
    _library: Library,
    _plugins: Option<Library>,
}

static CUDA: Mutex<Option<Arc<Cuda>>> = Mutex::new(None);

static OPEN: Mutex<BTreeMap<Product, Arc<Libraries>>> = Mutex::new(BTreeMap::new());

impl Libraries {
    /// Opens the libraries, if they are not open yet. Blocks, the first time for a second or more.
    ///
    /// # Errors
    /// The missing or unsupported library, or a GPU that the product does not serve.
    pub(super) fn open(product: Product) -> Result<Arc<Self>, TensorRtError> {
        let mut held = lock(&OPEN);
        if let Some(libraries) = held.get(&product) {
            return Ok(libraries.clone());
        }
        let libraries = Arc::new(Self::open_all(product)?);
        held.insert(product, libraries.clone());
        Ok(libraries)
    }

    fn open_all(product: Product) -> Result<Self, TensorRtError> {
        let cuda = open_cuda()?;
        let gpu = cuda.gpu().map_err(|error| match error {
            TensorRtError::NoGpu { reason, .. } => TensorRtError::NoGpu {
                reason,
                tensorrt: version_alone(product),
            },
            other => other,
        })?;
        let ((version_number, version, vtables, create_runtime), library, path) =
            first_supported(product, |library, name| {
                functions(product, library, name, "createInferRuntime_INTERNAL")
            })?;
        if product == Product::Rtx {
            compute::target(version, &gpu)?;
        }
        let plugins = open_plugins(version);
        tracing::debug!(library = %path.display(), %version, %gpu, "TensorRT is open");
        Ok(Self {
            cuda,
            gpu,
            version,
            version_number,
            vtables,
            create_runtime,
            path,
            _library: library,
            _plugins: plugins,
        })
    }
}

/// The library as far as building needs it: TensorRT for RTX builds without a GPU, and TensorRT's builder asks for one itself.
pub(super) struct OpenBuilder {
    /// The version.
    pub(super) version: Version,
    /// The number by which the library states it.
    pub(super) version_number: c_int,
    /// The virtual tables of this version.
    pub(super) vtables: &'static VtableLayout,
    /// The function that makes builders.
    pub(super) create: Create,
    _library: Library,
}

impl OpenBuilder {
    /// Opens the library.
    ///
    /// # Errors
    /// If it is missing, its version is not supported, or it only runs engines.
    pub(super) fn open(product: Product) -> Result<Self, TensorRtError> {
        let ((version_number, version, vtables, create), library, _) =
            first_supported(product, |library, name| {
                functions(product, library, name, "createInferBuilder_INTERNAL")
            })?;
        Ok(Self {
            version,
            version_number,
            vtables,
            create,
            _library: library,
        })
    }
}

/// The first of `paths` that opens. The caller keeps it open.
///
/// # Errors
/// Every file that was tried, with the reason.
pub(super) fn open_first(paths: Vec<PathBuf>) -> Result<(Library, PathBuf), Vec<String>> {
    let mut tried = Vec::new();
    for path in paths {
        // SAFETY: its initialisers are NVIDIA's and expect nothing of us; the caller keeps it open.
        match unsafe { Library::new(&path) } {
            Ok(library) => return Ok((library, path)),
            Err(error) => tried.push((path, error)),
        }
    }
    Err(reasons(&tried))
}

/// Opens only CUDA's runtime, if it is not open yet: both products share it, because its flags are set once.
///
/// # Errors
/// Every file that was tried, with the reason; or the function that is missing.
pub(super) fn open_cuda() -> Result<Arc<Cuda>, TensorRtError> {
    let mut held = lock(&CUDA);
    if let Some(cuda) = &*held {
        return Ok(cuda.clone());
    }
    let (library, path) = open_first(candidates(&CUDA_NAMES, Some(CUDA_FOLDER)))
        .map_err(|tried| TensorRtError::CudaAbsent { tried })?;
    let cuda = Arc::new(Cuda::of(library, &path.display().to_string())?);
    Ok(held.insert(cuda).clone())
}

/// The version and the path of TensorRT. This needs no GPU.
///
/// # Errors
/// If it is missing, or its version is not supported.
pub(super) fn supported(product: Product) -> Result<(Version, PathBuf), TensorRtError> {
    let (version, library, path) = first_supported(product, |library, name| {
        let version = Version::of_library(product, version_number(library, name)?);
        version.vtable_layout(name).map(|_| version)
    })?;
    // NVIDIA does not support closing the library.
    std::mem::forget(library);
    Ok((version, path))
}

/// The first of TensorRT's libraries that opens and that `take` accepts.
fn first_supported<T>(
    product: Product,
    take: impl Fn(&Library, &str) -> Result<T, TensorRtError>,
) -> Result<(T, Library, PathBuf), TensorRtError> {
    let mut tried = Vec::new();
    let mut refusal = None;
    for path in candidates(product.libraries(), None) {
        // SAFETY: its initialisers are NVIDIA's and expect nothing of us; what opens stays open, here or with the caller.
        let library = match unsafe { Library::new(&path) } {
            Ok(library) => library,
            Err(error) => {
                tried.push((path, error));
                continue;
            }
        };
        match take(&library, &path.display().to_string()) {
            Ok(taken) => return Ok((taken, library, path)),
            Err(error) => {
                // Another one may be supported. NVIDIA does not support closing this one.
                std::mem::forget(library);
                refusal.get_or_insert(error);
            }
        }
    }
    Err(refusal.unwrap_or_else(|| TensorRtError::LibraryAbsent {
        product,
        tried: reasons(&tried),
    }))
}

type Functions = (i32, Version, &'static VtableLayout, Create);

/// What makes objects: the function `symbol`, and the version whose number it takes.
fn functions(
    product: Product,
    library: &Library,
    name: &str,
    symbol: &'static str,
) -> Result<Functions, TensorRtError> {
    let number = version_number(library, name)?;
    let version = Version::of_library(product, number);
    let vtable = version.vtable_layout(name)?;
    // SAFETY: the type is that of NvInferRuntime.h and NvInfer.h; the pointer is kept beside its library.
    let create = unsafe { library.get::<Create>(symbol.as_bytes()) };
    let create = create.map_err(|_| TensorRtError::Symbol {
        library: name.to_owned(),
        symbol,
    })?;
    Ok((number, version, vtable, *create))
}

fn version_number(library: &Library, name: &str) -> Result<c_int, TensorRtError> {
    type GetVersion = unsafe extern "C" fn() -> c_int;
    // SAFETY: the type is that of NvInferRuntimeCommon.h; the pointer is not used after the library.
    let version = unsafe { library.get::<GetVersion>(b"getInferLibVersion\0") };
    let version = version.map_err(|_| TensorRtError::Symbol {
        library: name.to_owned(),
        symbol: "getInferLibVersion",
    })?;
    // SAFETY: it takes nothing and gives a number; it needs no GPU.
    Ok(unsafe { version() })
}

/// The version of the installed library.
fn version_alone(product: Product) -> Option<Version> {
    candidates(product.libraries(), None)
        .iter()
        .find_map(|path| {
            // SAFETY: its initialisers are NVIDIA's and expect nothing of us.
            let library = unsafe { Library::new(path) }.ok()?;
            let number = version_number(&library, &path.display().to_string());
            // NVIDIA does not support closing the library.
            std::mem::forget(library);
            number
                .ok()
                .map(|number| Version::of_library(product, number))
        })
}

fn open_plugins(version: Version) -> Option<Library> {
    if version.product != Product::TensorRt {
        return None;
    }
    let name = format!("{PLUGINS}.{}", version.major);
    candidates(&[&name], None).into_iter().find_map(|path| {
        // SAFETY: its initialisers register plugins with the TensorRT that is open; it stays open beside it.
        unsafe { Library::new(path) }.ok()
    })
}
