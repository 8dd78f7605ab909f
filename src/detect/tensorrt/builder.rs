//! Builds an engine in this process, by TensorRT's own ONNX parser and builder: for machines that have the libraries and no
//! `trtexec`, as an installation by pip. It runs in a separate process ([`super::trtexec`] starts it), because a library that crashes
//! must not take a processor with it; so nothing that it makes is given back.
#![expect(
    unsafe_code,
    reason = "methods of C++ objects, called through their virtual tables"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libloading::Library;

use super::error::TensorRtError;
use super::library::{OpenBuilder, open_first};
use super::logger;
use super::object::{Borrowed, MOST_DIMS, WideDims, call, wide};
use super::product::Product;
use super::search::candidates;
use super::vtable::{self, BuilderVtable};

/// `BuilderFlag::kFP16` and `kINT8`, of versions that choose the precision.
const FP16: i32 = 0;
const INT8: i32 = 1;
/// `MemoryPoolType::kWORKSPACE`.
const WORKSPACE: i32 = 0;
/// `ILogger::Severity::kWARNING`: what the parser says of itself.
const PARSER_SEVERITY: c_int = 2;
/// `OptProfileSelector`: smallest, usual and largest.
const SELECTORS: [i32; 3] = [0, 1, 2];

/// What is built, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The product that builds it.
    pub product: Product,
    /// The graph.
    pub onnx: PathBuf,
    /// The path of the engine.
    pub engine: PathBuf,
    /// Layers may compute with 16-bit floats.
    pub fp16: bool,
    /// Layers between quantising nodes compute with 8-bit integers.
    pub int8: bool,
    /// Maximum scratch memory of a layer in MB.
    pub workspace_mb: Option<u32>,
    /// Dimensions for an input that leaves some of them open; the first is the maximum number of pictures per run.
    pub shape: [i64; 4],
    /// The GPU's compute capability (`86` is 8.6), which TensorRT for RTX builds for.
    pub compute: Option<i32>,
}

/// The parts that build engines, opened.
struct Parts {
    library: OpenBuilder,
    slots: &'static BuilderVtable,
    create_parser: CreateParser,
    parser_version: c_int,
    _parser: Library,
}

/// `createNvOnnxParser_INTERNAL(INetworkDefinition*, ILogger*, version)`.
type CreateParser = unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> *mut c_void;

/// The names of the options that [`build`] serves for this product, as `trtexec` has them.
///
/// # Errors
/// The library that is missing, or the version that builds by `trtexec` alone.
pub fn options(product: Product) -> Result<&'static [&'static str], TensorRtError> {
    let parts = Parts::open(product).map_err(|error| match error {
        // Who asks names the files.
        TensorRtError::LibraryAbsent { .. } => TensorRtError::Ask(format!("there is no {product}")),
        other => other,
    })?;
    Ok(if parts.library.vtables.precision_of_file {
        &["--memPoolSize", "--pictureShape", "--computeCapability"]
    } else {
        &["--fp16", "--int8", "--memPoolSize", "--pictureShape"]
    })
}

/// Builds the engine and writes it. Says the library's version first, in `trtexec`'s words, and then each step, one line each. Blocks
/// for minutes.
///
/// # Errors
/// The parser's or the builder's reason.
pub fn build(recipe: &Recipe, say: &dyn Fn(&str)) -> Result<(), TensorRtError> {
    let parts = Parts::open(recipe.product)?;
    // As in the line that trtexec begins with: who reads the output compares the version.
    say(&format!("[TensorRT v{}]", parts.library.version_number));
    let logger = logger::address(parts.library.vtables.logger);
    let slots = parts.slots;
    let create = parts.library.create;
    // SAFETY: the logger is a static; the number is the library's own.
    let builder = made(
        unsafe { create(logger, parts.library.version_number) },
        "a builder",
    )?;
    // SAFETY: `INetworkDefinition* createNetworkV2(uint32_t)`; all flags are usual ones.
    let network = unsafe { call!(builder, slots.create_network, (u32) -> *mut c_void, 0) };
    let network = made(network, "a network")?;
    say(&format!("reading {}", recipe.onnx.display()));
    parse(&parts, network, logger, &recipe.onnx)?;
    // SAFETY: `IBuilderConfig* createBuilderConfig()`.
    let config = unsafe { call!(builder, slots.create_config, () -> *mut c_void,) };
    let config = made(config, "a configuration")?;
    configure(slots, config, recipe)?;
    shape_inputs(slots, builder, network, config, recipe)?;
    say("building the engine");
    // SAFETY: `IHostMemory* buildSerializedNetwork(INetworkDefinition&, IBuilderConfig&)`, with objects of this builder.
    let memory = unsafe {
        call!(builder, slots.build, (*mut c_void, *mut c_void) -> *mut c_void,
            network.pointer(), config.pointer())
    };
    let memory = made(memory, "an engine")?;
    // SAFETY: it is an `IHostMemory`, which lives until this process ends.
    let bytes = unsafe { memory.bytes() };
    std::fs::write(&recipe.engine, bytes)
        .map_err(|error| TensorRtError::Ask(format!("{}: {error}", recipe.engine.display())))
}

impl Parts {
    fn open(product: Product) -> Result<Self, TensorRtError> {
        let library = OpenBuilder::open(product)?;
        let version = library.version;
        let slots = library.vtables.builder.as_ref().ok_or_else(|| {
            TensorRtError::Ask(format!(
                "TensorRT {version} builds engines by trtexec alone; install it (Debian package libnvinfer-bin)"
            ))
        })?;
        let absent = |tried| TensorRtError::ParserAbsent { version, tried };
        let names = product.parsers(version.major);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (parser, path) = open_first(candidates(&names, None)).map_err(absent)?;
        let missing = |symbol| TensorRtError::Symbol {
            library: path.display().to_string(),
            symbol,
        };
        // SAFETY: the type is that of NvOnnxParser.h; the pointer is kept beside its library.
        let create_parser = unsafe { parser.get::<CreateParser>(b"createNvOnnxParser_INTERNAL\0") };
        let create_parser = *create_parser.map_err(|_| missing("createNvOnnxParser_INTERNAL"))?;
        // SAFETY: as above; it takes nothing and gives a number.
        let number = unsafe {
            let number = parser.get::<unsafe extern "C" fn() -> c_int>(b"getNvOnnxParserVersion\0");
            number.map_err(|_| missing("getNvOnnxParserVersion"))?()
        };
        Ok(Self {
            library,
            slots,
            create_parser,
            parser_version: number,
            _parser: parser,
        })
    }
}

/// Fills the network with the graph of a file.
fn parse(
    parts: &Parts,
    network: Borrowed,
    logger: *mut c_void,
    onnx: &Path,
) -> Result<(), TensorRtError> {
    let path = CString::new(onnx.as_os_str().as_bytes())
        .map_err(|_| TensorRtError::Ask(format!("{} has a zero byte", onnx.display())))?;
    // SAFETY: the network is of the library that the parser belongs to; the number is the parser's own.
    let parser = unsafe { (parts.create_parser)(network.pointer(), logger, parts.parser_version) };
    // Its methods stand in its own table, other than those of TensorRT's classes.
    let parser = Direct(made(parser, "a parser")?);
    // SAFETY: `bool parseFromFile(char const*, int)`, with a text that ends with a zero.
    let parsed = unsafe {
        call!(parser, vtable::PARSE_FILE, (*const c_char, c_int) -> bool,
            path.as_ptr(), PARSER_SEVERITY)
    };
    if parsed {
        return Ok(());
    }
    // SAFETY: `int getNbErrors() const`.
    let count = unsafe { call!(parser, parts.slots.parser_errors, () -> c_int,) };
    let errors: Vec<String> = (0..count)
        .filter_map(|index| {
            // SAFETY: `IParserError const* getError(int) const`, with an index below their number.
            let error =
                unsafe { call!(parser, parts.slots.parser_error, (c_int) -> *mut c_void, index) };
            let error = Direct(Borrowed::of(error)?);
            let text = text(&error, vtable::ERROR_TEXT)?;
            let node = self::text(&error, vtable::ERROR_NODE).filter(|node| !node.is_empty());
            Some(node.map_or(text.clone(), |node| format!("{node}: {text}")))
        })
        .collect();
    Err(TensorRtError::Ask(format!(
        "TensorRT {} can't read {}: {}",
        parts.library.version,
        onnx.display(),
        errors.join(" / ")
    )))
}

/// Sets the recipe's options.
fn configure(
    slots: &BuilderVtable,
    config: Borrowed,
    recipe: &Recipe,
) -> Result<(), TensorRtError> {
    for (is_wanted, flag) in [(recipe.fp16, FP16), (recipe.int8, INT8)] {
        if is_wanted {
            // SAFETY: `void setFlag(BuilderFlag)`, an `enum class : int32_t`.
            unsafe { call!(config, slots.set_flag, (i32) -> (), flag) };
        }
    }
    if let Some(mb) = recipe.workspace_mb {
        // SAFETY: `void setMemoryPoolLimit(MemoryPoolType, size_t)`, an `enum class : int32_t`.
        unsafe {
            call!(config, slots.set_memory_limit, (i32, usize) -> (), WORKSPACE, (mb as usize) << 20);
        };
    }
    if let (Some(capability), Some((set_count, set))) = (recipe.compute, slots.set_compute) {
        // SAFETY: `bool setNbComputeCapabilities(int32_t)` and `bool setComputeCapability(ComputeCapability, int32_t)`.
        let taken = unsafe {
            call!(config, set_count, (i32) -> bool, 1)
                && call!(config, set, (i32, i32) -> bool, capability, 0)
        };
        if !taken {
            return Err(refused(&format!(
                "a target of compute capability {capability}"
            )));
        }
    }
    Ok(())
}

/// Gives each input that leaves dimensions open the recipe's.
fn shape_inputs(
    slots: &BuilderVtable,
    builder: Borrowed,
    network: Borrowed,
    config: Borrowed,
    recipe: &Recipe,
) -> Result<(), TensorRtError> {
    // SAFETY: `int32_t getNbInputs() const`.
    let count = unsafe { call!(network, vtable::NETWORK_INPUTS, () -> i32,) };
    for index in 0..count {
        // SAFETY: `ITensor* getInput(int32_t) const`, with an index below their number.
        let input = unsafe { call!(network, vtable::NETWORK_INPUT, (i32) -> *mut c_void, index) };
        let input = made(input, "an input")?;
        // SAFETY: `Dims getDimensions() const`; a struct of this size is returned through a hidden pointer.
        let dims = wide(unsafe { call!(input, vtable::TENSOR_DIMS, () -> WideDims,) });
        if !dims.contains(&-1) {
            continue;
        }
        let name = text(&input, vtable::TENSOR_NAME).unwrap_or_default();
        if dims.len() != recipe.shape.len() {
            return Err(TensorRtError::Ask(format!(
                "the input `{name}` has {} dimensions, some of them open; export the model with fixed ones",
                dims.len()
            )));
        }
        let name = CString::new(name).map_err(|_| refused("the name of an input"))?;
        // SAFETY: `IOptimizationProfile* createOptimizationProfile()`.
        let profile = unsafe { call!(builder, slots.create_profile, () -> *mut c_void,) };
        let profile = made(profile, "a profile")?;
        for selector in SELECTORS {
            let mut shape = recipe.shape;
            if selector == SELECTORS[0] {
                shape[0] = 1;
            }
            let dims = filled(&dims, shape);
            // SAFETY: `bool setDimensions(char const*, OptProfileSelector, Dims const&)`; both live for the call.
            let taken = unsafe {
                call!(profile, vtable::PROFILE_SET_DIMS, (*const c_char, i32, *const WideDims) -> bool,
                    name.as_ptr(), selector, &raw const dims)
            };
            if !taken {
                return Err(refused(&format!("the dimensions of the input {name:?}")));
            }
        }
        // SAFETY: `int32_t addOptimizationProfile(IOptimizationProfile const*)`; it gives the profile's index.
        let index =
            unsafe { call!(config, slots.add_profile, (*mut c_void) -> i32, profile.pointer()) };
        if index < 0 {
            return Err(refused("a profile"));
        }
    }
    Ok(())
}

/// An input's dimensions, with those that it leaves open out of `shape`.
fn filled(dims: &[i64], shape: [i64; 4]) -> WideDims {
    let mut sizes = [0; MOST_DIMS];
    for (size, (dim, open)) in sizes.iter_mut().zip(dims.iter().zip(shape)) {
        *size = if *dim == -1 { open } else { *dim };
    }
    WideDims { count: 4, sizes }
}

/// What has methods in a virtual table.
trait Methods {
    /// The object that the method is called on, and the method in `slot`.
    fn method(&self, slot: usize) -> (*mut c_void, *const c_void);
}

/// An object of a class that has its methods in its own virtual table.
struct Direct(Borrowed);

impl Methods for Direct {
    fn method(&self, slot: usize) -> (*mut c_void, *const c_void) {
        let pointer = self.0.pointer();
        // SAFETY: the object lives; the slot is one of its class, of the version that was checked.
        unsafe {
            (
                pointer,
                *(*pointer.cast::<*const *const c_void>()).add(slot),
            )
        }
    }
}

impl Methods for Borrowed {
    fn method(&self, slot: usize) -> (*mut c_void, *const c_void) {
        Self::method(*self, slot)
    }
}

/// The text of a method `char const* NAME() const`.
fn text(object: &impl Methods, slot: usize) -> Option<String> {
    // SAFETY: that is its type in the headers.
    let text = unsafe { call!(object, slot, () -> *const c_char,) };
    if text.is_null() {
        return None;
    }
    // SAFETY: the text is the object's, ends with a zero and lives as long as it; it is copied.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

/// An object that TensorRT made.
fn made(pointer: *mut c_void, what: &str) -> Result<Borrowed, TensorRtError> {
    Borrowed::of(pointer).ok_or_else(|| refused(what))
}

fn refused(what: &str) -> TensorRtError {
    TensorRtError::NotMade {
        what: what.to_owned(),
        words: logger::errors(),
    }
}
