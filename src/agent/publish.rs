//! The documents that the box publishes about itself: `reported` and `capabilities`.

use crate::control::Capabilities;
use crate::fleet::{
    DecoderAbility, DeviceCapabilities, DocumentError, Firmware, Keyring, Machine, ModelState,
    RecordingEstimate, Reported, Verb,
};

/// The cycle's report with what only the agent knows: what is amiss with the roles, the software, the models, how long
/// recordings are kept, and the trusted keys.
pub(super) fn complete(
    report: &Reported,
    warnings: Vec<DocumentError>,
    models: Vec<ModelState>,
    recording: Option<RecordingEstimate>,
    keys: &Keyring,
    firmware: &Firmware,
) -> Reported {
    Reported {
        warnings: [report.warnings.clone(), warnings].concat(),
        firmware: firmware.clone(),
        models,
        recording,
        keys: keys.trusted().map(|key| key.id()).collect(),
        ..report.clone()
    }
}

/// The software of this box.
pub(super) fn firmware() -> Firmware {
    Firmware {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        image: image_version(),
        ..Firmware::default()
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
            dla_cores: None,
        },
        verbs: Verb::ALL.map(|verb| verb.as_str().to_owned()).to_vec(),
        ..DeviceCapabilities::new()
    }
}

fn memory_bytes() -> u64 {
    let found = rustix::system::sysinfo();
    found.totalram.saturating_mul(u64::from(found.mem_unit))
}

/// Adds what a role has told of its build.
pub(super) fn add(capabilities: &mut DeviceCapabilities, of_role: &Capabilities) {
    let decoders: Vec<(&String, &String, bool)> = match of_role {
        Capabilities::Processor(processor) => {
            let ready = processor
                .backends
                .iter()
                // `ready: ` and the version, of TensorRT.
                .filter(|(_, found)| found.starts_with("ready"));
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

    #[test]
    fn the_report_of_the_cycle_is_completed() {
        let report = Reported {
            warnings: vec![DocumentError::new("", "store", "the disk is full")],
            ..Reported::default()
        };
        let looping = DocumentError::new("wall", "crash-loop", "ends again and again");
        let whole = complete(
            &report,
            vec![looping],
            Vec::new(),
            None,
            &Keyring::default(),
            &firmware(),
        );
        let paths: Vec<&str> = whole.warnings.iter().map(|one| &*one.path).collect();
        assert_eq!(paths, ["", "wall"]);
        assert_eq!(whole.firmware.version, env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn the_machine_is_known_without_a_role() {
        let found = capabilities();
        assert!(found.machine.cores > 0 && found.machine.memory_bytes > 1 << 20);
        assert!(found.verbs.contains(&"ping".to_owned()));
    }
}
