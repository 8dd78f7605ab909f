//! How the subcommands of `nvr model` write models.

use crate::detect::{InstalledModel, LabelSource};

/// `640x640 yolov8, coco80, in /…`.
pub(super) fn described(model: &InstalledModel) -> String {
    let labels = match &model.manifest.labels {
        // Its name is that of the manifest.
        LabelSource::Known(known) => format!("{known:?}").to_lowercase(),
        LabelSource::Inline(names) if names.len() == 1 => "1 class".to_owned(),
        LabelSource::Inline(names) => format!("{} classes", names.len()),
        LabelSource::File(file) => format!("classes of {}", file.file),
    };
    format!(
        "{} {}, {labels}, in {}",
        model.manifest.input_size(),
        model.manifest.output.format,
        model.weights_dir.display()
    )
}
