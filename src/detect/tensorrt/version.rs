//! TensorRT's version, and the numbers by which its library states it.

/// A released version of TensorRT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 10 of 10.3.0.
    pub major: u32,
    /// 3 of 10.3.0.
    pub minor: u32,
    /// 0 of 10.3.0.
    pub patch: u32,
}

impl Version {
    /// From the number of `getInferLibVersion`: 100300 is 10.3.0; before 10, 8502 is 8.5.2.
    pub(super) fn of_library(number: i32) -> Self {
        let number = number.unsigned_abs();
        let (major, rest) = if number < 10_000 {
            (1000, 10)
        } else {
            (10_000, 100)
        };
        Self {
            major: number / major,
            minor: number % major / 100,
            patch: number % rest,
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_s_number_is_read_in_both_of_its_forms() {
        for (number, text) in [
            (8502, "8.5.2"),
            (8601, "8.6.1"),
            (7134, "7.1.4"),
            (100_300, "10.3.0"),
            (101_602, "10.16.2"),
            (110_400, "11.4.0"),
        ] {
            assert_eq!(Version::of_library(number).to_string(), text);
        }
    }

    #[test]
    fn a_version_is_served_or_refused_by_name() {
        let told = |number: i32| {
            Version::of_library(number)
                .vtable_layout("libnvinfer.so")
                .map(|vtable| vtable.major)
                .map_err(|error| error.to_string())
        };
        assert_eq!(told(8500), Ok(8));
        assert_eq!(told(8601), Ok(8));
        assert_eq!(told(100_001), Ok(10));
        for (number, words) in [
            (8403, "TensorRT 8.4.3 (libnvinfer.so) is too old"),
            (7103, "TensorRT 7.1.3 (libnvinfer.so) is too old"),
            (9300, "TensorRT 9.3.0 (libnvinfer.so) is of a major version"),
            (
                110_400,
                "TensorRT 11.4.0 (libnvinfer.so) is not supported yet",
            ),
            (
                120_000,
                "TensorRT 12.0.0 (libnvinfer.so) is of a major version",
            ),
            (0, "TensorRT 0.0.0 (libnvinfer.so) is too old"),
        ] {
            let refusal = told(number).expect_err("not served");
            assert!(refusal.starts_with(words), "{refusal}");
        }
    }
}
