//! Another process that has the role and the id of the box.

use super::stage::{Stage, codes, document, sources};
use crate::support::ports::free_port;

#[test]
fn a_role_whose_socket_another_process_holds_is_reported_with_that_process() {
    let mut stage = Stage::new();
    let mut settings = sources(&[9]);
    settings["instance_id"] = "box-1".into();
    settings["mqtt"] = serde_json::json!({"host": "127.0.0.1", "port": free_port()});
    let other = stage.processor(&settings);
    stage.flows(9);
    stage.start();
    let mut tried = document(1, sources(&[0]));
    tried["probation"]["limit"] = "60s".into();
    stage.desire(&tried);
    let reported = stage
        .reported(|reported| codes(&reported["warnings"]).contains(&"socket-taken".to_owned()));
    let warnings = reported["warnings"].as_array().into_iter().flatten();
    let mut taken = warnings.filter(|warning| warning["code"] == "socket-taken");
    let message = taken.next().map(|warning| warning["message"].to_string());
    let named = format!("process {}", other.id());
    assert!(message.is_some_and(|message| message.contains(&named)));
    // No request reaches it.
    let paused = stage.command(&serde_json::json!({"id": "1", "verb": "pause"}));
    assert_eq!(paused["error"]["code"], "failed", "{paused}");
    assert!(
        paused["error"]["message"].to_string().contains(&named),
        "{paused}"
    );
    stage.flows(9);
    // A probation that ends meanwhile fails for the same reason.
    stage.desire(&document(2, sources(&[0])));
    let reverted = stage.phase(2, "reverted");
    let errors = reverted["errors"].as_array().into_iter().flatten();
    let mut taken = errors.filter(|error| error["code"] == "socket-taken");
    let message = taken.next().map(|error| error["message"].to_string());
    assert!(
        message.is_some_and(|message| message.contains(&named)),
        "{reverted}"
    );
}
