//! Stream servers: the published short form of cameras, `{server}/live{id}.stream`. A wall of several sites has a server
//! for each range of ids.

use serde_json::{Value, json};

use super::problem::Problems;
use super::{Location, UriText, without_secrets};
use crate::base::{SourceId, parse_id_list};

const DEFAULT_SERVER: &str = "rtsp://localhost:8554";
const DEFAULT_PATH: &str = "live{id}.stream";

/// The stream servers of one layer with their ids.
pub(super) struct StreamServers {
    /// Servers with ids, which are sorted.
    of_ids: Vec<(Vec<SourceId>, UriText)>,
    fallback: Option<UriText>,
    /// `--stream-server` or its variable.
    pub(super) origin: String,
}

impl StreamServers {
    /// The default server.
    pub(super) fn published() -> Self {
        Self {
            of_ids: Vec::new(),
            fallback: Some(UriText::new(DEFAULT_SERVER)),
            origin: "default of --stream-server".to_owned(),
        }
    }

    /// Reads `rtsp://host` and `0-11=rtsp://host`, and reports invalid ones.
    pub(super) fn read(written: &[UriText], origin: String, problems: &mut Problems) -> Self {
        let mut servers = Self {
            of_ids: Vec::new(),
            fallback: None,
            origin,
        };
        for one in written {
            if let Err(message) = servers.add(one.reveal()) {
                problems.add("", Some(&servers.origin), message);
            }
        }
        servers
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        // An `=` further on belongs to the URL.
        let with_ids = text.split_once('=').filter(|(ids, _)| !ids.contains(':'));
        let Some((ids, url)) = with_ids else {
            check_server(text)?;
            if self.fallback.replace(UriText::new(text)).is_some() {
                return Err(
                    "two stream servers without ids; write 0-11=rtsp://host for one of them"
                        .to_owned(),
                );
            }
            return Ok(());
        };
        check_server(url)?;
        let ids = parse_id_list(ids)?;
        if let Some(id) = ids.iter().find(|id| self.server_of(**id).is_some()) {
            return Err(format!("stream {id} has two stream servers; give it one"));
        }
        self.of_ids.push((ids, UriText::new(url)));
        Ok(())
    }

    /// All ids that have a server, sorted.
    pub(super) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .of_ids
            .iter()
            .flat_map(|(ids, _)| ids)
            .map(|id| id.0)
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Cameras with these ids. `path` is the template of `--stream-path` and its origin.
    pub(super) fn cameras(
        &self,
        ids: &[u32],
        path: Option<(String, String)>,
        problems: &mut Problems,
    ) -> Vec<Value> {
        let (path, path_origin) = path.unwrap_or_else(|| (DEFAULT_PATH.to_owned(), String::new()));
        if ids.len() > 1 && !path.contains("{id}") {
            let message = format!(
                "`{}` is the same for every stream; put {{id}} in the place of the id",
                without_secrets(&path)
            );
            problems.add("", Some(&path_origin), message);
        }
        let mut without: Vec<String> = Vec::new();
        let mut cameras = Vec::new();
        for id in ids {
            match self.server_of(SourceId(*id)).or(self.fallback.as_ref()) {
                Some(server) => {
                    let server = server.reveal().trim_end_matches('/');
                    let path = path.replace("{id}", &id.to_string());
                    let uri = format!("{server}/{}", path.trim_start_matches('/'));
                    cameras.push(json!({ "id": id, "uri": uri }));
                }
                None => without.push(id.to_string()),
            }
        }
        // Without any server, a server was invalid, and that is already reported.
        let has_any = !self.of_ids.is_empty() || self.fallback.is_some();
        if has_any && !without.is_empty() {
            let message = format!(
                "no stream server has stream {}; add a server without ids for all other streams",
                without.join(", ")
            );
            problems.add("", Some(&self.origin), message);
        }
        cameras
    }

    fn server_of(&self, id: SourceId) -> Option<&UriText> {
        let (_, server) = self
            .of_ids
            .iter()
            .find(|(ids, _)| ids.binary_search(&id).is_ok())?;
        Some(server)
    }
}

/// Checks that this is the address of an RTSP server. The error does not quote a login.
fn check_server(url: &str) -> Result<(), String> {
    match UriText::new(url).parse(std::path::Path::new("")) {
        Ok((Location::Rtsp(_), _)) => Ok(()),
        Ok(_) => Err("a stream server is written rtsp://host:8554".to_owned()),
        Err(messages) => Err(format!("the stream server {}", messages.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(written: &[&str], ids: &[u32]) -> (Vec<String>, String) {
        let mut problems = Problems::default();
        let written: Vec<_> = written.iter().map(|text| UriText::new(*text)).collect();
        let servers = StreamServers::read(&written, "--stream-server".to_owned(), &mut problems);
        let cameras = servers.cameras(ids, None, &mut problems);
        let uris = cameras
            .iter()
            .map(|camera| camera["uri"].as_str().unwrap_or_default().to_owned())
            .collect();
        let told = problems.or(()).err().map(|problems| problems.to_string());
        (uris, told.unwrap_or_default())
    }

    #[test]
    fn each_range_has_its_server_and_the_rest_another() {
        let written = ["0-1=rtsp://a:8554/", "rtsp://c/?x=1", "7=rtsps://b"];
        let (uris, told) = uris(&written, &[1, 2, 7]);
        assert_eq!(told, "");
        assert_eq!(
            uris,
            [
                "rtsp://a:8554/live1.stream",
                "rtsp://c/?x=1/live2.stream",
                "rtsps://b/live7.stream"
            ]
        );
    }

    #[test]
    fn every_mistake_is_told_and_no_login_with_it() {
        let told = |written: &[&str], ids: &[u32]| uris(written, ids).1;
        assert_eq!(
            told(&["0-1=rtsp://a", "1-2=rtsp://b"], &[0]),
            "stream 1 has two stream servers; give it one [--stream-server]"
        );
        assert_eq!(
            told(&["rtsp://a", "rtsp://b"], &[0]),
            "two stream servers without ids; write 0-11=rtsp://host for one of them [--stream-server]"
        );
        assert_eq!(
            told(&["0=rtsp://a"], &[0, 1, 2]),
            "no stream server has stream 1, 2; add a server without ids for all other streams [--stream-server]"
        );
        assert_eq!(
            told(&["5-2=rtsp://a"], &[0]),
            "the range `5-2` runs backwards; write 2-5 [--stream-server]"
        );
        let refused = told(&["0=http://u:hunter2@a"], &[0]);
        assert!(
            refused.starts_with("the stream server scheme must be rtsp"),
            "{refused}"
        );
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
