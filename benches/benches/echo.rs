//! TCP echo over loopback: coroutines multiplexed on tokio workers beside tokio's own tasks.
#![allow(missing_docs)]

use std::future::Future;
use std::time::Duration;

use corox::{CoroutineScope, coroutine_scope};
use corox_bench::{on_worker, runtime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TRIPS: usize = 4000;

/// Where the tasks of the program go.
trait Spawn: Clone + Send + 'static {
    fn go(&self, task: impl Future<Output = ()> + Send + 'static);
}

#[derive(Clone)]
struct Corox(CoroutineScope);

impl Spawn for Corox {
    fn go(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.launch(task);
    }
}

#[derive(Clone)]
struct Tokio(tokio_util::task::TaskTracker);

impl Spawn for Tokio {
    fn go(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }
}

async fn serve(mut stream: TcpStream) {
    let mut buffer = [0u8; 64];
    while stream.read_exact(&mut buffer).await.is_ok() {
        if stream.write_all(&buffer).await.is_err() {
            return;
        }
    }
}

async fn echo(spawn: impl Spawn, connections: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    for _ in 0..connections {
        spawn.go(async move {
            let mut stream = TcpStream::connect(address).await.expect("the listener");
            stream.set_nodelay(true).expect("a socket");
            let mut buffer = [1u8; 64];
            for _ in 0..TRIPS / connections {
                stream.write_all(&buffer).await.expect("the peer");
                stream.read_exact(&mut buffer).await.expect("the peer");
            }
        });
    }
    for _ in 0..connections {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        spawn.go(serve(stream));
    }
}

fn tcp_echo(c: &mut Criterion) {
    let rt = runtime(true);
    let mut group = c.benchmark_group("tcp_echo/2_workers");
    group.throughput(Throughput::Elements(TRIPS as u64));
    for connections in [1, 16, 64] {
        group.bench_function(BenchmarkId::new("corox", connections), |b| {
            b.iter(|| {
                on_worker(&rt, async move {
                    let done = coroutine_scope(async |scope| {
                        echo(Corox(scope), connections).await;
                        Ok(())
                    });
                    done.await.expect("no failure");
                });
            });
        });
        group.bench_function(BenchmarkId::new("tokio", connections), |b| {
            b.iter(|| {
                on_worker(&rt, async move {
                    let tracker = tokio_util::task::TaskTracker::new();
                    echo(Tokio(tracker.clone()), connections).await;
                    tracker.close();
                    tracker.wait().await;
                });
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = tcp_echo
}
criterion_main!(benches);
