//! The terminal view of a broker: processors, walls, sources and present detections.
//!
//! It is an ordinary subscriber. `board` keeps the received documents; `lines` and `screen` show them. One task receives; if it is
//! too slow, events are dropped and their number is shown.

mod board;
mod lines;
mod screen;

use std::time::Duration;

pub use board::{Board, LastEvent, SourceCondition, SourceRow};
pub use lines::{LineFormat, lines};
pub use screen::draw;

use crate::base::{Clock, SessionId};
use crate::bus::{
    BusError, ClientRole, Delivery, Link, LinkOptions, LinkState, Subscription, Topics,
};
use crate::config::MqttSettings;

/// Interval of the lines.
const LINE_PERIOD: Duration = Duration::from_secs(1);

/// Interval of the screen's redraw: enough for ages and rates.
const SCREEN_PERIOD: Duration = Duration::from_millis(250);

/// Time limit of the disconnection from the broker.
const STOP_LIMIT: Duration = Duration::from_millis(500);

/// A subscriber with the received documents.
#[derive(Debug)]
pub struct Watcher {
    link: Link,
    statuses: Subscription,
    events: Subscription,
    topics: Topics,
    clock: Clock,
    board: Board,
    broker: String,
}

impl Watcher {
    /// Subscribes at the broker of `settings`, which need not be present. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the TLS files of the settings can't be used.
    pub fn new(settings: MqttSettings) -> Result<Self, BusError> {
        let topics = Topics::of(&settings);
        let broker = settings.address();
        let options = LinkOptions::new(settings, ClientRole::Watch, "", &SessionId::random());
        let link = Link::start(options, &tokio::runtime::Handle::current(), None)?;
        let statuses = link.subscribe(
            [
                topics.all_processors(),
                topics.all_walls(),
                topics.all_sources(),
            ],
            // For a wildcard, brokers deliver more retained messages with QoS 0 than with QoS 1: mosquitto all of them
            // instead of 1,020.
            Delivery::AtMostOnce,
        );
        let events = link.subscribe(
            [topics.all_detections(), topics.all_detections_postcard()],
            Delivery::AtMostOnce,
        );
        Ok(Self {
            link,
            statuses,
            events,
            topics,
            clock: Clock::system(),
            board: Board::default(),
            broker,
        })
    }

    /// Writes a line per second and source until `end` is ready, and one at each change of the connection.
    pub async fn write_lines(
        mut self,
        format: LineFormat,
        end: impl Future<Output = ()>,
        mut write: impl FnMut(&str),
    ) {
        let mut end = std::pin::pin!(end);
        let mut period = tokio::time::interval(LINE_PERIOD);
        let mut told = None;
        let mut told_left_out = 0;
        loop {
            tokio::select! {
                () = self.listen() => {}
                _ = period.tick() => {
                    let news = self.connection();
                    if told.as_ref() != Some(&news) {
                        write(&lines::connection(&self.broker, news.as_deref(), format));
                        told = Some(news);
                    }
                    if told == Some(None) {
                        for line in lines(&self.board, self.clock.now(), format) {
                            write(&line);
                        }
                        let left_out = self.board.left_out() + self.overrun();
                        if left_out != told_left_out {
                            write(&lines::left_out(left_out, format));
                            told_left_out = left_out;
                        }
                    }
                }
                () = &mut end => break,
            }
        }
        self.link.stop(STOP_LIMIT).await;
    }

    /// Draws on the terminal until the user quits or `end` is ready.
    ///
    /// # Errors
    /// When the terminal can't be used.
    pub async fn show(mut self, end: impl Future<Output = ()>) -> std::io::Result<()> {
        let mut terminal = ratatui::try_init()?;
        let mut quit = screen::quit_key();
        let mut end = std::pin::pin!(end);
        let mut period = tokio::time::interval(SCREEN_PERIOD);
        let drawn = loop {
            tokio::select! {
                () = self.listen() => {}
                _ = period.tick() => {
                    let trouble = self.connection();
                    let now = self.clock.now();
                    let header = screen::Header { broker: &self.broker, trouble: trouble.as_deref() };
                    if let Err(error) = terminal.draw(|frame| draw(frame, &header, &self.board, now)) {
                        break Err(error);
                    }
                }
                _ = &mut quit => break Ok(()),
                () = &mut end => break Ok(()),
            }
        };
        ratatui::restore();
        self.link.stop(STOP_LIMIT).await;
        drawn
    }

    /// Receives one message.
    async fn listen(&mut self) {
        let message = tokio::select! {
            message = self.statuses.recv() => message,
            message = self.events.recv() => message,
        };
        match message {
            Some(message) => self.board.take(&self.topics, &message, self.clock.now()),
            // The link has ended.
            None => std::future::pending().await,
        }
    }

    /// Number of messages that were dropped because they arrived faster than they were read.
    fn overrun(&self) -> u64 {
        self.statuses.overrun() + self.events.overrun()
    }

    /// The reason why there is no connection; absent while connected.
    fn connection(&self) -> Option<String> {
        match &*self.link.state_changes().borrow() {
            LinkState::Connected { .. } => None,
            LinkState::Disconnected { reason: None, .. } => Some("connecting".to_owned()),
            LinkState::Disconnected {
                reason: Some(reason),
                ..
            } => Some(reason.to_string()),
        }
    }
}
