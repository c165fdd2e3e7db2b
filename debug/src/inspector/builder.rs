//! What an inspector is allowed to.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use corox_core::probe;
use corox_core::probe_protocol as protocol;

use super::Inspector;
use super::error::InspectorError;
use super::hosts::{Host, Hosts};
use super::limits::Limits;
use super::server::Server;
use super::site::Site;
use crate::stack;

/// Says what an inspector allows beyond the loopback interface; made by [`Inspector::builder`].
///
/// ```
/// use corox_debug::Inspector;
///
/// // In a container whose port 7400 is published as 8080 of a machine `build`.
/// let inspector = Inspector::builder()
///     .allow_any_address()
///     .allow_host("build:8080")
///     .serve("0.0.0.0:0")
///     .unwrap();
/// assert!(inspector.local_addr().ip().is_unspecified());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is served before `serve`"]
pub struct InspectorBuilder {
    any_address: bool,
    hosts: Vec<String>,
    pub(super) limits: Limits,
}

impl InspectorBuilder {
    /// Serves at any address, to whoever reaches it: the names and places in the code, and the dumps, are for everybody then.
    ///
    /// Requests may name any address of this machine then, but of names still only those of
    /// [`allow_host`](InspectorBuilder::allow_host).
    ///
    /// ```
    /// use corox_debug::Inspector;
    ///
    /// assert!(Inspector::builder().serve("0.0.0.0:0").is_err());
    /// assert!(Inspector::builder().allow_any_address().serve("0.0.0.0:0").is_ok());
    /// ```
    pub fn allow_any_address(mut self) -> Self {
        self.any_address = true;
        self
    }

    /// Answers also requests to `host`: a name or an address, with a port, or without and then at any port.
    ///
    /// Others get the status 421: a page of another site may have its own name point to this machine, and the browser would let
    /// it read all. A tunnel from another port of a machine needs this, as in `ssh -L 8080:localhost:7400`: allow
    /// `localhost:8080`.
    ///
    /// ```
    /// use corox_debug::{Inspector, InspectorError};
    ///
    /// assert!(Inspector::builder().allow_host("localhost:8080").serve("127.0.0.1:0").is_ok());
    /// let error = Inspector::builder().allow_host("http://build/").serve("127.0.0.1:0").unwrap_err();
    /// assert!(matches!(error, InspectorError::Host { .. }));
    /// ```
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// As [`Inspector::serve`].
    ///
    /// # Errors
    ///
    /// As there, and [`InspectorError::Host`].
    pub fn serve(self, address: impl ToSocketAddrs) -> Result<Inspector, InspectorError> {
        let mut extra = Vec::new();
        for host in self.hosts {
            let parsed = Host::parse(&host);
            extra.push(parsed.ok_or(InspectorError::Host { host })?);
        }
        let addresses = address.to_socket_addrs().map_err(InspectorError::Address)?;
        let addresses: Vec<SocketAddr> = addresses.collect();
        // All of them, before any is used: a name that may mean the outside is refused always, and not by chance.
        let outside = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
        if let (false, Some(address)) = (self.any_address, addresses.iter().find(outside)) {
            return Err(InspectorError::NotLoopback { address: *address });
        }
        let (listener, address) = bind(&addresses)?;
        let hosts = Hosts::new(address.port(), self.any_address, extra);
        protocol::set_take_stack(stack::take);
        Ok(Inspector {
            _probes: probe::install(),
            _times: protocol::time_polls(),
            server: Server::start(listener, address, Site::new(hosts, self.limits))
                .map_err(InspectorError::Start)?,
        })
    }
}

/// Listens at the first address where that is possible.
fn bind(addresses: &[SocketAddr]) -> Result<(TcpListener, SocketAddr), InspectorError> {
    let nothing = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut error = InspectorError::Address(nothing());
    for &address in addresses {
        let listener = TcpListener::bind(address);
        match listener.and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((bound, listener)) => return Ok((listener, bound)),
            Err(source) => error = InspectorError::Bind { address, source },
        }
    }
    Err(error)
}
