//! Class names as exporters write them: they are read from the file, or refused with the text and the option; never
//! others.

use nvr::detect::{ImportRequest, InstalledModel, KnownLabels, LabelSource, OutputFormat, import};

use super::{INPUT, ModelDir, text};
use crate::support::onnx::TinyNetwork;
use crate::support::tiny::OBJECTS;

fn import_with(names: Option<&str>, classes: usize) -> Result<InstalledModel, String> {
    let mut network = TinyNetwork::finding(OutputFormat::Yolov8, INPUT, classes, &OBJECTS);
    network
        .metadata
        .extend(names.map(|names| ("names".to_owned(), names.to_owned())));
    let place = ModelDir::with(&network);
    let request = ImportRequest {
        file: place.onnx(),
        id: "tiny".to_owned(),
        ..ImportRequest::default()
    };
    let imported = import(&request, &[place.models()]);
    imported.map(|imported| imported.model).map_err(|error| {
        let text = error.to_string();
        let reason = text.split_once(" can't be imported: ");
        reason.map_or(text.clone(), |(_, reason)| reason.to_owned())
    })
}

/// `wrap` around 80 names, the first of which has both quotes.
fn eighty(name: impl Fn(usize, &str) -> String, around: [&str; 2]) -> String {
    let all: Vec<String> = (0..80)
        .map(|index| name(index, &format!("k{index}")))
        .collect();
    format!("{}{}{}", around[0], all.join(", "), around[1])
}

#[test]
fn eighty_custom_names_are_not_replaced_by_those_of_coco() {
    let wanted: Vec<String> = (0..80).map(|index| format!("k{index}")).collect();
    for text in [
        eighty(|index, name| format!("{index}: '{name}'"), ["{", "}"]),
        eighty(|index, name| format!("\"{index}\": \"{name}\""), ["{", "}"]),
        eighty(|_, name| format!("'{name}'"), ["[", "]"]),
        eighty(|_, name| format!("'{name}'"), ["(", ")"]),
        eighty(|_, name| format!("\"{name}\""), ["[", "]"]),
        eighty(|_, name| name.to_owned(), ["", ""]),
    ] {
        let model = import_with(Some(&text), 80).expect("its names are read");
        assert_eq!(
            model.manifest.labels,
            LabelSource::Inline(wanted.clone()),
            "{text}"
        );
    }
    let escaped = eighty(
        |index, name| match index {
            0 => r#"0: 'driver\'s "cab"'"#.to_owned(),
            1 => r"1: 'pallet\xa0jack'".to_owned(),
            _ => format!("{index}: '{name}'"),
        },
        ["{", "}"],
    );
    let model = import_with(Some(&escaped), 80).expect("its names are read");
    let LabelSource::Inline(names) = model.manifest.labels else {
        panic!("they are the file's own");
    };
    assert_eq!(names[..3], ["driver's \"cab\"", "pallet\u{a0}jack", "k2"]);
}

#[test]
fn names_that_can_not_be_read_are_refused_with_their_text_and_the_option() {
    for (names, reason) in [
        ("{}", "it names no class, in `{}`"),
        (
            "{0: person}",
            "`person}` is not in quotes, in `{0: person}`",
        ),
        (
            "{1: 'a', 2: 'b'}",
            "class 0 is missing, in `{1: 'a', 2: 'b'}`",
        ),
        ("['a', 'b'", "it is cut off, in `['a', 'b'`"),
    ] {
        for classes in [2, 80] {
            assert_eq!(
                import_with(Some(names), classes).expect_err("no names"),
                format!(
                    "the class names in its metadata can't be read: {reason}; name its classes with --labels"
                )
            );
        }
    }
    let long = "x".repeat((1 << 20) + 1);
    assert_eq!(
        import_with(Some(&long), 80).expect_err("no names"),
        "the class names in its metadata can't be read (it has 1048577 bytes (limit 1048576 bytes)); name its classes \
         with --labels"
    );
    assert_eq!(
        import_with(Some("['a', 'b', 'c']"), 2).expect_err("three names"),
        "the file names 3 classes, but its output, 1x6x126, can only be yolov8 (2 classes), YOLOv5 or YOLOv7 with its \
         axes exchanged (1 class) or YOLOv8-obb (1 class)"
    );
}

#[test]
fn a_file_without_names_has_those_of_coco_by_a_warning_or_those_of_the_option() {
    let network = TinyNetwork::finding(OutputFormat::Yolov8, INPUT, 80, &OBJECTS);
    let place = ModelDir::with(&network);
    let file = place.onnx();
    let file = file.to_str().expect("UTF-8");
    let import = |id: &str, labels: &[&str]| {
        let output = place.nvr(&[&["import", file, "--id", id], labels].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let told = import("assumed", &[]);
    assert!(
        told.contains(
            "names no classes; assuming the 80 classes of COCO; give --labels if it has others"
        ),
        "{told}"
    );
    let labels = place.dir.path().join("labels.txt");
    let lines: Vec<String> = (0..80).map(|index| format!("k{index} \t")).collect();
    std::fs::write(&labels, format!("\u{feff}{}\r\n\r\n", lines.join("\r\n"))).expect("written");
    let told = import("said", &["--labels", labels.to_str().expect("UTF-8")]);
    assert_eq!(told, "");
    let manifest = std::fs::read_to_string(place.models().join("said/model.toml"));
    let manifest = manifest.expect("it is installed");
    assert!(manifest.contains("\"k0\""), "{manifest}");
    assert!(manifest.contains("\"k79\""), "{manifest}");
    let known = import_with(None, 80)
        .expect("it is installed")
        .manifest
        .labels;
    assert_eq!(known, LabelSource::Known(KnownLabels::Coco80));
    std::fs::write(&labels, "a\n\nb\n").expect("written");
    let output = place.nvr(&[
        "import",
        file,
        "--id",
        "gap",
        "--labels",
        labels.to_str().expect("UTF-8"),
    ]);
    assert_eq!(
        text(&output.stderr),
        format!(
            "error: --labels: {} is not a list of class names: line 2 is empty; name that class, or remove the line\n",
            labels.display()
        )
    );
}

#[test]
fn a_label_file_of_another_tool_gives_its_names_or_is_refused() {
    let place = ModelDir::with(&TinyNetwork::finding(
        OutputFormat::Yolov8,
        INPUT,
        2,
        &OBJECTS,
    ));
    let file = place.onnx();
    let file = file.to_str().expect("UTF-8");
    let labels = place.dir.path().join("labelmap.txt");
    let path = labels.to_str().expect("UTF-8");
    let import = |id: &str, content: &str| {
        std::fs::write(&labels, content).expect("written");
        let output = place.nvr(&["import", file, "--id", id, "--labels", path]);
        text(&output.stderr)
    };
    assert_eq!(import("numbered", "0  person\r\n1  van\r\n"), "");
    let manifest = std::fs::read_to_string(place.models().join("numbered/model.toml"));
    let manifest = manifest.expect("it is installed");
    assert!(
        manifest.contains("labels = [\"person\", \"van\"]"),
        "{manifest}"
    );
    let told = import("yaml", "names:\n  0: person\n");
    assert_eq!(
        told,
        format!(
            "error: --labels: {path} is not a list of class names: line 1 is `names:`, which is no name; write one name \
             per line and nothing else\n"
        )
    );
    assert!(!place.models().join("yaml").exists());
}
