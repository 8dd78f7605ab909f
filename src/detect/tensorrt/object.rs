//! An owned TensorRT object, and calls of its methods through its virtual table.
#![expect(
    unsafe_code,
    reason = "C++ objects behind bare pointers, called through their virtual tables"
)]

use std::ffi::c_void;
use std::sync::Arc;

use super::library::Libraries;
use super::vtable::{MEMORY_DATA, MEMORY_SIZE};

/// No object has a lower address: without a GPU, TensorRT returns small numbers instead of null.
const LOWEST_ADDRESS: usize = 4096;

/// Maximum number of dimensions of a tensor: `Dims::MAX_DIMS`.
pub(super) const MOST_DIMS: usize = 8;

/// The dimensions of a tensor; -1 if the context decides.
pub(super) type Dims = Vec<i64>;

/// `Dims` up to TensorRT 9.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct NarrowDims {
    pub(super) count: i32,
    pub(super) sizes: [i32; MOST_DIMS],
}

/// `Dims` from TensorRT 10 on.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct WideDims {
    pub(super) count: i32,
    pub(super) sizes: [i64; MOST_DIMS],
}

/// Calls method `$slot` of `$object` as a function of these argument types. The caller says why that is safe.
macro_rules! call {
    ($object:expr, $slot:expr, ($($kind:ty),*) -> $result:ty, $($argument:expr),*) => {{
        let (implementation, method) = $object.method($slot);
        let method = std::mem::transmute::<
            *const c_void,
            unsafe extern "C" fn(*mut c_void $(, $kind)*) -> $result,
        >(method);
        method(implementation $(, $argument)*)
    }};
}
pub(super) use call;

/// A public TensorRT object that we own: `{ its own virtual table, implementation }`.
pub(super) struct Object {
    pointer: *mut c_void,
    /// The libraries that made it.
    pub(super) libraries: Arc<Libraries>,
}

// SAFETY: TensorRT's objects belong to no thread. Runtimes and engines may be used by several at once (its documentation,
// "Threading"); of contexts there is one owner, who needs `&mut`.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

impl Object {
    /// Takes the result of a TensorRT function; none if it is not an object.
    pub(super) fn of(pointer: *mut c_void, libraries: &Arc<Libraries>) -> Option<Self> {
        (pointer.addr() >= LOWEST_ADDRESS).then(|| Self {
            pointer,
            libraries: libraries.clone(),
        })
    }

    /// The public object, as an argument of methods.
    pub(super) fn pointer(&self) -> *mut c_void {
        self.pointer
    }

    /// The implementation, and its method in `slot`.
    pub(super) fn method(&self, slot: usize) -> (*mut c_void, *const c_void) {
        Borrowed(self.pointer).method(slot)
    }

    /// The content of an `IHostMemory`.
    ///
    /// # Safety
    /// It is one.
    pub(super) unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: the caller's promise; the object lives as long as the reference.
        unsafe { Borrowed(self.pointer).bytes() }
    }
}

/// A public TensorRT object that lives as long as this process.
#[derive(Clone, Copy)]
pub(super) struct Borrowed(*mut c_void);

impl Borrowed {
    /// Takes the result of a TensorRT function; none if it is not an object.
    pub(super) fn of(pointer: *mut c_void) -> Option<Self> {
        (pointer.addr() >= LOWEST_ADDRESS).then_some(Self(pointer))
    }

    /// The public object, as an argument of methods.
    pub(super) fn pointer(self) -> *mut c_void {
        self.0
    }

    /// The implementation, and its method in `slot`.
    pub(super) fn method(self, slot: usize) -> (*mut c_void, *const c_void) {
        // SAFETY: the object lives; its layout is the one of the module `vtable`, whose numbers lie within the virtual
        // tables of the version that was checked when the library was opened. Nothing is written.
        unsafe {
            let implementation = *self.0.cast::<*mut c_void>().add(1);
            let table = *implementation.cast::<*const *const c_void>();
            (implementation, *table.add(slot))
        }
    }

    /// The content of an `IHostMemory`.
    ///
    /// # Safety
    /// It is one, and lives as long as the result is used.
    pub(super) unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: `void* data() const` and `size_t size() const`; so many bytes are there, and they live as long as the object.
        unsafe {
            let data = call!(self, MEMORY_DATA, () -> *const u8,);
            let size = call!(self, MEMORY_SIZE, () -> usize,);
            match data.is_null() {
                true => &[],
                false => std::slice::from_raw_parts(data, size),
            }
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the object is ours, this is the only place that destroys it, and what it made is gone: each of those
        // holds a reference to its maker. The destructor that frees is in the public table.
        unsafe {
            let table = *self.pointer.cast::<*const *const c_void>();
            let delete: unsafe extern "C" fn(*mut c_void) =
                std::mem::transmute(*table.add(self.libraries.vtables.delete));
            delete(self.pointer);
        }
    }
}

/// As a list.
pub(super) fn narrow(dims: NarrowDims) -> Dims {
    let count = usize::try_from(dims.count).unwrap_or(0).min(MOST_DIMS);
    dims.sizes[..count].iter().copied().map(i64::from).collect()
}

/// As a list.
pub(super) fn wide(dims: WideDims) -> Dims {
    let count = usize::try_from(dims.count).unwrap_or(0).min(MOST_DIMS);
    dims.sizes[..count].to_vec()
}
