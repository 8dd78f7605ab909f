//! `nvr fleet update`: another firmware in stages, and the way back from a bad one.

use serde_json::Value;

use super::apply;
use crate::support::site::Site;

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn update<'a>(version: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let image = ["--url", "https://files.example/image", "--sha256", SHA256];
    let limits = ["--soak", "0s", "--timeout", "30s"];
    let head = ["update", "--version", version];
    [&head[..], &image, &limits, more].concat()
}

fn firmware(site: &Site, device: &str) -> (Value, Value) {
    let firmware = &site.retained(device)["desired"]["document"]["firmware"];
    (firmware["version"].clone(), firmware["generation"].clone())
}

#[test]
fn an_update_goes_in_stages_and_a_bad_one_is_taken_back() {
    let site = Site::new(3, "gate");
    let _devices = site.simulate(
        &["d1", "d2", "d3"],
        &["--apply-time", "100ms", "--reverts", "bad"],
    );
    let (code, text) = site.run(&update("2.0", &[]));
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("d1: has no readable document on the broker"),
        "{text}"
    );
    assert_eq!(site.run(&apply(&["--batch", "100%"])).0, 0);
    let (code, text) = site.run(&update("2 0", &[]));
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("firmware.version: must be 1 to 64 letters"),
        "{text}"
    );
    let (code, text) = site.run(&update("2.0", &["--batch", "2"]));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("\nstage 1: 1 device: d1\n"), "{text}");
    assert!(text.contains("\nstage 2: 2 devices: d2, d3\n"), "{text}");
    let (_, text) = site.run(&["status", "--format", "json"]);
    let status: Value = serde_json::from_str(&text).expect("JSON");
    for row in status["rows"].as_array().expect("rows") {
        let shown = (&row["firmware"], &row["update"]);
        assert_eq!(shown, (&"2.0".into(), &"2.0 confirmed".into()), "{text}");
    }
    // The file names no firmware, so an apply keeps it.
    site.write("yard");
    assert_eq!(site.run(&apply(&["--batch", "100%"])).0, 0);
    assert_eq!(firmware(&site, "d2"), ("2.0".into(), 1.into()));
    let (code, text) = site.run(&update("3.0-bad", &[]));
    assert_eq!(code, 4, "{text}");
    assert!(
        text.contains("d1: rolled-back: firmware: new slot did not boot (did-not-boot)"),
        "{text}"
    );
    assert!(
        text.contains("taken back: 1; cleared: 0; kept: 0"),
        "{text}"
    );
    assert_eq!(firmware(&site, "d1"), ("2.0".into(), 3.into()));
    assert_eq!(firmware(&site, "d2"), ("2.0".into(), 1.into()));
}

#[test]
fn firmware_that_the_file_declares_is_applied_and_not_overruled() {
    let site = Site::new(1, "gate");
    let _devices = site.simulate(&["d1"], &["--apply-time", "100ms"]);
    let good = std::fs::read_to_string(site.file()).expect("text");
    let declared = |generation: &str| {
        let firmware = format!(
            "firmware = {{ version = \"2.0\", url = \"https://files.example/image\", sha256 = \"{SHA256}\"{generation} }}"
        );
        let text = good.replace("[defaults]", &format!("[defaults]\n{firmware}"));
        assert_ne!(text, good);
        std::fs::write(site.file(), text).expect("written");
    };
    declared(", generation = 7");
    let (code, text) = site.run(&["lint"]);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("firmware.generation: is set by the desk"),
        "{text}"
    );
    declared("");
    let (code, text) = site.run(&apply(&[]));
    assert_eq!(code, 0, "{text}");
    assert_eq!(firmware(&site, "d1"), ("2.0".into(), 1.into()));
    let (code, text) = site.run(&update("3.0", &[]));
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("at defaults.firmware"), "{text}");
}
