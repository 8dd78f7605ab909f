//! A table of results with their limits.

/// Figures of one run.
#[derive(Default)]
pub(crate) struct Table(Vec<(String, f64, String, bool)>);

impl Table {
    pub(crate) fn at_most(&mut self, what: impl Into<String>, found: f64, limit: f64) {
        let held = found <= limit;
        self.0
            .push((what.into(), found, format!("≤ {limit}"), held));
    }

    pub(crate) fn at_least(&mut self, what: impl Into<String>, found: f64, limit: f64) {
        let held = found >= limit;
        self.0
            .push((what.into(), found, format!("≥ {limit}"), held));
    }

    pub(crate) fn print(&self) {
        println!("\n{:<52} {:>9}   {:<8} verdict", "", "found", "limit");
        for (what, found, limit, held) in &self.0 {
            println!(
                "{what:<52} {found:>9.3}   {limit:<8} {}",
                if *held { "held" } else { "BEYOND" }
            );
        }
    }
}
