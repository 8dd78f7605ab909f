//! Recordings: coded units of cameras become files that survive a loss of power.
//!
//! The way of a unit: a source's thread gives it to [`RecordedSource`], which puts it into the bounded queue (`queue`) and never
//! waits. The thread `record`, one for each folder, takes it out. The cutter (`cut`) makes fragments and files of the units of each
//! source; the writer (`writer`) appends each fragment with one write (`track_file`), and makes all files durable together every few
//! seconds (`durable`). The format is that of `mp4`: every fragment is sealed, so that a torn one is seen.
//!
//! The objects that were detected in a frame, a scene (`scene`), come the same way some 100 ms after their frame. They wait
//! (`pending`) until the next fragment of their source is written, and go into it. They never delay, displace or fail pictures.
//!
//! Where only events are recorded (`mode`), a gate (`gate`) stands before the cutter. It holds what came last in memory (`pre_roll`)
//! until a scene has an object of a wanted class.
//!
//! At start, recovery (`recovery`) cuts files that were open at their last sound fragment, and closes them.
//!
//! Before the writer allocates space for a file, it asks the account of the folder's space (`space`). The thread `record-space`
//! (`retention`) lists the recordings that are there (`stock`), and deletes the oldest closed ones of all sources before the budget
//! or the free space of the file system is used up. From a certain age on those without events go first, as far as the index has told
//! (`space_events`). Open files are never deleted, nor are those that are locked (`locks`). As long as other sources have more, each
//! keeps a minimum.
//!
//! When the disk is slow, the queue drops whole groups of pictures. When it fails, the source's file is given up and a new one is
//! tried, after 5 s and then up to 60 s. When there is no space and nothing can be deleted, files end, and each key frame tries again.
//! All that is dropped is counted ([`SourceReport::dropped_groups`], [`SourceReport::dropped_scenes`]).
//!
//! With two folders (`takeover`), each has its recorder. The next one takes what comes while the first fails, and until it has proved to
//! be well again.
//!
//! The recordings are listed and checked by `check`, and exported with a signature by `export`, while a recorder writes.
//! Beside this way: `medium` tells the disk of a folder and its wear, `life` how long it lasts, and `usage` what the files of a folder
//! take.

mod check;
mod cut;
mod disk;
mod durable;
mod error;
mod event_times;
mod export;
mod file_key;
mod folder_lock;
mod fragment_reader;
mod gate;
mod index;
mod layout;
mod life;
mod limits;
mod lock_coverage;
mod lock_name;
mod lock_watch;
mod locks;
mod medium;
mod mode;
mod mp4;
mod pending;
mod playback;
mod pre_roll;
mod queue;
mod rate;
mod recorder;
mod recovery;
mod report;
mod retention;
mod scene;
mod source_stock;
mod space;
mod space_disk;
mod space_events;
mod stock;
mod takeover;
mod track;
mod track_file;
mod trial;
mod usage;
mod walk;
mod writer;

#[cfg(test)]
mod event_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod full_tests;
#[cfg(test)]
mod model_crash;
#[cfg(test)]
mod model_disk;
#[cfg(test)]
mod mutation_tests;
#[cfg(test)]
mod power_cut_tests;
#[cfg(test)]
mod testing;

pub use check::{CheckSummary, Finding, FindingKind, ListedRecording, ListedState, check, list};
pub use error::{DiskFault, RecordError};
pub use export::{
    ExportError, ExportProblem, ExportProgress, ExportRequest, ExportSaid, Exported, Verified,
    VerifyError, check_export, export, export_zip, verify,
};
pub use index::{
    Event, EventQuery, FileState, IndexError, IndexReport, Library, RebuildSummary, RecordedFile,
    SourceSpan, TRACK_GAP_MS, joined_times, rebuild,
};
pub use life::{Life, refuse_medium};
pub use lock_coverage::{LockCoverage, lock_coverage};
pub use locks::{LONGEST_REASON, Lock, LockError, MOST_LOCKS, NewLock, lock, locks, unlock};
pub use medium::{Disk, Medium, MediumKind, SpareBlocks, Wear};
pub use mode::{EventRule, RecordMode};
pub use mp4::time_of_ticks;
pub use playback::{
    FileFrames, FileSegments, OpenedRecording, Playback, RecordingName, SCENE_DELAY, Segment,
    ShownFrame,
};
pub use recorder::{RecordSettings, RecordedSource, Recorder};
pub use recovery::{Recovered, RecoveryOutcome};
pub use report::{RecordingReport, RecordingState, SourceReport};
pub use scene::{Scene, SceneObject};
pub use space::SpaceReport;
pub use takeover::{Covered, Takeover};
pub use usage::{SourceUsage, Usage, per_day, recent_rates, usage};
