//! Decides the format of an output by a run on noise, where the built-in picture does not.

use super::evidence::by_run;
use super::import_output::{Candidates, Tensors};
use super::import_request::ImportRequest;
use super::manifest::{OutputFormat, Range};
use super::network::Network;
use super::output_layout::{OutputLayout, is_worth_a_run};
use super::plausibility::contradiction;

impl Tensors {
    /// The format by a run on noise, if the built-in picture did not decide, and the reason for it.
    ///
    /// # Errors
    /// If several formats are left or none that can be read, or if the numbers contradict the only one.
    pub(super) fn by_noise(
        &self,
        request: &ImportRequest,
        network: &mut dyn Network,
        candidates: &Candidates,
    ) -> Result<(OutputFormat, &'static str), String> {
        let mut left = candidates.layouts.clone();
        let usual = if left.contains(&OutputLayout::Yolox) {
            Range::Bytes
        } else {
            Range::Unit
        };
        let range = request.range.unwrap_or(usual);
        let mut proven = None;
        if is_worth_a_run(&left) {
            proven = self.run_on_noise(network, range, |shape, numbers| {
                by_run(&left, shape, numbers, self.input.size)
            })?;
        }
        if let Some(layout) = proven {
            left = vec![layout];
        }
        if let [layout] = left[..]
            && let Some(format) = layout.format()
        {
            if proven.is_some() {
                return Ok((
                    format,
                    "only this format fits its numbers in a run on noise",
                ));
            }
            self.check_by_run(network, range, layout, format)?;
            return Ok(match candidates.by_metadata {
                true => (format, "its metadata names it"),
                false => (
                    format,
                    "only this format has its shape and its number of classes",
                ),
            });
        }
        let (readable, others): (Vec<OutputLayout>, Vec<OutputLayout>) =
            left.iter().partition(|layout| layout.format().is_some());
        if readable.is_empty() {
            return Err(format!(
                "its output, {}, is that of {}, which can't be read; export it as yolov8 or with its duplicates removed \
                 (end2end), or name the format with --output-format if it has one that can be read all the same",
                self.found(),
                self.listed(&left)
            ));
        }
        let left_candidates = Candidates {
            layouts: readable,
            by_metadata: false,
        };
        let options: Vec<String> = left_candidates
            .formats()
            .into_iter()
            .map(|format| format!("--output-format {format}"))
            .collect();
        let note = match others.is_empty() {
            true => "",
            false => " (the others can't be read)",
        };
        Err(format!(
            "its output, {}, can be {}, and nothing in the file tells which; if you know that it is, say {}{note}",
            self.found(),
            self.listed(&left),
            options.join(" or ")
        ))
    }

    /// Refuses a network whose numbers contradict the layout that its shape and its metadata leave.
    fn check_by_run(
        &self,
        network: &mut dyn Network,
        range: Range,
        layout: OutputLayout,
        format: OutputFormat,
    ) -> Result<(), String> {
        let reason = self.run_on_noise(network, range, |shape, numbers| {
            contradiction(layout, shape, numbers, self.input.size)
        })?;
        match reason {
            None => Ok(()),
            Some(reason) => Err(format!(
                "its output, {}, has the shape of {format}, but in a run on noise {reason}; export it in that format, with \
                 boxes in pixels and scores from 0 to 1, or say --output-format {format} if it has it all the same",
                self.found()
            )),
        }
    }

    /// What `judge` finds in the output of a run on noise.
    fn run_on_noise<T>(
        &self,
        network: &mut dyn Network,
        range: Range,
        judge: impl Fn(&[usize], &[f32]) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let scale = match range {
            Range::Bytes => 255.0,
            Range::Unit | Range::ImageNet => 1.0,
        };
        let noise = self.input.noise(scale);
        let mut found = None;
        network
            .run(&self.input.feed(&noise), &[self.output], &mut |outputs| {
                found = outputs
                    .first()
                    .and_then(|output| judge(output.shape, output.numbers));
                Ok(())
            })
            .map_err(|message| format!("a run on noise failed: {message}"))?
            .map_err(|error| error.to_string())?;
        Ok(found)
    }
}
