//! A fleet of many simulated devices: a rollout in stages, with a restart of the broker in its middle.

use std::time::{Duration, Instant};

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::process::Running;
use crate::support::site::Site;
use crate::support::wait::{until, until_true};

/// Longest step on a busy machine.
const STEP: Duration = Duration::from_secs(300);
/// More than the period of the broker's counters, 10 s.
const PERIOD: Duration = Duration::from_secs(12);
/// Longest time until they stand still.
const COUNTED: Duration = Duration::from_secs(90);

/// Largest resident memory of a process so far, in MB.
fn peak_mb(process: &Running) -> f64 {
    let path = format!("/proc/{}/status", process.id());
    let status = std::fs::read_to_string(path).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim_end_matches("kB").trim().parse().ok());
    kilobytes
        .map(|kilobytes: f64| kilobytes / 1024.0)
        .expect("VmHWM in kB")
}

/// Messages that the broker has sent, once it has counted more than `last` and the number stands still. It counts received ones of
/// QoS 0 alone.
fn sent(counted: &Running, last: u64) -> u64 {
    /// What its own topics cost.
    const NOISE: u64 = 50;
    let mut before: Option<(Instant, u64)> = None;
    until("the broker has counted", COUNTED, || {
        let lines = counted.out().all();
        let now: u64 = lines.last()?.split(' ').next_back()?.parse().ok()?;
        let is_near = |(_, seen): &(Instant, u64)| now.abs_diff(*seen) < NOISE;
        match before.filter(is_near) {
            Some((since, _)) if since.elapsed() > PERIOD && now > last + NOISE => Some(now),
            Some(_) => None,
            None => {
                before = Some((Instant::now(), now));
                None
            }
        }
    })
}

/// Starts a rollout and waits for its end, with a restart of the broker at a stage. Its largest memory in MB.
fn roll_out(site: &mut Site, restart_at: Option<u32>) -> f64 {
    let args = ["apply", "--batch", "10%", "--soak", "0s", "--timeout", "2m"];
    let mut desk = Running::start(site.command(&args));
    if let Some(stage) = restart_at {
        let begin = format!("stage {stage}: ");
        desk.out().find("a stage in the middle", STEP, |line| {
            line.starts_with(&begin)
        });
        site.broker.stop();
        site.broker.up();
    }
    desk.out().find("the last stage", STEP, |line| {
        line.starts_with("stage 11: ")
    });
    let peak = peak_mb(&desk);
    let ended = desk.end(STEP);
    let told = desk.out().settled().join("\n");
    assert_eq!(ended.code(), Some(0), "{told}");
    let all = format!("\n{} applied after ", site.devices);
    assert!(told.contains(&all), "{told}");
    peak
}

fn converge(devices: usize, is_counted: bool) {
    let setup = Setup {
        persistence: true,
        ..Setup::default()
    };
    let broker = Broker::start_with(Kind::Mosquitto, setup);
    let mut site = Site::on(broker, devices, "gate");
    let began = Instant::now();
    let simulated = site.simulate_all(&["--apply-time", "300ms"]);
    println!(
        "{devices} devices connected: {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let began = Instant::now();
    let desk_mb = roll_out(&mut site, Some(6));
    println!(
        "apply in 11 stages, the broker restarted at stage 6: {:.1} s, desk {desk_mb:.0} MB",
        began.elapsed().as_secs_f64()
    );
    until_true("every device is back", STEP, || site.applied(1) == devices);
    println!(
        "every device online with generation 1: {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let began = Instant::now();
    let (code, text) = site.run(&["status"]);
    println!("status: {:.2} s", began.elapsed().as_secs_f64());
    assert_eq!(code, 0, "{text}");
    // One camera each, at the rate of a simulated one.
    let live = text
        .lines()
        .filter(|line| line.ends_with("  1/1      25.0"));
    assert_eq!(live.count(), devices, "{text}");
    let counted = is_counted.then(|| site.broker.observe("$SYS/broker/publish/messages/sent"));
    let before = counted.as_ref().map_or(0, |counted| sent(counted, 0));
    site.write("yard");
    let began = Instant::now();
    roll_out(&mut site, None);
    println!(
        "apply again: {:.1} s, simulation {:.0} MB",
        began.elapsed().as_secs_f64(),
        peak_mb(&simulated)
    );
    if let Some(counted) = counted {
        let each = (sent(&counted, before) - before) as f64 / devices as f64;
        println!("messages from the broker per device: {each:.1}");
    }
    assert_eq!(site.applied(2), devices);
    let (_, text) = site.run(&["plan"]);
    let unchanged = format!("0 to change, {devices} unchanged\n");
    assert!(text.ends_with(&unchanged), "{text}");
}

#[test]
#[ignore = "takes minutes: `make test-long` runs it"]
fn a_thousand_devices_converge_over_a_restart_of_the_broker() {
    converge(1000, true);
}

#[test]
fn twenty_devices_converge_over_a_restart_of_the_broker() {
    converge(20, false);
}
