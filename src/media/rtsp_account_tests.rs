use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::config::Secret;

const HOUR: Duration = Duration::from_secs(3600);
const LONG: Duration = Duration::from_secs(20);

fn credentials(password: &str) -> Credentials {
    Credentials {
        username: Secret::new("viewer"),
        password: Secret::new(password),
    }
}

fn account(wait: Duration) -> Arc<Account> {
    let account = Account::new("recorder:554".to_owned(), credentials("x"), (wait, wait));
    Arc::new(account)
}

fn turn(account: &Arc<Account>, asked_at: Instant) -> Turn {
    account.turn(asked_at, LONG, || false)
}

fn attempt(account: &Arc<Account>, asked_at: Instant) -> LoginAttempt {
    match turn(account, asked_at) {
        Turn::Send(attempt) => attempt,
        Turn::Withhold(reason) => panic!("{reason:?}"),
    }
}

fn withheld(turn: Turn) -> Option<Withheld> {
    match turn {
        Turn::Send(_) => None,
        Turn::Withhold(reason) => Some(reason),
    }
}

#[test]
fn one_login_at_one_server_is_one_account() {
    let of = |server: &str, password| Account::of(server.to_owned(), credentials(password));
    let first = of("one-account:554", "a");
    assert!(Arc::ptr_eq(&first, &of("one-account:554", "a")));
    assert!(!Arc::ptr_eq(&first, &of("one-account:554", "b")));
    assert!(!Arc::ptr_eq(&first, &of("one-account:555", "a")));
    attempt(&first, Instant::now()).refused("camera 1");
    assert!(first.held_for() > Duration::ZERO);
    drop(first);
    let held_for = of("one-account:554", "a").held_for();
    assert_eq!(held_for, Duration::ZERO, "no source used it any more");
}

#[test]
fn a_refused_login_is_sent_for_no_source_before_the_wait_is_over() {
    let (account, configured) = (account(HOUR), Instant::now());
    attempt(&account, configured).refused("camera 1");
    let reason = Some(Withheld::Refused("camera 1".to_owned()));
    assert_eq!(withheld(turn(&account, configured)), reason);
    assert!(account.held_for() > HOUR / 3 && account.held_for() <= HOUR);
    // Who changes the configuration or asks for an attempt gets one.
    let asked_at = Instant::now();
    attempt(&account, asked_at).refused("camera 2");
    let reason = Some(Withheld::Refused("camera 2".to_owned()));
    assert_eq!(withheld(turn(&account, asked_at)), reason);
}

#[test]
fn the_wait_ends_and_grows() {
    let first = Duration::from_millis(20);
    let waits = (first, HOUR);
    let account = Arc::new(Account::new("h:1".to_owned(), credentials("x"), waits));
    let configured = Instant::now();
    for number in 0..4 {
        attempt(&account, configured).refused("camera 1");
        let nominal = first * 2u32.pow(number);
        assert!(account.held_for() <= nominal, "wait {number}");
        std::thread::sleep(account.held_for());
    }
    attempt(&account, configured).accepted();
    attempt(&account, configured).refused("camera 1");
    attempt(&account, configured).refused("camera 2");
    assert!(account.held_for() <= first, "it starts again");
}

#[test]
fn others_wait_for_the_answer_to_the_first() {
    for accepted in [true, false] {
        let (account, configured) = (account(HOUR), Instant::now());
        let first = attempt(&account, configured);
        let others: Vec<_> = (0..3)
            .map(|_| {
                let account = account.clone();
                std::thread::spawn(move || withheld(turn(&account, configured)))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20));
        assert!(others.iter().all(|other| !other.is_finished()));
        let expected = if accepted {
            first.accepted();
            None
        } else {
            first.refused("camera 1");
            Some(Withheld::Refused("camera 1".to_owned()))
        };
        for other in others {
            assert_eq!(other.join().expect("no panic"), expected);
        }
    }
}

#[test]
fn a_session_without_an_answer_lets_the_next_one_try() {
    let (account, configured) = (account(HOUR), Instant::now());
    let unanswered = attempt(&account, configured);
    let late = account.turn(configured, Duration::from_millis(1), || false);
    assert_eq!(withheld(late), Some(Withheld::Unanswered));
    drop(unanswered);
    attempt(&account, configured).accepted();
}

#[test]
fn a_session_that_ends_while_it_waits_is_woken() {
    let (account, asked_at) = (account(HOUR), Instant::now());
    let _first = attempt(&account, asked_at);
    let waiting = AccountUse {
        account,
        source: "camera 2".to_owned(),
        asked_at,
        limit: HOUR,
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let turn = threads.spawn(|| withheld(waiting.turn(|| over.load(Ordering::Relaxed))));
        over.store(true, Ordering::Relaxed);
        waiting.wake();
        assert_eq!(turn.join().expect("no panic"), Some(Withheld::Unanswered));
    });
}

#[test]
fn one_stream_that_the_user_may_not_view_does_not_hold_the_others() {
    let (account, configured) = (account(HOUR), Instant::now());
    attempt(&account, configured).accepted();
    for _ in 0..3 {
        attempt(&account, configured).refused("camera 1");
        assert_eq!(account.held_for(), Duration::ZERO);
    }
    attempt(&account, configured).accepted();
    attempt(&account, configured).refused("camera 1");
    // The password was changed at the server.
    attempt(&account, configured).refused("camera 2");
    assert!(account.held_for() > Duration::ZERO);
}

#[test]
fn refusals_on_their_way_count_once() {
    let (account, configured) = (account(HOUR), Instant::now());
    attempt(&account, configured).accepted();
    // Just accepted: none waits for the other.
    let sent: Vec<_> = (0..16).map(|_| attempt(&account, configured)).collect();
    for (number, sent) in sent.into_iter().enumerate() {
        sent.refused(&format!("camera {number}"));
    }
    assert_eq!(lock(&account.state).backoff.attempt(), 1);
}
