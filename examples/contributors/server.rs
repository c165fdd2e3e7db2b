//! An HTTP server on the loopback interface that answers as GitHub does.
//!
//! It runs on a thread and a tokio runtime of its own, so that it shares nothing with the client
//! but the network.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;

use crate::data::{self, Project, Random};
use crate::model::Repo;

/// How the server misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fail {
    /// 404 for the organisation.
    NotFound,
    /// 403 with an exhausted rate limit, for one repository.
    RateLimit,
    /// JSON that breaks off, for one repository.
    Malformed,
    /// 500, for one repository.
    Internal,
    /// No connection is accepted.
    Refuse,
}

/// A running server. Dropping it stops it, and returns when its thread has ended.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    load: Arc<Load>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts a server of `repos` repositories that answers after a time within `latency`
    /// (milliseconds).
    pub(crate) fn start(repos: usize, latency: (u64, u64), fail: Option<Fail>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let load = Arc::new(Load::default());
        let (stop, stopped) = oneshot::channel();
        let mut server = Self {
            address,
            load: Arc::clone(&load),
            stop: Some(stop),
            thread: None,
        };
        if fail == Some(Fail::Refuse) {
            // The listener is closed here, and nothing answers at its address.
            return Ok(server);
        }

        let site = Arc::new(Site {
            address,
            projects: data::organisation(repos),
            latency,
            fail,
            load,
        });
        let router = Router::new()
            .route("/orgs/{org}/repos", get(list_repos))
            .route("/repos/{org}/{repo}/contributors", get(list_contributors))
            .fallback(async || not_found())
            .with_state(site);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = thread::Builder::new()
            .name("server".into())
            .spawn(move || {
                // Dropping the runtime at the end closes all connections.
                runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener)
                        .expect("a listener in non-blocking mode can be registered");
                    tokio::select! {
                        _ = axum::serve(listener, router).into_future() => {}
                        _ = stopped => {}
                    }
                });
            })?;
        server.thread = Some(thread);
        Ok(server)
    }

    /// Where the server is, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The most requests that were in flight at the same time since the last call.
    pub(crate) fn take_peak(&self) -> usize {
        let now = self.load.now.load(Ordering::Relaxed);
        self.load.peak.swap(now, Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed by the panic hook.
            let _ = thread.join();
        }
    }
}

/// What the handlers share.
#[derive(Debug)]
struct Site {
    address: SocketAddr,
    projects: Vec<Project>,
    latency: (u64, u64),
    fail: Option<Fail>,
    load: Arc<Load>,
}

/// Requests in flight.
#[derive(Debug, Default)]
struct Load {
    now: AtomicUsize,
    peak: AtomicUsize,
}

impl Load {
    fn enter(&self) -> Entered<'_> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now, Ordering::Relaxed);
        Entered(self)
    }
}

/// Counts a request until it is answered, or dropped because the client has gone.
#[derive(Debug)]
struct Entered<'a>(&'a Load);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Deserialize)]
struct Paging {
    page: Option<usize>,
    per_page: Option<usize>,
}

async fn list_repos(
    State(site): State<Arc<Site>>,
    Path(org): Path<String>,
    Query(paging): Query<Paging>,
) -> Response {
    let _entered = site.load.enter();
    // The list comes first and everything waits for it, so it is always quick.
    tokio::time::sleep(Duration::from_millis(site.latency.0)).await;
    if org != data::ORG || site.fail == Some(Fail::NotFound) {
        return not_found();
    }
    let repos: Vec<Repo> = site.projects.iter().map(|p| p.repo.clone()).collect();
    page_of(&site, &format!("/orgs/{org}/repos"), &repos, &paging)
}

async fn list_contributors(
    State(site): State<Arc<Site>>,
    Path((org, repo)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Response {
    let _entered = site.load.enter();
    tokio::time::sleep(latency(&site, &repo, &paging)).await;
    let found = site.projects.iter().position(|p| p.repo.name == repo);
    let (Some(index), true) = (found, org == data::ORG) else {
        return not_found();
    };
    if index == site.projects.len() / 2 {
        match site.fail {
            Some(Fail::RateLimit) => return rate_limited(),
            Some(Fail::Internal) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Some(Fail::Malformed) => {
                let content_type = (header::CONTENT_TYPE, "application/json");
                return ([content_type], "[{\"login\":\"ada-0\",\"contri").into_response();
            }
            _ => {}
        }
    }
    let path = format!("/repos/{org}/{repo}/contributors");
    page_of(&site, &path, &site.projects[index].contributors, &paging)
}

/// The time a request takes: the same in every run, since it depends on the request alone.
fn latency(site: &Site, repo: &str, paging: &Paging) -> Duration {
    let mut hasher = DefaultHasher::new();
    (repo, paging.page).hash(&mut hasher);
    let mut random = Random::new(hasher.finish());
    let (low, high) = site.latency;
    if random.fraction() < 0.04 {
        return Duration::from_millis(3 * high);
    }
    let spread = (high - low) as f64 * random.fraction();
    Duration::from_millis(low + spread as u64)
}

/// One page as JSON, with a `Link` header to the others.
fn page_of<T: Serialize>(site: &Site, path: &str, all: &[T], paging: &Paging) -> Response {
    let per_page = paging.per_page.unwrap_or(30).clamp(1, 100);
    let page = paging.page.unwrap_or(1).max(1);
    let last = all.len().div_ceil(per_page).max(1);
    let start = (page - 1).saturating_mul(per_page).min(all.len());
    let end = start.saturating_add(per_page).min(all.len());
    let mut response = Json(&all[start..end]).into_response();

    let link = |page: usize, rel: &str| {
        let address = site.address;
        format!("<http://{address}{path}?per_page={per_page}&page={page}>; rel=\"{rel}\"")
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(link(page - 1, "prev"));
    }
    if page < last {
        links.push(link(page + 1, "next"));
        links.push(link(last, "last"));
    }
    if page > 1 {
        links.push(link(1, "first"));
    }
    if let (false, Ok(value)) = (links.is_empty(), HeaderValue::try_from(links.join(", "))) {
        response.headers_mut().insert(header::LINK, value);
    }
    response
}

fn not_found() -> Response {
    let body = json!({ "message": "Not Found", "status": "404" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

fn rate_limited() -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let reset = now.map_or(0, |now| now.as_secs()) + 600;
    let headers = [
        ("x-ratelimit-limit", "60".to_owned()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", reset.to_string()),
    ];
    let body = json!({ "message": "API rate limit exceeded" });
    (StatusCode::FORBIDDEN, headers, Json(body)).into_response()
}
