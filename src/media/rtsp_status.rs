//! The reason why a camera refused a request, by the status of its response.

use super::rtsp_end_context::EndContext;
use super::session_state::Failure;

/// The reason why a request was refused with this status.
pub(super) fn of_status(status: u32, context: &EndContext<'_>) -> Failure {
    let name = context.name;
    let path = context.shown_path();
    let answer = context
        .dialogue
        .refusal()
        .filter(|answer| answer.status == status);
    let (method, reason) = answer.map_or_else(
        || ("the request".to_owned(), String::new()),
        |answer| (answer.method, answer.reason),
    );
    let said = format!("{status} {reason}");
    let said = said.trim_end();
    match status {
        401 => unauthorized(said, context),
        _ if context.dialogue.refused_login() || context.dialogue.withheld_login().is_some() => {
            unauthorized(said, context)
        }
        300..=399 => Failure::new(
            "unreachable",
            format!(
                "{name} redirects {path} ({said}) to an address that can't be used; set the URI to where the stream is"
            ),
        ),
        403 => Failure::new(
            "permission",
            format!(
                "{name} does not allow this user to see {path} ({said}); check the user's rights"
            ),
        ),
        404 | 410 => Failure::new(
            "not-found",
            format!("{name} has no stream {path} ({said}); check the path of its URI"),
        ),
        454 => Failure::new(
            "ended",
            format!("{name} has ended the session and answered {method} with {said}"),
        ),
        453 | 503 => Failure::new(
            "busy",
            format!(
                "{name} has no capacity left ({said}); close other clients, or choose its substream"
            ),
        ),
        461 => Failure::new(
            "no-video",
            format!("{name} does not support this transport ({said}); change its transport"),
        ),
        _ => Failure::new(
            "unreachable",
            format!("{name} answered {method} for {path} with {said}"),
        ),
    }
}

fn unauthorized(said: &str, context: &EndContext<'_>) -> Failure {
    let name = context.name;
    let message = if let Some(schemes) = context.dialogue.unsupported_login() {
        format!(
            "{name} asks for {schemes} only ({said}), which is not supported; set it to Digest with MD5 or SHA-256, or to Basic"
        )
    } else if let Some(reason) = context.dialogue.withheld_login() {
        return reason.failure(name);
    } else if context.dialogue.refused_login() {
        format!("{name} refused the login ({said}); check its user name and password")
    } else if context.with_login {
        format!("{name} answered {said} and did not say which login it wants")
    } else {
        format!("{name} asks for a login ({said}); set its user name and password")
    };
    Failure::new("unauthorized", message)
}
