//! The documents that the box publishes about itself: `reported` and `capabilities`.

use super::cycle::{Phase, Report};
use super::hash::DocumentHash;
use super::problem::Problem;
use crate::control::Capabilities;
use crate::fleet::{
    self, DecoderAbility, DeviceCapabilities, DocumentError, Firmware, Keyring, Machine, Reported,
    Verb,
};

/// What `reported` says besides the cycle's report.
pub(super) struct BoxFacts<'a> {
    /// The hash of the document in force.
    pub(super) applied: Option<&'a DocumentHash>,
    /// What is amiss with the roles.
    pub(super) warnings: Vec<Problem>,
    /// The trusted keys.
    pub(super) keys: &'a Keyring,
}

/// The `reported` document.
pub(super) fn reported(report: &Report, facts: BoxFacts<'_>) -> Reported {
    let errors = |problems: &[Problem]| problems.iter().cloned().map(error).collect();
    let hash = |hash: &DocumentHash| hash.as_str().parse().ok();
    let firmware = Firmware {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        image: image_version(),
    };
    let warnings = [report.warnings.clone(), facts.warnings].concat();
    Reported {
        generation: report.generation,
        sha256: report.sha256.as_ref().and_then(hash),
        applied: report.applied,
        applied_sha256: facts.applied.and_then(hash),
        last_known_good: report.last_known_good,
        phase: phase(report.phase),
        warnings: errors(&warnings),
        errors: errors(&report.errors),
        log: report.log.clone(),
        keys: facts.keys.trusted().map(|key| key.id()).collect(),
        ..Reported::new(firmware)
    }
}

fn phase(phase: Phase) -> fleet::Phase {
    match phase {
        Phase::Waiting => fleet::Phase::Waiting,
        Phase::Applying => fleet::Phase::Applying,
        Phase::Probation => fleet::Phase::Probation,
        Phase::Applied => fleet::Phase::Applied,
        Phase::Rejected => fleet::Phase::Rejected,
        Phase::Conflict => fleet::Phase::Conflict,
        Phase::Reverted => fleet::Phase::Reverted,
    }
}

fn error(problem: Problem) -> DocumentError {
    let Problem {
        path,
        code,
        message,
    } = problem;
    DocumentError {
        path,
        code,
        message,
    }
}

/// The version of the system's image, where it has one.
fn image_version() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("IMAGE_VERSION="))?;
    Some(line.trim_matches('"').to_owned())
}

/// What is known of the machine without a role.
pub(super) fn capabilities() -> DeviceCapabilities {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let board = read("/proc/device-tree/model").or_else(|| read("/sys/class/dmi/id/product_name"));
    let board = board.map(|text| text.trim_matches(['\0', '\n', ' ']).to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    DeviceCapabilities {
        machine: Machine {
            board: board.unwrap_or_default(),
            architecture: std::env::consts::ARCH.to_owned(),
            cores: u32::try_from(cores).unwrap_or_default(),
            memory_bytes: memory_bytes(),
        },
        verbs: Verb::ALL.map(|verb| verb.as_str().to_owned()).to_vec(),
        ..DeviceCapabilities::new()
    }
}

fn memory_bytes() -> u64 {
    let found = rustix::system::sysinfo();
    u64::from(found.totalram).saturating_mul(u64::from(found.mem_unit))
}

/// Adds what a role has told of its build.
pub(super) fn add(capabilities: &mut DeviceCapabilities, of_role: &Capabilities) {
    let decoders: Vec<(&String, &String, bool)> = match of_role {
        Capabilities::Processor(processor) => {
            let ready = processor
                .backends
                .iter()
                .filter(|(_, found)| *found == "ready");
            capabilities.backends = ready.map(|(name, _)| name.clone()).collect();
            let all = processor.decoders.iter();
            all.flat_map(|(codec, found)| found.iter().map(move |one| (codec, one)))
                .map(|(codec, one)| (codec, &one.decoder, one.found == "decodes"))
                .collect()
        }
        Capabilities::Wall(wall) => {
            let all = wall.decoders.iter();
            all.flat_map(|(codec, found)| found.iter().map(move |one| (codec, one)))
                .map(|(codec, one)| (codec, &one.decoder, one.works == Some(true)))
                .collect()
        }
    };
    for (codec, element, works) in decoders {
        let known = capabilities
            .decoders
            .iter()
            .any(|known| known.codec == *codec && known.element == *element);
        if works && !known {
            capabilities.decoders.push(DecoderAbility {
                codec: codec.clone(),
                element: element.clone(),
                // The software decoders of GStreamer's libav, and those of the codecs' own projects.
                hardware: !(element.starts_with("avdec_")
                    || ["openh264dec", "libde265dec", "jpegdec"].contains(&element.as_str())),
                sessions: None,
                pixels_per_second: None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::problem::codes;

    #[test]
    fn the_report_of_the_cycle_is_published_with_the_facts_of_the_box() {
        let sha256 = DocumentHash::of(b"17");
        let report = Report {
            generation: Some(17),
            sha256: Some(sha256.clone()),
            applied: Some(16),
            last_known_good: Some(16),
            phase: Phase::Reverted,
            errors: vec![Problem::new("processor", codes::CRASHED, "signal 11")],
            warnings: Vec::new(),
            log: vec!["a line".to_owned()],
        };
        let keys = Keyring::default();
        let facts = BoxFacts {
            applied: Some(&sha256),
            warnings: vec![Problem::new("wall", "crash-loop", "ends again and again")],
            keys: &keys,
        };
        let reported = reported(&report, facts);
        assert_eq!(reported.phase, fleet::Phase::Reverted);
        assert_eq!(
            (reported.generation, reported.applied),
            (Some(17), Some(16))
        );
        assert_eq!(reported.sha256, reported.applied_sha256);
        assert_eq!(reported.errors[0].code, "crashed");
        assert_eq!(reported.warnings[0].path, "wall");
        assert_eq!(reported.log, ["a line"]);
        let read = Reported::from_json(&reported.to_json()).expect("own JSON");
        assert_eq!(read, reported);
    }

    #[test]
    fn the_machine_is_known_without_a_role() {
        let found = capabilities();
        assert!(found.machine.cores > 0 && found.machine.memory_bytes > 1 << 20);
        assert!(found.verbs.contains(&"ping".to_owned()));
    }
}
