//! The broker: the connection step by step, then the roles that are on it, and the differences of their clocks.

use std::time::Duration;

use super::{Emit, Line, Machine, State, peer_clocks};
use crate::bus::{ProbeStep, StepResult, probe_broker};

/// How long messages are collected. A processor publishes several per second for each camera.
const LISTEN: Duration = Duration::from_secs(4);

pub(super) fn check(machine: &Machine, emit: Emit<'_>) {
    let Some(mqtt) = &machine.config.mqtt else {
        emit(Line::warning(
            "broker",
            "not tested: the configuration can't be read",
            "correct the configuration, see above",
        ));
        return;
    };
    // Nobody may need the default broker.
    let unnamed = ", the default: no option and no configuration names one (--mqtt-host)";
    let (severity, note) = match machine.config.names_broker {
        true => (State::Fault, ""),
        false => (State::Warning, unnamed),
    };
    let found = format!("{}:{}{note}", mqtt.host, mqtt.port);
    emit(Line::ok("broker", found));
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let found = format!("this process gets no connection: {error}");
            let remedy = "free memory, and end programs that are not needed";
            emit(Line::fault("broker", found, remedy));
            return;
        }
    };
    let mut is_reached = true;
    let messages = runtime.block_on(probe_broker(mqtt, LISTEN, &mut |step| {
        is_reached &= step.outcome.is_ok();
        emit(step_line(&step, severity));
    }));
    // A name server that hangs must not delay the end.
    runtime.shutdown_background();
    if is_reached {
        let lines = peer_clocks::lines(&messages, LISTEN);
        lines.into_iter().for_each(emit);
    }
}

fn step_line(step: &StepResult, severity: State) -> Line {
    let what = match step.step {
        ProbeStep::Name => "broker: name",
        ProbeStep::Tcp => "broker: TCP",
        ProbeStep::Tls => "broker: TLS",
        ProbeStep::Login => "broker: login",
        ProbeStep::Subscription => "broker: subscription",
    };
    let took_ms = step.took.as_secs_f64() * 1e3;
    match &step.outcome {
        Ok(words) => Line::ok(what, format!("{words}, {took_ms:.0} ms")),
        Err(reason) => Line::of_error(severity, what, reason, "see the broker's log"),
    }
    .with_figure("took_ms", (took_ms * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::full;
    use super::*;

    #[test]
    fn a_step_that_fails_has_its_remedy() {
        let line = |step, outcome| {
            let took = Duration::from_millis(3);
            let reached = StepResult {
                step,
                took,
                outcome,
            };
            full(&step_line(&reached, State::Fault))
        };
        let refused = "can't reach b:1: refused; start it".to_owned();
        assert_eq!(
            line(ProbeStep::Tcp, Err(refused)),
            r#"Fault | broker: TCP | can't reach b:1: refused | start it {"took_ms": 3.0}"#
        );
        assert_eq!(
            line(ProbeStep::Name, Ok("b is ::1".to_owned())),
            r#"Ok | broker: name | b is ::1, 3 ms {"took_ms": 3.0}"#
        );
    }
}
