//! A box from power-on to a picture: the image of `tools/lib/boot.sh` in a virtual machine, whose cameras and broker are on this machine.
//! `tools/test boot` runs it; docs/building.md describes it.
#![expect(
    clippy::print_stdout,
    reason = "how long the start took, and how many power cuts there were, is what the runs are for"
)]

mod cuts;
mod outside;
mod screens;

use std::time::Duration;

use crate::support::device::{Device, Disks, PATIENCE};
use outside::{ANALYSED, Outside};
use screens::{FIRST_PICTURE, shows_all, shows_offline, until_notice};

/// Longest repair of a processor that hangs: the agent's limit of 60 s, its end and its start.
const REPAIR: Duration = Duration::from_secs(240);

/// The process id of the box's processor.
fn processor(device: &mut Device) -> String {
    device.run("pgrep -f '^/usr/bin/nvr processor'").out
}

/// Waits for another processor than the one with the id `before`, and for boxes on the monitor again.
fn until_repaired(device: &mut Device, outside: &Outside, label: &str, before: &str) {
    device.until(label, REPAIR, |device| {
        let now = processor(device);
        match now.is_empty() || now == before {
            true => Err(format!("no other processor than {before}")),
            false => Ok(()),
        }
    });
    outside.until_event(device);
    device.until_shown(label, PATIENCE, |picture| shows_all(picture, true));
}

#[test]
#[ignore = "boots a virtual machine: `tools/test boot` runs it"]
fn a_box_is_set_up_by_a_stick_configured_from_a_desk_and_outlives_crashes_and_power_cuts() {
    let (outside, disks) = (Outside::new(), Disks::new());
    outside.write_fleet(false);
    let mut device = Device::power_on("box", &disks, true);
    let unset = [
        "NOT SET UP",
        "device nvr-",
        "address 10.0.2.15",
        "next: plug in a USB stick",
    ];
    until_notice(&mut device, "not-set-up", FIRST_PICTURE, &unset);

    // A stick with faults changes nothing but the screen.
    let wrong = disks.stick("wrong", &outside.provisioning(true));
    device.plug_in(&wrong);
    let told = [
        "NOT SET UP",
        "device nvr-",
        "address 10.0.2.15",
        "problem: nvr-provision.toml: mqtt.port: ",
        "problem: nvr-provision.toml: colour: unknown key",
        "next: correct the file",
    ];
    until_notice(&mut device, "wrong-stick", PATIENCE, &told);
    device.pull_out(&wrong);
    assert_eq!(wrong.files(), ["nvr-provision.toml"]);

    let stick = disks.stick("right", &outside.provisioning(false));
    device.plug_in(&stick);
    outside.until_online(&mut device);
    device.pull_out(&stick);
    assert_eq!(
        stick.files(),
        Vec::<String>::new(),
        "its passwords are left on the stick"
    );

    outside.apply();
    device.until_shown("configured", PATIENCE, |picture| shows_all(picture, false));
    let event = outside.until_event(&mut device);
    assert_eq!(event["source_id"], ANALYSED);
    assert_eq!(
        (&event["frame_width"], &event["frame_height"]),
        (&320.into(), &240.into())
    );

    // The next document changes the picture.
    outside.write_fleet(true);
    outside.apply();
    device.until_shown("changed", PATIENCE, |picture| shows_all(picture, true));

    // The processor is not root, and is started again after a crash, and when it hangs.
    let before = processor(&mut device);
    assert_eq!(device.ok(&format!("ps -o user= -p {before}")), "nvr\n");
    device.ok(&format!("kill -KILL {before}"));
    until_repaired(&mut device, &outside, "after-crash", &before);
    let before = processor(&mut device);
    device.ok(&format!("kill -STOP {before}"));
    until_repaired(&mut device, &outside, "after-hang", &before);
    device.cut_power();

    // No network, no broker, no camera: the last configuration is on the screen all the same.
    let mut device = Device::power_on("box-offline", &disks, false);
    device.until_shown("offline", FIRST_PICTURE, shows_offline);
    // The fault is the box's own, and it says so.
    device.ok("journalctl -b -u nvr-agent.service | grep -q 'this machine has no route to it'");
    report(&mut device);
    device.plug_cable(true);
    device.until_shown("online-again", PATIENCE * 2, |picture| {
        shows_all(picture, true)
    });
    outside.until_event(&mut device);
    outside.until_online(&mut device);
}

/// Prints the time of the first picture, the present time and the age of the kernel in seconds. The first is that in the line of the log:
/// the journal's own times are those of the reception.
const FIRST_PICTURE_AT: &str = "iso=$(journalctl -b -o cat -u nvr-agent.service | grep -m 1 'first picture is on the display' \
     | grep -o '[0-9-]*T[0-9:.]*Z') && date +%s.%N -d \"$iso\" && date +%s.%N && cut -d ' ' -f 1 /proc/uptime";
/// The memory of the agent in kB.
const AGENT_MEMORY: &str = "grep -E '^(Rss|Pss|Private_Dirty):' /proc/$(pgrep -f '^/usr/bin/nvr agent')/smaps_rollup \
     | tr -s ' \\n' ' '";

/// Prints how long the start took, of the whole and of ours, and what the agent needs.
fn report(device: &mut Device) {
    let whole = device.age().as_secs_f64();
    let agent = "systemctl show --value -p ExecMainStartTimestampMonotonic nvr-agent.service";
    let [agent] = numbers(device, agent);
    let [at, now, age] = numbers(device, FIRST_PICTURE_AT);
    let (agent, picture) = (agent / 1e6, age - (now - at));
    let ours = picture - agent;
    println!("power-on to the last configuration on the monitor: {whole:.1} s");
    println!("start of the kernel to the first picture: {picture:.1} s; of the agent: {ours:.1} s");
    println!("memory of the agent: {}", device.ok(AGENT_MEMORY));
    let chain = "systemd-analyze time && systemd-analyze critical-chain nvr-agent.service";
    println!("{}", device.ok(chain));
}

/// The numbers that a command in the box prints.
fn numbers<const COUNT: usize>(device: &mut Device, line: &str) -> [f64; COUNT] {
    let told = device.ok(line);
    let numbers: Vec<f64> = told
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    numbers
        .try_into()
        .unwrap_or_else(|_| panic!("`{line}`: {told}"))
}
