//! The capacity check: whether a document needs more than the box has, before it is applied.
//!
//! Only what is known counts: a box that does not know its decoders or its inference rate accepts everything, and a source
//! without `max_fps` takes what is left. Pure.

use super::codes;
use super::cycle::ChildRole;
use crate::base::SourceId;
use crate::config::{Location, Settings, SourceSettings};
use crate::fleet::{DeviceCapabilities, DocumentError};

/// What a box has. `None` is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Capacity {
    /// Maximum number of decoder sessions at once, of all roles.
    pub decoder_sessions: Option<u32>,
    /// Measured inference rate in frames per second, of all sources together.
    pub inference_fps: Option<f64>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
}

/// Memory that one decoded source of a role takes at least, in bytes: eight pictures of 1920×1080 in NV12, which is the decoder's
/// pool and what waits between the stages. Smaller than what any decoder here was seen to take, so that no box is refused wrongly.
const SOURCE_MEMORY_BYTES: u64 = 8 * 1920 * 1080 * 3 / 2;

impl Capacity {
    /// The capacity besides inference. Of decoders of several codecs the one with the most sessions counts, because a camera may send
    /// any of them.
    pub fn of(capabilities: &DeviceCapabilities) -> Self {
        let decoders = &capabilities.decoders;
        let sessions = decoders.iter().map(|decoder| decoder.sessions);
        let memory = capabilities.machine.memory_bytes;
        Self {
            decoder_sessions: sessions
                .collect::<Option<Vec<u32>>>()
                .and_then(|sessions| sessions.into_iter().max()),
            inference_fps: None,
            memory_bytes: (memory > 0).then_some(memory),
        }
    }
}

/// A role and what it is to run.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    /// The role.
    pub role: ChildRole,
    /// Its checked configuration.
    pub settings: &'a Settings,
    /// Its sources in the order of the `camera` list, as [`Candidate::roles`](super::Candidate::roles) has them.
    pub cameras: &'a [SourceId],
}

/// The result of the check.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preflight {
    /// Why the document is refused.
    pub errors: Vec<DocumentError>,
    /// The same, where the document allows it by `overcommit`.
    pub warnings: Vec<DocumentError>,
}

/// Compares all roles of a document with the capacity. Each source beyond it is one problem.
pub fn preflight(demands: &[Demand<'_>], capacity: &Capacity, overcommit: bool) -> Preflight {
    let mut left = Left::of(capacity);
    let mut found = Vec::new();
    for demand in demands {
        for (index, id) in demand.cameras.iter().enumerate() {
            if let Some(source) = demand.settings.sources.get(id) {
                let path = format!("{}.camera[{index}]", demand.role);
                left.take(demand.role, source, &path, &mut found);
            }
        }
    }
    if overcommit {
        Preflight {
            errors: Vec::new(),
            warnings: found,
        }
    } else {
        Preflight {
            errors: found,
            warnings: Vec::new(),
        }
    }
}

/// What the sources so far have left.
struct Left {
    sessions: Option<u32>,
    of_sessions: u32,
    fps: Option<f64>,
    of_fps: f64,
    sources: Option<u64>,
    of_sources: u64,
}

impl Left {
    fn of(capacity: &Capacity) -> Self {
        let sources = capacity
            .memory_bytes
            .map(|bytes| bytes / SOURCE_MEMORY_BYTES);
        let fps = capacity
            .inference_fps
            .filter(|fps| fps.is_finite() && *fps > 0.0);
        Self {
            sessions: capacity.decoder_sessions,
            of_sessions: capacity.decoder_sessions.unwrap_or_default(),
            fps,
            of_fps: fps.unwrap_or_default(),
            sources,
            of_sources: sources.unwrap_or_default(),
        }
    }

    fn take(
        &mut self,
        role: ChildRole,
        source: &SourceSettings,
        path: &str,
        found: &mut Vec<DocumentError>,
    ) {
        let id = source.id;
        let mut refuse = |path: String, message: String| {
            found.push(DocumentError::new(path, codes::OVER_CAPACITY, message));
        };
        if is_decoded(&source.stream.location)
            && let Some(left) = &mut self.sessions
        {
            match left.checked_sub(1) {
                Some(rest) => *left = rest,
                None => refuse(
                    path.to_owned(),
                    format!(
                        "source {id} of the {role} needs a decoder session, and all {} of this box are taken; remove a source",
                        self.of_sessions
                    ),
                ),
            }
        }
        if let (ChildRole::Processor, Some(needed), Some(left)) =
            (role, source.analysis.max_fps, &mut self.fps)
        {
            if needed <= *left {
                *left -= needed;
            } else {
                refuse(
                    format!("{path}.max_fps"),
                    format!(
                        "source {id} needs {} fps, more than the {} this detector has left of {}; lower max_fps or remove a source",
                        told(needed),
                        told(*left),
                        told(self.of_fps)
                    ),
                );
            }
        }
        if let Some(left) = &mut self.sources {
            match left.checked_sub(1) {
                Some(rest) => *left = rest,
                None => refuse(
                    path.to_owned(),
                    format!(
                        "source {id} of the {role} is beyond the {} that the memory of this box can hold; remove a source",
                        self.of_sources
                    ),
                ),
            }
        }
    }
}

/// Whether a source takes a decoder session. Pictures of sensors and of the test pattern are not coded.
fn is_decoded(location: &Location) -> bool {
    matches!(location, Location::Rtsp(_) | Location::File(_))
}

/// A rate with at most one decimal.
fn told(fps: f64) -> String {
    let tenths = (fps * 10.0).round() / 10.0;
    format!("{tenths}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigSource, Environment, ProcessorFlags, WallFlags};
    use crate::fleet::DecoderAbility;

    fn cameras(uri: &str, max_fps: &[Option<f64>]) -> serde_json::Value {
        let camera = |(id, max_fps): (usize, &Option<f64>)| match max_fps {
            Some(max_fps) => serde_json::json!({"id": id, "uri": uri, "max_fps": max_fps}),
            None => serde_json::json!({"id": id, "uri": uri}),
        };
        let cameras: Vec<serde_json::Value> = max_fps.iter().enumerate().map(camera).collect();
        serde_json::json!({ "camera": cameras })
    }

    fn checked(role: ChildRole, uri: &str, max_fps: &[Option<f64>]) -> Settings {
        let environment = Environment::default();
        let source = match role {
            ChildRole::Processor => ConfigSource::new(ProcessorFlags::default(), environment),
            ChildRole::Wall => ConfigSource::new(WallFlags::default(), environment),
        };
        let source = source.with_document(cameras(uri, max_fps));
        source.load().expect("a good configuration")
    }

    /// The messages of the problems, each behind its path.
    fn told_of(problems: &[DocumentError]) -> Vec<String> {
        let told = |problem: &DocumentError| format!("{}: {}", problem.path, problem.message);
        problems.iter().map(told).collect()
    }

    fn check(roles: &[(ChildRole, &Settings)], capacity: Capacity, overcommit: bool) -> Preflight {
        let ids: Vec<Vec<SourceId>> = roles
            .iter()
            .map(|(_, settings)| settings.sources.keys().copied().collect())
            .collect();
        let demands: Vec<Demand<'_>> = roles
            .iter()
            .zip(&ids)
            .map(|((role, settings), cameras)| Demand {
                role: *role,
                settings,
                cameras,
            })
            .collect();
        preflight(&demands, &capacity, overcommit)
    }

    const RTSP: &str = "rtsp://10.0.0.20/main";

    #[test]
    fn a_source_beyond_the_inference_rate_is_named_with_what_is_left() {
        let rates = [Some(25.0); 4].to_vec();
        let rates = [rates, vec![Some(2.5), Some(1.5)]].concat();
        let settings = checked(ChildRole::Processor, RTSP, &rates);
        let capacity = Capacity {
            inference_fps: Some(79.0),
            ..Capacity::default()
        };
        let roles = [(ChildRole::Processor, &settings)];
        let found = check(&roles, capacity, false);
        let expected = "processor.camera[3].max_fps: source 3 needs 25 fps, more than the 4 this detector has left of 79; lower max_fps or remove a source";
        assert_eq!(told_of(&found.errors), [expected]);
        assert_eq!(found.warnings, []);
        let allowed = check(&roles, capacity, true);
        assert_eq!((allowed.errors, allowed.warnings), (vec![], found.errors));
    }

    #[test]
    fn decoder_sessions_are_shared_by_the_roles() {
        let processor = checked(ChildRole::Processor, RTSP, &[None; 2]);
        let wall = checked(ChildRole::Wall, RTSP, &[None; 2]);
        let capacity = Capacity {
            decoder_sessions: Some(3),
            ..Capacity::default()
        };
        let roles = [(ChildRole::Processor, &processor), (ChildRole::Wall, &wall)];
        let expected = "wall.camera[1]: source 1 of the wall needs a decoder session, and all 3 of this box are taken; remove a source";
        assert_eq!(told_of(&check(&roles, capacity, false).errors), [expected]);
        let synthetic = checked(ChildRole::Processor, "test-pattern:", &[None; 9]);
        let roles = [(ChildRole::Processor, &synthetic)];
        assert_eq!(check(&roles, capacity, false), Preflight::default());
    }

    #[test]
    fn sources_beyond_the_memory_are_named() {
        let settings = checked(ChildRole::Processor, RTSP, &[None; 3]);
        let capacity = Capacity {
            memory_bytes: Some(2 * SOURCE_MEMORY_BYTES + 1),
            ..Capacity::default()
        };
        let found = check(&[(ChildRole::Processor, &settings)], capacity, false);
        let expected = "processor.camera[2]: source 2 of the processor is beyond the 2 that the memory of this box can hold; remove a source";
        assert_eq!(told_of(&found.errors), [expected]);
    }

    #[test]
    fn an_unknown_capacity_and_an_unlimited_source_are_no_complaint() {
        let settings = checked(ChildRole::Processor, RTSP, &[Some(25.0); 64]);
        let roles = [(ChildRole::Processor, &settings)];
        assert_eq!(
            check(&roles, Capacity::default(), false),
            Preflight::default()
        );
        let settings = checked(ChildRole::Processor, RTSP, &[None; 64]);
        let capacity = Capacity {
            inference_fps: Some(1.0),
            ..Capacity::default()
        };
        let found = check(&[(ChildRole::Processor, &settings)], capacity, false);
        assert_eq!(found, Preflight::default());
    }

    #[test]
    fn the_capacity_is_that_of_the_widest_decoder() {
        let decoder = |sessions| DecoderAbility {
            sessions,
            ..DecoderAbility::default()
        };
        let mut capabilities = DeviceCapabilities::new();
        assert_eq!(Capacity::of(&capabilities), Capacity::default());
        capabilities.decoders = vec![decoder(Some(16)), decoder(Some(12))];
        capabilities.machine.memory_bytes = 1 << 33;
        let expected = Capacity {
            decoder_sessions: Some(16),
            inference_fps: None,
            memory_bytes: Some(1 << 33),
        };
        assert_eq!(Capacity::of(&capabilities), expected);
        // One decoder without a known limit takes what the others can't.
        capabilities.decoders.push(decoder(None));
        assert_eq!(Capacity::of(&capabilities).decoder_sessions, None);
    }
}
