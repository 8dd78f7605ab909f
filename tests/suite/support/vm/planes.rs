//! The planes of a card, out of the kernel's debugfs file `state`.

/// A plane as it is set at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plane {
    /// The kernel's number of it.
    pub(crate) id: u32,
    /// What it shows; nothing where it is off.
    pub(crate) shown: Option<Shown>,
}

/// What a plane shows, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The program that made the buffer, or `[fbcon]` for the console. The kernel keeps 15 characters of it.
    pub(crate) program: String,
    /// Its pixel format, `XR24` for one.
    pub(crate) format: String,
    /// Width, height and offset on the screen in pixels, as `1280x720+0+0`.
    pub(crate) place: String,
}

impl Plane {
    /// All planes in `state`, in its order.
    pub(super) fn all(state: &str) -> Vec<Self> {
        let mut planes: Vec<Self> = Vec::new();
        let mut in_plane = false;
        for line in state.lines() {
            if !line.starts_with(char::is_whitespace) {
                let id = line
                    .strip_prefix("plane[")
                    .and_then(|rest| rest.split(']').next())
                    .and_then(|id| id.parse().ok());
                in_plane = id.is_some();
                planes.extend(id.map(|id| Self { id, shown: None }));
            } else if let (true, Some(plane)) = (in_plane, planes.last_mut()) {
                plane.read(line.trim());
            }
        }
        planes
    }

    fn read(&mut self, line: &str) {
        let Some((key, value)) = line.split_once('=') else {
            return;
        };
        match (key.trim(), &mut self.shown) {
            ("fb", shown) if value != "0" => {
                *shown = Some(Shown {
                    program: String::new(),
                    format: String::new(),
                    place: String::new(),
                });
            }
            ("allocated by", Some(shown)) => value.trim().clone_into(&mut shown.program),
            // `XR24 little-endian (0x34325258)`
            ("format", Some(shown)) => value
                .split(' ')
                .next()
                .unwrap_or_default()
                .clone_into(&mut shown.format),
            ("crtc-pos", Some(shown)) => value.clone_into(&mut shown.place),
            _ => {}
        }
    }
}

#[test]
fn the_kernel_s_account_of_planes_is_read() {
    let state = "plane[32]: plane-0\n\tcrtc=crtc-0\n\tfb=40\n\t\tallocated by = [fbcon]\n\t\trefcount=2\n\
        \t\tformat=XR24 little-endian (0x34325258)\n\t\tsize=1280x720\n\tcrtc-pos=1280x720+0+0\n\
        plane[33]: plane-1\n\tcrtc=(null)\n\tfb=0\n\tcrtc-pos=0x0+0+0\ncrtc[34]: crtc-0\n\tenable=1\n";
    let shown = Shown {
        program: "[fbcon]".to_owned(),
        format: "XR24".to_owned(),
        place: "1280x720+0+0".to_owned(),
    };
    assert_eq!(
        Plane::all(state),
        [
            Plane {
                id: 32,
                shown: Some(shown)
            },
            Plane {
                id: 33,
                shown: None
            }
        ]
    );
}
