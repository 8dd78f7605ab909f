//! External weight files: installed with the graph, checked like it, and used by every engine. Also the messages if
//! that fails or the disk is full.

use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::symlink;
use std::path::Path;

use nvr::base::Size;
use nvr::config::Backend;
use nvr::detect::{DetectError, ModelStore, OutputFormat};
use rustix::fs::inotify;

use super::{ENGINES, INPUT, ModelDir, text};
use crate::support::namespaces::Namespaces;
use crate::support::onnx::{TinyNetwork, raw};
use crate::support::process::nvr;
use crate::support::tiny::{OBJECTS, assert_sees, lit, see};

fn network() -> TinyNetwork {
    TinyNetwork::finding(OutputFormat::Yolov8, INPUT, 2, &OBJECTS)
}

/// A graph whose weights are at `constant` and `slope`. What lies outside its folder is named by it, and never written.
fn place(constant: &str, slope: &str) -> ModelDir {
    let network = network();
    let place = ModelDir::with(&network);
    fs::write(place.onnx(), network.onnx_beside(constant, slope, 16)).expect("written");
    for (location, values) in [(constant, &network.constant), (slope, &network.slope)] {
        let file = place.dir.path().join(location);
        if let Some(folder) = file.parent()
            && Path::new(location).is_relative()
            && !location.contains("..")
        {
            fs::create_dir_all(folder).expect("made");
            fs::write(file, [vec![0; 16], raw(values)].concat()).expect("written");
        }
    }
    place
}

fn refused(place: &ModelDir) -> String {
    let error = place
        .import()
        .expect_err("it can't be installed")
        .to_string();
    let left = fs::read_dir(place.models()).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing of the attempt is left");
    error.replace(&place.dir.path().display().to_string(), "DIR")
}

#[test]
fn weights_beside_the_graph_are_installed_and_used_by_both_engines() {
    for (constant, slope) in [
        ("tiny.onnx.data", "tiny.onnx_data"),
        ("weights/deep/constant.bin", "./weights/slope"),
        ("constant", "onnx__Add_17"),
    ] {
        let place = place(constant, slope);
        let model = place.import().expect("it is installed");
        let names: Vec<&str> = model
            .manifest
            .files
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(names.contains(&constant) && names.contains(&slope.trim_start_matches("./")));
        // The original files are no longer needed.
        for file in [constant, slope, "tiny.onnx"] {
            fs::remove_file(place.dir.path().join(file)).expect("it was there");
        }
        for backend in ENGINES {
            let mut opened = place.open(backend).expect("it loads");
            let van = ("van", 0.875, [32.0, 40.0, 64.0, 88.0]);
            let person = ("person", 0.75, [132.0, 64.0, 156.0, 96.0]);
            let found = see(&mut opened, &lit(Size::new(192, 128), 1.0));
            assert_sees(&found, &[van, person]);
        }
    }
}

#[test]
fn weights_that_lie_elsewhere_by_a_link_are_copied() {
    // As a download cache stores them.
    let place = place("tiny.onnx.data", "tiny.onnx.data2");
    let (file, blob) = (
        place.dir.path().join("tiny.onnx.data"),
        place.dir.path().join("blob"),
    );
    fs::rename(&file, &blob).expect("moved");
    symlink(&blob, &file).expect("linked");
    let model = place.import().expect("it is installed");
    let installed = model.weights_dir.join("tiny.onnx.data");
    assert!(fs::symlink_metadata(&installed).expect("there").is_file());
}

#[test]
fn weights_that_are_missing_or_lead_elsewhere_are_refused_by_name() {
    let missing = place("tiny.onnx.data", "tiny.onnx.data2");
    fs::remove_file(missing.dir.path().join("tiny.onnx.data2")).expect("it was there");
    assert_eq!(
        refused(&missing),
        "DIR/tiny.onnx can't be imported: its weights lie in files beside it, and `tiny.onnx.data2` is not in DIR; copy \
         what the exporter wrote there too, or export the model into one file"
    );
    let short = place("tiny.onnx.data", "tiny.onnx.data2");
    fs::write(short.dir.path().join("tiny.onnx.data"), [0; 100]).expect("written");
    assert_eq!(
        refused(&short),
        "DIR/tiny.onnx can't be imported: `tiny.onnx.data` with its weights has 100 bytes, but tensor `constant` needs it \
         to have 3040; copy the whole file, or export the model again"
    );
    for outside in ["../tiny.onnx.data", "/etc/passwd", "weights/../../x.data"] {
        assert_eq!(
            refused(&place("tiny.onnx.data", outside)),
            format!(
                "DIR/tiny.onnx can't be imported: its weights should lie in `{outside}`, which is no path below its own \
                 directory; export the model again with its weights beside it, or into one file"
            )
        );
    }
}

#[test]
fn installed_weights_are_checked_like_the_graph() {
    let place = place("tiny.onnx.data", "weights/slope.data");
    let model = place.import().expect("it is installed");
    let shown = place.nvr(&["show", "tiny"]);
    let shown_text = text(&shown.stdout);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    assert!(
        shown_text.contains("name = \"weights/slope.data\""),
        "{shown_text}"
    );
    assert!(shown_text.contains("bytes = 3040"), "{shown_text}");
    let bench = place.nvr(&["bench", "tiny", "--backend", "rten", "--calls", "1"]);
    assert!(bench.status.success(), "{}", text(&bench.stdout));
    assert!(text(&bench.stdout).contains("rten "));

    let slope = model.weights_dir.join("weights/slope.data");
    let bytes = fs::read(&slope).expect("it is there");
    let mut other = bytes.clone();
    other[20] ^= 1;
    fs::write(&slope, other).expect("written");
    let damaged = model.verify().expect_err("damaged");
    assert!(matches!(damaged, DetectError::Hash { .. }), "{damaged}");
    fs::write(&slope, &bytes[..3000]).expect("written");
    assert_eq!(
        model.verify().expect_err("cut off").to_string(),
        format!(
            "{} has 3000 bytes instead of 3040: it is damaged or another file; fetch it again, or reinstall it with \
             `nvr model import`",
            slope.display()
        )
    );
    fs::remove_file(&slope).expect("it was there");
    let absent = ModelStore::new(vec![place.models()]).find("tiny");
    let absent = absent.expect_err("not whole").to_string();
    assert!(
        absent.contains("but weights/slope.data is in none of"),
        "{absent}"
    );
}

#[test]
fn files_of_a_killed_import_are_removed_by_the_next() {
    let place = ModelDir::finding(OutputFormat::Yolov8);
    // No process has this id: it is above the kernel's limit.
    let left = place.models().join(".import-other-4194999");
    fs::create_dir_all(&left).expect("made");
    fs::write(left.join("model.onnx"), "half").expect("written");
    place.import().expect("it is installed");
    assert!(!left.exists());
}

/// How often a file is opened meanwhile.
fn count_opens(file: &Path, act: impl FnOnce()) -> usize {
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).expect("an inotify object");
    // Closings too: the kernel joins equal events that follow each other.
    let kinds = inotify::WatchFlags::OPEN | inotify::WatchFlags::CLOSE_NOWRITE;
    inotify::add_watch(&watch, file, kinds).expect("a watch");
    act();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&watch, &mut buffer);
    let mut opens = 0;
    while let Ok(event) = events.next() {
        opens += usize::from(event.events().contains(inotify::ReadFlags::OPEN));
    }
    opens
}

#[test]
fn a_graph_is_read_once_beside_its_check_and_its_engines() {
    let place = place("tiny.onnx.data", "weights/slope.data");
    let model = place.import().expect("it is installed");
    // One opening for its hash, one for the names of its weights, and one by rten.
    let opens = count_opens(&model.onnx(), || {
        place.open(Backend::Rten).expect("a detector");
    });
    assert_eq!(opens, 3);
    // A further backend adds only its own.
    let opens = count_opens(&model.onnx(), || {
        let backends = ["--backend", "rten", "--backend", "rten"];
        let bench = [&["bench", "tiny", "--calls", "1"], &backends[..]].concat();
        let bench = place.nvr(&bench);
        assert!(bench.status.success(), "{}", text(&bench.stderr));
        assert_eq!(text(&bench.stdout).matches("rten ").count(), 2);
    });
    assert_eq!(opens, 4);
}

/// Runs an import, which must fail, into a file system of `size` bytes after the shell command `before`. Returns what it told.
fn on_a_small_disk(place: &ModelDir, size: &str, before: &str) -> String {
    let store = place.models();
    fs::create_dir_all(&store).expect("made");
    let mount = format!("mount -t tmpfs -o size={size} none {}", store.display());
    let disk = Namespaces::new(&["--mount"], &format!("{mount}; {before}"));
    let mut import = nvr();
    import.arg("model").arg("--models-dir").arg(&store);
    import.arg("import").arg(place.onnx());
    import.args(["--id", "tiny", "--labels", "person,van"]);
    let output = disk.inside(&import).output().expect("nsenter is installed");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    disk.run(&format!("test -z \"$(ls -A {})\"", store.display()));
    told.replace(&place.dir.path().display().to_string(), "DIR")
}

#[test]
fn a_full_disk_is_reported_and_nothing_is_left_on_it() {
    let place = place("tiny.onnx.data", "tiny.onnx.data2");
    let big = place.dir.path().join("tiny.onnx.data");
    let whole = [fs::read(&big).expect("it is there"), vec![0; 1 << 20]].concat();
    fs::write(&big, whole).expect("written");
    let told = on_a_small_disk(&place, "200k", ":");
    let begin = "error: DIR/tiny.onnx can't be imported: it has 1.1 MB, but the file system of DIR/models has ";
    assert!(told.starts_with(begin), "{told}");
    assert!(
        told.ends_with("or name another directory with --models-dir DIR\n"),
        "{told}"
    );
    let read_only = format!("mount -o remount,ro {}", place.models().display());
    let told = on_a_small_disk(&place, "4m", &read_only);
    assert!(
        told.starts_with(
            "error: could not write DIR/models: Read-only file system (os error 30); name a directory that can be written"
        ),
        "{told}"
    );
}
