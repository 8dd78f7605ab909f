//! Properties of planes, CRTCs and connectors, which an atomic commit sets.

use std::collections::HashMap;
use std::io;

use drm::control::atomic::AtomicModeReq;
use drm::control::property::{self, ValueType};
use drm::control::{AtomicCommitFlags, Device as _, RawResourceHandle, ResourceHandle};
use rustix::io::Errno;

use super::card::Card;
use super::planner::Zpos;

macro_rules! names {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// The properties that are used here, with the kernel's names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(super) enum Name { $($name),+ }

        impl Name {
            const ALL: &[(&'static str, Self)] = &[$(($text, Self::$name)),+];
        }
    };
}

names! {
    Active = "ACTIVE",
    Alpha = "alpha",
    BlendMode = "pixel blend mode",
    BroadcastRgb = "Broadcast RGB",
    ColorTransform = "CTM",
    CrtcHeight = "CRTC_H",
    CrtcId = "CRTC_ID",
    CrtcWidth = "CRTC_W",
    CrtcX = "CRTC_X",
    CrtcY = "CRTC_Y",
    DamageClips = "FB_DAMAGE_CLIPS",
    Degamma = "DEGAMMA_LUT",
    Edid = "EDID",
    FramebufferId = "FB_ID",
    Gamma = "GAMMA_LUT",
    InFormats = "IN_FORMATS",
    LinkStatus = "link-status",
    ModeId = "MODE_ID",
    Rotation = "rotation",
    SourceHeight = "SRC_H",
    SourceWidth = "SRC_W",
    SourceX = "SRC_X",
    SourceY = "SRC_Y",
    Type = "type",
    VariableRefresh = "VRR_ENABLED",
    Zpos = "zpos",
}

/// One property of one object.
#[derive(Debug, Clone)]
struct Property {
    handle: property::Handle,
    value: u64,
    labels: Vec<(String, u64)>,
    range: Option<(u64, u64)>,
    mutable: bool,
}

/// An object of the card with those of its properties that are used here, and their values when they were read.
#[derive(Debug, Clone)]
pub(super) struct Properties {
    object: RawResourceHandle,
    known: HashMap<Name, Property>,
}

impl Properties {
    /// Reads the properties from the kernel.
    pub(super) fn read<H: ResourceHandle>(card: &Card, object: H) -> io::Result<Self> {
        let mut known = HashMap::new();
        for (handle, value) in &card.get_properties(object)? {
            let info = card.get_property(*handle)?;
            let text = info.name().to_str().unwrap_or_default();
            let Some((_, name)) = Name::ALL.iter().find(|(known, _)| *known == text) else {
                continue;
            };
            let labels = match info.value_type() {
                ValueType::Enum(values) => values
                    .values()
                    .1
                    .iter()
                    .map(|label| (label.name().to_string_lossy().into_owned(), label.value()))
                    .collect(),
                _ => Vec::new(),
            };
            let range = match info.value_type() {
                ValueType::UnsignedRange(min, max) => Some((*min, *max)),
                ValueType::Boolean => Some((0, 1)),
                _ => None,
            };
            let property = Property {
                handle: *handle,
                value: *value,
                labels,
                range,
                mutable: info.mutable(),
            };
            known.insert(*name, property);
        }
        Ok(Self {
            object: object.into(),
            known,
        })
    }

    /// The id of the object.
    pub(super) fn id(&self) -> u32 {
        self.object.get()
    }

    /// Whether the object has this property.
    pub(super) fn has(&self, name: Name) -> bool {
        self.known.contains_key(&name)
    }

    /// Whether the object has this property and it can be set.
    pub(super) fn can_set(&self, name: Name) -> bool {
        self.known
            .get(&name)
            .is_some_and(|property| property.mutable)
    }

    /// The value at the time of reading.
    pub(super) fn value(&self, name: Name) -> Option<u64> {
        self.known.get(&name).map(|property| property.value)
    }

    /// The value that belongs to a label of an enumeration.
    pub(super) fn labelled(&self, name: Name, label: &str) -> Option<u64> {
        let labels = &self.known.get(&name)?.labels;
        labels
            .iter()
            .find(|(text, _)| text == label)
            .map(|(_, value)| *value)
    }

    /// The label of an enumeration at the time of reading.
    pub(super) fn label(&self, name: Name) -> Option<&str> {
        let property = self.known.get(&name)?;
        property
            .labels
            .iter()
            .find(|(_, value)| *value == property.value)
            .map(|(text, _)| text.as_str())
    }

    /// The position of a plane in the stack.
    pub(super) fn zpos(&self) -> Option<Zpos> {
        let property = self.known.get(&Name::Zpos)?;
        let (min, max) = property.range.unwrap_or((property.value, property.value));
        Some(Zpos {
            value: property.value,
            min,
            max,
            mutable: property.mutable,
        })
    }

    /// The bytes of a blob.
    pub(super) fn blob(&self, card: &Card, name: Name) -> Option<Vec<u8>> {
        let id = self.value(name).filter(|id| *id != 0)?;
        card.get_property_blob(id).ok()
    }
}

/// The properties that an atomic commit sets.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    inner: AtomicModeReq,
}

impl Request {
    /// Sets a property. Omitted if the object lacks it, because drivers lack most of the optional properties.
    pub(super) fn set(&mut self, object: &Properties, name: Name, value: u64) {
        if let Some(property) = object.known.get(&name) {
            self.inner
                .add_raw_property(object.object, property.handle, value);
        }
    }

    /// Sets an optional property if it can be set.
    pub(super) fn set_where_possible(&mut self, object: &Properties, name: Name, value: u64) {
        if object.can_set(name) {
            self.set(object, name, value);
        }
    }

    /// Commits the request.
    ///
    /// # Errors
    /// The error of the kernel. [`is_final`] says whether another request could succeed.
    pub(super) fn commit(&self, card: &Card, flags: AtomicCommitFlags) -> io::Result<()> {
        loop {
            match card.atomic_commit(flags, self.inner.clone()) {
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }
}

/// Whether an error concerns the card, not the request.
pub(super) fn is_final(err: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(err),
        Some(Errno::ACCESS | Errno::PERM | Errno::NODEV | Errno::NXIO | Errno::BADF)
    )
}
