//! The I/O thread: a runtime of its own that does nothing but QUIC, so that signs of life and
//! acknowledgements go out in time however busy the protocols are.

use std::{io, net::UdpSocket, sync::Arc, thread::JoinHandle, time::Duration};

use quinn::{Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    time::timeout,
};

use super::goodbye::Goodbye;

/// How long closing packets may take to be delivered.
const FAREWELL: Duration = Duration::from_secs(1);

/// An endpoint and the thread that drives it. When it is dropped, connections that are still open
/// close without a reason, and closing packets get the time to go out.
pub(crate) struct IoThread {
    endpoint: Endpoint,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl IoThread {
    /// Starts an endpoint on a socket.
    pub(crate) fn start(
        socket: UdpSocket,
        config: EndpointConfig,
        server: Option<ServerConfig>,
    ) -> io::Result<IoThread> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let endpoint = {
            let _inside = handle.enter();
            Endpoint::new(config, server, socket, Arc::new(TokioRuntime))?
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("io".into()).spawn(move || {
            // An error says that the sender is gone, which is as good as a message.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(IoThread { endpoint, runtime: handle, stop: Some(stop), thread: Some(thread) })
    }

    /// The endpoint.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The runtime that tasks of this thread are spawned on.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Closes all connections.
    pub(crate) fn close(&self, goodbye: &Goodbye) {
        self.endpoint.close(goodbye.code(), goodbye.reason().as_bytes());
    }

    /// Waits until closing packets are delivered, for a while.
    pub(crate) fn wait_idle(&self) {
        // Past the limit the peers notice the silence instead.
        let _ = self.runtime.block_on(async { timeout(FAREWELL, self.endpoint.wait_idle()).await });
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.close(&Goodbye::Unexplained);
        self.wait_idle();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // This thread holds nothing that its panic could leave undone.
            let _ = thread.join();
        }
    }
}

/// Runs one future for each peer, one or two, at once until the first error.
///
/// # Panics
/// If there are none, or more.
pub(crate) async fn join_peers<F, T, E>(mut futures: impl Iterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let first = futures.next().expect("a party has a peer");
    let second = futures.next();
    assert!(futures.next().is_none(), "a party has at most two peers");
    match second {
        None => Ok(vec![first.await?]),
        Some(second) => {
            let (first, second) = tokio::try_join!(first, second)?;
            Ok(vec![first, second])
        }
    }
}
