//! Sends a command to a device and waits for its answer.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::audit::{Act, Audit};
use super::{DeskError, Session, Signer};
use crate::bus::FleetTopic;
use crate::event::unix_time;
use crate::fleet::{Command, PayloadType, Response, Verb};

/// A command to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRequest {
    /// The device.
    pub device: String,
    /// What it does.
    pub verb: Verb,
    /// Arguments as `NAME=VALUE`.
    pub args: Vec<String>,
    /// Maximum time until the answer. The device does not obey later.
    pub limit: Duration,
}

/// The arguments `NAME=VALUE` as JSON: numbers are numbers, everything else is text.
///
/// # Errors
/// Names the argument without `=`.
pub fn parse_args(args: &[String]) -> Result<Map<String, Value>, String> {
    let parse = |arg: &String| {
        let (name, value) = arg
            .split_once('=')
            .ok_or_else(|| format!("must be NAME=VALUE, such as source=3, got `{arg}`"))?;
        let value = match value.parse::<u64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(value),
        };
        Ok((name.to_owned(), value))
    };
    args.iter().map(parse).collect()
}

/// Sends a command and waits for the answer with its id. `session` follows presence and responses of the device.
///
/// # Errors
/// When an argument is not valid, the device is not online, or it does not answer in time.
pub async fn command(
    session: &mut Session,
    request: &CommandRequest,
    signer: &Signer,
    audit: &Audit,
) -> Result<Response, DeskError> {
    let device = &request.device;
    let id = format!("{:016x}", fastrand::u64(..));
    let command = checked(request, &id)?;
    let is_online = session
        .views()
        .get(device)
        .is_some_and(|view| view.is_online());
    if !is_online {
        let message =
            format!("{device} is not online; a command reaches only devices that are connected");
        return Err(DeskError::Missing(message));
    }
    let message = signer.message(PayloadType::Command, command.to_json());
    audit.write(&[Act {
        act: "command",
        device: Some(device.clone()),
        detail: Some(
            format!("{} {}", request.verb.as_str(), request.args.join(" "))
                .trim()
                .to_owned(),
        ),
        ..Act::default()
    }])?;
    if !session.send(device, FleetTopic::Command, message) {
        let message = format!(
            "no connection to the broker {}; send the command again",
            session.broker()
        );
        return Err(DeskError::Device(message));
    }
    let deadline = Instant::now() + request.limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(Some(seen)) = tokio::time::timeout(left, session.next()).await else {
            let limit = humantime::format_duration(request.limit);
            let verb = request.verb.as_str();
            let message = format!("{device} has not answered {verb} within {limit}");
            return Err(DeskError::Missing(message));
        };
        if seen.document != FleetTopic::Response {
            continue;
        }
        match Response::from_json(&seen.payload) {
            Ok(response) if response.id == id => return Ok(response),
            _ => {}
        }
    }
}

/// The command, checked as the device checks it.
fn checked(request: &CommandRequest, id: &str) -> Result<Command, DeskError> {
    let usage = |message: String| DeskError::Usage(message);
    let mut document = Map::new();
    document.insert("id".to_owned(), id.into());
    document.insert("verb".to_owned(), request.verb.as_str().into());
    document.insert("device".to_owned(), request.device.as_str().into());
    let expires = unix_time(crate::base::unix_now() + request.limit);
    document.insert("expires".to_owned(), expires.to_string().into());
    let args = parse_args(&request.args).map_err(usage)?;
    if !args.is_empty() {
        document.insert("args".to_owned(), Value::Object(args));
    }
    let payload = Value::Object(document).to_string();
    Command::read(payload.as_bytes()).map_err(|refused| usage(refused.errors.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(verb: Verb, args: &[&str]) -> CommandRequest {
        CommandRequest {
            device: "a".to_owned(),
            verb,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            limit: Duration::from_secs(5),
        }
    }

    #[test]
    fn arguments_are_those_of_the_verb() {
        let command =
            checked(&request(Verb::Logs, &["lines=50", "role=wall"]), "1").expect("valid");
        assert_eq!(command.args.lines, Some(50));
        assert_eq!(command.device.as_deref(), Some("a"));
        assert!(command.expires.is_some());
        for (verb, args, told) in [
            (
                Verb::Ping,
                "lines=50",
                "args.lines: ping does not take it (unknown-field)",
            ),
            (
                Verb::Logs,
                "lines=0",
                "args.lines: must be 1 to 1000, got 0 (bad-value)",
            ),
            (
                Verb::Logs,
                "lines",
                "must be NAME=VALUE, such as source=3, got `lines`",
            ),
        ] {
            let error = checked(&request(verb, &[args]), "1").expect_err(args);
            assert_eq!(
                (error.to_string().as_str(), error.exit()),
                (told, super::super::Exit::Usage)
            );
        }
    }
}
