//! Changes of a running role, from SIGHUP and from the control socket.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tracing::{error, info};

use super::{PageSettings, Role};
use crate::base::SourceId;
use crate::base::sync::lock;
use crate::config::{ConfigSource, Settings};
use crate::control::{Capabilities, ControlHandler, Problem, Status, problems};
use crate::web::{Page, PageError};

/// A running role with its configuration and its page.
pub(super) struct Controls<R> {
    pub(super) role: Arc<R>,
    config: ConfigSource,
    /// Locked while a change is applied: one at a time.
    page: Mutex<Served>,
}

/// The page, and the settings that it is served with.
#[derive(Default)]
struct Served {
    settings: Option<PageSettings>,
    page: Option<Page>,
}

impl<R: Role> Controls<R> {
    /// Serves the page that `settings` ask for.
    ///
    /// # Errors
    /// When its address can't be used.
    pub(super) async fn new(
        role: Arc<R>,
        settings: Option<PageSettings>,
        config: ConfigSource,
    ) -> Result<Self, PageError> {
        let page = match &settings {
            Some(wanted) => Some(role.serve(wanted).await?),
            None => None,
        };
        Ok(Self {
            role,
            config,
            page: Mutex::new(Served { settings, page }),
        })
    }

    /// Reads the configuration again and applies the difference. Blocks.
    pub(super) fn reload(&self) {
        info!("reading the configuration again");
        let loaded = self.config.load().map_err(problems);
        let applied = loaded.and_then(|settings| self.apply_settings(settings));
        if let Err(problems) = applied {
            for problem in &problems {
                error!(
                    path = problem.path,
                    problem = problem.message,
                    "the new configuration is refused"
                );
            }
            error!(
                problems = problems.len(),
                "nothing was changed; what runs keeps running"
            );
        }
    }

    fn apply_settings(&self, settings: Settings) -> Result<Value, Vec<Problem>> {
        let mut served = lock(&self.page);
        let wanted = R::page_settings(&settings);
        let moved = served.settings != wanted;
        let mut fresh = None;
        if moved {
            // The new address is tried before anything is changed: a document is applied whole or not at all. Only a page
            // that keeps its address has to be closed before.
            if served.address() == wanted.as_ref().map(|wanted| wanted.address) {
                *served = Served::default();
            }
            if let Some(wanted) = &wanted {
                let page = Handle::current().block_on(self.role.serve(wanted));
                fresh =
                    Some(page.map_err(|err| vec![Problem::new(format!("{}.http", R::NAME), err)])?);
            }
        }
        let changes = self.role.apply(settings).map_err(|problem| vec![problem])?;
        if moved {
            *served = Served {
                settings: wanted,
                page: fresh,
            };
        }
        Ok(json!({ R::SOURCES: changes }))
    }
}

impl Served {
    fn address(&self) -> Option<std::net::SocketAddr> {
        self.page.as_ref().map(Page::configured_address)
    }
}

impl<R: Role> ControlHandler for Controls<R> {
    fn status(&self) -> Status {
        self.role.status()
    }

    fn capabilities(&self) -> Capabilities {
        self.role.capabilities()
    }

    fn restart(&self, id: SourceId) -> bool {
        self.role.restart(id)
    }

    fn pause(&self, id: Option<SourceId>, paused: bool) -> Result<Value, Problem> {
        let paused = self.role.pause(id, paused)?;
        Ok(json!({ "paused": paused }))
    }

    fn identify(&self, text: &str, limit: Duration) -> Result<Value, Problem> {
        self.role.identify(text, limit)?;
        Ok(json!({ "shown_s": limit.as_secs() }))
    }

    fn notice(&self, lines: Vec<String>, limit: Duration) -> Result<Value, Problem> {
        self.role.notice(lines, limit)?;
        Ok(json!({ "shown_s": limit.as_secs() }))
    }

    fn jpeg(&self, id: Option<SourceId>, most_bytes: usize) -> Result<Value, Problem> {
        let jpeg = self.role.jpeg(id, most_bytes)?;
        Ok(json!({ "media_type": "image/jpeg", "base64": STANDARD.encode(jpeg) }))
    }

    fn apply(&self, document: Value) -> Result<Value, Vec<Problem>> {
        let source = self.config.with_document(document);
        let settings = source.load().map_err(problems)?;
        self.apply_settings(settings)
    }
}
