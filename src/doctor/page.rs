//! The report as one page of text.

use std::fmt::Write;

use super::report::{Report, State, counted};

/// Width of the column of what was looked at.
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
        put(&mut text, format_args!("\n{}\n", section.title));
        for line in &section.lines {
            put(
                &mut text,
                format_args!(
                    "  {:<8} {:<WHAT$} {}\n",
                    line.state.word(),
                    line.what,
                    line.found
                ),
            );
            if let Some(remedy) = &line.remedy {
                put(
                    &mut text,
                    format_args!("           {:<WHAT$} -> {remedy}\n", ""),
                );
            }
        }
    }
    put(&mut text, format_args!("\n{}", verdict(report)));
    text
}

fn verdict(report: &Report) -> String {
    if report.state == State::Ok {
        return "all well".to_owned();
    }
    format!(
        "{}, {}",
        counted(report.faults, "fault"),
        counted(report.warnings, "warning")
    )
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words)
        .expect("invariant: a String takes every text");
}

#[cfg(test)]
mod tests {
    use super::super::report::{Line, Section};
    use super::*;

    #[test]
    fn a_remedy_stands_below_what_needs_it() {
        let section = |lines| Section {
            id: "disk".to_owned(),
            title: "Disk".to_owned(),
            took_ms: 3,
            lines,
        };
        let mut report = Report::new(vec![section(vec![
            Line::ok("space on /", "20 GB free"),
            Line::fault("space on /tmp", "full", "delete something"),
        ])]);
        report.at = "NOW".to_owned();
        report.version = "V".to_owned();
        assert_eq!(
            page(&report),
            [
                "nvr V doctor, NOW",
                "",
                "Disk",
                "  ok       space on /               20 GB free",
                "  FAULT    space on /tmp            full",
                "                                    -> delete something",
                "",
                "1 fault, 0 warnings",
            ]
            .join("\n")
        );
        let mut well = Report::new(vec![section(Vec::new())]);
        well.at = "NOW".to_owned();
        assert!(page(&well).ends_with("\nDisk\n\nall well"));
    }
}
