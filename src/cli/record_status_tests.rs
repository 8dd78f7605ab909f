use std::collections::BTreeMap;

use super::*;
use crate::record::Disk;

const START: Duration = Duration::from_millis(1_795_854_600_123);

fn source(files: u64, bytes: u64, bytes_per_second: Option<u64>) -> SourceUsage {
    SourceUsage {
        files,
        bytes,
        days: 3,
        oldest_unix: START,
        newest_unix: START + Duration::from_secs(2 * 86_400),
        bytes_per_second,
    }
}

fn status() -> Status {
    let disk = Disk {
        name: "mmcblk0".to_owned(),
        kind: MediumKind::Emmc,
        model: Some("G1M15L".to_owned()),
        size_bytes: Some(63_652_757_504),
        has_write_cache: Some(true),
        wear: Some(Wear {
            used_percent: Some((10, 20)),
            spare: SpareBlocks::Normal,
        }),
    };
    Status {
        dir: PathBuf::from("/rec"),
        only: None,
        usage: Usage {
            sources: BTreeMap::from([
                (SourceId(7), source(2880, 20_000_000_000, Some(500_000))),
                (SourceId(12), source(1, 8_388_608, None)),
            ]),
            open: 1,
            faults: Vec::new(),
        },
        medium: Medium {
            dir: PathBuf::from("/rec"),
            kind: MediumKind::Emmc,
            disks: vec![disk],
            file_system: "ext4".to_owned(),
            source: "/dev/mmcblk0p1".to_owned(),
        },
        free_bytes: Some(25_000_000_000),
        min_free_bytes: 2_000_000_000,
        budget_bytes: None,
    }
}

#[test]
fn the_text_is_a_table_of_sources_and_the_state_of_the_disk() {
    let expected = "\
source    files  days      space  Mbit/s  oldest                         newest
7          2880     3    20.0 GB     4.0  2026-11-28T08:30:00.123+00:00  2026-11-30T08:30:00.123+00:00
12            1     3     8.4 MB       -  2026-11-28T08:30:00.123+00:00  2026-11-30T08:30:00.123+00:00

recordings   20.0 GB, files: 2881, open: 1
rate         43.2 GB a day
limits       free: 25.0 GB, min_free: 2.0 GB, budget: none
kept         about 1.0 days at this rate
medium       eMMC G1M15L, 63.7 GB, ext4 on /dev/mmcblk0p1, with a volatile write cache
wear         10–20 % of its life time used
life         about 3 to 7 years at 43.2 GB a day, if the whole disk can be written 1000 to 2000 times";
    assert_eq!(text(&status(), &TimeZone::UTC), expected);
}

#[test]
fn one_source_has_its_line_and_the_sums_are_those_of_all() {
    let status = Status {
        only: Some(SourceId(12)),
        ..status()
    };
    let shown = text(&status, &TimeZone::UTC);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines[1].starts_with("12            1     3     8.4 MB"),
        "{shown}"
    );
    assert_eq!(lines[3], "recordings   20.0 GB, files: 2881, open: 1");
    let json = lines_of_sources(&status);
    assert_eq!(json, [SourceId(12)]);
}

fn lines_of_sources(status: &Status) -> Vec<SourceId> {
    let lines = lines(status, &TimeZone::UTC).into_iter();
    let sources = lines.filter_map(|line| match line {
        Line::Source { source_id, .. } => Some(source_id),
        _ => None,
    });
    sources.collect()
}

#[test]
fn the_text_says_what_is_not_known() {
    let mut status = status();
    status.usage = Usage::default();
    status.medium = Medium {
        dir: PathBuf::from("/rec"),
        kind: MediumKind::Network,
        disks: Vec::new(),
        file_system: "nfs4".to_owned(),
        source: "nas:/rec".to_owned(),
    };
    status.free_bytes = None;
    let expected = "\
no recordings in /rec

recordings   0 bytes, files: 0, open: 0
rate         unknown: not two recordings within the last hour
limits       free: unknown, min_free: 2.0 GB, budget: none
kept         unknown
medium       network, nfs4 on nas:/rec
wear         unknown
life         unknown";
    assert_eq!(text(&status, &TimeZone::UTC), expected);
}

#[test]
fn json_has_a_line_for_each_source_the_folder_and_the_medium() {
    let mut status = status();
    status.budget_bytes = Some(30_000_000_000);
    let lines = lines(&status, &TimeZone::UTC);
    let json: Vec<String> = lines
        .iter()
        .map(|line| serde_json::to_string(line).expect("JSON"))
        .collect();
    assert_eq!(
        json,
        [
            r#"{"kind":"source","source_id":7,"files":2880,"bytes":20000000000,"days":3,"bits_per_second":4000000,"oldest":"2026-11-28T08:30:00.123+00:00","newest":"2026-11-30T08:30:00.123+00:00"}"#,
            r#"{"kind":"source","source_id":12,"files":1,"bytes":8388608,"days":3,"bits_per_second":null,"oldest":"2026-11-28T08:30:00.123+00:00","newest":"2026-11-30T08:30:00.123+00:00"}"#,
            r#"{"kind":"folder","path":"/rec","files":2881,"open":1,"bytes":20008388608,"bytes_per_day":43200000000,"free_bytes":25000000000,"min_free_bytes":2000000000,"budget_bytes":30000000000,"kept_s":60000}"#,
            r#"{"kind":"medium","medium":"emmc","disk":"mmcblk0","model":"G1M15L","size_bytes":63652757504,"file_system":"ext4","mounted":"/dev/mmcblk0p1","has_write_cache":true,"used_percent":[10,20],"spare_blocks":"normal","life_s":[101844412,229149927]}"#,
        ]
    );
}

#[test]
fn limits_are_amounts_with_units() {
    assert_eq!(amount("500 GB"), Ok(Amount(500_000_000_000)));
    let error = amount("500").expect_err("it has no unit");
    assert!(
        error.contains("an amount of bytes with its unit"),
        "{error}"
    );
}

#[test]
fn the_configuration_gives_folder_and_limits() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("nvr.toml");
    let document = "[record]\ndir = \"rec\"\nbudget = \"300 GB\"\n[[camera]]\nid = 1\nuri = \"test-pattern:\"\n";
    std::fs::write(&file, document).expect("a file");
    let settings = settings(&file.display().to_string()).expect("it is valid");
    let settings = settings.expect("it records");
    assert_eq!(settings.dir, dir.path().join("rec"));
    assert_eq!(settings.budget_bytes, Some(300_000_000_000));
    assert_eq!(settings.min_free_bytes, 2_000_000_000);
}
