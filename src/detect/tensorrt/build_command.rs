//! The command line of a build, for `trtexec` or this program in its place, with the flags that the tool has.

use std::path::Path;

use super::error::TensorRtError;
use super::flags::BuildFlags;

/// A build.
#[derive(Debug, Clone, Copy)]
pub(super) struct BuildCommand<'a> {
    /// The model's id, for messages.
    pub(super) model: &'a str,
    /// The graph.
    pub(super) onnx: &'a Path,
    /// The graph's input and its dimensions for one picture; batches need its name.
    pub(super) input: (Option<&'a str>, [usize; 4]),
    /// The path of the engine.
    pub(super) engine: &'a Path,
    /// The file with layer timings, which makes the next build faster.
    pub(super) timing_cache: &'a Path,
    /// The build options.
    pub(super) flags: BuildFlags,
    /// The target of TensorRT for RTX.
    pub(super) compute: Option<i32>,
}

/// The tool that builds.
#[derive(Clone, Copy)]
struct BuildTool<'a> {
    name: &'a str,
    help: &'a str,
}

impl BuildTool<'_> {
    /// Whether its help names a flag.
    fn knows(self, flag: &str) -> bool {
        self.help
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .any(|word| word == flag)
    }

    /// The flag, or an error with the remedy if the tool does not have it.
    fn needs(self, flag: &str, instead: &str) -> Result<String, TensorRtError> {
        if self.knows(flag) {
            Ok(flag.to_owned())
        } else {
            Err(TensorRtError::Ask(format!(
                "{} has no {flag} here; {instead}",
                self.name
            )))
        }
    }
}

/// The command line, with flags that `help` names.
pub(super) fn arguments(
    tool: &str,
    help: &str,
    command: &BuildCommand<'_>,
) -> Result<Vec<String>, TensorRtError> {
    let tool = BuildTool { name: tool, help };
    let flags = command.flags;
    let mut arguments = vec![
        format!("--onnx={}", command.onnx.display()),
        format!("--saveEngine={}", command.engine.display()),
    ];
    if flags.fp16 {
        arguments.push(tool.needs(
            "--fp16",
            "its precision is that of the ONNX file: build without --fp16",
        )?);
    }
    if flags.int8 {
        arguments.push(tool.needs(
            "--int8",
            "its precision is that of the ONNX file: build without --int8",
        )?);
    }
    if let Some(core) = flags.dla {
        let flag = tool.needs("--useDLACore", "build without --dla")?;
        arguments.push(format!("{flag}={core}"));
        arguments.push(tool.needs("--allowGPUFallback", "build without --dla")?);
    }
    if tool.knows("--pictureShape") {
        let [_, one, two, three] = command.input.1;
        let batch = flags.batch;
        arguments.push(format!("--pictureShape={batch}x{one}x{two}x{three}"));
    } else if flags.batch > 1 {
        arguments.extend(shapes(command)?);
    }
    if let Some(capability) = command.compute {
        let flag = tool.needs("--computeCapability", "use TensorRT for RTX 1.3 or later")?;
        arguments.push(format!("{flag}={capability}"));
    }
    if tool.knows("--timingCacheFile") {
        arguments.push(format!(
            "--timingCacheFile={}",
            command.timing_cache.display()
        ));
    }
    if let Some(mb) = flags.workspace_mb {
        if tool.knows("--memPoolSize") {
            arguments.push(format!("--memPoolSize=workspace:{mb}"));
        } else {
            let flag = tool.needs("--workspace", "build without --workspace-mb")?;
            arguments.push(format!("{flag}={mb}"));
        }
    }
    // Without one of these it measures the engine for some seconds.
    if let Some(flag) = ["--skipInference", "--buildOnly"]
        .into_iter()
        .find(|flag| tool.knows(flag))
    {
        arguments.push(flag.to_owned());
    }
    Ok(arguments)
}

/// The shapes of a batch: smallest, usual and largest.
fn shapes(command: &BuildCommand<'_>) -> Result<[String; 3], TensorRtError> {
    let (Some(name), dims) = command.input else {
        return Err(TensorRtError::Ask(format!(
            "a batch needs the name of the model's input; say it in the manifest of {} ([input] name = \"…\")",
            command.model
        )));
    };
    let [_, one, two, three] = dims;
    let shapes = [
        ("--minShapes", 1),
        ("--optShapes", command.flags.batch),
        ("--maxShapes", command.flags.batch),
    ];
    let shapes = shapes.map(|(flag, batch)| format!("{flag}={name}:{batch}x{one}x{two}x{three}"));
    Ok(shapes)
}

#[cfg(test)]
#[path = "build_command_tests.rs"]
mod tests;
