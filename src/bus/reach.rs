//! TCP to a name with several addresses.
//!
//! The first address may not answer at all: IPv6 that is not routed, a broker behind two networks, a stopped server of a
//! cluster. It must not take the time of the others. Therefore the attempts overlap, as RFC 8305 describes it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Wait for an address before the next one is tried beside it. RFC 8305 recommends it.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// Connects to the address that answers first. The next one is tried once the one before has failed, or has not answered for
/// [`NEXT_ADDRESS`]. There is no other time limit.
///
/// # Errors
/// The last failure, when every address has failed.
pub(super) async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    first(addresses.into_iter().map(TcpStream::connect)).await
}

async fn first<T, F>(attempts: impl IntoIterator<Item = F>) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = attempts.into_iter().fuse();
    let mut running = JoinSet::new();
    let mut reason = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let next = waiting.next();
        let is_last = next.is_none();
        if let Some(attempt) = next {
            running.spawn(attempt);
        }
        let ended = tokio::select! {
            ended = running.join_next() => ended,
            () = sleep(NEXT_ADDRESS), if !is_last => continue,
        };
        match ended {
            Some(Ok(Ok(connected))) => return Ok(connected),
            Some(Ok(Err(error))) => reason = error,
            Some(Err(error)) => reason = io::Error::other(error),
            None => return Err(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::*;

    type Attempt = Pin<Box<dyn Future<Output = io::Result<u8>> + Send>>;

    fn silent() -> Attempt {
        Box::pin(std::future::pending())
    }

    fn refusing(reason: &'static str) -> Attempt {
        Box::pin(async move { Err(io::Error::other(reason)) })
    }

    fn answering(number: u8) -> Attempt {
        Box::pin(async move { Ok(number) })
    }

    fn reached(attempts: Vec<Attempt>) -> Result<u8, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime
            .block_on(first(attempts))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_that_does_not_answer_does_not_keep_the_next_one_from_it() {
        assert_eq!(reached(vec![silent(), answering(2)]), Ok(2));
        assert_eq!(
            reached(vec![silent(), refusing("a"), answering(3), answering(4)]),
            Ok(3)
        );
    }

    #[test]
    fn addresses_that_all_fail_give_the_last_reason() {
        assert_eq!(
            reached(vec![refusing("a"), refusing("b")]),
            Err("b".to_owned())
        );
        assert_eq!(
            reached(Vec::new()),
            Err("the name has no address".to_owned())
        );
    }
}
