//! The catalogue of this program, and what is refused in others.

use super::*;

const MODEL: &str = r#"
[[model]]
id = "vans-96"
version = "3"
description = "vans"
url = "http://models.example/vans.onnx"
license = "CC-BY-NC-4.0"
license_url = "http://models.example/licence"
labels = ["van"]
input = { width = 96, height = 64 }
output = { format = "yolov8" }
"#;

fn parse(text: &str) -> Result<Catalogue, CatalogueError> {
    Catalogue::parse(text, Path::new("own.toml"))
}

fn refused(text: &str) -> String {
    parse(text).expect_err("it is not valid").to_string()
}

#[test]
fn the_built_in_catalogue_is_valid_and_names_whole_files() {
    let catalogue = Catalogue::built_in().expect("it is valid");
    let ids: Vec<&str> = catalogue.models.iter().map(|m| m.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "yolox-nano-416",
            "yolox-tiny-416",
            "yolox-s-640",
            "dfine-s-640",
            "rf-detr-nano-384",
            "yolov8n-640"
        ]
    );
    for model in &catalogue.models {
        assert!(model.url.starts_with("https://"), "{}", model.id);
        assert!(model.url.contains(&model.version), "{}", model.id);
        assert_eq!(
            model.needs_consent(),
            model.license == "AGPL-3.0",
            "{}",
            model.id
        );
    }
    let nano = catalogue.find("yolox-nano-416").expect("it is there");
    assert_eq!(nano.bytes, Some(3_659_407));
    assert_eq!(
        nano.sha256.as_deref(),
        Some("c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d")
    );
    assert_eq!(catalogue.unavailable[0].id, "dfine-n-640");
    assert!(catalogue.find("dfine-n-640").is_none());
}

#[test]
fn the_documentation_lists_every_model_with_its_length_and_licence() {
    let docs = include_str!("../../docs/models.md");
    for model in Catalogue::built_in().expect("it is valid").models {
        let begin = format!("| `{}` |", model.id);
        let row = docs.lines().find(|line| line.starts_with(&begin));
        let cells: Vec<&str> = row.expect(&begin).split('|').map(str::trim).collect();
        let length: Option<u64> = cells[2].replace(' ', "").parse().ok();
        assert_eq!(length, model.bytes, "{}", model.id);
        assert_eq!(cells[3], model.license, "{}", model.id);
    }
}

#[test]
fn a_catalogue_of_ones_own_makes_manifests() {
    let catalogue = parse(MODEL).expect("it is valid");
    let model = catalogue.find("vans-96").expect("it is there");
    assert!(model.needs_consent());
    assert_eq!((model.sha256.as_deref(), model.bytes), (None, None));
    let manifest = model.manifest("http://mirror.example/vans.onnx");
    assert_eq!(manifest.license.as_deref(), Some("CC-BY-NC-4.0"));
    assert_eq!(
        manifest.source.as_deref(),
        Some("http://mirror.example/vans.onnx")
    );
    assert_eq!(manifest.labels, LabelSource::Inline(vec!["van".to_owned()]));
    assert_eq!(manifest.input_size(), crate::base::Size::new(96, 64));
}

#[test]
fn a_catalogue_of_ones_own_precedes_the_built_in_one() {
    let built_in = Catalogue::built_in().expect("it is valid");
    let count = built_in.models.len();
    let own = MODEL.replace("vans-96", "dfine-n-640");
    let own = format!("{MODEL}{own}");
    let both = parse(&own).expect("it is valid").with(built_in);
    assert_eq!(both.models.len(), count + 2);
    assert_eq!(both.models[0].id, "vans-96");
    assert!(both.find("yolox-nano-416").is_some());
    assert!(both.find("dfine-n-640").is_some());
    assert!(both.unavailable.is_empty());
}

#[test]
fn every_problem_is_told_with_its_key() {
    let wrong = MODEL
        .replace("vans-96", "../vans")
        .replace("http://models.example/vans.onnx", "ftp://models.example/v")
        .replace("width = 96", "width = 0")
        .replace("version", "bytes = 0\nsha256 = \"00\"\nversion");
    let told = refused(&wrong);
    for problem in [
        "the catalogue own.toml is not usable: model[0].id: `../vans` can't be a model's id",
        "model[0].url: must begin with https:// or http://, got `ftp://models.example/v`",
        "model[0].sha256: must be 64 lower-case hexadecimal digits, got `00`",
        "model[0].bytes: must be above 0",
        "model[0].input.width: must be 1 to 8192, got 0",
    ] {
        assert!(told.contains(problem), "{told}");
    }
    let twice = format!("{MODEL}{MODEL}");
    assert_eq!(
        refused(&twice),
        "the catalogue own.toml is not usable: model[1].id: `vans-96` is listed twice"
    );
    let labels = MODEL.replace("[\"van\"]", "{ file = \"labels.txt\" }");
    assert!(refused(&labels).contains("model[0].labels: must be a known list or names"));
    let unknown = MODEL.replace("version", "release");
    assert!(refused(&unknown).contains("unknown field `release`"));
    let absent = Catalogue::read(Path::new("/nowhere/own.toml")).expect_err("it is not there");
    assert!(
        absent
            .to_string()
            .starts_with("could not read the catalogue /nowhere/own.toml: "),
        "{absent}"
    );
}
