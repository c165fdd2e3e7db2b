//! TCP echo over loopback: both ends of each connection are tasks of the program.

use corox_bench::{Program, StopWatch, Tasks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Echo {
    pub(crate) connections: usize,
    /// Of each connection.
    pub(crate) trips: usize,
    pub(crate) watch: StopWatch,
}

impl Program for Echo {
    async fn run(self, tasks: impl Tasks) {
        let pairs = connect(self.connections).await;
        self.watch.start();
        for (client, server) in pairs {
            tasks.start_task(serve(server));
            tasks.start_task(call(client, self.trips));
        }
    }
}

async fn connect(connections: usize) -> Vec<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut pairs = Vec::with_capacity(connections);
    for _ in 0..connections {
        let client = TcpStream::connect(address).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("one has connected");
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket");
        }
        // Else thousands of closed connections would linger in the system, and slow down what comes next.
        client.set_zero_linger().expect("a socket");
        pairs.push((client, server));
    }
    pairs
}

/// Until the other side is gone.
async fn serve(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while stream.read_exact(&mut buffer).await.is_ok() {
        if stream.write_all(&buffer).await.is_err() {
            return;
        }
    }
}

async fn call(mut stream: TcpStream, trips: usize) {
    let mut buffer = [1; 64];
    for _ in 0..trips {
        stream.write_all(&buffer).await.expect("the server");
        stream.read_exact(&mut buffer).await.expect("the server");
    }
}
