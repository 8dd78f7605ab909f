//! Settings with a fixed set of values, in the file, in options and in the schema.

/// Declares an enum whose values are the variant names in lower case. One variant is the default.
macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
            clap::ValueEnum,
        )]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl super::declare::Written for $name {}
    };
}

pub(super) use choice;
