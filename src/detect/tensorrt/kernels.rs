//! The kernels that TensorRT for RTX compiles for the GPU of a machine when it makes a context. That takes ten seconds and
//! more, so they are kept in a file beside the engine, and only its first start compiles.
//!
//! The file has a line of text and then what TensorRT gave. The line says what the kernels are for, and has the hash of the rest:
//! TensorRT gets only bytes that it gave itself, in the same version, for the same GPU and driver.
#![expect(
    unsafe_code,
    reason = "methods of C++ objects, called through their virtual tables"
)]

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::super::store::write_whole;
use super::error::TensorRtError;
use super::library::Libraries;
use super::logger;
use super::object::{Object, call};
use super::runtime::Engine;
use super::vtable::KernelsVtable;
use crate::base::sync::lock;

/// `IRuntimeCache`: the compiled kernels of an engine, for all its contexts.
pub(super) struct Kernels {
    // Dropped before the engine.
    object: Object,
    engine: Arc<Engine>,
    slots: &'static KernelsVtable,
    path: PathBuf,
    /// The length of the kernels in the file; none if there is no file, or an unusable one. If none were added, their order may still
    /// differ, which is no reason to write.
    kept: Mutex<Option<usize>>,
}

/// `IRuntimeConfig`: how a context is made. It must outlive the context.
pub(super) struct ContextSettings {
    object: Object,
    // Dropped after the settings, which use them.
    _kernels: Arc<Kernels>,
}

impl Kernels {
    /// The kernels of `engine`, whose file is `engine_path`, as far as an earlier start has kept them. None if TensorRT compiles nothing
    /// at this stage, or can't keep it: then contexts are made without.
    pub(super) fn of(engine: &Arc<Engine>, engine_path: &Path) -> Option<Arc<Self>> {
        let slots = engine.object().libraries.vtables.kernels.as_ref()?;
        match Self::open(engine, slots, engine_path.with_extension("kernels")) {
            Ok(kernels) => Some(Arc::new(kernels)),
            Err(error) => {
                tracing::warn!(%error, "each start will compile the engine's kernels");
                None
            }
        }
    }

    fn open(
        engine: &Arc<Engine>,
        slots: &'static KernelsVtable,
        path: PathBuf,
    ) -> Result<Self, TensorRtError> {
        let settings = settings_of(engine, slots)?;
        logger::forget();
        // SAFETY: `IRuntimeCache* createRuntimeCache() const`; it is ours, and needs its engine only.
        let pointer = unsafe { call!(settings, slots.create_cache, () -> *mut c_void,) };
        let object = made(pointer, &settings.libraries, "keep compiled kernels")?;
        let mut kernels = Self {
            object,
            engine: engine.clone(),
            slots,
            path,
            kept: Mutex::default(),
        };
        match kernels.read() {
            Ok(length) => *lock(&kernels.kept) = Some(length),
            Err(reason) => tracing::info!(
                file = %kernels.path.display(),
                reason,
                "TensorRT for RTX compiles the engine's kernels for this GPU, which takes ten seconds and more; later starts find them"
            ),
        }
        Ok(kernels)
    }

    /// Gives TensorRT what an earlier start has kept. Returns its length.
    fn read(&mut self) -> Result<usize, String> {
        let bytes = std::fs::read(&self.path).map_err(|error| error.to_string())?;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, blob) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        let line = String::from_utf8_lossy(line);
        if line != self.line(blob) {
            return Err(format!(
                "they are damaged, or for something else: {}",
                line.trim_end()
            ));
        }
        logger::forget();
        // SAFETY: `bool deserialize(void const* blob, size_t size)`; the bytes are TensorRT's own, and read during the call only.
        let taken = unsafe {
            call!(self.object, self.slots.deserialize, (*const c_void, usize) -> bool,
                blob.as_ptr().cast(), blob.len())
        };
        taken.then_some(blob.len()).ok_or_else(logger::errors)
    }

    /// The settings of a new context that finds and adds compiled kernels here.
    ///
    /// # Errors
    /// TensorRT's own error.
    pub(super) fn settings(self: &Arc<Self>) -> Result<ContextSettings, TensorRtError> {
        let object = settings_of(&self.engine, self.slots)?;
        logger::forget();
        // SAFETY: `bool setRuntimeCache(IRuntimeCache const&)`; the cache outlives the settings, which hold it.
        let taken = unsafe {
            call!(object, self.slots.set_cache, (*mut c_void) -> bool, self.object.pointer())
        };
        if !taken {
            return Err(logger::refused("use compiled kernels"));
        }
        Ok(ContextSettings {
            object,
            _kernels: self.clone(),
        })
    }

    /// Writes the file, if there are others in it or none. Without it, the next start compiles them again.
    pub(super) fn keep(&self) {
        if let Err(error) = self.write() {
            tracing::warn!(%error, "the next start will compile the engine's kernels again");
        }
    }

    fn write(&self) -> Result<(), super::super::DetectError> {
        logger::forget();
        // SAFETY: `IHostMemory* serialize() const`; the memory is ours.
        let pointer = unsafe { call!(self.object, self.slots.serialize, () -> *mut c_void,) };
        let libraries = &self.object.libraries;
        let memory = made(pointer, libraries, "give its compiled kernels")?;
        // SAFETY: it is an `IHostMemory`.
        let blob = unsafe { memory.bytes() };
        if blob.is_empty() {
            return Err(logger::refused("give its compiled kernels").into());
        }
        let mut kept = lock(&self.kept);
        if *kept == Some(blob.len()) {
            return Ok(());
        }
        write_whole(&self.path, &[self.line(blob).as_bytes(), blob].concat())?;
        tracing::debug!(file = %self.path.display(), bytes = blob.len(), "compiled kernels are kept");
        *kept = Some(blob.len());
        Ok(())
    }

    /// The first line of a file with this content.
    fn line(&self, blob: &[u8]) -> String {
        let libraries = &self.object.libraries;
        let number = |version: Option<i32>| version.map_or("?".to_owned(), |it| it.to_string());
        let (runtime, driver) = libraries.cuda.versions();
        format!(
            "kernels of TensorRT {}, {}, CUDA {}, driver {}, SHA-256 {:x}\n",
            libraries.version,
            libraries.gpu,
            number(runtime),
            number(driver),
            Sha256::digest(blob)
        )
    }
}

impl ContextSettings {
    /// As an argument of the engine's method.
    pub(super) fn pointer(&self) -> *mut c_void {
        self.object.pointer()
    }
}

fn settings_of(engine: &Engine, slots: &KernelsVtable) -> Result<Object, TensorRtError> {
    let object = engine.object();
    logger::forget();
    // SAFETY: `IRuntimeConfig* createRuntimeConfig()`; it is ours.
    let pointer = unsafe { call!(object, slots.create_settings, () -> *mut c_void,) };
    made(pointer, &object.libraries, "make a context's settings")
}

fn made(
    pointer: *mut c_void,
    libraries: &Arc<Libraries>,
    action: &str,
) -> Result<Object, TensorRtError> {
    Object::of(pointer, libraries).ok_or_else(|| logger::refused(action))
}
