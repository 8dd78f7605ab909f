use super::*;

const NV12: u32 = u32::from_le_bytes(*b"NV12");
const ALL_TURNS: u32 = 0x3f;

fn formats(codes: &[u32]) -> Vec<Format> {
    codes
        .iter()
        .map(|fourcc| Format {
            fourcc: *fourcc,
            modifiers: vec![0],
        })
        .collect()
}

fn plane(id: u32, kind: PlaneKind, crtcs: u32) -> PlaneFacts {
    PlaneFacts {
        id,
        kind,
        crtcs,
        formats: formats(&[ARGB8888, XRGB8888]),
        zpos: None,
        rotations: 0,
    }
}

fn at(zpos: u64, plane: PlaneFacts) -> PlaneFacts {
    PlaneFacts {
        zpos: Some(Zpos {
            value: zpos,
            min: zpos,
            max: zpos,
            mutable: false,
        }),
        ..plane
    }
}

fn movable(zpos: u64, max: u64, plane: PlaneFacts) -> PlaneFacts {
    PlaneFacts {
        zpos: Some(Zpos {
            value: zpos,
            min: 0,
            max,
            mutable: true,
        }),
        ..plane
    }
}

/// Two heads, each with a base window, one overlay window and a cursor.
fn orin() -> Vec<PlaneFacts> {
    (0..2)
        .flat_map(|head| {
            let id = 40 + head * 10;
            [
                movable(0, 2, plane(id, PlaneKind::Primary, 1 << head)),
                movable(1, 2, plane(id + 1, PlaneKind::Overlay, 1 << head)),
                PlaneFacts {
                    formats: formats(&[ARGB8888]),
                    ..plane(id + 2, PlaneKind::Cursor, 1 << head)
                },
            ]
        })
        .collect()
}

fn vkms() -> Vec<PlaneFacts> {
    let mut planes = vec![plane(32, PlaneKind::Primary, 1)];
    planes.extend((0..8).map(|index| plane(35 + index * 3, PlaneKind::Overlay, 1)));
    planes.push(plane(59, PlaneKind::Cursor, 1));
    for plane in &mut planes {
        plane.rotations = ALL_TURNS;
    }
    planes
}

fn virtio() -> Vec<PlaneFacts> {
    vec![PlaneFacts {
        formats: formats(&[XRGB8888]),
        ..plane(31, PlaneKind::Primary, 1)
    }]
}

/// Each CRTC has its primary, and two dozen further planes serve any of them.
fn raspberry_pi() -> Vec<PlaneFacts> {
    let mut planes: Vec<PlaneFacts> = (0..4)
        .map(|crtc| at(0, plane(60 + crtc, PlaneKind::Primary, 1 << crtc)))
        .collect();
    planes.extend((0..24).map(|index| {
        let mut overlay = movable(
            u64::from(index) + 1,
            127,
            plane(100 + index, PlaneKind::Overlay, 0b1111),
        );
        overlay.formats.extend(formats(&[NV12]));
        overlay.rotations = 0b11_0101;
        overlay
    }));
    planes
}

fn tiles(count: u32) -> Vec<Rect> {
    (0..count)
        .map(|index| Rect::new(index as i32 * 100, 0, 90, 90))
        .collect()
}

fn planned(planes: &[PlaneFacts], crtc: u32, pictures: &[Rect]) -> Vec<Proposal> {
    proposals(
        planes,
        PlaneRequest {
            crtc,
            rotation: Rotation::None,
            pictures,
        },
    )
}

fn named(proposals: &[Proposal]) -> Vec<String> {
    proposals.iter().map(ToString::to_string).collect()
}

fn parts(proposal: &Proposal) -> Vec<(u32, PlaneRole)> {
    proposal
        .assignments
        .iter()
        .map(|part| (part.plane, part.role))
        .collect()
}

#[test]
fn orins_one_overlay_window_goes_to_the_boxes() {
    let proposals = planned(&orin(), 1, &tiles(6));
    assert_eq!(
        named(&proposals),
        [
            "all tiles on the primary plane, boxes on a plane above",
            "everything on the primary plane"
        ]
    );
    assert_eq!(
        parts(&proposals[0]),
        [(50, PlaneRole::Base), (51, PlaneRole::Overlay)]
    );
    assert_eq!(proposals[0].assignments[1].fourcc, ARGB8888);
}

#[test]
fn vkms_carries_six_tiles_between_the_primary_and_the_boxes() {
    let proposals = planned(&vkms(), 0, &tiles(6));
    let mut expected = vec![(32, PlaneRole::Base)];
    expected.extend((0..6).map(|index| (35 + index * 3, PlaneRole::Picture(index as usize))));
    expected.push((56, PlaneRole::Overlay));
    assert_eq!(parts(&proposals[0]), expected);
    assert!(
        proposals[0]
            .assignments
            .iter()
            .all(|part| part.zpos.is_none())
    );
    assert_eq!(
        named(&proposals),
        [
            "6 tiles on separate planes, boxes on a plane above",
            "3 tiles on separate planes, boxes on a plane above",
            "1 tile on a separate plane, boxes on a plane above",
            "all tiles on the primary plane, boxes on a plane above",
            "everything on the primary plane",
        ]
    );
}

#[test]
fn where_tiles_outnumber_planes_the_largest_get_them() {
    let mut pictures = tiles(12);
    pictures[11] = Rect::new(0, 200, 900, 500);
    let proposals = planned(&vkms(), 0, &pictures);
    assert_eq!(proposals[0].pictures(), 7);
    assert!(parts(&proposals[0]).contains(&(53, PlaneRole::Picture(11))));
}

#[test]
fn virtio_has_its_primary_alone() {
    let proposals = planned(&virtio(), 0, &tiles(4));
    assert_eq!(named(&proposals), ["everything on the primary plane"]);
    assert_eq!(parts(&proposals[0]), [(31, PlaneRole::Base)]);
}

#[test]
fn a_raspberry_pis_planes_are_stacked_by_their_positions() {
    let proposals = planned(&raspberry_pi(), 2, &tiles(9));
    let first = &proposals[0];
    assert_eq!(first.pictures(), 9);
    assert_eq!(first.assignments[0].plane, 62);
    assert_eq!(first.assignments[0].zpos, None);
    let positions: Vec<u64> = first.assignments[1..]
        .iter()
        .filter_map(|part| part.zpos)
        .collect();
    assert_eq!(positions, (1..=10).collect::<Vec<u64>>());
    assert_eq!(
        first.assignments.last().map(|part| part.role),
        Some(PlaneRole::Overlay)
    );
}

#[test]
fn planes_turn_the_picture_only_where_all_of_them_can() {
    let half = |planes: &[PlaneFacts]| {
        let request = PlaneRequest {
            crtc: 0,
            rotation: Rotation::Half,
            pictures: &[],
        };
        proposals(planes, request)
            .iter()
            .map(|proposal| (proposal.has_overlay(), proposal.turned_by_planes))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        half(&vkms()),
        [(true, true), (true, false), (false, true), (false, false)]
    );
    // The Pi's primary planes are described without the property.
    assert_eq!(half(&raspberry_pi()), [(true, false), (false, false)]);
}

#[test]
fn a_plane_below_the_primary_or_without_alpha_is_no_overlay() {
    let mut planes = vec![
        at(1, plane(31, PlaneKind::Primary, 1)),
        at(0, plane(32, PlaneKind::Overlay, 1)),
    ];
    assert_eq!(
        named(&planned(&planes, 0, &[])),
        ["everything on the primary plane"]
    );
    planes.push(PlaneFacts {
        formats: formats(&[XRGB8888, NV12]),
        ..at(2, plane(33, PlaneKind::Overlay, 1))
    });
    assert_eq!(
        named(&planned(&planes, 0, &[])),
        ["everything on the primary plane"]
    );
}

#[test]
fn a_crtc_without_a_linear_primary_has_nothing() {
    let mut planes = virtio();
    planes[0].formats[0].modifiers = vec![0x0300_0000_0000_0001];
    assert_eq!(planned(&planes, 0, &[]), []);
    assert_eq!(planned(&virtio(), 3, &[]), []);
}

#[test]
fn rotation_bits_count_counter_clockwise() {
    assert_eq!(rotation_bit(Rotation::Quarter), 0b1000);
    assert_eq!(rotation_bit(Rotation::ThreeQuarters), 0b0010);
}
