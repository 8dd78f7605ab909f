//! Documents that need more than the box has: by what was measured, by the board file, and by the outputs of the kernel.

use serde_json::{Value, json};

use super::stage::{Stage, codes, document, sources};
use crate::support::scratch::fresh;

/// A detector that takes 250 ms per frame, and sources with frames for it all the time.
fn slow(ids: &[u32]) -> Value {
    let mut slow = sources(ids);
    slow["processor"] = json!({"backend": "scripted", "scripted_delay": "250ms"});
    slow
}

#[test]
fn a_document_beyond_the_measured_rate_is_refused_unless_it_overcommits() {
    let mut stage = Stage::new();
    stage.start();
    stage.desire(&document(1, slow(&[0])));
    stage.phase(1, "applied");
    let is_measured = |text: &str| text.contains("\"inference\":[{");
    let measured = stage.next("capabilities", is_measured)["inference"][0].clone();
    assert_eq!(measured["backend"], "scripted");
    let fps = measured["fps"].as_f64().expect("a rate");
    assert!(fps > 0.1 && fps <= 4.0, "{fps}");

    let mut more = document(2, slow(&[0, 13]));
    more["processor"]["camera"][1]["max_fps"] = 25.into();
    stage.desire(&more);
    let refused = stage.phase(2, "rejected");
    assert_eq!(codes(&refused["errors"]), ["over-capacity"]);
    assert_eq!(refused["errors"][0]["path"], "processor.camera[1].max_fps");
    let message = refused["errors"][0]["message"].as_str().expect("a text");
    let expected = format!("source 13 needs 25 fps, more than the {fps} this detector has left");
    assert!(message.starts_with(&expected), "{message}");
    assert_eq!(refused["applied"], 1);

    more["generation"] = 3.into();
    more["overcommit"] = true.into();
    stage.desire(&more);
    let applied = stage.phase(3, "applied");
    assert!(codes(&applied["warnings"]).contains(&"over-capacity".to_owned()));

    // After a restart the rate is known before a role has run, and what runs is not refused for it.
    stage.agent().signal("TERM");
    stage.agent().end(crate::support::wait::SOON);
    stage.start();
    stage.observe_again();
    let known = stage.next("capabilities", is_measured);
    assert!(known["inference"][0]["fps"].as_f64() >= Some(fps));
    stage.phase(3, "applied");
    more["generation"] = 4.into();
    more["overcommit"] = false.into();
    stage.desire(&more);
    let refused = stage.phase(4, "rejected");
    assert_eq!(codes(&refused["errors"]), ["over-capacity"]);
    assert_eq!(refused["applied"], 3);
}

#[test]
fn the_board_file_and_the_outputs_of_the_kernel_limit_documents() {
    let mut stage = Stage::new();
    let (board, sys) = (stage.config.join("board.toml"), fresh());
    let text = "[decoder]\nsessions = 1\nsource = \"the maker\"\n[dla]\ncores = 2\nsource = \"the maker\"\n";
    std::fs::write(&board, text).expect("written");
    let connector = sys.join("class/drm/card0-HDMI-A-1");
    std::fs::create_dir_all(&connector).expect("a folder");
    std::fs::write(connector.join("status"), "disconnected\n").expect("written");
    let (board, sys) = (board.display().to_string(), sys.display().to_string());
    stage.start_with(&["--board", &board, "--sys-dir", &sys]);
    let known = stage.next("capabilities", |text| text.contains("HDMI-A-1"));
    assert_eq!(known["machine"]["dla_cores"], 2);
    assert_eq!(known["outputs"][0]["connected"], false);

    let mut cameras = document(1, sources(&[0, 1]));
    for camera in 0..2 {
        cameras["processor"]["camera"][camera]["uri"] = "rtsp://127.0.0.1:9/main".into();
    }
    stage.desire(&cameras);
    let refused = stage.phase(1, "rejected");
    assert_eq!(codes(&refused["errors"]), ["over-capacity"]);
    assert_eq!(refused["errors"][0]["path"], "processor.camera[1]");

    let wall = |generation: u64, connector: &str| {
        let mut wall = document(generation, Value::Null);
        wall["role"] = "wall".into();
        wall["wall"] = json!({
            "camera": [{"id": 0, "uri": "test-pattern:?width=320&height=240&fps=5"}],
            "wall": {"head": [{"connector": connector}]},
        });
        wall.as_object_mut().expect("a table").remove("processor");
        wall
    };
    stage.desire(&wall(2, "HDMI-A-9"));
    let refused = stage.phase(2, "rejected");
    assert_eq!(codes(&refused["errors"]), ["no-output"]);
    assert_eq!(
        refused["errors"][0]["message"],
        "this box has no output HDMI-A-9; it has HDMI-A-1"
    );
    // A monitor that is switched off is no reason to refuse it.
    stage.desire(&wall(3, "HDMI-A-1"));
    let reported = stage.reported(|reported| {
        reported["generation"] == 3
            && codes(&reported["warnings"]).contains(&"no-monitor".to_owned())
    });
    assert_eq!(reported["errors"], json!([]));
}
