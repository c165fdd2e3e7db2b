//! The thread that serves.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::site::Site;

/// How many connections there are. The oldest gives way to a new one: who is slow on purpose keeps nobody out.
const CONNECTIONS: usize = 32;
/// How long the head of a request may be: with room for some thousand keys of what is collapsed.
const HEAD_SIZE: usize = 32 * 1024;
/// How long nobody is let in after the system could not, as without free descriptors.
const AFTER_AN_ERROR: Duration = Duration::from_millis(100);

/// Serves until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Dropped, it stops.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(
        listener: StdListener,
        address: SocketAddr,
        site: Site,
    ) -> io::Result<Server> {
        let (stop, stopped) = oneshot::channel();
        let (started, has_started) = mpsc::sync_channel(1);
        // The runtime is made and dropped there: the thread that is here may be one of tokio, where it could not be dropped.
        let thread = thread::Builder::new().name("corox-inspector".to_owned());
        let thread = thread.spawn(move || run(listener, site, &started, stopped))?;
        let server = Server {
            address,
            stop: Some(stop),
            thread: Some(thread),
        };
        let ended = |_| Err(io::Error::other("the thread ended"));
        has_started.recv().unwrap_or_else(ended)?;
        Ok(server)
    }
}

impl Drop for Server {
    /// Waits for the thread: nobody is let in afterwards. Nothing on that thread takes long, and no code of users runs there.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic was printed by the hook.
            let _ = thread.join();
        }
    }
}

fn run(
    listener: StdListener,
    site: Site,
    started: &mpsc::SyncSender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_name("corox-inspector")
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        let listener = listener.set_nonblocking(true).and_then(|()| {
            // Registers it with the runtime.
            TcpListener::from_std(listener)
        });
        let _ = match listener {
            Ok(listener) => {
                tokio::spawn(accept(listener, Arc::new(site)));
                started.send(Ok(()))
            }
            Err(error) => started.send(Err(error)),
        };
        let _ = stopped.await;
    });
    // A dump may be on its way, and depends on code of users: it is not waited for.
    runtime.shutdown_background();
}

async fn accept(listener: TcpListener, site: Arc<Site>) {
    let mut connections = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(AFTER_AN_ERROR).await;
            continue;
        };
        connections.retain(|connection: &tokio::task::JoinHandle<()>| !connection.is_finished());
        if connections.len() >= CONNECTIONS {
            if let Some(oldest) = connections.pop_front() {
                oldest.abort();
            }
        }
        connections.push_back(tokio::spawn(serve(stream, site.clone())));
    }
}

async fn serve(stream: TcpStream, site: Arc<Site>) {
    let service = service_fn(|request| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(&request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(site.limits.head)
        .max_buf_size(HEAD_SIZE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // The peer has gone, or did not speak HTTP: it was told as far as that was possible.
    let _ = served;
}
