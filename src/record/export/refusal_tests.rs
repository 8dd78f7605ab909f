//! Exports that are refused or stopped.

use super::super::testing::{FILES, Folder, SOURCE, captured, groups, milliseconds};
use super::*;
use crate::record::testing::Camera;

#[test]
fn a_time_without_recordings_is_told_with_those_that_there_are() {
    let folder = Folder::new();
    let mut camera = Camera::new();
    let units = groups(&mut camera, 2);
    folder.record(&units);
    let late = captured(&units[1][4]) + milliseconds(200);
    let error = folder
        .export(late, late + milliseconds(1000))
        .expect_err("nothing");
    assert_eq!(
        error.to_string(),
        "nothing of source 3 was recorded from 2026-11-28T08:30:02.323Z to 2026-11-28T08:30:03.323Z; its recordings go from 2026-11-28T08:30:00.323Z to 2026-11-28T08:30:02.323Z"
    );
    assert_eq!(folder.names(), [""; 0]);
    // No key is made for nothing.
    assert!(!folder.dir().join(".nvr-signing-key.pem").exists());
    let error = folder.export(late, late).expect_err("no time");
    assert!(matches!(error, ExportError::Range { .. }), "{error}");
}

#[test]
fn existing_files_are_never_replaced() {
    let folder = Folder::new();
    let units = groups(&mut Camera::new(), 2);
    folder.record(&units);
    let (from, until) = (captured(&units[0][0]), captured(&units[1][4]));
    for name in FILES {
        let path = folder.exports.path().join(name);
        std::fs::write(&path, "mine").expect("written");
        let error = folder.export(from, until).expect_err("it exists");
        let told = format!(
            "{} exists; choose another name, or remove it",
            path.display()
        );
        assert_eq!(error.to_string(), told);
        assert_eq!(folder.names(), [name]);
        std::fs::remove_file(&path).expect("removed");
    }
    folder.export(from, until).expect("an export");
}

#[test]
fn a_stop_leaves_no_file() {
    let folder = Folder::new();
    let units = groups(&mut Camera::new(), 3);
    folder.record(&units);
    let request = folder.request(captured(&units[0][0]), captured(&units[2][4]));
    let stop = Stop::default();
    let mut partial = 0;
    let error = export(
        &request,
        &mut |progress| {
            if matches!(progress, ExportProgress::Writing { done, .. } if done > 0) {
                partial = folder.names().len();
                stop.raise();
            }
        },
        &stop,
    );
    assert!(matches!(error, Err(ExportError::Stopped)), "{error:?}");
    assert_eq!((partial, folder.names()), (2, vec![]));
}

#[test]
fn a_recording_that_changes_meanwhile_ends_the_export() {
    let folder = Folder::new();
    let units = groups(&mut Camera::new(), 3);
    let path = folder.record(&units);
    let request = folder.request(captured(&units[0][0]), captured(&units[2][4]));
    let mut remove = |progress| {
        if matches!(progress, ExportProgress::Writing { done: 0, .. }) {
            std::fs::write(&path, "").expect("written");
        }
    };
    let error = export(&request, &mut remove, &Stop::default()).expect_err("changed");
    assert!(matches!(error, ExportError::Changed { .. }), "{error}");
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_recording_of_another_source_is_not_exported() {
    let folder = Folder::new();
    let units = groups(&mut Camera::new(), 2);
    let path = folder.record(&units);
    let other = path.display().to_string().replace("/3/", "/4/");
    std::fs::create_dir_all(Path::new(&other).parent().expect("a parent")).expect("folders");
    std::fs::rename(&path, &other).expect("moved");
    let request = ExportRequest {
        source: SourceId(4),
        ..folder.request(captured(&units[0][0]), captured(&units[1][4]))
    };
    let error = export(&request, &mut |_| (), &Stop::default()).expect_err("damaged");
    let told = format!("it is of source {SOURCE}");
    assert!(error.to_string().contains(&told), "{error}");
}
