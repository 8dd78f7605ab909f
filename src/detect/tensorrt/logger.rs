//! Passes TensorRT's log to ours: an `ILogger` whose virtual table is built here.
//!
//! Its errors are also kept per thread: when TensorRT fails it returns a null pointer and states the reason only in its
//! log.
#![expect(
    unsafe_code,
    reason = "a C++ object, made by hand, that a C++ library calls"
)]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};

use super::error::TensorRtError;
use super::vtable::LoggerLayout;

/// `ILogger::Severity`.
const INTERNAL_ERROR: i32 = 0;
const ERROR: i32 = 1;
const WARNING: i32 = 2;
const INFO: i32 = 3;

/// Maximum number of errors that are kept: the first ones state the cause, the others follow from it.
const KEPT: usize = 3;

type Log = unsafe extern "C" fn(*mut c_void, i32, *const c_char);
type Destructor = unsafe extern "C" fn(*mut c_void);

/// A virtual table of the Itanium C++ ABI. The part before the address that objects point to is only for
/// `dynamic_cast`.
#[repr(C)]
struct LoggerVtable {
    offset_to_top: isize,
    type_information: usize,
    log: Log,
    complete: Destructor,
    deleting: Destructor,
}

/// The same from TensorRT 11 on, where a logger is a versioned interface.
#[repr(C)]
struct VersionedVtable {
    offset_to_top: isize,
    type_information: usize,
    language: unsafe extern "C" fn(*mut c_void) -> i32,
    interface: unsafe extern "C" fn(*mut c_void) -> InterfaceInfo,
    complete: Destructor,
    deleting: Destructor,
    log: Log,
}

/// `InterfaceInfo`: small enough to be returned in registers, by C++ as by C.
#[repr(C)]
struct InterfaceInfo {
    kind: *const c_char,
    major: i32,
    minor: i32,
}

/// The object: a pointer to the table's first function.
#[repr(C)]
struct Logger {
    table: *const c_void,
}

// SAFETY: neither the object nor its table is ever written.
unsafe impl Sync for Logger {}

static TABLE: LoggerVtable = LoggerVtable {
    offset_to_top: 0,
    type_information: 0,
    log,
    complete: nothing,
    deleting: nothing,
};

static LOGGER: Logger = Logger {
    table: (&raw const TABLE.log).cast(),
};

static VERSIONED_TABLE: VersionedVtable = VersionedVtable {
    offset_to_top: 0,
    type_information: 0,
    language,
    interface,
    complete: nothing,
    deleting: nothing,
    log,
};

static VERSIONED_LOGGER: Logger = Logger {
    table: (&raw const VERSIONED_TABLE.language).cast(),
};

thread_local! {
    static ERRORS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The logger for the functions that make objects.
pub(super) fn address(form: LoggerLayout) -> *mut c_void {
    let logger = match form {
        LoggerLayout::LogFirst => &raw const LOGGER,
        LoggerLayout::Versioned => &raw const VERSIONED_LOGGER,
    };
    logger.cast_mut().cast()
}

/// Removes this thread's errors, before the next call.
pub(super) fn forget() {
    ERRORS.with_borrow_mut(Vec::clear);
}

/// The error of a call by which an engine's object refused `action`, with what was logged since [`forget`].
pub(super) fn refused(action: impl Into<String>) -> TensorRtError {
    TensorRtError::Context {
        action: action.into(),
        words: errors(),
    }
}

/// The errors that TensorRT logged on this thread since [`forget`].
pub(super) fn errors() -> String {
    ERRORS.with_borrow(|errors| errors.join(" / "))
}

/// # Safety
/// TensorRT calls it with our logger and a text of its own that ends with a zero and lives for the call.
unsafe extern "C" fn log(_logger: *mut c_void, severity: i32, text: *const c_char) {
    if text.is_null() {
        return;
    }
    // SAFETY: TensorRT's promise; the text is copied and not kept.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim_end();
    match severity {
        INTERNAL_ERROR | ERROR => {
            tracing::error!(message = text, "TensorRT failed");
            ERRORS.with_borrow_mut(|errors| {
                if errors.len() < KEPT {
                    errors.push(text.to_owned());
                }
            });
        }
        WARNING => tracing::warn!(message = text, "TensorRT warns"),
        INFO => tracing::debug!(message = text, "TensorRT says"),
        _ => tracing::trace!(message = text, "TensorRT says"),
    }
}

/// `APILanguage::kCPP`: what is written in another language is expected to hold its own lock.
///
/// # Safety
/// Nothing is touched.
unsafe extern "C" fn language(_logger: *mut c_void) -> i32 {
    0
}

/// `{"ILogger", 1, 0}`, as the headers have it.
///
/// # Safety
/// Nothing is touched; the text is a static.
unsafe extern "C" fn interface(_logger: *mut c_void) -> InterfaceInfo {
    InterfaceInfo {
        kind: c"ILogger".as_ptr(),
        major: 1,
        minor: 0,
    }
}

/// # Safety
/// Nothing is touched: the logger is a static.
unsafe extern "C" fn nothing(_logger: *mut c_void) {}
