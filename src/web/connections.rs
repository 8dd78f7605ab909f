//! The connections of pages: their number is limited and each has time limits. A page can therefore not use up the descriptors
//! that cameras need, and idle connections can't block others.
//!
//! hyper serves one connection. Accepting and the limits are here, because axum's server has none. A connection without a
//! complete request ends after ten seconds; one that does not read its answer, after fifteen. When all connections are in use,
//! or all of one address, the one that has been idle longest is closed for a new one, then the one that has not read for
//! longest. Therefore a probe of `/healthz` is always answered.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::forwarded::Site;
use crate::base::sync::lock;

/// Size of the kernel's send buffer: one or two pictures. By default it grows to megabytes, which are minutes of pictures on a
/// slow link.
const SEND_BUFFER_BYTES: u32 = 128 * 1024;
const BACKLOG: u32 = 64;
/// A connection with an unfinished answer is closed for a new one only if it has read nothing for this time, or the spare
/// connections are used up too.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Maximum number. A browser opens about six, a scraper one.
    pub(super) connections: usize,
    /// Maximum number of one address, for example a proxy, if some of them can be closed.
    pub(super) per_address: usize,
    /// Additional connections while all others have unfinished answers.
    pub(super) spare: usize,
    /// Time limit from the connection, or the last answer, to a complete request.
    pub(super) read: Duration,
    /// Longest time in which the client may accept no byte.
    pub(super) write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            per_address: 32,
            spare: 16,
            read: Duration::from_secs(10),
            write: Duration::from_secs(15),
        }
    }
}

/// Listens at `address`.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit the size.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `site` until `stop`. Connections then end when their answer is complete.
pub(super) async fn serve(
    mut listener: TcpListener,
    site: Arc<Site>,
    limits: Limits,
    stop: CancellationToken,
) {
    let connections = Arc::new(Connections::default());
    loop {
        // axum's listener, because it handles errors of accept.
        let (stream, from) = tokio::select! {
            () = stop.cancelled() => return,
            accepted = axum::serve::Listener::accept(&mut listener) => accepted,
        };
        let slot = connections.enter(from.ip(), &limits);
        let client = (stream, from);
        tokio::spawn(one(client, slot, site.clone(), limits, stop.clone()));
    }
}

async fn one(
    (stream, from): (TcpStream, SocketAddr),
    slot: Slot,
    site: Arc<Site>,
    limits: Limits,
    stop: CancellationToken,
) {
    let activity = slot.activity.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(from));
        let answering = Answering::begin(activity.clone());
        let site = site.clone();
        async move {
            let answer = match site.direct(request) {
                Ok(request) => TowerToHyperService::new(site.routes.clone())
                    .call(request)
                    .await
                    .unwrap_or_else(|never: Infallible| match never {}),
                Err(redirect) => redirect,
            };
            Ok::<_, Infallible>(answer.map(|body| Tracked {
                body,
                _answering: answering,
            }))
        }
    });
    let io = TokioIo::new(Connection {
        stream,
        limit: limits.write,
        stuck: None,
        activity: slot.activity.clone(),
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.read)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(%error, "a connection to the page ended");
                }
                return;
            }
            () = slot.close.cancelled() => return,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// The open connections.
#[derive(Debug, Default)]
struct Connections(Mutex<BTreeMap<u64, Entry>>);

#[derive(Debug)]
struct Entry {
    from: IpAddr,
    close: CancellationToken,
    activity: Arc<Activity>,
}

/// The registration of a connection, until it is dropped.
#[derive(Debug)]
struct Slot {
    connections: Arc<Connections>,
    number: u64,
    close: CancellationToken,
    activity: Arc<Activity>,
}

/// The activity of a connection.
#[derive(Debug)]
struct Activity(Mutex<ConnectionState>);

#[derive(Debug, Clone, Copy)]
struct ConnectionState {
    /// Whether a request has an unfinished answer.
    answering: bool,
    /// Time of the last change; while answering, the time at which the client last accepted bytes.
    since: Instant,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        lock(&self.0)
    }

    /// Registers a connection from `from`. Closes another one if the limits are reached.
    fn enter(self: &Arc<Self>, from: IpAddr, limits: &Limits) -> Slot {
        let mut connections = self.lock();
        let of_it = |entry: &Entry| entry.from == from;
        if connections.values().filter(|entry| of_it(entry)).count() >= limits.per_address {
            close_one(&mut connections, of_it, STANDSTILL);
        }
        if connections.len() >= limits.connections
            && !close_one(&mut connections, |_| true, STANDSTILL)
            && connections.len() >= limits.connections + limits.spare
        {
            close_one(&mut connections, |_| true, Duration::ZERO);
        }
        let number = connections.last_key_value().map_or(0, |(last, _)| last + 1);
        let close = CancellationToken::new();
        let activity = Arc::new(Activity(Mutex::new(ConnectionState {
            answering: false,
            since: Instant::now(),
        })));
        let entry = Entry {
            from,
            close: close.clone(),
            activity: activity.clone(),
        };
        connections.insert(number, entry);
        Slot {
            connections: self.clone(),
            number,
            close,
            activity,
        }
    }
}

/// Closes one of the connections for which `may` is true: the one that has been idle longest, or whose client has accepted
/// nothing for at least `standstill`. False if there is none.
fn close_one(
    connections: &mut BTreeMap<u64, Entry>,
    may: impl Fn(&Entry) -> bool,
    standstill: Duration,
) -> bool {
    let victim = connections
        .iter()
        .filter(|(_, entry)| may(entry))
        .map(|(number, entry)| (entry.activity.state(), *number))
        .filter(|(state, _)| !state.answering || state.since.elapsed() >= standstill)
        .min_by_key(|(state, _)| (state.answering, state.since));
    let Some((_, number)) = victim else {
        return false;
    };
    if let Some(entry) = connections.remove(&number) {
        debug!(from = %entry.from, "an idle connection to the page is closed for a new one");
        entry.close.cancel();
    }
    true
}

impl Drop for Slot {
    fn drop(&mut self) {
        // After a forced close, the entry is already removed and its number may be in use again.
        if !self.close.is_cancelled() {
            self.connections.lock().remove(&self.number);
        }
    }
}

impl Activity {
    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        lock(&self.0)
    }

    fn state(&self) -> ConnectionState {
        *self.lock()
    }

    fn now(&self, answering: bool) {
        *self.lock() = ConnectionState {
            answering,
            since: Instant::now(),
        };
    }

    fn moved(&self) {
        let mut state = self.lock();
        if state.answering {
            state.since = Instant::now();
        }
    }
}

/// Marks a connection as answering. Dropped with the body of the answer, when that was passed to the socket.
struct Answering(Arc<Activity>);

impl Answering {
    fn begin(activity: Arc<Activity>) -> Self {
        activity.now(true);
        Self(activity)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.now(false);
    }
}

struct Tracked {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket with a time limit for writes.
struct Connection {
    stream: TcpStream,
    limit: Duration,
    /// Runs while the client accepts no bytes.
    stuck: Option<Pin<Box<Sleep>>>,
    activity: Arc<Activity>,
}

impl Connection {
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            self.activity.moved();
            return written;
        }
        let limit = self.limit;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(limit)));
        match stuck.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
