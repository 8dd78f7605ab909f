//! The processor's implementation of [`Role`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::recordings::Recordings;
use super::report;
use super::run::Processor;
use crate::base::{Clock, Heartbeats, SourceId};
use crate::config::{RecordSettings, Settings};
use crate::control::{Capabilities, Changes, Problem, Status};
use crate::health::MetricsSource;
use crate::role::{PageSettings, Role, StartError, Supervision};
use crate::web::{self, Page, PageError};

impl Role for Processor {
    const NAME: &'static str = "processor";
    const SOURCES: &'static str = "sources";

    fn start(settings: Settings, runtime: Handle, clock: Clock) -> Result<Arc<Self>, StartError> {
        Self::start(settings, runtime, clock)
    }

    fn apply(self: &Arc<Self>, new: Settings) -> Result<Changes, Problem> {
        Self::apply(self, new)
    }

    fn restart(&self, id: SourceId) -> bool {
        Self::restart(self, id)
    }

    fn pause(&self, id: Option<SourceId>, paused: bool) -> Result<Vec<SourceId>, Problem> {
        Self::pause(self, id, paused)
    }

    fn jpeg(&self, source: Option<SourceId>, most_bytes: usize) -> Result<Vec<u8>, Problem> {
        self.picture(source, most_bytes)
    }

    async fn stop(&self, limit: Duration) {
        Self::stop(self, limit).await;
    }

    fn status(&self) -> Status {
        report::status(self)
    }

    fn capabilities(&self) -> Capabilities {
        report::capabilities()
    }

    fn summary(&self) -> String {
        report::summary(self)
    }

    fn publish_statuses(&self) {
        Self::publish_statuses(self);
    }

    fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    fn supervision(settings: &Settings) -> Supervision {
        Supervision {
            watchdog: settings.watchdog,
            stage_limit: settings.processor.stage_limit,
        }
    }

    fn page_settings(settings: &Settings) -> Option<PageSettings> {
        let address = settings.http?;
        let token = settings.http_token.clone();
        let is_private = address.ip().is_loopback() || token.is_some();
        let record = settings.record.as_ref().filter(|_| is_private);
        Some(PageSettings {
            address,
            token,
            hosts: settings.http_hosts.clone(),
            recordings: record.map(directories).unwrap_or_default(),
        })
    }

    async fn serve(self: &Arc<Self>, page: &PageSettings) -> Result<Page, PageError> {
        let (report, heartbeats) = (self.clone() as Arc<dyn MetricsSource>, &self.heartbeats);
        let (address, hosts) = (page.address, &page.hosts);
        if page.recordings.is_empty() {
            return Page::serve(address, hosts, report, heartbeats.clone()).await;
        }
        let view = Arc::new(Recordings::new(self, &page.recordings));
        let token = page.token.clone();
        web::recorder::serve(address, token, hosts, view, report, heartbeats.clone()).await
    }
}

/// The directories of recordings, the first one first.
fn directories(record: &RecordSettings) -> Vec<PathBuf> {
    let next = record.next.as_ref().map(|next| next.dir.clone());
    std::iter::once(record.dir.clone()).chain(next).collect()
}
