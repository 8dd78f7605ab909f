//! Tests of the file's structure.

use super::*;

fn parse(text: &str) -> Result<FleetFile, Vec<String>> {
    FleetFile::parse(text, Path::new("fleet.toml"))
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

const GOOD: &str = r#"
[broker]
host = "broker.example"
[vars]
site = "north"
[defaults]
role = "processor"
[group.gates.processor.processor]
confidence = 0.4
[[device]]
id = "gate-1"
groups = ["gates"]
vars = { cam_host = "10.0.1.20" }
[[device]]
id = "gate-2"
"#;

#[test]
fn a_fleet_has_devices_groups_and_variables() {
    let fleet = parse(GOOD).expect("valid");
    let ids: Vec<&str> = fleet.devices.iter().map(|device| &*device.id).collect();
    assert_eq!(ids, ["gate-1", "gate-2"]);
    assert_eq!(fleet.devices[0].groups, ["gates"]);
    assert_eq!(fleet.vars["site"], "north");
    let broker = fleet.broker(&MqttFlags::default(), &Environment::default());
    assert_eq!(broker.expect("valid").host, "broker.example");
}

#[test]
fn every_problem_is_told_with_its_line() {
    let told = parse(
        r#"
[broke]
[vars]
Site = 1
device = "x"
[defaults]
generation = 3
rolle = "wall"
[group.gates]
vars = { a = [1], b = "{a}" }
[[device]]
id = "gate 1"
[[device]]
id = "gate-2"
groups = ["gate", 5]
[[device]]
id = "gate-2"
[[device]]
"#,
    )
    .expect_err("many problems");
    assert_eq!(
        told,
        [
            "broke: unknown key; did you mean `broker`? known are broker, vars, defaults, group, device [fleet.toml:2:2]",
            "vars.Site: is no name of a variable: a lower-case letter, then letters, digits and `_` [fleet.toml:4:1]",
            "vars.device: is the id of the device; choose another name [fleet.toml:5:1]",
            "defaults.generation: is set by the desk in each document; remove the key [fleet.toml:7:1]",
            "defaults.rolle: unknown key; did you mean `role`? known are vars, role, processor, wall, models, overcommit, probation, not_before, not_after, firmware, keys, decommission [fleet.toml:8:1]",
            "group.gates.vars.a: must be a text, a number, true or false [fleet.toml:10:10]",
            "group.gates.vars.b: a variable can't refer to another one; write its value without { and } [fleet.toml:10:19]",
            "device[0].id: must be 1 to 64 letters, digits, `-`, `_` and `.`, got `gate 1` [fleet.toml:12:1]",
            "device[1].groups[0]: there is no group `gate`; did you mean `gates`? add [group.gate] [fleet.toml:15:11]",
            "device[1].groups[1]: must be the name of a group [fleet.toml:15:19]",
            "device[2].id: the device `gate-2` is already at fleet.toml:13:1; ids must be unique [fleet.toml:17:1]",
            "device[3]: needs an `id`, the id of the device [fleet.toml:18:1]",
        ]
    );
}

#[test]
fn values_of_other_types_are_told_once() {
    let told = parse("vars = 1\ndefaults = 2\ngroup = 3\ndevice = 4\n").expect_err("types");
    assert_eq!(
        told,
        [
            "vars: must be a table [fleet.toml:1:1]",
            "defaults: must be a table [fleet.toml:2:1]",
            "group: must be a table [fleet.toml:3:1]",
            "device: must be a list: write [[device]] [fleet.toml:4:1]",
        ]
    );
    let told = parse("device = [5]\n").expect_err("no table");
    assert_eq!(told, ["device[0]: must be a table [fleet.toml:1:11]"]);
}

#[test]
fn devices_are_selected_by_id_and_by_group() {
    let fleet = parse(GOOD).expect("valid");
    let select = |devices: &[&str], groups: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let selection = Selection {
            devices: owned(devices),
            groups: owned(groups),
        };
        fleet
            .select(&selection)
            .map(|found| found.iter().map(|one| one.id.clone()).collect::<Vec<_>>())
            .map_err(|error| error.to_string())
    };
    assert_eq!(select(&[], &[]), Ok(vec!["gate-1".into(), "gate-2".into()]));
    assert_eq!(select(&["gate-2"], &[]), Ok(vec!["gate-2".into()]));
    assert_eq!(select(&[], &["gates"]), Ok(vec!["gate-1".into()]));
    assert_eq!(
        select(&["gate-3"], &[]),
        Err(
            "fleet.toml has no device `gate-3`; did you mean `gate-1`? `nvr fleet lint` lists them"
                .into()
        )
    );
    assert_eq!(
        select(&[], &["gate"]),
        Err("fleet.toml has no group `gate`; did you mean `gates`? known are gates".into())
    );
}
