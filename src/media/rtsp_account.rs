//! The login of one user at one server, which all sources of this process share.
//!
//! A recorder serves sixteen cameras at one address, and a camera that is analysed and recorded has two streams. If each
//! of them tried a wrong login, the server would lock the account for everybody. Here one session sends the login, and
//! the others wait for the answer. After a refusal no session sends it before the wait is over.
//!
//! Some servers answer 401 for a single stream which the user may not view. Therefore a login that was accepted before
//! counts as refused only when a second source is refused too.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use super::runner::LOGIN_WAITS;
use super::session_state::Failure;
use crate::base::Backoff;
use crate::base::sync::{self, lock};
use crate::config::Credentials;

/// For this long after the server has accepted a login, sessions send it without waiting for each other.
const ACCEPTED_FOR: Duration = Duration::from_secs(10);

/// The accounts that sources of this process use.
static ACCOUNTS: Mutex<Vec<Weak<Account>>> = Mutex::new(Vec::new());

/// A login at a server.
pub(super) struct Account {
    /// Host and port.
    server: String,
    credentials: Credentials,
    state: Mutex<AccountState>,
    /// A session has its answer, or has ended.
    changed: Condvar,
}

struct AccountState {
    backoff: Backoff,
    /// A session has sent the login and has no answer yet.
    trying: bool,
    accepted_at: Option<Instant>,
    /// The first source that was refused since the login was last accepted.
    refused_for: Option<String>,
    hold: Option<Hold>,
}

/// The login was refused: no session sends it.
#[derive(Clone)]
struct Hold {
    since: Instant,
    until: Instant,
    refused_for: String,
}

/// Whether a session may send the login.
#[derive(Debug)]
pub(super) enum Turn {
    /// It may, once.
    Send(LoginAttempt),
    /// It may not.
    Withhold(Withheld),
}

/// Why a login was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Withheld {
    /// The server has refused it for this source.
    Refused(String),
    /// The server has not answered another session that sent it.
    Unanswered,
}

impl Withheld {
    /// The reason why the session of this source ends.
    pub(super) fn failure(&self, name: &str) -> Failure {
        let not_tried = format!("the login of {name} is not tried: its server");
        match self {
            Self::Refused(other) => Failure::new(
                "unauthorized",
                format!(
                    "{not_tried} refused the same one for {other}; check user name and password"
                ),
            ),
            Self::Unanswered => Failure::new(
                "unreachable",
                format!("{not_tried} has not answered another source that sent the same one"),
            ),
        }
    }
}

impl Account {
    /// The account that all sources with this login at this server share.
    pub(super) fn of(server: String, credentials: Credentials) -> Arc<Self> {
        let mut accounts = lock(&ACCOUNTS);
        accounts.retain(|account| account.strong_count() > 0);
        let mut known = accounts.iter().filter_map(Weak::upgrade);
        let same = known.find(|known| known.server == server && known.credentials == credentials);
        same.unwrap_or_else(|| {
            let account = Arc::new(Self::new(server, credentials, LOGIN_WAITS));
            accounts.push(Arc::downgrade(&account));
            account
        })
    }

    fn new(server: String, credentials: Credentials, waits: (Duration, Duration)) -> Self {
        Self {
            server,
            credentials,
            state: Mutex::new(AccountState {
                backoff: Backoff::new(waits.0, waits.1),
                trying: false,
                accepted_at: None,
                refused_for: None,
                hold: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits until the login may be sent, at most for `limit` or until `is_over`. A refusal after `asked_at` counts, an
    /// earlier one does not.
    fn turn(
        self: &Arc<Self>,
        asked_at: Instant,
        limit: Duration,
        is_over: impl Fn() -> bool,
    ) -> Turn {
        let begun = Instant::now();
        let mut state = lock(&self.state);
        loop {
            let now = Instant::now();
            if let Some(hold) = &state.hold
                && now < hold.until
                && asked_at <= hold.since
            {
                return Turn::Withhold(Withheld::Refused(hold.refused_for.clone()));
            }
            let accepted_lately =
                state.hold.is_none() && state.accepted_at.is_some_and(|at| now - at < ACCEPTED_FOR);
            if accepted_lately || !state.trying {
                let alone = !accepted_lately;
                state.trying |= alone;
                return Turn::Send(LoginAttempt {
                    account: self.clone(),
                    begun: now,
                    alone,
                });
            }
            let left = limit.saturating_sub(now - begun);
            if left.is_zero() || is_over() {
                return Turn::Withhold(Withheld::Unanswered);
            }
            state = sync::wait(&self.changed, state, Some(left));
        }
    }

    /// How long no session sends the login; zero if it may be sent.
    pub(super) fn held_for(&self) -> Duration {
        let hold = lock(&self.state).hold.as_ref().map(|hold| hold.until);
        hold.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }
}

/// A session's permission to send the login. Dropping it lets the next session try.
pub(super) struct LoginAttempt {
    account: Arc<Account>,
    begun: Instant,
    /// The others wait for its answer.
    alone: bool,
}

impl LoginAttempt {
    /// The server has accepted the login.
    pub(super) fn accepted(self) {
        let mut state = lock(&self.account.state);
        state.accepted_at = Some(Instant::now());
        state.refused_for = None;
        state.hold = None;
        state.backoff.succeeded();
    }

    /// The server has refused the login for `source`.
    pub(super) fn refused(self, source: &str) {
        let mut state = lock(&self.account.state);
        let since = Instant::now();
        // Sessions that were on their way when another one was refused say nothing new.
        if state
            .hold
            .as_ref()
            .is_some_and(|hold| self.begun < hold.since)
        {
            return;
        }
        let second = (state.refused_for.as_ref()).is_some_and(|first| first != source);
        let counts = second || state.accepted_at.is_none() || state.hold.is_some();
        state.refused_for.get_or_insert_with(|| source.to_owned());
        if counts {
            let until = since + state.backoff.next_wait();
            let refused_for = source.to_owned();
            state.hold = Some(Hold {
                since,
                until,
                refused_for,
            });
        }
    }
}

impl Drop for LoginAttempt {
    fn drop(&mut self) {
        if self.alone {
            lock(&self.account.state).trying = false;
        }
        self.account.changed.notify_all();
    }
}

/// One source's use of an account.
#[derive(Debug, Clone)]
pub(super) struct AccountUse {
    pub(super) account: Arc<Account>,
    /// The name of the source, for the messages of the others.
    pub(super) source: String,
    /// When the source's session was asked for, other than by the schedule.
    pub(super) asked_at: Instant,
    /// How long it waits for another session's answer.
    pub(super) limit: Duration,
}

impl AccountUse {
    pub(super) fn credentials(&self) -> &Credentials {
        &self.account.credentials
    }

    /// Waits until the login may be sent or `is_over`, see [`Self::wake`].
    pub(super) fn turn(&self, is_over: impl Fn() -> bool) -> Turn {
        self.account.turn(self.asked_at, self.limit, is_over)
    }

    /// Lets sessions that wait for their turn see whether they are over.
    pub(super) fn wake(&self) {
        // Under the lock: a session that has just asked whether it is over waits already.
        let _state = lock(&self.account.state);
        self.account.changed.notify_all();
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = &self.server;
        f.debug_struct("Account").field("server", server).finish()
    }
}

impl fmt::Debug for LoginAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = &self.account;
        f.debug_struct("LoginAttempt")
            .field("account", account)
            .finish()
    }
}

/// For the tests of what uses an account.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::config::Secret;

    /// The use of an account that no other test shares.
    pub(in super::super) fn account_use(
        source: &str,
        username: &str,
        password: &str,
    ) -> AccountUse {
        let credentials = Credentials {
            username: Secret::new(username),
            password: Secret::new(password),
        };
        AccountUse {
            account: Arc::new(Account::new("h:554".to_owned(), credentials, LOGIN_WAITS)),
            source: source.to_owned(),
            asked_at: Instant::now(),
            limit: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
#[path = "rtsp_account_tests.rs"]
mod tests;
