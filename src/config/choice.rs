//! Settings that are one word of a few: as text in the file, in options and in the schema.

/// Declares an enum whose variants are written as their names in small letters; one of them is its default.
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
