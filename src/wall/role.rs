//! Implements [`Role`] for the wall.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::run::Wall;
use super::{report, snapshot};
use crate::base::{Clock, Heartbeats, SourceId};
use crate::config::Settings;
use crate::control::{Capabilities, Changes, Problem, Status};
use crate::display::kms;
use crate::health::MetricsSource;
use crate::role::{PageSettings, Role, StartError, Supervision};
use crate::web::wall::WallView;
use crate::web::{self, Page, PageError};

impl Role for Wall {
    const NAME: &'static str = "wall";
    const SOURCES: &'static str = "cameras";

    fn start(settings: Settings, runtime: Handle, clock: Clock) -> Result<Arc<Self>, StartError> {
        Self::start(settings, runtime, clock)
    }

    fn apply(self: &Arc<Self>, new: Settings) -> Result<Changes, Problem> {
        Self::apply(self, new)
    }

    fn restart(&self, id: SourceId) -> bool {
        Self::restart(self, id)
    }

    fn identify(&self, text: &str, limit: Duration) -> Result<(), Problem> {
        self.context.identify(text, limit);
        Ok(())
    }

    fn notice(&self, lines: Vec<String>, limit: Duration) -> Result<(), Problem> {
        self.context.show_notice(lines, limit);
        Ok(())
    }

    fn jpeg(&self, source: Option<SourceId>, most_bytes: usize) -> Result<Vec<u8>, Problem> {
        self.scene_jpeg(source, most_bytes)
    }

    async fn stop(&self, limit: Duration) {
        Self::stop(self, limit).await;
    }

    fn started(self: &Arc<Self>) {
        if self.context.settings().wall.snapshot.is_some() {
            self.runtime.spawn(snapshot::write_first(self.clone()));
        }
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

    fn snapshot(self: &Arc<Self>) {
        snapshot::write(self.clone());
    }

    fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    fn supervision(settings: &Settings) -> Supervision {
        Supervision {
            watchdog: settings.wall.watchdog,
            stage_limit: settings.wall.stage_limit,
        }
    }

    fn page_settings(settings: &Settings) -> Option<PageSettings> {
        Some(PageSettings {
            address: settings.wall.http?,
            token: settings.wall.http_token.clone(),
            hosts: settings.http_hosts.clone(),
            recordings: Vec::new(),
        })
    }

    async fn serve(self: &Arc<Self>, page: &PageSettings) -> Result<Page, PageError> {
        web::wall::serve(
            page.address,
            page.token.clone(),
            &page.hosts,
            self.clone() as Arc<dyn WallView>,
            self.clone() as Arc<dyn MetricsSource>,
            self.heartbeats.clone(),
        )
        .await
    }

    fn release(&self) {
        // A head that is stuck in its driver can't restore the console itself.
        kms::restore_console();
    }
}
