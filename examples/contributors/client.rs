//! A client for the two requests of GitHub's API that this program makes.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::model::{Contributor, Repo};

/// The API, seen from one organisation. Clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct GitHub {
    http: reqwest::Client,
    base: Url,
    org: String,
    activity: Arc<watch::Sender<Activity>>,
}

/// How many requests are in flight. A repository with several pages counts as one all the time.
#[derive(Clone, Copy, Debug, Default)]
struct Activity {
    now: usize,
    peak: usize,
}

impl GitHub {
    /// Connects to nothing yet. `local`: the server is on this machine, so no proxy is used.
    pub(crate) fn new(
        url: &str,
        org: &str,
        token: Option<&str>,
        local: bool,
    ) -> Result<Self, ApiError> {
        let base = Url::parse(url).map_err(|_| ApiError::Address(url.to_owned()))?;
        if base.cannot_be_a_base() {
            return Err(ApiError::Address(url.to_owned()));
        }
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/vnd.github+json");
        headers.insert(header::ACCEPT, json);
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| ApiError::Token)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let mut http = reqwest::Client::builder()
            .user_agent("corox-contributors")
            .default_headers(headers)
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(30));
        if local {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|e| ApiError::client(url, &e))?;
        Ok(Self {
            http,
            base,
            org: org.to_owned(),
            activity: Arc::default(),
        })
    }

    /// The repositories of the organisation.
    pub(crate) fn repositories(&self) -> impl Future<Output = Result<Vec<Repo>, ApiError>> + use<> {
        self.pages(&["orgs", &self.org, "repos"])
    }

    /// The contributors of a repository.
    pub(crate) fn contributors(
        &self,
        repo: &Repo,
    ) -> impl Future<Output = Result<Vec<Contributor>, ApiError>> + use<> {
        self.pages(&["repos", &self.org, &repo.name, "contributors"])
    }

    /// Waits until no request is in flight, and none is about to start.
    pub(crate) async fn idle(&self) {
        let mut activity = self.activity.subscribe();
        // The error of a closed channel cannot occur: `self` holds a sender.
        let _ = activity.wait_for(|activity| activity.now == 0).await;
    }

    /// The most requests that were in flight at the same time.
    pub(crate) fn peak(&self) -> usize {
        self.activity.borrow().peak
    }

    /// All pages of a list. Counts as in flight from this call on, not from the first poll, so that
    /// `idle` also waits for what has been launched and has not run yet.
    fn pages<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> impl Future<Output = Result<Vec<T>, ApiError>> + use<T> {
        let in_flight = InFlight::new(&self.activity);
        let mut first = self.base.clone();
        if let Ok(mut segments) = first.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        first.set_query(Some("per_page=100&page=1"));
        let http = self.http.clone();
        async move {
            let _in_flight = in_flight;
            let mut all = Vec::new();
            let mut next = Some(first);
            while let Some(url) = next {
                let (mut page, link) = get::<Vec<T>>(&http, &url).await?;
                all.append(&mut page);
                next = link;
            }
            Ok(all)
        }
    }
}

/// Counts a request until it is dropped, finished or cancelled.
#[derive(Debug)]
struct InFlight(Arc<watch::Sender<Activity>>);

impl InFlight {
    fn new(activity: &Arc<watch::Sender<Activity>>) -> Self {
        activity.send_modify(|activity| {
            activity.now += 1;
            activity.peak = activity.peak.max(activity.now);
        });
        Self(Arc::clone(activity))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|activity| activity.now -= 1);
    }
}

/// One request: the value, and the address of the next page if there is one.
async fn get<T: DeserializeOwned + Default>(
    http: &reqwest::Client,
    url: &Url,
) -> Result<(T, Option<Url>), ApiError> {
    let answer = http.get(url.clone()).send().await;
    let answer = answer.map_err(|e| ApiError::transport(url, &e))?;
    match answer.status() {
        // What GitHub says of a repository without commits.
        StatusCode::NO_CONTENT => return Ok((T::default(), None)),
        status if status.is_success() => {}
        status => return Err(ApiError::status(url, status, answer.headers())),
    }
    let next = next_page(url, answer.headers());
    let body = answer.bytes().await;
    let body = body.map_err(|e| ApiError::transport(url, &e))?;
    let value = serde_json::from_slice(&body).map_err(|cause| ApiError::Malformed {
        url: url.to_string(),
        cause,
    })?;
    Ok((value, next))
}

/// The `rel="next"` of the `Link` header. An address on another server is not followed, since the
/// token would go there.
fn next_page(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let links = headers.get(header::LINK)?.to_str().ok()?;
    let next = links.split(',').find_map(|link| {
        let (target, parameters) = link.split_once(';')?;
        let is_next = parameters.split(';').any(|p| p.trim() == "rel=\"next\"");
        let target = target.trim().strip_prefix('<')?.strip_suffix('>')?;
        is_next.then(|| url.join(target).ok()).flatten()
    })?;
    (next.origin() == url.origin()).then_some(next)
}

/// What can go wrong with a request. Each displays as one line.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The address is not a URL.
    Address(String),
    /// The token cannot be sent in a header.
    Token,
    /// The server cannot be reached, or the connection broke.
    Unreachable { url: String, cause: String },
    /// 404.
    NotFound { url: String },
    /// 403 or 429 with an exhausted rate limit.
    RateLimit { url: String, reset: Option<u64> },
    /// Any other status that is not a success.
    Status { url: String, status: StatusCode },
    /// The client was closed during the call.
    Closed,
    /// The answer is not the JSON that was expected.
    Malformed {
        url: String,
        cause: serde_json::Error,
    },
}

impl ApiError {
    fn client(url: &str, error: &reqwest::Error) -> Self {
        Self::Unreachable {
            url: url.to_owned(),
            cause: innermost(error),
        }
    }

    fn transport(url: &Url, error: &reqwest::Error) -> Self {
        let cause = if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            innermost(error)
        };
        Self::Unreachable {
            url: url.origin().ascii_serialization(),
            cause,
        }
    }

    fn status(url: &Url, status: StatusCode, headers: &HeaderMap) -> Self {
        let url = url.to_string();
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let limited = matches!(
            status,
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
        );
        if limited && header("x-ratelimit-remaining") == Some("0") {
            let reset = header("x-ratelimit-reset").and_then(|reset| reset.parse().ok());
            return Self::RateLimit { url, reset };
        }
        if status == StatusCode::NOT_FOUND {
            return Self::NotFound { url };
        }
        Self::Status { url, status }
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Malformed { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(url) => write!(f, "{url:?} is not an address"),
            Self::Token => write!(f, "the token has characters that no header may have"),
            Self::Unreachable { url, cause } => write!(f, "cannot reach {url}: {cause}"),
            Self::NotFound { url } => write!(f, "{url} does not exist (404)"),
            Self::RateLimit { url, reset } => {
                write!(f, "{url} refused, the rate limit is exhausted (403)")?;
                match reset {
                    Some(reset) => write!(f, "; it resets at {}", utc(*reset)),
                    None => Ok(()),
                }
            }
            Self::Closed => write!(f, "the client was closed"),
            Self::Status { url, status } => write!(f, "{url} answered {status}"),
            Self::Malformed { url, cause } => {
                write!(f, "{url} answered with malformed JSON: {cause}")
            }
        }
    }
}

/// The last error of the chain. reqwest's own text is "error sending request" with the address.
fn innermost(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Seconds since 1970 as a date and time, with the distance from now.
fn utc(seconds: u64) -> String {
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Days since 1 March of year 0, so that the leap day ends a year; 146 097 days are 400 years.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);

    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let left = seconds.saturating_sub(now.map_or(0, |now| now.as_secs()));
    format!(
        "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC (in {} s)",
        left
    )
}
