//! The catalogue: its list, names that it lacks, licences that must be accepted, and the bill of materials.

use serde_json::{Value, json};

use super::{LICENCE, Site, text};

#[test]
fn a_licence_that_asks_for_more_is_accepted_once() {
    let mut site = Site::new();
    site.license = "AGPL-3.0";
    assert_eq!(
        site.refused(&["vans-96"]),
        format!(
            "vans-96 is under AGPL-3.0; read the licence at {LICENCE}, and accept it with --accept-licence AGPL-3.0"
        )
    );
    assert_eq!(
        site.refused(&["vans-96", "--accept-licence", "MIT"]),
        format!(
            "--accept-licence MIT: vans-96 is under AGPL-3.0, not under MIT; read it at {LICENCE}"
        )
    );
    assert!(site.ranges().is_empty());
    site.fetched(&["vans-96", "--accept-licence", "AGPL-3.0"]);
    let kept = site.model().join("licence-accepted.toml");
    let accepted = std::fs::read_to_string(&kept).expect("it is kept");
    for line in [
        "license = \"AGPL-3.0\"",
        "license_url = \"http://models.example/licence\"",
        "by = \"--accept-licence\"",
    ] {
        assert!(accepted.contains(line), "{accepted}");
    }
    // Fetched once more, it is not asked for again.
    std::fs::write(site.model().join("model.onnx"), "damaged").expect("written");
    site.fetched(&["vans-96"]);
    assert_eq!(std::fs::read_to_string(kept).ok(), Some(accepted));
    // Another licence is another question.
    site.license = "GPL-3.0";
    std::fs::remove_file(site.model().join("model.onnx")).expect("removed");
    let told = site.refused(&["vans-96"]);
    assert!(told.starts_with("vans-96 is under GPL-3.0"), "{told}");
}

#[test]
fn an_unknown_model_is_refused_with_the_nearest_and_one_that_is_not_published_with_the_reason() {
    let site = Site::new();
    let told = site.refused(&["yolox-nano"]);
    let begin = "the catalogue has no model `yolox-nano`; did you mean `yolox-nano-416`? it has vans-96, yolox-nano-416, ";
    assert!(told.starts_with(begin), "{told}");
    let told = site.refused(&["dfine-n-640"]);
    assert!(told.starts_with("dfine-n-640 can't be fetched: "), "{told}");
    assert!(told.contains("fetch dfine-s-640, or export it"), "{told}");
    assert!(site.models().read_dir().is_err(), "nothing was written");
}

#[test]
fn the_catalogue_is_listed_with_what_is_installed() {
    let site = Site::new();
    site.fetched(&["vans-96"]);
    let told = site.fetched(&[]);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("vans-96 "), "{told}");
    assert!(
        lines[0].ends_with(" Apache-2.0   vans (installed)"),
        "{told}"
    );
    let yolo = lines.iter().find(|line| line.starts_with("yolov8n-640 "));
    let yolo = yolo.expect("it is listed");
    assert!(yolo.contains("  12.9 MB  AGPL-3.0 "), "{yolo}");
    assert!(yolo.ends_with(" (the licence must be accepted)"), "{yolo}");
    let listed: Value = serde_json::from_str(&site.fetched(&["--format", "json"])).expect("JSON");
    assert_eq!(listed["models"][0]["installed"], true);
    assert_eq!(listed["models"][1]["id"], "yolox-nano-416");
    assert_eq!(listed["models"][1]["bytes"], 3_659_407);
    assert_eq!(listed["models"][1]["needs_consent"], false);
    assert_eq!(listed["unavailable"][0]["id"], "dfine-n-640");
}

#[test]
fn models_are_components_of_the_bill_of_materials() {
    let site = Site::new();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/models/yolo12n-640/model.toml");
    let output = site.nvr(&["bill", manifest]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let components: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let components = components.as_array().expect("a list");
    assert_eq!(
        components[0],
        json!({
            "type": "machine-learning-model",
            "bom-ref": "model:yolox-nano-416@0.1.1rc0",
            "name": "yolox-nano-416",
            "version": "0.1.1rc0",
            "description": "YOLOX-Nano, 80 classes of COCO, 416x416: the smallest one",
            "scope": "optional",
            "hashes": [{
                "alg": "SHA-256",
                "content": "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d"
            }],
            "licenses": [{ "license": {
                "id": "Apache-2.0",
                "url": "https://github.com/Megvii-BaseDetection/YOLOX/blob/main/LICENSE"
            } }],
            "externalReferences": [{
                "type": "distribution",
                "url": "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_nano.onnx"
            }]
        })
    );
    let packed = components.last().expect("the manifest");
    assert_eq!(packed["name"], "yolo12n-640");
    assert_eq!(packed["version"], "e548ab3a4062");
    assert_eq!(
        packed["properties"][0]["value"],
        "crates.io package easy-yolo 0.1.3, file yolov12n.onnx.zip"
    );
}
