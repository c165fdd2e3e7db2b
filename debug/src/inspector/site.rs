//! What is answered to a request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::hosts::Hosts;
use super::limits::Limits;
use super::listing::{Process, listing, micros};
use super::query::Query;
use crate::debug_probes::{deadlocks, dump_within};
use crate::traces::{Options, infos};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing from elsewhere, nothing inline, and in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// How long a dump waits for stacks.
const STACKS: Duration = Duration::from_secs(1);

/// What the connections share.
#[derive(Debug)]
pub(super) struct Site {
    hosts: Hosts,
    pub(super) limits: Limits,
    process: String,
    since: Instant,
    /// One of each at a time: they use the processor that the program needs.
    lists: Arc<Semaphore>,
    dumps: Arc<Semaphore>,
}

impl Site {
    pub(super) fn new(hosts: Hosts, limits: Limits) -> Site {
        let program = std::env::current_exe().ok();
        let program = program.as_deref().and_then(|path| path.file_stem());
        Site {
            hosts,
            limits,
            process: program.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            since: Instant::now(),
            lists: Arc::new(Semaphore::new(1)),
            dumps: Arc::new(Semaphore::new(1)),
        }
    }

    /// The body of the request is not looked at.
    pub(super) async fn answer<B>(self: Arc<Self>, request: &Request<B>) -> Response<String> {
        let mut response = match self.refused(request) {
            Some(refused) => refused,
            None => self.found(request).await,
        };
        for (name, value) in HEADERS {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }

    fn refused<B>(&self, request: &Request<B>) -> Option<Response<String>> {
        let mut named = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else {
            return Some(text(StatusCode::BAD_REQUEST, "a request has one Host"));
        };
        // In an address that is whole it counts more.
        let authority = request.uri().authority().map(|host| host.as_str());
        let allowed = |host: &str| self.hosts.allow(host);
        if !host.to_str().is_ok_and(allowed) || !authority.is_none_or(allowed) {
            let says = "this host is not known here: ask for localhost or 127.0.0.1, with the port, \
                        or allow it by InspectorBuilder::allow_host";
            return Some(text(StatusCode::MISDIRECTED_REQUEST, says));
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let says = "the inspector can only be looked at";
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, says);
            let allow = HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(header::ALLOW, allow);
            return Some(refused);
        }
        if request.uri().path().starts_with("/api/") && is_from_elsewhere(request.headers()) {
            let says = "a page of another site has asked";
            return Some(text(StatusCode::FORBIDDEN, says));
        }
        None
    }

    async fn found<B>(self: Arc<Self>, request: &Request<B>) -> Response<String> {
        match request.uri().path() {
            "/" => answer(StatusCode::OK, HTML, PAGE.to_owned()),
            "/page.css" => answer(StatusCode::OK, CSS, STYLE.to_owned()),
            "/page.js" => answer(StatusCode::OK, JS, SCRIPT.to_owned()),
            "/api/coroutines" => match Query::parse(request.uri().query().unwrap_or_default()) {
                Ok(query) => {
                    let (gate, limit) = (self.lists.clone(), self.limits.answer);
                    elsewhere(gate, limit, JSON, move || self.list(&query)).await
                }
                Err(says) => text(StatusCode::BAD_REQUEST, &says),
            },
            "/api/deadlocks" => {
                let gate = self.lists.clone();
                elsewhere(gate, self.limits.answer, JSON, || {
                    serde_json::to_string(&deadlocks()).map_err(|error| error.to_string())
                })
                .await
            }
            "/api/dump" => {
                let gate = self.dumps.clone();
                elsewhere(gate, self.limits.answer, TEXT, || {
                    dump_within(STACKS).map_err(|error| error.to_string())
                })
                .await
            }
            _ => text(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }

    fn list(&self, query: &Query) -> Result<String, String> {
        let infos = infos(Options {
            sanitized: true,
            merged: true,
            stacks: false,
        });
        let process = Process {
            name: &self.process,
            id: std::process::id(),
            inspected_us: micros(self.since.elapsed()),
        };
        let listing = listing(&infos, &deadlocks(), query, process, Instant::now());
        serde_json::to_string(&listing).map_err(|error| error.to_string())
    }
}

/// Whether a browser says that a page of another origin has this loaded: it could not read it, but a dump has a price.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

/// Has `make` run on another thread: wakers and destructors of users may run in it, and may take as long as they like.
async fn elsewhere(
    gate: Arc<Semaphore>,
    limit: Duration,
    kind: &'static str,
    make: impl FnOnce() -> Result<String, String> + Send + 'static,
) -> Response<String> {
    let made = async {
        let permit = gate.acquire_owned().await;
        // Given back when it has ended, also when nobody waits for it any more.
        let made = spawn_blocking(move || {
            let _permit = permit;
            make()
        })
        .await;
        made.unwrap_or_else(|_| Err("it has panicked".to_owned()))
    };
    match timeout(limit, made).await {
        Ok(Ok(made)) => answer(StatusCode::OK, kind, made),
        Ok(Err(error)) => text(StatusCode::INTERNAL_SERVER_ERROR, &error),
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "it takes too long"),
    }
}

fn text(status: StatusCode, says: &str) -> Response<String> {
    answer(status, TEXT, format!("{says}\n"))
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
