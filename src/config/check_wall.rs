//! The checks of the wall's settings, except those of its monitors (`check_head.rs`).

use std::path::{Path, PathBuf};

use super::check::Checker;
use super::document::Document;
use super::layers::StreamSelection;
use super::problem::Problems;
use super::{DailySpan, Environment, RawSettings, WallSettings};
use crate::base::Size;

/// Maximum length of an MQTT topic filter in bytes.
const LONGEST_FILTER: usize = 65_535;

impl Default for WallSettings {
    /// The checked defaults of the raw settings.
    fn default() -> Self {
        let mut checker = Checker {
            document: &Document::default(),
            environment: &Environment::default(),
            base: Path::new(""),
            for_wall: false,
            on_this_machine: true,
            problems: &mut Problems::default(),
            warnings: Vec::new(),
        };
        checker.wall(&RawSettings::default(), None)
    }
}

impl Checker<'_> {
    /// The wall's settings. A processor checks only their form, because its cameras and readable secrets may differ from
    /// those of the wall.
    pub(super) fn wall(
        &mut self,
        raw: &RawSettings,
        selection: Option<&StreamSelection>,
    ) -> WallSettings {
        let wall = &raw.wall;
        let layouts = self.layouts(raw);
        if let Some(name) = &wall.name {
            self.name("wall.name", name);
        }
        self.filled("wall.card", wall.card.as_deref());
        if wall
            .alarm_classes
            .iter()
            .any(|class| class.trim().is_empty())
        {
            self.report("wall.alarm_classes", "contains an empty class name");
        }
        let delay_budget = self.within("wall", wall.delay_budget());
        let (retry_first, retry_longest) =
            self.retry_waits("wall", wall.retry_first, wall.retry_longest());
        let tile_width = self.within("wall", wall.tile_width());
        let tile_height = self.within("wall", wall.tile_height());
        WallSettings {
            name: wall.name.clone(),
            clock: wall.clock,
            output: wall.output,
            card: wall.card.clone(),
            heads: self.heads(raw, selection, &layouts),
            tile: Size::new(tile_width as u32, tile_height as u32),
            fit: wall.fit,
            sync: wall.sync,
            delay_budget,
            reference_time: wall.reference_time,
            detection_ttl: self.within("wall", wall.detection_ttl()),
            box_thickness: self.within("wall", wall.box_thickness()) as u32,
            label_font_scale: self.within("wall", wall.label_font_scale()) as f32,
            display_name: wall.display_name,
            display_fps: wall.display_fps,
            display_latency: wall.display_latency,
            stale_after: self.within("wall", wall.stale_after()),
            max_fps: self.within("wall", wall.max_fps()),
            alarm_classes: wall.alarm_classes.clone(),
            alarm_hold: self.within("wall", wall.alarm_hold()),
            page_time: self.within("wall", wall.page_time()),
            topic_pattern: self.topic_filter(wall.topic_pattern.as_deref()),
            http: self.address("wall.http", wall.http.as_deref()),
            http_token: self.token(raw),
            snapshot: self.picture(wall.snapshot.as_deref()),
            monitor_off: self.monitor_off(wall.monitor_off.as_deref()),
            notice: wall.notice.clone(),
            stage_limit: self.within("wall", wall.stage_limit()),
            retry_first,
            retry_longest,
            watchdog: wall.watchdog,
        }
    }

    /// Reads the token, which is required if the page is served outside loopback.
    fn token(&mut self, raw: &RawSettings) -> Option<super::Secret> {
        if !self.for_wall {
            return None;
        }
        let wall = &raw.wall;
        let address: Option<std::net::SocketAddr> =
            wall.http.as_ref().and_then(|http| http.parse().ok());
        if let Some(address) = address
            && !address.ip().is_loopback()
            && wall.http_token.is_none()
        {
            self.report(
                "wall.http",
                format!(
                    "{address} can be reached from other machines and needs wall.http_token (or NVR_HTTP_TOKEN); \
                     without a token use loopback, 127.0.0.1:{}",
                    address.port()
                ),
            );
        }
        self.secret("wall.http_token", wall.http_token.as_ref())
    }

    fn topic_filter(&mut self, filter: Option<&str>) -> Option<String> {
        let filter = filter?;
        let levels: Vec<&str> = filter.split('/').collect();
        let last = levels.len() - 1;
        let is_filter = levels
            .iter()
            .enumerate()
            .all(|(index, level)| match *level {
                "+" => true,
                "#" => index == last,
                level => !level.contains(['+', '#', '\0']),
            });
        if !is_filter || !(1..=LONGEST_FILTER).contains(&filter.len()) {
            let message = format!(
                "must be a topic filter such as nvr/detections/#, with + for one level and # for all further levels, \
                 got `{}`",
                filter.chars().take(200).collect::<String>()
            );
            self.report("wall.topic_pattern", message);
        }
        Some(filter.to_owned())
    }

    fn picture(&mut self, path: Option<&str>) -> Option<PathBuf> {
        let path = Path::new(path?);
        let is_png = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        if !is_png {
            let message = format!("must be a file that ends in .png, got {}", path.display());
            self.report("wall.snapshot", message);
        }
        Some(path.to_path_buf())
    }

    fn monitor_off(&mut self, hours: Option<&str>) -> Option<DailySpan> {
        let hours = hours?;
        let span = parse_hours(hours);
        if span.is_none() {
            let message = format!("must be two different times such as 22:00-06:00, got `{hours}`");
            self.report("wall.monitor_off", message);
        }
        span
    }

    pub(super) fn filled(&mut self, path: &str, text: Option<&str>) {
        if text.is_some_and(|text| text.is_empty() || text.contains(char::is_whitespace)) {
            self.report(
                path,
                "must not be empty or contain a blank; remove the key for the default",
            );
        }
    }
}

/// `22:00-06:00`; midnight at the end may be 24:00.
fn parse_hours(text: &str) -> Option<DailySpan> {
    let minute = |time: &str| {
        let (hour, minute) = time.trim().split_once(':')?;
        let number = |text: &str, most: u16| {
            let is_plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            let number: u16 = text.parse().ok()?;
            (is_plain && number <= most).then_some(number)
        };
        let minutes = number(hour, 24)? * 60 + number(minute, 59)?;
        (minutes <= 24 * 60).then_some(minutes)
    };
    let (from, to) = text.split_once('-')?;
    let (from_minute, to_minute) = (minute(from)?, minute(to)? % (24 * 60));
    (from_minute < 24 * 60 && from_minute != to_minute).then_some(DailySpan {
        from_minute,
        to_minute,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_reach_over_midnight() {
        let span = |from_minute, to_minute| {
            Some(DailySpan {
                from_minute,
                to_minute,
            })
        };
        assert_eq!(parse_hours("22:00-06:00"), span(1320, 360));
        assert_eq!(parse_hours("00:30 - 24:00"), span(30, 0));
        for wrong in [
            "",
            "22-6",
            "22:00",
            "22:00-22:00",
            "24:00-06:00",
            "24:01-06:00",
            "+1:00-02:00",
            "00:00-24:00",
        ] {
            assert_eq!(parse_hours(wrong), None, "{wrong}");
        }
    }
}

#[cfg(test)]
#[path = "wall_tests.rs"]
mod settings_tests;
