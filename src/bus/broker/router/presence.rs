//! Who is connected: logins, sessions that begin and end, and the wills of clients that leave.
//!
//! All of it runs on the broker's thread, under the router's lock. The sessions of clients that are absent for too long are
//! dropped, and so is that of the longest absent one if there is no room for another.

use std::sync::Arc;
use std::time::Instant;

use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, Packet};
use subtle::ConstantTimeEq as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::super::session::{ClientPresence, Connection, Key, Session};
use super::{ClientHandle, Router, State, digest};

impl Router {
    /// Accepts a client, and disconnects another one with the same id.
    ///
    /// # Errors
    /// The code with which the client is refused.
    pub(in crate::bus::broker) fn attach(
        &self,
        connect: Connect,
        peer: &str,
    ) -> Result<ClientHandle, ConnectReturnCode> {
        self.check_login(&connect, peer)?;
        if connect.client_id.contains('\0')
            || (connect.client_id.is_empty() && !connect.clean_session)
        {
            return Err(ConnectReturnCode::BadClientId);
        }
        let mut state = self.state();
        state.numbers += 1;
        let number = state.numbers;
        let client_id = match connect.client_id.as_str() {
            "" => format!("nvr-broker-{number}"),
            id => id.to_owned(),
        };
        self.forget_expired(&mut state);
        let former = state.by_client_id.get(&client_id).copied();
        if let Some(key) = former {
            self.end_connection(&mut state, key, "another client connected with its id");
        }
        if connect.clean_session
            && let Some(key) = former
        {
            state.remove(key);
        }
        let known = state.by_client_id.get(&client_id).copied();
        if known.is_none() && !self.make_room(&mut state) {
            if let Some(more) = self.log_limit.due("clients") {
                warn!(
                    %peer, client_id, limit = self.limits.clients, more,
                    "a client is refused: the limit of --clients is reached"
                );
            }
            return Err(ConnectReturnCode::ServiceUnavailable);
        }
        let key = known.unwrap_or(Key(number));
        let connection = Connection {
            number,
            will: connect.last_will,
            wake: Arc::new(Notify::new()),
            cut: CancellationToken::new(),
        };
        let attached = ClientHandle {
            key,
            number,
            wake: connection.wake.clone(),
            cut: connection.cut.clone(),
        };
        debug!(%peer, client_id, keep_alive = connect.keep_alive, "a client connects");
        let session = state.sessions.entry(key).or_insert_with(|| Session {
            client_id: client_id.clone(),
            clean: connect.clean_session,
            subscriptions: Default::default(),
            filters_bytes: 0,
            out: Default::default(),
            unreleased: Default::default(),
            presence: ClientPresence::Absent(Instant::now()),
            catch_up_until: None,
        });
        session.clean = connect.clean_session;
        session.presence = ClientPresence::Connected(connection);
        session.out.reconnect();
        let accepted = ConnAck::new(ConnectReturnCode::Success, known.is_some());
        session.out.answer(&Packet::ConnAck(accepted));
        state.by_client_id.insert(client_id, key);
        Ok(attached)
    }

    fn check_login(&self, connect: &Connect, peer: &str) -> Result<(), ConnectReturnCode> {
        let Some((user, password)) = &self.login else {
            return Ok(());
        };
        let Some(login) = &connect.login else {
            if let Some(more) = self.log_limit.due("login") {
                let client_id = &connect.client_id;
                warn!(%peer, client_id, more, "a client is refused: no user name and password");
            }
            return Err(ConnectReturnCode::NotAuthorized);
        };
        let same = digest(&login.password).ct_eq(password)
            & user.as_bytes().ct_eq(login.username.as_bytes());
        if bool::from(same) {
            return Ok(());
        }
        if let Some(more) = self.log_limit.due("login") {
            let client_id = &connect.client_id;
            warn!(%peer, client_id, more, "a client is refused: wrong user name or password");
        }
        Err(ConnectReturnCode::BadUserNamePassword)
    }

    /// Removes the sessions of clients that were absent for too long.
    fn forget_expired(&self, state: &mut State) {
        let expired: Vec<Key> = state
            .sessions
            .iter()
            .filter(|(_, session)| {
                let away = session.absent_since();
                away.is_some_and(|since| since.elapsed() > self.limits.absent)
            })
            .map(|(key, _)| *key)
            .collect();
        for key in expired {
            state.remove(key);
        }
    }

    /// Makes room for one more session by removing that of the longest absent client. False if there is none.
    fn make_room(&self, state: &mut State) -> bool {
        if state.sessions.len() < self.limits.clients {
            return true;
        }
        let absent = state
            .sessions
            .iter()
            .filter_map(|(key, session)| session.absent_since().map(|since| (since, *key)))
            .min();
        let Some((_, key)) = absent else {
            return false;
        };
        if let Some(session) = state.remove(key) {
            info!(
                client_id = session.client_id,
                "the session of an absent client is removed to make room for another"
            );
        }
        true
    }

    /// Ends a connection. Publishes the will unless the client sent DISCONNECT.
    pub(in crate::bus::broker) fn detach(&self, client: &ClientHandle, sent_disconnect: bool) {
        let mut state = self.state();
        let Some(session) = state.sessions.get_mut(&client.key) else {
            return;
        };
        let ClientPresence::Connected(connection) = &mut session.presence else {
            return;
        };
        if connection.number != client.number {
            return;
        }
        if sent_disconnect {
            connection.will = None;
        }
        self.end_connection(&mut state, client.key, "");
    }

    /// Ends the connection of a session and publishes the will. A clean session is removed, another one waits for its client.
    fn end_connection(&self, state: &mut State, key: Key, why: &str) {
        let Some(session) = state.sessions.get_mut(&key) else {
            return;
        };
        let former = std::mem::replace(
            &mut session.presence,
            ClientPresence::Absent(Instant::now()),
        );
        let will = match former {
            ClientPresence::Connected(connection) => {
                connection.cut.cancel();
                // Limited, because two clients with one id disconnect each other repeatedly.
                if !why.is_empty()
                    && let Some(more) = self.log_limit.due("takeover")
                {
                    info!(
                        client_id = session.client_id,
                        why, more, "a client is disconnected"
                    );
                }
                connection.will
            }
            away => {
                session.presence = away;
                None
            }
        };
        session.catch_up_until = None;
        if session.clean {
            state.remove(key);
        } else {
            let freed = session.out.detach();
            state.queued_bytes -= freed;
        }
        if let Some(will) = will {
            self.route(
                state,
                will.topic.as_str().into(),
                (will.message.clone(), will.qos),
                will.retain,
            );
        }
    }
}
