//! Where the data comes from: the own server, or another one.

use std::io;

use crate::client::{ApiError, GitHub};
use crate::data;
use crate::server::{Fail, Server};

/// Where the data comes from.
#[derive(Debug)]
pub(crate) enum SourceArgs {
    /// The server of this example.
    Own {
        repos: usize,
        /// Lowest and highest latency in milliseconds.
        latency: (u64, u64),
        fail: Option<Fail>,
    },
    /// Some other server that speaks GitHub's API.
    Api {
        url: String,
        org: String,
        token: Option<String>,
    },
}

/// A server to load from.
#[derive(Debug)]
pub(crate) struct Source {
    own: Option<Server>,
    url: String,
    org: String,
    token: Option<String>,
}

impl Source {
    /// Starts the own server, if that is what was asked for.
    pub(crate) fn open(args: SourceArgs) -> io::Result<Self> {
        Ok(match args {
            SourceArgs::Own {
                repos,
                latency,
                fail,
            } => {
                let server = Server::start(repos, latency, fail)?;
                Self {
                    url: server.url(),
                    own: Some(server),
                    org: data::ORG.to_owned(),
                    token: None,
                }
            }
            SourceArgs::Api { url, org, token } => Self {
                own: None,
                url,
                org,
                token,
            },
        })
    }

    /// A client with connections of its own.
    pub(crate) fn client(&self) -> Result<GitHub, ApiError> {
        let local = self.own.is_some();
        GitHub::new(&self.url, &self.org, self.token.as_deref(), local)
    }

    /// The most requests that were in flight at the same time: what the own server has counted
    /// since the last call, else what the client has counted.
    pub(crate) fn take_peak(&self, client: &GitHub) -> usize {
        match &self.own {
            Some(server) => server.take_peak(),
            None => client.peak(),
        }
    }
}
