//! The page of live coroutines, as long as its guard lives.

mod builder;
mod error;
mod hosts;
mod limits;
mod listing;
mod query;
mod server;
mod site;

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

use corox_core::probe::Installed;
use corox_core::probe_protocol::TimePolls;
use server::Server;

pub use builder::InspectorBuilder;
pub use error::InspectorError;

/// A local page of the live coroutines: their tree, what each waits for, for how long it lives, how often and how long it was
/// polled, and a button for a full dump.
///
/// The page is served until the inspector is dropped, by a thread of its own: it answers also while every worker is blocked.
/// The probes are installed as long; coroutines that were launched before are unknown. Several inspectors may exist.
///
/// It can only be looked at. Without further ado only this machine reaches it, by an address or a name of the loopback
/// interface; but any user of this machine may. Pages of other sites can neither read it nor ask for dumps.
///
/// What the page shows is there for programs, too:
///
/// - `/api/coroutines`: JSON, `process`, `total`, `matching`, `listed`, `states`, `collapsed`, `deadlocks`, and `coroutines` in the order of
///   the tree. `?q=WORDS` leaves only coroutines whose name, number, state, thread or place has all the words;
///   `&limit=N` gives at most `N`, else 500; `&collapsed=KEY,KEY` leaves out what is below these.
/// - `/api/deadlocks`: JSON, an array of [`DebugProbes::deadlocks`](crate::DebugProbes::deadlocks).
/// - `/api/dump`: the text of [`DebugProbes::dump_coroutines`](crate::DebugProbes::dump_coroutines).
///
/// Kotlin: no counterpart; IDEs show the same of programs that they debug.
///
/// ```
/// use corox_core::{CoroutineName, await_cancellation, run_blocking};
/// use corox_debug::Inspector;
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
///
/// let inspector = Inspector::serve("127.0.0.1:0").unwrap();
/// println!("look at {}", inspector.url());
/// run_blocking(async |scope| {
///     let loader = scope.with(CoroutineName::new("loader")).launch(await_cancellation());
///     // What a browser does:
///     let address = inspector.local_addr();
///     let mut connection = TcpStream::connect(address)?;
///     write!(connection, "GET /api/coroutines HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
///     let mut answer = String::new();
///     connection.read_to_string(&mut answer)?;
///     assert!(answer.contains("\"name\":\"loader\""));
///     loader.cancel();
///     Ok(())
/// }).unwrap();
/// ```
#[must_use = "dropping the inspector ends the page"]
pub struct Inspector {
    // In this order: nothing is asked of probes that are gone.
    server: Server,
    _times: TimePolls,
    _probes: Installed,
}

impl Inspector {
    /// Serves the page at `address`, which has to be of the loopback interface. The port 0 is any free one.
    ///
    /// A name is looked up, and the thread waits for that.
    ///
    /// # Errors
    ///
    /// [`InspectorError`]: the address is not of the loopback interface, cannot be found, or is in use.
    ///
    /// ```
    /// use corox_debug::{Inspector, InspectorError};
    ///
    /// let inspector = Inspector::serve("localhost:0").unwrap();
    /// let error = Inspector::serve(inspector.local_addr()).unwrap_err();
    /// assert!(matches!(error, InspectorError::Bind { .. }));
    /// ```
    pub fn serve(address: impl ToSocketAddrs) -> Result<Inspector, InspectorError> {
        Inspector::builder().serve(address)
    }

    /// For what [`serve`](Inspector::serve) refuses: other addresses, and other names of this machine.
    ///
    /// ```
    /// use corox_debug::Inspector;
    ///
    /// let inspector = Inspector::builder().allow_host("dev.example").serve("127.0.0.1:0").unwrap();
    /// assert!(inspector.local_addr().ip().is_loopback());
    /// ```
    pub fn builder() -> InspectorBuilder {
        InspectorBuilder::default()
    }

    /// Where it listens, with the port that it has got.
    ///
    /// ```
    /// let inspector = corox_debug::Inspector::serve(("127.0.0.1", 0)).unwrap();
    /// assert_ne!(inspector.local_addr().port(), 0);
    /// ```
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.server.address
    }

    /// The address of the page, for a browser.
    ///
    /// ```
    /// let inspector = corox_debug::Inspector::serve("[::1]:0").unwrap();
    /// assert_eq!(inspector.url(), format!("http://[::1]:{}/", inspector.local_addr().port()));
    /// ```
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.server.address)
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector")
            .field("local_addr", &self.local_addr())
            .finish_non_exhaustive()
    }
}
