//! The screen on a terminal.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table};
use tokio::sync::oneshot;

use super::lines::seconds;
use super::{Board, SourceCondition, SourceRow};
use crate::event::{Presence, PresenceState, SourceState};

/// Older events are not shown as present detections.
const FRESH_LIMIT: Duration = Duration::from_secs(2);

/// The header of the screen.
#[derive(Debug)]
pub struct Header<'a> {
    /// Host and port.
    pub broker: &'a str,
    /// Why there is no connection.
    pub trouble: Option<&'a str>,
}

/// Draws header, processors and walls, sources, and a last line.
pub fn draw(frame: &mut Frame<'_>, header: &Header<'_>, board: &Board, now: Duration) {
    let devices = board.processors().len() + board.walls().len();
    let [top, presences, sources, bottom] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(u16::try_from(devices).unwrap_or(u16::MAX).saturating_add(2)),
        Constraint::Min(2),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let connection = match header.trouble {
        None => Span::styled("connected", Style::new().green()),
        Some(trouble) => Span::styled(trouble, Style::new().red()),
    };
    let title = Line::from(vec![
        Span::styled(
            format!("nvr watch  {}  ", header.broker),
            Style::new().bold(),
        ),
        connection,
    ]);
    frame.render_widget(Paragraph::new(title), top);
    frame.render_widget(presence_table(board), presences);
    frame.render_widget(source_table(board, now), sources);
    frame.render_widget(Paragraph::new(last_line(board)).dim(), bottom);
}

fn presence_table(board: &Board) -> Table<'static> {
    let rows = |role: &'static str, presence: (&String, &Presence)| {
        let (instance_id, presence) = presence;
        let (word, color) = match presence.state {
            PresenceState::Online => ("online", Color::Green),
            PresenceState::Stopped => ("stopped", Color::DarkGray),
            PresenceState::Offline => ("offline", Color::Red),
        };
        Row::new(vec![
            Span::raw(role),
            Span::raw(instance_id.clone()),
            Span::styled(word, color),
            Span::raw(format!("{:.0}", presence.since)),
            Span::raw(presence.version.clone()),
        ])
    };
    let processors = board.processors().iter().map(|one| rows("processor", one));
    let walls = board.walls().iter().map(|one| rows("wall", one));
    let widths = [
        Constraint::Length(10),
        Constraint::Length(28),
        Constraint::Length(8),
        Constraint::Length(21),
        Constraint::Min(8),
    ];
    Table::new(processors.chain(walls), widths)
        .header(Row::new(["ROLE", "INSTANCE", "STATE", "SINCE", "VERSION"]).dim())
}

fn source_table(board: &Board, now: Duration) -> Table<'static> {
    let rows = board.rows(now);
    let widths = [
        Constraint::Length(6),
        Constraint::Length(12),
        Constraint::Length(7),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(16),
        Constraint::Min(20),
    ];
    let titles = ["SOURCE", "STATE", "FPS", "LATENCY", "AGE", "STREAM", "SEES"];
    Table::new(rows.iter().map(source_row).collect::<Vec<_>>(), widths)
        .header(Row::new(titles).dim())
}

fn source_row(row: &SourceRow<'_>) -> Row<'static> {
    let color = match row.condition {
        SourceCondition::Reported(SourceState::Live) => Color::Green,
        SourceCondition::Reported(SourceState::Connecting) | SourceCondition::Unknown => {
            Color::Yellow
        }
        SourceCondition::Reported(SourceState::Paused) => Color::DarkGray,
        SourceCondition::Reported(SourceState::Stalled | SourceState::Failed)
        | SourceCondition::NoProcessor => Color::Red,
    };
    let fresh = row.age.is_some_and(|age| age <= FRESH_LIMIT);
    let event = row.event.filter(|_| fresh);
    let number = |value: Option<f32>, unit: &str| {
        value.map_or(String::new(), |value| format!("{value:.1}{unit}"))
    };
    let stream = row.status.map_or(String::new(), |status| {
        let figures = &status.metrics;
        let codec = figures.codec.clone().unwrap_or_default();
        match (figures.width, figures.height) {
            (Some(width), Some(height)) => format!("{codec} {width}x{height}"),
            _ => codec,
        }
    });
    let reason = row.status.and_then(|status| status.reason.as_ref());
    let sees = match (event, reason) {
        (Some(event), _) => event.summary(),
        (None, Some(reason)) => reason.message.clone(),
        (None, None) => String::new(),
    };
    Row::new(vec![
        Span::raw(row.id.to_string()),
        Span::styled(row.condition.as_str(), color),
        Span::raw(number(event.and_then(|event| event.fps), "")),
        Span::raw(number(event.and_then(|event| event.latency_ms), " ms")),
        Span::raw(row.age.map_or(String::new(), seconds)),
        Span::raw(stream),
        Span::raw(sees),
    ])
}

fn last_line(board: &Board) -> String {
    let mut line = "q quits".to_owned();
    if board.left_out() > 0 {
        line += &format!(
            "   {} messages not shown: too many sources or walls",
            board.left_out()
        );
    }
    if let (count @ 1.., last) = board.refused() {
        line += &format!(
            "   {count} malformed messages, last: {}",
            last.unwrap_or_default()
        );
    }
    line
}

/// Ready when q, Escape or Ctrl-C is pressed. A separate thread reads the keys, because reading blocks; it ends with the
/// process.
pub(super) fn quit_key() -> oneshot::Receiver<()> {
    let (quit, pressed) = oneshot::channel();
    std::thread::spawn(move || {
        while let Ok(event) = crossterm::event::read() {
            if quits(&event) {
                break;
            }
        }
        let _ = quit.send(());
    });
    pressed
}

fn quits(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind != KeyEventKind::Release
        && (control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::board::tests::{board, event, presence, status};
    use super::*;

    fn drawn(board: &Board, trouble: Option<&str>) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(100, 9)).expect("a terminal in memory");
        let header = Header {
            broker: "localhost:1883",
            trouble,
        };
        let now = Duration::from_millis(1200);
        terminal
            .draw(|frame| draw(frame, &header, board, now))
            .expect("it draws");
        let buffer = terminal.backend().buffer();
        (0..buffer.area.height)
            .map(|y| {
                let cells = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol());
                cells.collect::<String>().trim_end().to_owned()
            })
            .collect()
    }

    #[test]
    fn the_screen_shows_who_is_there_and_what_is_seen() {
        let board = board(&[
            presence(PresenceState::Online, "s1"),
            status(0, SourceState::Live, "s1"),
            event(0, &["person", "car", "person"]),
            status(1, SourceState::Failed, "s1"),
        ]);
        assert_eq!(
            drawn(&board, None),
            [
                "nvr watch  localhost:1883  connected",
                "",
                "ROLE       INSTANCE                     STATE    SINCE                 VERSION",
                "processor  box                          online   2025-10-25T10:30:00Z  0.1.0",
                "",
                "SOURCE STATE        FPS     LATENCY   AGE      STREAM           SEES",
                "0      live         25.3    120.5 ms  0.2 s    h264 1280x720    2 person, 1 car",
                "1      failed                                  h264 1280x720    camera 1 answers 401",
                "q quits",
            ]
        );
    }

    #[test]
    fn a_missing_broker_stands_in_the_title() {
        let lines = drawn(&Board::default(), Some("can't reach it"));
        assert_eq!(lines[0], "nvr watch  localhost:1883  can't reach it");
    }

    #[test]
    fn q_escape_and_control_c_quit() {
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        assert!(quits(&key(KeyCode::Char('q'), KeyModifiers::NONE)));
        assert!(quits(&key(KeyCode::Esc, KeyModifiers::NONE)));
        assert!(quits(&key(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        assert!(!quits(&key(KeyCode::Char('c'), KeyModifiers::NONE)));
    }
}
