//! `nvr model`: list, show, choose and import models. The subcommands about engines are in `model_engine`, those about the
//! catalogue in `model_fetch` and `model_bill`, and `try` is in `model_try`.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::form::Form;
use super::model_bill::{BillArgs, bill};
use super::model_engine::{BenchArgs, BuildArgs, bench, build};
use super::model_fetch::{FetchArgs, fetch};
use super::model_text::described;
use super::model_try::{TryArgs, try_model};
use super::out;
use crate::base::{Size, models_dirs};
use crate::detect::{
    Activation, COCO80, ColorOrder, DetectError, ImportRequest, Imported, KnownLabels, LabelSource,
    ModelStore, OutputFormat, Range, Resize, import, install_dirs, names_classes, names_in,
    read_labels,
};

/// Options of `nvr model`.
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    /// Directory that is searched first for models, and in which they are installed; repeatable [also searched: ./models, the
    /// cache, /usr/share/nvr/models, /var/lib/nvr/models]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "NVR_MODELS_DIR",
        value_delimiter = ':'
    )]
    models_dir: Vec<PathBuf>,

    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// List all models with a manifest, and the missing files of models that are not installed
    List {
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: Form,
    },
    /// Show a model's manifest and the directory of its files, and check their hashes
    Show {
        /// Id of the model
        id: String,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: Form,
    },
    /// Choose the default model: used if `--model` is not given and the published default is not installed
    Default {
        /// The model; without it, print the present default
        id: Option<String>,
    },
    /// Download and install a model of the catalogue, or list those that there are
    Fetch(Box<FetchArgs>),
    /// Install a model from an ONNX file
    Import(Box<ImportArgs>),
    /// Print what a model finds in a picture, and draw it
    Try(TryArgs),
    /// Build the TensorRT engine of a model, on the box that will run it
    Build(BuildArgs),
    /// Measure the speed of a model in each backend
    Bench(BenchArgs),
    /// Print the models of the catalogue, and those of manifests, as components of a bill of materials
    #[command(hide = true)]
    Bill(BillArgs),
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The ONNX file
    file: PathBuf,
    /// Id of the model, for `--model`
    #[arg(long)]
    id: String,
    /// Class names: a file with one name per line, names separated by commas, or coco80 [default: from the ONNX file; if it
    /// names none and has 80 classes, those of COCO]
    #[arg(long)]
    labels: Option<String>,
    /// Format of the output [default: detected from the shape, the metadata, and what the model finds in a built-in picture;
    /// refused if these are ambiguous]
    #[arg(long, visible_alias = "format", value_enum)]
    output_format: Option<OutputFormat>,
    /// For detr: what makes a probability of a score [default: detected by a run]
    #[arg(long, value_enum)]
    activation: Option<Activation>,
    /// Value range of the input [default: the one with which the model finds the most in a built-in picture, otherwise 0-255
    /// for yolox and 0-1 for others]
    #[arg(long, alias = "normalize", value_enum)]
    normalise: Option<Range>,
    /// Order of the input's channels [default: bgr for yolox, else rgb]
    #[arg(long, alias = "colour-order", value_enum)]
    color_order: Option<ColorOrder>,
    /// How a frame is scaled to the input [default: stretch for detr and dfine, else letterbox]
    #[arg(long, value_enum)]
    resize: Option<Resize>,
    /// Size of the input, such as 640x640; only if the file leaves it open
    #[arg(long, value_parser = size, value_name = "WxH")]
    size: Option<Size>,
    /// Licence of the weights
    #[arg(long, alias = "licence")]
    license: Option<String>,
    /// Origin of the weights
    #[arg(long)]
    source: Option<String>,
}

pub(super) fn main(args: ModelArgs) -> anyhow::Result<()> {
    let store = ModelStore::new(models_dirs(&args.models_dir));
    let targets = install_dirs(args.models_dir.first().map(PathBuf::as_path));
    match args.command {
        ModelCommand::List { format } => list(&store, format),
        ModelCommand::Show { id, format } => show(&store, &id, format),
        ModelCommand::Default { id: Some(id) } => {
            let file = store.set_default(&id, &targets)?;
            out::line(format_args!(
                "{id} is now the default, set in {}",
                file.display()
            ));
            Ok(())
        }
        ModelCommand::Default { id: None } => match store.default_model()? {
            Some((id, file)) => {
                out::line(format_args!("{id}, set in {}", file.display()));
                Ok(())
            }
            None => bail!("no default is chosen; choose one with `nvr model default ID`"),
        },
        ModelCommand::Fetch(args) => fetch(&args, &store, &targets),
        ModelCommand::Import(import_args) => {
            let request = request(*import_args)?;
            let Imported { model, reading } = import(&request, &targets)?;
            out::line(format_args!(
                "{} is installed: {}",
                model.id,
                described(&model)
            ));
            out::line(reading);
            if request.labels.is_none()
                && model.manifest.labels == LabelSource::Known(KnownLabels::Coco80)
                && !names_classes(&request.file)
            {
                out::error(format_args!(
                    "warning: {} names no classes; assuming the 80 classes of COCO; give --labels if it has others",
                    request.file.display()
                ));
            }
            out::line(format_args!(
                "manifest: {}; look at what the model finds with `nvr model try {}`",
                model.manifest_path.display(),
                model.id
            ));
            Ok(())
        }
        ModelCommand::Try(args) => try_model(&store, &args),
        ModelCommand::Build(args) => build(&store, &args),
        ModelCommand::Bench(args) => bench(&store, &args),
        ModelCommand::Bill(args) => bill(&args),
    }
}

fn list(store: &ModelStore, format: Form) -> anyhow::Result<()> {
    let default = store.default_model()?.map(|(id, _)| id);
    let listed = store.list();
    if format == Form::Json {
        let all: Vec<Value> = listed
            .iter()
            .map(|listed| {
                let is_default = default.as_deref() == Some(&listed.id);
                match &listed.model {
                    Ok(model) => json!({
                        "id": listed.id, "installed": true, "default": is_default,
                        "width": model.manifest.input.width, "height": model.manifest.input.height,
                        "format": model.manifest.output.format,
                        "files": model.weights_dir,
                    }),
                    Err(error) => json!({
                        "id": listed.id, "installed": false, "default": is_default, "problem": error.to_string(),
                    }),
                }
            })
            .collect();
        out::line(serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    if listed.is_empty() {
        out::line("no model has a manifest; add one with `nvr model import FILE.onnx --id ID`");
    }
    for listed in listed {
        let mark = if default.as_deref() == Some(&listed.id) {
            "*"
        } else {
            " "
        };
        match &listed.model {
            Ok(model) => out::line(format_args!(
                "{mark} {:<20} {}",
                listed.id,
                described(model)
            )),
            Err(DetectError::NotInstalled { missing, .. }) => {
                out::line(format_args!("  {:<20} not installed: {missing}", listed.id));
            }
            Err(error) => out::line(format_args!("  {:<20} not usable: {error}", listed.id)),
        }
    }
    Ok(())
}

fn show(store: &ModelStore, id: &str, format: Form) -> anyhow::Result<()> {
    let model = store.find(id)?;
    let verified = model.verify();
    match format {
        Form::Json => out::line(serde_json::to_string_pretty(&json!({
            "id": model.id,
            "manifest_path": model.manifest_path,
            "files_dir": model.weights_dir,
            "problem": verified.as_ref().err().map(ToString::to_string),
            "manifest": model.manifest,
        }))?),
        Form::Text => {
            out::line(format_args!("# {}", model.manifest_path.display()));
            out::line(toml::to_string(&model.manifest)?.trim_end());
            out::line(format_args!("# files in {}", model.weights_dir.display()));
        }
    }
    verified.context("its files do not match the manifest")
}

fn request(args: ImportArgs) -> anyhow::Result<ImportRequest> {
    let labels = args.labels.as_deref().map(labels).transpose()?;
    Ok(ImportRequest {
        file: args.file,
        id: args.id,
        labels,
        format: args.output_format,
        activation: args.activation,
        range: args.normalise,
        color_order: args.color_order,
        resize: args.resize,
        size: args.size,
        license: args.license,
        source: args.source,
    })
}

/// Ends of the names of label files, which are no class names.
const LABEL_FILES: [&str; 6] = [".txt", ".names", ".csv", ".json", ".yaml", ".yml"];

fn labels(text: &str) -> anyhow::Result<Vec<String>> {
    if text == "coco80" {
        return Ok(COCO80.map(str::to_owned).to_vec());
    }
    let path = Path::new(text);
    if path.is_file() {
        return read_labels(path).context("--labels");
    }
    if text.contains('/') || LABEL_FILES.iter().any(|end| text.ends_with(end)) {
        bail!("--labels: there is no file {text}");
    }
    if text.starts_with(['[', '{']) {
        return names_in(text).map_err(|reason| anyhow!("--labels: `{text}` is no list: {reason}"));
    }
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if let Some(index) = names.iter().position(String::is_empty) {
        bail!("--labels: name {} of `{text}` is empty", index + 1);
    }
    Ok(names)
}

fn size(text: &str) -> Result<Size, String> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| Some(Size::new(width.parse().ok()?, height.parse().ok()?)));
    sides
        .filter(|size| size.width > 0 && size.height > 0)
        .ok_or_else(|| format!("`{text}` is not a size; write it as 640x640"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_a_list_a_file_or_a_known_set() {
        assert_eq!(
            labels("van, forklift").expect("a list"),
            ["van", "forklift"]
        );
        let list = labels("['van', \"fork, lift\"]").expect("a list of Python");
        assert_eq!(list, ["van", "fork, lift"]);
        assert_eq!(labels("coco80").expect("a known set").len(), 80);
        assert_eq!(
            labels("missing/labels.txt")
                .expect_err("no file")
                .to_string(),
            "--labels: there is no file missing/labels.txt"
        );
        assert_eq!(
            labels("missing.names").expect_err("no file").to_string(),
            "--labels: there is no file missing.names"
        );
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "van\nforklift\n").expect("written");
        let path = file.path().to_str().expect("UTF-8");
        assert_eq!(labels(path).expect("a file"), ["van", "forklift"]);
    }

    #[test]
    fn a_size_is_two_numbers() {
        assert_eq!(size("640x384"), Ok(Size::new(640, 384)));
        assert_eq!(
            size("640"),
            Err("`640` is not a size; write it as 640x640".to_owned())
        );
        assert_eq!(
            size("0x640"),
            Err("`0x640` is not a size; write it as 640x640".to_owned())
        );
    }
}
