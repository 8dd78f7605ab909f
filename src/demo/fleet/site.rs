//! The files of the demonstration: the identities of two boxes, and the file of the fleet.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use tempfile::TempDir;

use super::options::FleetDemoOptions;
use crate::config::Backend;

/// The box with the processor.
const PROCESSOR: &str = "yard-box";
/// The box with the wall.
pub(super) const WALL: &str = "wall-box";
/// The boxes.
pub(super) const BOXES: [&str; 2] = [PROCESSOR, WALL];

/// The folder and the ports of the demonstration. The folder is removed with it.
pub(super) struct Site {
    folder: TempDir,
    pub(super) mqtt_port: u16,
    pub(super) rtsp_port: u16,
    pub(super) http: SocketAddr,
    /// Tiles in a row.
    columns: u32,
    model: Option<String>,
    backend: Option<Backend>,
}

impl Site {
    pub(super) fn new(options: &FleetDemoOptions) -> std::io::Result<Self> {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self {
            folder: tempfile::Builder::new().prefix("nvr-fleet-").tempdir()?,
            mqtt_port: free(local(options.mqtt_port))?.port(),
            rtsp_port: free(local(options.rtsp_port))?.port(),
            http: free(options.http)?,
            // As many columns as rows: four cameras as 2×2.
            columns: f64::from(options.cameras + 1).sqrt().ceil() as u32,
            model: options.model.clone(),
            backend: options.backend,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The arguments for the cameras: one more than the fleet has at first.
    pub(super) fn cameras(&self, options: &FleetDemoOptions) -> Vec<String> {
        let mut args = ["testcam", "--port"].map(str::to_owned).to_vec();
        args.push(self.rtsp_port.to_string());
        args.extend(["--n".to_owned(), (options.cameras + 1).to_string()]);
        let files = options.files.iter();
        args.extend(files.map(|file| file.display().to_string()));
        args
    }

    /// Writes the identity of each box.
    pub(super) fn write_boxes(&self) -> std::io::Result<()> {
        for name in BOXES {
            let text = format!(
                "device = \"{name}\"\n[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n",
                self.mqtt_port
            );
            let folder = self.folder().join(name);
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("device.toml"), text)?;
        }
        Ok(())
    }

    /// What the file of the fleet says of so many cameras, in a line.
    pub(super) fn about(&self, cameras: u32) -> String {
        format!("{PROCESSOR} analyses {cameras} cameras, {WALL} shows them")
    }

    /// Writes the file of the fleet, with the first so many cameras.
    pub(super) fn write_fleet(&self, cameras: u32) -> std::io::Result<()> {
        std::fs::write(self.folder().join("fleet.toml"), self.fleet(cameras))
    }

    fn fleet(&self, cameras: u32) -> String {
        let list = |role: &str| -> String {
            let camera = |id| {
                format!(
                    "[[device.{role}.camera]]\nid = {id}\nuri = \"rtsp://127.0.0.1:{}/live{id}.stream\"\n",
                    self.rtsp_port
                )
            };
            (0..cameras).map(camera).collect()
        };
        let mut detector = String::new();
        if let Some(model) = &self.model {
            detector += &format!("model = {}\n", serde_json::json!(model));
        }
        if let Some(backend) = self.backend {
            detector += &format!("backend = {}\n", serde_json::json!(backend));
        }
        format!(
            "\
[broker]
host = \"127.0.0.1\"
port = {}

[defaults]
probation = {{ limit = \"5s\" }}

[[device]]
id = \"{PROCESSOR}\"
role = \"processor\"
[device.processor.processor]
{detector}{}
[[device]]
id = \"{WALL}\"
role = \"wall\"
[device.wall.wall]
output = \"headless\"
http = \"{}\"
[[device.wall.wall.head]]
grid_columns = {}
{}",
            self.mqtt_port,
            list("processor"),
            self.http,
            self.columns,
            list("wall")
        )
    }
}

/// The address, with another port if its own is in use.
fn free(wanted: SocketAddr) -> std::io::Result<SocketAddr> {
    let any = SocketAddr::new(wanted.ip(), 0);
    TcpListener::bind(wanted)
        .or_else(|_| TcpListener::bind(any))?
        .local_addr()
}
