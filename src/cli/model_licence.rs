//! The licence of a model that is to be fetched: whether it must be accepted, and how it was. What was accepted is kept in the
//! folder of the model, and not asked for again.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::out;
use crate::detect::CatalogueModel;

/// The file in the folder of a model.
pub(super) const ACCEPTED_FILE: &str = "licence-accepted.toml";

/// A licence that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AcceptedLicence {
    /// Its SPDX identifier.
    license: String,
    /// Where it can be read.
    license_url: String,
    /// RFC 3339, UTC.
    date: String,
    /// `--accept-licence`, or `at the terminal`.
    by: String,
}

impl AcceptedLicence {
    fn now(model: &CatalogueModel, by: &str) -> Self {
        Self {
            license: model.license.clone(),
            license_url: model.license_url.clone(),
            date: format!("{:.0}", Timestamp::now()),
            by: by.to_owned(),
        }
    }

    /// The one in a model's folder, if it is for the licence that the model has now.
    fn kept(model: &CatalogueModel, folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join(ACCEPTED_FILE)).ok()?;
        let kept: Self = toml::from_str(&text).ok()?;
        (kept.license == model.license).then_some(kept)
    }

    /// The text of its file.
    pub(super) fn text(&self) -> anyhow::Result<String> {
        toml::to_string(self).context("the accepted licence can't be written")
    }
}

/// Sees to it that the licence of `model` is accepted, if it has to be: by `flag`, by what `folder` keeps, or by a question.
///
/// # Errors
/// When it is not accepted, with the licence, its address and the flag.
pub(super) fn accepted(
    model: &CatalogueModel,
    flag: Option<&str>,
    folder: &Path,
) -> anyhow::Result<Option<AcceptedLicence>> {
    let CatalogueModel {
        id,
        license,
        license_url,
        ..
    } = model;
    if let Some(flag) = flag
        && flag != license
    {
        bail!(
            "--accept-licence {flag}: {id} is under {license}, not under {flag}; read it at {license_url}"
        );
    }
    if !model.needs_consent() {
        return Ok(None);
    }
    if flag.is_some() {
        return Ok(Some(AcceptedLicence::now(model, "--accept-licence")));
    }
    if let Some(kept) = AcceptedLicence::kept(model, folder) {
        return Ok(Some(kept));
    }
    let refusal = format!(
        "{id} is under {license}; read the licence at {license_url}, and accept it with --accept-licence {license}"
    );
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        bail!(refusal);
    }
    let question = format!(
        "{id} is under {license} ({license_url}), which asks for more than a notice. Accept it? [y/N]"
    );
    let answer = out::ask(question).context("the terminal gives no answer")?;
    if !is_yes(&answer) {
        bail!(refusal);
    }
    Ok(Some(AcceptedLicence::now(model, "at the terminal")))
}

fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    ["y", "yes"]
        .iter()
        .any(|yes| answer.eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Catalogue;

    fn model(id: &str) -> CatalogueModel {
        let catalogue = Catalogue::built_in().expect("it is valid");
        catalogue.find(id).expect("it is there").clone()
    }

    #[test]
    fn a_permissive_licence_needs_no_word_and_a_wrong_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let nano = model("yolox-nano-416");
        for flag in [None, Some("Apache-2.0")] {
            let accepted = accepted(&nano, flag, folder.path()).expect("permissive");
            assert_eq!(accepted, None);
        }
        let refused = accepted(&nano, Some("MIT"), folder.path()).expect_err("another one");
        assert_eq!(
            refused.to_string(),
            "--accept-licence MIT: yolox-nano-416 is under Apache-2.0, not under MIT; read it at \
             https://github.com/Megvii-BaseDetection/YOLOX/blob/main/LICENSE"
        );
    }

    #[test]
    fn what_was_accepted_is_kept_for_the_same_licence() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut yolo = model("yolov8n-640");
        let by_flag = accepted(&yolo, Some("AGPL-3.0"), folder.path()).expect("accepted");
        let by_flag = by_flag.expect("it has to be accepted");
        assert_eq!(by_flag.by, "--accept-licence");
        let text = by_flag.text().expect("a text");
        std::fs::write(folder.path().join(ACCEPTED_FILE), text).expect("written");
        let kept = accepted(&yolo, None, folder.path()).expect("kept");
        assert_eq!(kept, Some(by_flag));
        yolo.license = "AGPL-4.0".to_owned();
        assert_eq!(AcceptedLicence::kept(&yolo, folder.path()), None);
    }

    #[test]
    fn only_yes_is_yes() {
        for (answer, wanted) in [
            ("y\n", true),
            (" YES\n", true),
            ("\n", false),
            ("", false),
            ("yet\n", false),
        ] {
            assert_eq!(is_yes(answer), wanted, "{answer:?}");
        }
    }
}
