//! The report as one page of text.

use super::report::{Report, State};
use crate::base::counted;

/// Width of the second column.
const WHAT: usize = 24;

impl State {
    /// The word in the first column.
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "WARNING",
            Self::Fault => "FAULT",
        }
    }
}

/// The page, without a line break at its end.
pub fn page(report: &Report) -> String {
    let mut text = format!("nvr {} doctor, {}\n", report.version, report.at);
    for section in &report.sections {
        text += &format!("\n{}\n", section.title);
        for line in &section.lines {
            let (state, what) = (line.state.word(), &line.what);
            text += &format!("  {state:<8} {what:<WHAT$} {}\n", line.found);
            if let Some(remedy) = &line.remedy {
                text += &format!("           {:<WHAT$} -> {remedy}\n", "");
            }
        }
    }
    let faults = counted(report.faults, "fault");
    let warnings = counted(report.warnings, "warning");
    text += &match report.state {
        State::Ok => "\nno faults, no warnings".to_owned(),
        _ => format!("\n{faults}, {warnings}"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::super::Line;
    use super::super::fixture::report_of;
    use super::*;

    #[test]
    fn a_remedy_stands_below_its_finding() {
        let of = |lines| {
            let mut report = report_of(lines);
            (report.version, report.at) = ("V".to_owned(), "NOW".to_owned());
            page(&report)
        };
        assert_eq!(
            of(vec![
                Line::ok("space on /", "20 GB free"),
                Line::fault("space on /tmp", "full", "delete something"),
            ]),
            "\
nvr V doctor, NOW

Disk
  ok       space on /               20 GB free
  FAULT    space on /tmp            full
                                    -> delete something

1 fault, 0 warnings"
        );
        assert!(of(Vec::new()).ends_with("\nDisk\n\nno faults, no warnings"));
    }
}
