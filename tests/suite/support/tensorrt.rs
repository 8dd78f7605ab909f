//! Doubles of NVIDIA's libraries, built from `tests/tensorrt`, engines for them, and a set-up around both.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nvr::base::Size;
use nvr::detect::{ImportRequest, InstalledModel, OutputFormat, Range, import};
use sha2::{Digest, Sha256};

use super::onnx::{TinyNetwork, TinyObject};
use super::tiny::OBJECTS;

/// What the double of CUDA says of its GPU.
pub(crate) const GPU: &str = "Double (compute 8.7, 4 multiprocessors)";

/// Folders of a test that runs on doubles.
pub(crate) struct Site {
    dir: tempfile::TempDir,
    major: u32,
    compiler: &'static str,
    is_rtx: bool,
}

/// An engine of the doubles'.
#[derive(Debug, Clone)]
pub(crate) struct DoubleEngine {
    /// As `getInferLibVersion` says it.
    pub(crate) version: u32,
    pub(crate) compute: &'static str,
    /// Lines `tensor …`.
    pub(crate) tensors: Vec<String>,
    /// Fewest and most pictures, where the tensors leave their number open.
    pub(crate) batch: (u32, u32),
    pub(crate) dla: Option<u32>,
    /// Index, constant and slope of the first output's numbers.
    pub(crate) set: Vec<(usize, f32, f32)>,
    pub(crate) is_whole: bool,
}

/// What a sidecar says; tests change it.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) model: &'static str,
    pub(crate) onnx_sha256: String,
    pub(crate) tensorrt: String,
    pub(crate) gpu: String,
    pub(crate) dla: Option<u32>,
}

/// The compute capability of the GPU of [`Site::rtx`], and what the double of CUDA says of it.
pub(crate) const RTX_COMPUTE: &str = "8.6";
pub(crate) const RTX_GPU: &str = "Double (compute 8.6, 4 multiprocessors)";

/// A network that finds one van, with a score as [`TinyObject`] has it.
pub(crate) fn van(score: [f32; 2]) -> TinyNetwork {
    let van = TinyObject {
        score,
        ..OBJECTS[0]
    };
    TinyNetwork::finding(OutputFormat::Yolov8, Size::new(96, 64), 2, &[van])
}

/// The number of a double's version.
pub(crate) fn number(major: u32) -> u32 {
    if major == 9 {
        9300
    } else if major < 10 {
        major * 1000 + 502
    } else {
        major * 10_000 + 300
    }
}

/// The same in words.
pub(crate) fn version(major: u32) -> String {
    if major == 9 {
        "9.3.0".to_owned()
    } else if major < 10 {
        format!("{major}.5.2")
    } else {
        format!("{major}.3.0")
    }
}

/// NVIDIA's own libraries, as `make test` fetches them for this architecture.
#[cfg(target_arch = "x86_64")]
pub(crate) fn real(name: &str) -> PathBuf {
    let path = nvr::base::cache_dir().join("tensorrt").join(name);
    assert!(
        path.is_file(),
        "{} is not there: run `tools/setup tests`",
        path.display()
    );
    path
}

fn cc(compiler: &str, out: &Path, source: &str, options: &[&OsStr]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tensorrt")
        .join(source);
    let built = Command::new(compiler)
        .args(["-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-pthread"])
        .args([OsStr::new("-o"), out.as_os_str(), source.as_os_str()])
        .args(options)
        .output()
        .expect("a C compiler, which links this program too");
    let told = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{told}");
}

impl Site {
    /// With both libraries, TensorRT's of that major version.
    pub(crate) fn new(major: u32) -> Self {
        Self::built_by("cc", major)
    }

    /// The same for another machine, whose C compiler is `compiler`.
    pub(crate) fn built_by(compiler: &'static str, major: u32) -> Self {
        let site = Self::with_cuda(compiler, major);
        site.add_tensorrt(&format!("libnvinfer.so.{major}"), &[]);
        site
    }

    /// With the double of CUDA, whose GPU TensorRT for RTX serves, and no product.
    pub(crate) fn rtx() -> Self {
        let mut site = Self::with_cuda("cc", 10);
        site.is_rtx = true;
        site
    }

    /// With the double of CUDA only.
    pub(crate) fn without_tensorrt(major: u32) -> Self {
        Self::with_cuda("cc", major)
    }

    fn with_cuda(compiler: &'static str, major: u32) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["libs", "models", "cache/engines"] {
            std::fs::create_dir_all(dir.path().join(name)).expect("a directory");
        }
        let site = Self {
            dir,
            major,
            compiler,
            is_rtx: false,
        };
        let soname = OsStr::new("-Wl,-soname,libcudart.so.12");
        let cuda = site.libs().join("libcudart.so.12");
        cc(compiler, &cuda, "cudart.c", &[soname]);
        site
    }

    /// Adds a double of TensorRT, which `defines` change (`-DVERSION=8403`).
    pub(crate) fn add_tensorrt(&self, file: &str, defines: &[&str]) {
        self.add_tensorrt_of(self.major, file, defines);
    }

    /// The same with the tables of `major`.
    pub(crate) fn add_tensorrt_of(&self, major: u32, file: &str, defines: &[&str]) {
        let libs = self.libs();
        let (major, folder) = (format!("-DMAJOR={major}"), libs.as_os_str());
        let mut options = vec![
            OsStr::new(&major),
            OsStr::new("-L"),
            folder,
            OsStr::new("-l:libcudart.so.12"),
            OsStr::new("-Wl,-rpath,$ORIGIN"),
        ];
        options.extend(defines.iter().map(OsStr::new));
        cc(self.compiler, &libs.join(file), "nvinfer.c", &options);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn libs(&self) -> PathBuf {
        self.path("libs")
    }

    pub(crate) fn models(&self) -> PathBuf {
        self.path("models")
    }

    pub(crate) fn engines(&self) -> PathBuf {
        self.path("cache/engines")
    }

    /// What tells a process of these folders.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let compute = if self.is_rtx { RTX_COMPUTE } else { "8.7" };
        vec![
            ("DOUBLE_COMPUTE", compute.into()),
            ("NVR_TENSORRT_LIB_DIR", self.libs().into()),
            ("NVR_CACHE", self.path("cache").into()),
            ("TEST_SITE", self.dir.path().into()),
            ("TEST_MAJOR", self.major.to_string().into()),
            // No tool of this machine's.
            ("NVR_TRTEXEC", self.path("trtexec").into()),
        ]
    }

    /// Installs `network` as the model `tiny`, whose input is bytes as they are: then its numbers are exact.
    pub(crate) fn import(&self, network: &TinyNetwork) -> InstalledModel {
        let file = self.path("tiny.onnx");
        std::fs::write(&file, network.onnx()).expect("written");
        let request = ImportRequest {
            file,
            id: "tiny".to_owned(),
            range: Some(Range::Bytes),
            labels: Some(vec!["person".to_owned(), "van".to_owned()]),
            ..ImportRequest::default()
        };
        import(&request, &[self.models()])
            .expect("it is installed")
            .model
    }

    /// The key of an engine of `model` that fits.
    pub(crate) fn key(&self, model: &InstalledModel) -> Key {
        Key {
            model: "tiny",
            onnx_sha256: model.manifest.files[0].sha256.clone(),
            tensorrt: version(self.major),
            gpu: GPU.to_owned(),
            dla: None,
        }
    }

    /// Puts an engine into the cache, as a build would; gives its file.
    pub(crate) fn keep(&self, engine: &DoubleEngine, key: &Key) -> PathBuf {
        self.keep_bytes(engine.text().as_bytes(), key)
    }

    /// The same with the bytes of an engine.
    pub(crate) fn keep_bytes(&self, bytes: &[u8], key: &Key) -> PathBuf {
        let path = self.engines().join("tiny-0123456789abcdef.engine");
        std::fs::write(&path, bytes).expect("written");
        let sidecar = serde_json::json!({
            "model": key.model,
            "key": {
                "onnx_sha256": key.onnx_sha256, "tensorrt": key.tensorrt, "gpu": key.gpu,
                "flags": {"fp16": true, "int8": false, "dla": key.dla, "batch": 1, "workspace_mb": null},
            },
            "engine_sha256": format!("{:x}", Sha256::digest(bytes)),
            "engine_bytes": bytes.len(),
            "built_unix": 1,
        });
        std::fs::write(path.with_extension("json"), sidecar.to_string()).expect("written");
        path
    }

    /// Replaces the double by one that also builds engines: `trtexec.engine` is what it makes.
    pub(crate) fn add_builder(&self) {
        let major = self.major;
        let library = format!("libnvinfer.so.{major}");
        self.add_tensorrt(&library, &["-DBUILDER"]);
        let parser = self.libs().join(format!("libnvonnxparser.so.{major}"));
        std::os::unix::fs::symlink(&library, parser).expect("linked");
    }

    /// What the builder was asked for, by build.
    pub(crate) fn builder_calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("builder.calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A script in the place of `trtexec`: it waits while `trtexec.hold` is there, and its engine is `trtexec.engine`.
    pub(crate) fn add_trtexec(&self, flags: &str) {
        use std::os::unix::fs::PermissionsExt;
        let script = format!(
            "#!/bin/sh\n\
             if [ \"$1\" = --help ]; then echo '--onnx=<file> --saveEngine=<file> {flags}'; exit 0; fi\n\
             echo \"&&&& RUNNING TensorRT.trtexec [TensorRT v$(cat \"$0.version\")] # trtexec $*\"\n\
             echo $$ >\"$0.pid\"\n\
             echo \"$*\" >>\"$0.calls\"\n\
             for a; do case $a in --saveEngine=*) out=${{a#*=}};; esac; done\n\
             echo '[I] Layer(conv) Tactic 0x17 Time 0.2'\n\
             while [ -e \"$0.hold\" ]; do sleep 0.05; done\n\
             if [ ! -e \"$0.engine\" ]; then echo '[E] Error[4]: no such layer' >&2; exit 1; fi\n\
             cp \"$0.engine\" \"$out\"\n"
        );
        let path = self.path("trtexec");
        std::fs::write(&path, script).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
        let number = number(self.major).to_string();
        std::fs::write(self.path("trtexec.version"), number).expect("written");
    }

    /// The command lines that the script has got.
    pub(crate) fn trtexec_calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("trtexec.calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl DoubleEngine {
    /// What `network` is for the double of that major version.
    pub(crate) fn of(network: &TinyNetwork, major: u32) -> Self {
        let set = network.constant.iter().zip(&network.slope).enumerate();
        Self {
            version: number(major),
            compute: "8.7",
            tensors: vec![Self::input(network, 0, 1), Self::output(network, 0, 1)],
            batch: (1, 1),
            dla: None,
            set: set
                .filter(|(_, (constant, slope))| **constant != 0.0 || **slope != 0.0)
                .map(|(index, (constant, slope))| (index, *constant, *slope))
                .collect(),
            is_whole: true,
        }
    }

    /// The line of an input of type `element` (0 is f32, 1 is f16) for `batch` pictures, -1 where that is open.
    pub(crate) fn input(network: &TinyNetwork, element: i32, batch: i64) -> String {
        let (height, width) = (network.input.height, network.input.width);
        format!("tensor in images {element} 4 {batch} 3 {height} {width}")
    }

    /// The line of its output.
    pub(crate) fn output(network: &TinyNetwork, element: i32, batch: i64) -> String {
        let [_, rows, columns] = network.shape;
        format!("tensor out output0 {element} 3 {batch} {rows} {columns}")
    }

    /// The engine's file.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "double-engine\nversion {}\ncompute {}\n",
            self.version, self.compute
        );
        let (least, most) = self.batch;
        let mut line =
            |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a text takes it");
        line(format_args!("batch {least} {most}"));
        if let Some(core) = self.dla {
            line(format_args!("dla {core}"));
        }
        for tensor in &self.tensors {
            line(format_args!("{tensor}"));
        }
        for (index, constant, slope) in &self.set {
            line(format_args!("set {index} {constant} {slope}"));
        }
        if self.is_whole {
            text.push_str("end\n");
        }
        text
    }
}
