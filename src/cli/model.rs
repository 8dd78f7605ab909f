//! `nvr model`: what is installed, what stands in for the default, and how another model gets in. What engines make of
//! models is in `model_engine`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::model_engine::{BenchArgs, BuildArgs, bench, build};
use super::out;
use crate::base::{Size, models_dirs};
use crate::detect::{
    COCO80, ColorOrder, DetectError, ImportRequest, InstalledModel, KnownLabels, LabelSource,
    ModelStore, OutputFormat, Range, import, install_dirs, names_classes, read_labels,
};

/// Options of `nvr model`.
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    /// Directory in which models are sought first, and installed; repeatable [then: ./models, the cache,
    /// /usr/share/nvr/models, /var/lib/nvr/models]
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
    /// List every model that has a manifest, and what those lack that are not installed
    List {
        /// How they are written
        #[arg(long, value_enum, default_value_t)]
        format: Form,
    },
    /// Show a model's manifest and where its files lie, and check their hashes
    Show {
        /// The model
        id: String,
        /// How it is written
        #[arg(long, value_enum, default_value_t)]
        format: Form,
    },
    /// Choose the model that is used where `--model` is not given and the published default is not installed
    Default {
        /// The model; without it, print which one it is
        id: Option<String>,
    },
    /// Install a model from an ONNX file
    Import(Box<ImportArgs>),
    /// Build the TensorRT engine of a model, on the box that will run it
    Build(BuildArgs),
    /// Measure how quick a model is in each backend
    Bench(BenchArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Form {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The ONNX file
    file: PathBuf,
    /// The model's id, by which `--model` names it
    #[arg(long)]
    id: String,
    /// Its class names: a file with one name a line, names separated by commas, or coco80 [default: what the file says;
    /// where it says nothing, those of COCO for 80 classes]
    #[arg(long)]
    labels: Option<String>,
    /// How its output is boxes [default: by its shape, its metadata and a run on noise; refused where these leave a doubt]
    #[arg(long, value_enum)]
    output_format: Option<OutputFormat>,
    /// What a byte of the picture becomes in its input [default: 0-255 for yolox, else 0-1]
    #[arg(long, alias = "normalize", value_enum)]
    normalise: Option<Range>,
    /// Order of its input's channels [default: bgr for yolox, else rgb]
    #[arg(long, alias = "colour-order", value_enum)]
    color_order: Option<ColorOrder>,
    /// Size of its input, as in 640x640; only where the file leaves it open
    #[arg(long, value_parser = size, value_name = "WxH")]
    size: Option<Size>,
    /// Under which licence its weights may be used
    #[arg(long, alias = "licence")]
    license: Option<String>,
    /// Where its weights come from
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
                "{id} is the default now, by {}",
                file.display()
            ));
            Ok(())
        }
        ModelCommand::Default { id: None } => match store.default_model()? {
            Some((id, file)) => {
                out::line(format_args!("{id}, by {}", file.display()));
                Ok(())
            }
            None => bail!("no default is chosen; choose one with `nvr model default ID`"),
        },
        ModelCommand::Import(import_args) => {
            let request = request(*import_args)?;
            let model = import(&request, &targets)?;
            out::line(format_args!(
                "{} is installed: {}",
                model.id,
                described(&model)
            ));
            if request.labels.is_none()
                && model.manifest.labels == LabelSource::Known(KnownLabels::Coco80)
                && !names_classes(&request.file)
            {
                out::error(format_args!(
                    "warning: {} names no classes; it is taken to have the 80 of COCO: give --labels where it has others",
                    request.file.display()
                ));
            }
            out::line(format_args!(
                "its manifest is {}; try it with `nvr demo --model {}`",
                model.manifest_path.display(),
                model.id
            ));
            Ok(())
        }
        ModelCommand::Build(args) => build(&store, &args),
        ModelCommand::Bench(args) => bench(&store, &args),
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
    verified.context("its files are not what the manifest says")
}

fn request(args: ImportArgs) -> anyhow::Result<ImportRequest> {
    let labels = args.labels.as_deref().map(labels).transpose()?;
    Ok(ImportRequest {
        file: args.file,
        id: args.id,
        labels,
        format: args.output_format,
        range: args.normalise,
        color_order: args.color_order,
        size: args.size,
        license: args.license,
        source: args.source,
    })
}

fn labels(text: &str) -> anyhow::Result<Vec<String>> {
    if text == "coco80" {
        return Ok(COCO80.map(str::to_owned).to_vec());
    }
    let path = Path::new(text);
    if path.is_file() {
        return read_labels(path).context("--labels");
    }
    if text.contains('/') || text.ends_with(".txt") {
        bail!("--labels: there is no file {text}");
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
    sides.ok_or_else(|| format!("`{text}` is not a size; write it as 640x640"))
}

/// `640x640 yolov8, coco80, in /…`.
fn described(model: &InstalledModel) -> String {
    let labels = match &model.manifest.labels {
        LabelSource::Known(_) => "coco80".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_a_list_a_file_or_a_known_set() {
        assert_eq!(
            labels("van, forklift").expect("a list"),
            ["van", "forklift"]
        );
        assert_eq!(labels("coco80").expect("a known set").len(), 80);
        assert_eq!(
            labels("missing/labels.txt")
                .expect_err("no file")
                .to_string(),
            "--labels: there is no file missing/labels.txt"
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
    }
}
