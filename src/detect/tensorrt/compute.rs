//! The GPUs that TensorRT for RTX serves, by compute capability. TensorRT itself says of each engine whether it fits.

use super::cuda::Gpu;
use super::error::TensorRtError;
use super::version::Version;

/// The capabilities of `ComputeCapability` in `NvInfer.h`, and the first minor version of 1 that has each.
const SERVED: [((i32, i32), u32); 6] = [
    ((7, 5), 0),
    ((8, 0), 0),
    ((8, 6), 0),
    ((8, 9), 0),
    ((12, 0), 0),
    ((12, 1), 5),
];

/// NVIDIA lists no 9.0, and an H100 ran engines of 1.4 all the same. The builder has no target for it, so it
/// gets an engine for all GPUs.
const RUNS_PORTABLE: (i32, i32) = (9, 0);

/// The target of an engine for `gpu`: `86` for compute capability 8.6; none for the engine of all GPUs.
///
/// # Errors
/// If this version does not run on the GPU.
pub(super) fn target(version: Version, gpu: &Gpu) -> Result<Option<i32>, TensorRtError> {
    let served = SERVED
        .into_iter()
        .filter(|(_, since)| version.minor >= *since)
        .map(|(capability, _)| capability);
    let mut listed = served.clone();
    match gpu.capability() {
        RUNS_PORTABLE => Ok(None),
        own if listed.any(|one| one == own) => Ok(Some(own.0 * 10 + own.1)),
        _ => Err(TensorRtError::GpuNotServed {
            version,
            gpu: gpu.to_string(),
            served: served
                .map(|(major, minor)| format!("{major}.{minor}"))
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::product::Product;
    use super::*;

    #[test]
    fn a_gpu_has_a_target_or_is_refused_with_those_that_are_served() {
        let told = |minor: i32, capability| {
            let version = Version::of_library(Product::Rtx, 10_000 + 100 * minor);
            target(version, &Gpu::of_test(capability)).map_err(|error| error.to_string())
        };
        assert_eq!(told(4, (8, 6)), Ok(Some(86)));
        assert_eq!(told(7, (12, 1)), Ok(Some(121)));
        assert_eq!(told(4, (9, 0)), Ok(None));
        for (minor, capability) in [(4, (12, 1)), (7, (6, 1)), (7, (8, 7))] {
            let refusal = told(minor, capability).expect_err("it is not served");
            assert!(
                refusal.contains("it serves compute capability 7.5, 8.0, 8.6, 8.9, 12.0"),
                "{refusal}"
            );
            assert!(
                refusal.contains(&format!("compute {}.{}", capability.0, capability.1)),
                "{refusal}"
            );
        }
    }
}
