//! Pauses of the analysis, which an operator asks for.

use tracing::info;

use super::run::Processor;
use crate::base::SourceId;
use crate::control::Problem;

impl Processor {
    /// Pauses the analysis of a source or of all, or ends the pause. Returns the sources that are paused now.
    ///
    /// # Errors
    /// When it does not run the source.
    pub fn pause(&self, id: Option<SourceId>, paused: bool) -> Result<Vec<SourceId>, Problem> {
        let mut guard = self.lock();
        let Some(running) = guard.as_mut() else {
            return Err(Problem::new("", "the processor is ending"));
        };
        let known = &running.settings.sources;
        let meant: Vec<SourceId> = match id {
            Some(id) if known.contains_key(&id) => vec![id],
            Some(id) => {
                return Err(Problem::new(
                    "",
                    format!("this process runs no source {id}"),
                ));
            }
            None => known.keys().copied().collect(),
        };
        let sources = self.pipeline.sources.load();
        for id in meant {
            match paused {
                true => running.paused.insert(id),
                false => running.paused.remove(&id),
            };
            if let Some(source) = sources.get(&id) {
                source.pause(running.is_paused(id));
            }
        }
        let paused: Vec<SourceId> = running.paused.iter().copied().collect();
        info!(?paused, "sources are paused or go on");
        Ok(paused)
    }
}
