//! HTTP requests by reqwest to a server of axum's, both in the program. What the two libraries spawn are tasks of tokio's on the runtime
//! that the program runs on; the requests are tasks of the program, one each.

use std::future::Future;
use std::sync::Arc;

use axum::{Router, routing::get};
use corox_bench::{Program, StopWatch, Tasks};
use reqwest::Client;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

const BODY: &str = "Hello, World!";

pub(crate) struct Http {
    pub(crate) requests: usize,
    /// At most so many at a time.
    pub(crate) in_flight: u32,
    pub(crate) watch: StopWatch,
}

impl Program for Http {
    async fn run(self, tasks: impl Tasks) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        tasks.start_task(serve(listener, async { stopped.await.unwrap_or_default() }));
        let client = Client::builder()
            .no_proxy()
            .build()
            .expect("nothing special");
        let url: Arc<str> = format!("http://{address}/").into();
        let places = Arc::new(Semaphore::new(self.in_flight as usize));

        self.watch.start();
        for _ in 0..self.requests {
            let place = places.clone().acquire_owned().await.expect("it is open");
            tasks.start_task(request(client.clone(), url.clone(), place));
        }
        let all = places.acquire_many(self.in_flight).await;
        self.watch.stop();
        drop(all.expect("it is open"));
        stop.send(()).expect("the server waits for it");
    }
}

async fn serve(listener: TcpListener, stopped: impl Future<Output = ()> + Send + 'static) {
    let app = Router::new().route("/", get(async || BODY));
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await
        .expect("a server");
}

async fn request(client: Client, url: Arc<str>, _place: OwnedSemaphorePermit) {
    let response = client.get(&*url).send().await.expect("the server");
    let body = response.bytes().await.expect("the server");
    assert_eq!(body, BODY);
}
