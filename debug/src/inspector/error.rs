//! Why there is no page.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why [`Inspector::serve`](crate::Inspector::serve) does not serve.
///
/// ```
/// use corox_debug::{Inspector, InspectorError};
///
/// let error = Inspector::serve("0.0.0.0:0").unwrap_err();
/// assert!(matches!(error, InspectorError::NotLoopback { .. }));
/// assert_eq!(
///     error.to_string(),
///     "0.0.0.0:0 is no address of the loopback interface, and others could look in: \
///      serve at 127.0.0.1 or [::1], or say Inspector::builder().allow_any_address()"
/// );
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum InspectorError {
    /// Others than this machine may reach the address; see
    /// [`InspectorBuilder::allow_any_address`](crate::InspectorBuilder::allow_any_address).
    NotLoopback {
        /// The one that was refused.
        address: SocketAddr,
    },
    /// What was given to [`InspectorBuilder::allow_host`](crate::InspectorBuilder::allow_host) is neither a name nor a name with a
    /// port.
    Host {
        /// What was given.
        host: String,
    },
    /// No address was found for what was given.
    Address(io::Error),
    /// It cannot listen there: mostly because somebody else does.
    Bind {
        /// The last one that was tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that serves could not be started.
    Start(io::Error),
}

impl fmt::Display for InspectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InspectorError::NotLoopback { address } => write!(
                f,
                "{address} is no address of the loopback interface, and others could look in: \
                 serve at 127.0.0.1 or [::1], or say Inspector::builder().allow_any_address()"
            ),
            InspectorError::Host { host } => write!(
                f,
                "{host:?} is no host: allow_host takes a name or an address, with a port or without"
            ),
            InspectorError::Address(_) => f.write_str("the inspector has no address to listen at"),
            InspectorError::Bind { address, .. } => {
                write!(f, "the inspector cannot listen at {address}")
            }
            InspectorError::Start(_) => {
                f.write_str("the thread of the inspector cannot be started")
            }
        }
    }
}

impl Error for InspectorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            InspectorError::Address(source)
            | InspectorError::Bind { source, .. }
            | InspectorError::Start(source) => Some(source),
            InspectorError::NotLoopback { .. } | InspectorError::Host { .. } => None,
        }
    }
}
