//! The broker of the configuration, reached step by step; then who is on it, and how far their clocks are from ours.

use std::time::Duration;

use super::check::Tell;
use super::patient::Patient;
use super::peers;
use super::report::{Line, State};
use crate::bus::{ProbeStep, StepResult, probe_broker};

/// How long messages are gathered: a processor publishes several a second of each camera that it analyses.
const LISTEN: Duration = Duration::from_secs(4);

pub(super) fn look(patient: &Patient, tell: Tell<'_>) {
    let Some(mqtt) = patient.config.mqtt() else {
        tell(Line::warning(
            "broker",
            "not looked at: the configuration does not say which",
            "correct the configuration, see above",
        ));
        return;
    };
    let named = patient.config.names_broker;
    // Nobody said that there should be one.
    let severity = if named { State::Fault } else { State::Warning };
    let whose = if named {
        ""
    } else {
        ", the default: nothing names one (--mqtt-host, a configuration)"
    };
    tell(Line::ok(
        "broker",
        format!("{}:{}{whose}", mqtt.host, mqtt.port),
    ));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let remedy = "free memory, and end what is not needed";
            tell(Line::fault(
                "broker",
                format!("this process gets no connection: {error}"),
                remedy,
            ));
            return;
        }
    };
    let mut well = true;
    let heard = runtime.block_on(probe_broker(mqtt, LISTEN, &mut |reached| {
        well &= reached.outcome.is_ok();
        tell(line(&reached, severity));
    }));
    // A name server that hangs must not keep us.
    runtime.shutdown_background();
    if well {
        peers::judge(&heard, LISTEN).into_iter().for_each(tell);
    }
}

fn line(reached: &StepResult, severity: State) -> Line {
    let what = match reached.step {
        ProbeStep::Name => "broker: name",
        ProbeStep::Tcp => "broker: TCP",
        ProbeStep::Tls => "broker: TLS",
        ProbeStep::Login => "broker: login",
        ProbeStep::Subscription => "broker: subscription",
    };
    let took_ms = reached.took.as_secs_f64() * 1e3;
    match &reached.outcome {
        Ok(words) => Line::ok(what, format!("{words}, {took_ms:.0} ms")),
        Err(reason) => Line::of_error(severity, what, reason, "see the broker's log"),
    }
    .with_figure("took_ms", (took_ms * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_has_its_remedy() {
        let reached = StepResult {
            step: ProbeStep::Tcp,
            took: Duration::from_millis(3),
            outcome: Err("can't reach b:1: refused; start it".to_owned()),
        };
        assert_eq!(
            line(&reached, State::Fault),
            Line::fault("broker: TCP", "can't reach b:1: refused", "start it")
                .with_figure("took_ms", 3.0)
        );
        let reached = StepResult {
            step: ProbeStep::Name,
            outcome: Ok("b is ::1".to_owned()),
            ..reached
        };
        assert_eq!(
            line(&reached, State::Fault),
            Line::ok("broker: name", "b is ::1, 3 ms").with_figure("took_ms", 3.0)
        );
    }
}
