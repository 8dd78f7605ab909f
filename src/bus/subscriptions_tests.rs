//! Tests of `subscriptions.rs`.

use super::*;

/// The queued requests: `+filter` or `-filter`.
fn handed_over(queue: &mut mpsc::Receiver<Request>) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(request) = queue.try_recv() {
        match request {
            Request::Subscribe(filters) => {
                all.extend(filters.into_iter().map(|(filter, _)| format!("+{filter}")));
            }
            Request::Unsubscribe(filters) => {
                all.extend(filters.into_iter().map(|filter| format!("-{filter}")));
            }
            other => panic!("{other:?}"),
        }
    }
    all
}

fn granted(filters: &[String]) -> Vec<(String, u8)> {
    filters
        .iter()
        .map(|filter| (filter.trim_start_matches('+').to_owned(), 1))
        .collect()
}

fn texts(filters: &[&str]) -> Vec<String> {
    filters.iter().map(|filter| (*filter).to_owned()).collect()
}

fn message(topic: &str) -> Message {
    Message {
        topic: topic.to_owned(),
        payload: Vec::new(),
        retained: false,
    }
}

#[test]
fn many_filters_are_asked_for_in_portions_each_after_the_answer_to_the_last() {
    let (sender, mut queue) = mpsc::channel(16);
    let mut all = Subscriptions::default();
    let topics: Vec<String> = (10..30).map(|id| format!("s/{id}")).collect();
    let subscription = all.add(topics, Delivery::AtLeastOnce, 4);
    let mut asked = Vec::new();
    for portion in [8, 8, 4] {
        all.flush(&sender);
        all.flush(&sender);
        let handed_over = handed_over(&mut queue);
        assert_eq!(handed_over.len(), portion);
        assert!(!subscription.is_answered());
        all.answered(granted(&handed_over));
        asked.extend(handed_over);
    }
    all.flush(&sender);
    assert!(handed_over(&mut queue).is_empty());
    assert!(subscription.is_answered());
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), 20, "each once");
    all.connected();
    assert!(
        !subscription.is_answered(),
        "a new connection, a new answer"
    );
    all.flush(&sender);
    assert_eq!(handed_over(&mut queue).len(), 8);
}

#[test]
fn a_change_asks_for_the_difference_only() {
    let (sender, mut queue) = mpsc::channel(16);
    let mut all = Subscriptions::default();
    let mut subscription = all.add(texts(&["a", "b"]), Delivery::AtLeastOnce, 4);
    all.flush(&sender);
    all.answered(granted(&handed_over(&mut queue)));
    all.change(subscription.id, texts(&["b", "c/+"]));
    all.flush(&sender);
    let handed_over = handed_over(&mut queue);
    assert_eq!(handed_over, ["-a", "+c/+"]);
    for topic in ["a", "b", "c/1", "d"] {
        all.dispatch(&message(topic));
    }
    assert_eq!(subscription.try_recv(), Some(message("b")));
    assert_eq!(subscription.try_recv(), Some(message("c/1")));
    assert_eq!(subscription.try_recv(), None);
}

#[test]
fn an_ended_subscription_is_taken_from_the_broker_unless_another_has_its_filter() {
    let (sender, mut queue) = mpsc::channel(16);
    let mut all = Subscriptions::default();
    let first = all.add(texts(&["f"]), Delivery::AtMostOnce, 1);
    all.flush(&sender);
    assert_eq!(handed_over(&mut queue), ["+f"]);
    all.answered(granted(&texts(&["f"])));
    let second = all.add(texts(&["f"]), Delivery::AtMostOnce, 1);
    all.flush(&sender);
    assert_eq!(
        handed_over(&mut queue),
        ["+f"],
        "for what is retained there"
    );
    all.answered(granted(&texts(&["f"])));
    drop(first);
    all.flush(&sender);
    assert!(handed_over(&mut queue).is_empty());
    drop(second);
    all.flush(&sender);
    assert_eq!(handed_over(&mut queue), ["-f"]);
}

#[test]
fn a_refused_filter_is_named_and_waited_for_no_longer() {
    let mut all = Subscriptions::default();
    let subscription = all.add(texts(&["a", "b"]), Delivery::AtLeastOnce, 1);
    let answers = vec![("a".to_owned(), 1), ("b".to_owned(), 0x80)];
    assert_eq!(all.answered(answers), ["b"]);
    assert!(subscription.is_answered());
}

#[test]
fn a_reader_that_does_not_read_loses_messages_and_is_told_how_many() {
    let mut all = Subscriptions::default();
    let mut subscription = all.add(texts(&["f/+"]), Delivery::AtMostOnce, 2);
    for number in 0..5u8 {
        all.dispatch(&Message {
            payload: vec![number],
            ..message("f/1")
        });
    }
    all.dispatch(&message("g/1"));
    assert_eq!(subscription.try_recv().expect("it fits").payload, [0]);
    assert_eq!(subscription.try_recv().expect("it fits").payload, [1]);
    assert_eq!(subscription.try_recv(), None);
    assert_eq!(subscription.overrun(), 3);
}
