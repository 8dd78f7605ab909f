//! Properties of the loader: it never panics, and its output is read back as the same settings.

use proptest::prelude::*;

use super::*;
use crate::config::{ProcessorFlags, WallFlags, template};

fn source() -> ConfigSource {
    ConfigSource::new(ProcessorFlags::default(), Environment::default())
}

/// The same file, read by a wall.
fn wall() -> ConfigSource {
    ConfigSource::new(WallFlags::default(), Environment::default())
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let key = prop_oneof![
        prop::sample::select(vec![
            "mqtt",
            "camera",
            "processor",
            "host",
            "port",
            "tls",
            "uri",
            "id",
            "password",
            "classes",
            "model",
            "models_dirs",
            "stall_limit",
            "stream",
            "wall",
            "head",
            "layout",
            "tiles",
            "cameras",
            "mode",
            "rotate",
            "delay_budget",
            "monitor_off",
            "http",
            "http_token",
        ])
        .prop_map(str::to_owned),
        "[a-z.\\[\\]0]{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(Value::from("rtsp://a:b@c/")),
        Just(Value::from("1920x1080@60")),
        Just(Value::from("22:00-06:00")),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    /// The wall's table of a file that is right.
    fn good_wall()(
        tile in (64u32..=4096, 64u32..=4096),
        ttl_ms in 100u64..=60_000,
        budget_ms in prop::option::of(0u64..=1000),
        scale in 0.2f64..=5.0,
        columns in prop::option::of(1u32..=32),
        rotate in prop::sample::select(vec![0u16, 90, 180, 270]),
        overscan in 0.0f64..=0.1,
        mode in prop::option::of((64u32..=16384, 64u32..=16384, 1u32..=240)),
        // Columns of tiles, each as wide as the last one has left over.
        widths in prop::collection::vec(0.1f64..=0.9, 1..6),
        off in prop::option::of((0u16..24, 0u16..60)),
        sync in prop::sample::select(vec!["auto", "aligned", "latest"]),
    ) -> serde_json::Value {
        let mut left = 0.0;
        let tiles: Vec<_> = widths.iter().map(|share| {
            let width = (1.0 - left) * share;
            let tile = [left, 0.0, width, 1.0];
            left += width;
            tile
        }).collect();
        let mut head = serde_json::json!({ "rotate": rotate, "overscan": overscan, "layout": "mine" });
        if let Some(columns) = columns { head["grid_columns"] = columns.into(); }
        if let Some((width, height, hz)) = mode { head["mode"] = format!("{width}x{height}@{hz}").into(); }
        let mut wall = serde_json::json!({
            "tile_width": tile.0, "tile_height": tile.1, "detection_ttl": format!("{ttl_ms}ms"),
            "label_font_scale": scale, "sync": sync, "clock": rotate == 0, "head": [head, {}],
            "layout": { "mine": { "tiles": tiles } },
        });
        if let Some(ms) = budget_ms { wall["delay_budget"] = format!("{ms}ms").into(); }
        if let Some((hour, minute)) = off { wall["monitor_off"] = format!("{hour:02}:{minute:02}-24:00").into(); }
        wall
    }
}

prop_compose! {
    /// A file that is right, with the keys that vary.
    fn good_file()(
        port in 1u16..,
        qos in 0u8..=2,
        root in "[a-z]{1,8}(/[a-z]{1,3})?",
        confidence in 0.0f64..=1.0,
        fps in prop::option::of(0.1f64..100.0),
        stall_ms in 500u64..3_600_000,
        threads in prop::option::of(1usize..=256),
        lanes in prop::option::of(1usize..=64),
        classes in prop::option::of(prop::collection::vec("[a-z]{1,9}", 1..4)),
        cameras in prop::collection::btree_map(any::<u32>(), (0usize..7, prop::option::of("\\PC{0,20}")), 1..5),
        wall in good_wall().prop_filter("midnight to midnight", |wall| wall["monitor_off"] != "00:00-24:00"),
    ) -> serde_json::Value {
        const URIS: [&str; 7] = [
            "rtsp://10.0.0.20:554/a?channel=1", "rtsps://host/", "v4l2:///dev/video3", "clip.mp4", "/x/still.JPG",
            "test-pattern:?fps=7.5", "csi:0",
        ];
        let cameras: Vec<_> = cameras.into_iter().map(|(id, (uri, name))| {
            let mut camera = serde_json::json!({ "id": id, "uri": URIS[uri], "stall_limit": format!("{stall_ms}ms") });
            if let Some(name) = name {
                camera["name"] = name.into();
            }
            camera
        }).collect();
        let mut file = serde_json::json!({
            "mqtt": { "port": port, "qos": qos, "topic_root": root },
            "camera": cameras,
            "processor": { "confidence": confidence, "tracking": qos == 1 },
            "wall": wall,
        });
        let processor = &mut file["processor"];
        if let Some(fps) = fps { processor["max_fps"] = fps.into(); }
        if let Some(threads) = threads { processor["threads"] = threads.into(); }
        if let Some(lanes) = lanes { processor["lanes"] = lanes.into(); }
        if let Some(classes) = classes { processor["classes"] = classes.into(); }
        file
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC{0,200}") {
        let _ = source().with_toml(text).load();
    }

    #[test]
    fn no_torn_file_makes_the_loader_panic(start in 0usize..9000, length in 0usize..200, middle in "[\\PC\n]{0,20}") {
        let template = template();
        let start = (0..=start.min(template.len())).rev().find(|at| template.is_char_boundary(*at)).unwrap_or(0);
        let text = template.replace("\n#", "\n");
        let head: String = text.chars().take(start).collect();
        let tail: String = text.chars().skip(start + length).collect();
        let _ = wall().with_toml([head, middle, tail].concat()).load();
    }

    #[test]
    fn no_document_makes_the_loader_panic(document in json()) {
        let _ = source().with_document(document.clone()).load();
        let _ = wall().with_document(document).load();
    }

    #[test]
    fn no_wall_makes_the_loader_panic(table in json()) {
        let _ = wall().with_document(serde_json::json!({ "wall": table })).load();
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_settings(file in good_file()) {
        for source in [source(), wall()] {
            let loaded = source.with_document(file.clone()).load_all().expect("a good file");
            let text = toml::to_string(&loaded.raw).expect("TOML");
            let json = serde_json::to_value(&loaded.raw).expect("JSON");
            prop_assert_eq!(&source.with_toml(text).load_all().expect("TOML reads back"), &loaded);
            prop_assert_eq!(&source.with_document(json).load_all().expect("JSON reads back"), &loaded);
        }
    }
}
