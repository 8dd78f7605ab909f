//! Which order an answer belongs to, and which model is to blame.

use super::*;
use crate::fleet::DocumentHash;

fn document(generation: u64) -> DocumentId {
    DocumentId {
        generation,
        sha256: DocumentHash::of(&generation.to_be_bytes()),
    }
}

fn fetched(content: &str) -> Choice {
    Choice {
        version: Some(Version::for_tests("m", content)),
        model: Some("m".to_owned()),
        backend: None,
    }
}

fn refusal(path: &str) -> Errors {
    vec![DocumentError::new(path.to_owned(), "refused", "no")]
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_answer_to_a_document_is_the_cycles() {
    let mut trial = Trial::default();
    let ok = trial.answered(&document(1), Ok(()), true, at(0));
    assert_eq!(ok, Verdict::Pass(Ok(())));
    trial.document(document(1), fetched("1"), None);
    assert!(!trial.is_settled() && trial.proven(at(0)).is_none());
    let other = trial.answered(&document(2), Ok(()), true, at(0));
    assert_eq!(other, Verdict::Pass(Ok(())));
    assert!(!trial.is_settled());
    let ok = trial.answered(&document(1), Ok(()), true, at(0));
    assert_eq!(ok, Verdict::Pass(Ok(())));
    assert_eq!(trial.proven(at(0)), Some(&fetched("1")));
    // A tried document that is refused for another reason fails.
    trial.document(document(2), fetched("1"), None);
    let refused = trial.answered(&document(2), Err(refusal("processor.x")), true, at(0));
    assert_eq!(refused, Verdict::Pass(Err(refusal("processor.x"))));
    assert_eq!(trial.proven(at(0)), None);
}

#[test]
fn a_swap_is_no_answer_to_a_document() {
    let mut trial = Trial::default();
    trial.swap(document(1), fetched("1"));
    let swapped = trial.answered(&document(1), Ok(()), false, at(0));
    assert_eq!(swapped, Verdict::Swapped);
    assert_eq!(trial.proven(at(59)), None);
    assert_eq!(trial.proven(at(60)), Some(&fetched("1")));
    trial.swap(document(1), fetched("2"));
    let refused = trial.answered(&document(1), Err(refusal(MODEL_PATH)), false, at(0));
    let version = fetched("2").version;
    assert_eq!(refused, Verdict::Refused(version, refusal(MODEL_PATH)));
    assert!(trial.is_settled());
}

#[test]
fn a_refused_model_is_doubted_and_condemned_when_the_document_runs_without_it() {
    let version = fetched("1").version.expect("it has one");
    for (is_tried, path) in [(true, MODEL_PATH), (false, "processor")] {
        let mut trial = Trial::default();
        trial.document(document(1), fetched("1"), None);
        let doubt = trial.answered(&document(1), Err(refusal(path)), is_tried, at(0));
        assert_eq!(doubt, Verdict::Doubt(version.clone(), refusal(path)));
        let again = |trial: &mut Trial, result| {
            let doubted = Some((version.clone(), refusal(path)));
            trial.document(document(1), Choice::default(), doubted);
            trial.answered(&document(1), result, is_tried, at(1))
        };
        let runs = again(&mut trial, Ok(()));
        assert_eq!(
            runs,
            Verdict::PassAndCondemn(version.clone(), refusal(path))
        );
        let fails = again(&mut trial, Err(refusal("processor.y")));
        assert_eq!(fails, Verdict::Pass(Err(refusal(path))));
    }
}

#[test]
fn a_model_with_which_the_processor_ends_twice_is_condemned() {
    let version = fetched("1").version;
    let mut trial = Trial::default();
    // While it is loaded.
    trial.swap(document(1), fetched("1"));
    assert_eq!(trial.ended(false, at(0)), None);
    assert!(trial.is_settled());
    assert_eq!(trial.ended(false, at(2)), version);
    assert_eq!(trial.ended(false, at(3)), None);
    // Soon after, but not late.
    trial.swap(document(1), fetched("1"));
    trial.answered(&document(1), Ok(()), false, at(0));
    assert_eq!(trial.ended(false, at(30)), None);
    assert_eq!(trial.ended(false, at(60)), None);
    // At the start of the box.
    trial.document(document(1), fetched("1"), None);
    assert_eq!(trial.ended(false, at(0)), None);
    assert_eq!(trial.ended(false, at(5)), version);
    // A document that is tried is the cycle's.
    trial.document(document(1), fetched("1"), None);
    assert_eq!(trial.ended(true, at(0)), None);
    assert_eq!(trial.ended(false, at(1)), None);
    trial.stopped();
    assert_eq!((trial.ended(false, at(1)), trial.choice()), (None, None));
}
