//! Flags by version, and requests that are not supported.

use super::*;

/// Like the help of 8.5, shortened.
const HELP_8_5: &str = "  --onnx=<file>  ONNX model\n  --saveEngine=<file>\n  --minShapes=spec\n  --fp16  Enable fp16\n  \
    --int8\n  --useDLACore=N\n  --allowGPUFallback\n  --timingCacheFile=<file>\n  --memPoolSize=poolspec\n  --buildOnly";
const HELP_10: &str = "  --onnx=<file>\n  --saveEngine=<file>\n  --fp16\n  --int8\n  --useDLACore=N\n  \
    --allowGPUFallback\n  --timingCacheFile=<file>\n  --memPoolSize=poolspec\n  --skipInference  Exit after the build";
const HELP_11: &str =
    "  --onnx=<file>\n  --saveEngine=<file>\n  --memPoolSize=poolspec\n  --skipInference";

fn asked(help: &str, name: Option<&str>, flags: BuildFlags) -> Result<String, String> {
    let command = BuildCommand {
        model: "tiny",
        onnx: Path::new("m.onnx"),
        input: (name, [1, 3, 64, 96]),
        engine: Path::new("m.engine"),
        timing_cache: Path::new("t.cache"),
        flags,
        compute: None,
    };
    arguments("trtexec", help, &command)
        .map(|arguments| arguments.join(" "))
        .map_err(|error| error.to_string())
}

#[test]
fn what_skips_the_measurement_differs_by_version() {
    let plain = BuildFlags::default();
    assert_eq!(
        asked(HELP_8_5, None, plain).as_deref(),
        Ok("--onnx=m.onnx --saveEngine=m.engine --fp16 --timingCacheFile=t.cache --buildOnly")
    );
    assert_eq!(
        asked(HELP_10, None, plain).as_deref(),
        Ok("--onnx=m.onnx --saveEngine=m.engine --fp16 --timingCacheFile=t.cache --skipInference")
    );
    let none = BuildFlags {
        fp16: false,
        ..plain
    };
    assert_eq!(
        asked(HELP_11, None, none).as_deref(),
        Ok("--onnx=m.onnx --saveEngine=m.engine --skipInference")
    );
}

#[test]
fn everything_at_once_is_said_in_the_tools_words() {
    let flags = BuildFlags {
        fp16: true,
        int8: true,
        dla: Some(1),
        batch: 4,
        workspace_mb: Some(512),
    };
    assert_eq!(
        asked(HELP_10, Some("images"), flags).as_deref(),
        Ok(
            "--onnx=m.onnx --saveEngine=m.engine --fp16 --int8 --useDLACore=1 --allowGPUFallback \
             --minShapes=images:1x3x64x96 --optShapes=images:4x3x64x96 --maxShapes=images:4x3x64x96 \
             --timingCacheFile=t.cache --memPoolSize=workspace:512 --skipInference"
        )
    );
    let refusal = asked(HELP_10, None, flags).expect_err("a batch without a name");
    assert!(refusal.contains("name of the model's input"), "{refusal}");
}

#[test]
fn a_tool_that_lacks_a_flag_is_told_by_that_flag() {
    assert_eq!(
        asked(HELP_11, None, BuildFlags::default()),
        Err(
            "trtexec has no --fp16 here; its precision is that of the ONNX file: build without --fp16"
                .to_owned()
        )
    );
}

#[test]
fn this_program_gets_the_picture_s_shape_and_the_gpu_s_target() {
    let command = BuildCommand {
        model: "tiny",
        onnx: Path::new("m.onnx"),
        input: (None, [1, 3, 64, 96]),
        engine: Path::new("m.engine"),
        timing_cache: Path::new("t.cache"),
        flags: BuildFlags {
            fp16: false,
            batch: 4,
            ..BuildFlags::default()
        },
        compute: Some(86),
    };
    let help = "--onnx --saveEngine --memPoolSize --pictureShape --computeCapability";
    let arguments = arguments("nvr", help, &command).map_err(|error| error.to_string());
    assert_eq!(
        arguments.expect("all of it").join(" "),
        "--onnx=m.onnx --saveEngine=m.engine --pictureShape=4x3x64x96 --computeCapability=86"
    );
}
