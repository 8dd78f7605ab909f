//! TensorRT's version, and the numbers by which its library states it.

use super::product::Product;

/// A released version of TensorRT or of TensorRT for RTX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The product.
    pub product: Product,
    /// 10 of 10.3.0.
    pub major: u32,
    /// 3 of 10.3.0.
    pub minor: u32,
    /// 0 of 10.3.0.
    pub patch: u32,
}

impl Version {
    /// From the number of `getInferLibVersion`: 100300 is 10.3.0; before 10, 8502 is 8.5.2. Of TensorRT for RTX, 10400 is
    /// 1.4.0.
    pub(super) fn of_library(product: Product, number: i32) -> Self {
        let number = number.unsigned_abs();
        let (major, rest) = if number < 10_000 {
            (1000, 10)
        } else {
            (10_000, 100)
        };
        Self {
            product,
            major: number / major,
            minor: number % major / 100,
            patch: number % rest,
        }
    }
}

/// What follows `TensorRT ` in a sentence: `10.3.0`, `for RTX 1.4.0`.
impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.product == Product::Rtx {
            f.write_str("for RTX ")?;
        }
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_s_number_is_read_in_all_of_its_forms() {
        for (product, number, text) in [
            (Product::TensorRt, 8502, "8.5.2"),
            (Product::TensorRt, 8601, "8.6.1"),
            (Product::TensorRt, 7134, "7.1.4"),
            (Product::TensorRt, 100_300, "10.3.0"),
            (Product::TensorRt, 101_602, "10.16.2"),
            (Product::TensorRt, 110_400, "11.4.0"),
            (Product::Rtx, 10_400, "for RTX 1.4.0"),
        ] {
            assert_eq!(Version::of_library(product, number).to_string(), text);
        }
    }

    #[test]
    fn a_version_is_served_or_refused_by_name() {
        let told = |product, number: i32| {
            Version::of_library(product, number)
                .vtable_layout("libnvinfer.so")
                .map(|vtable| vtable.engine.tensors)
                .map_err(|error| error.to_string())
        };
        let plain = |number| told(Product::TensorRt, number);
        assert_eq!(plain(8500), Ok(45));
        assert_eq!(plain(8601), Ok(45));
        assert_eq!(plain(9300), Ok(45));
        assert_eq!(plain(100_001), Ok(30));
        assert_eq!(plain(110_400), Ok(26));
        let rtx = |number| told(Product::Rtx, number);
        assert_eq!(rtx(10_300), Ok(28));
        assert_eq!(rtx(10_400), Ok(28));
        assert_eq!(rtx(10_701), Ok(26));
        for (found, words) in [
            (
                plain(8403),
                "TensorRT 8.4.3 (libnvinfer.so) is too old: 8.5 is",
            ),
            (plain(7103), "TensorRT 7.1.3 (libnvinfer.so) is too old"),
            (
                plain(120_000),
                "TensorRT 12.0.0 (libnvinfer.so) is of a major version",
            ),
            (plain(0), "TensorRT 0.0.0 (libnvinfer.so) is too old"),
            (
                rtx(10_200),
                "TensorRT for RTX 1.2.0 (libnvinfer.so) is too old: 1.3 is",
            ),
            (
                rtx(20_000),
                "TensorRT for RTX 2.0.0 (libnvinfer.so) is of a major version",
            ),
        ] {
            let refusal = found.expect_err("not served");
            assert!(refusal.starts_with(words), "{refusal}");
        }
    }
}
