//! The signals that ask a process to end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::error::Result;

/// Completes when the user presses Ctrl-C, or the system asks the process to end: SIGTERM on Unix, the closing of the console,
/// a logoff or a shutdown on Windows.
///
/// It listens from its first poll on; from then on the signal does not end the process by itself, for as long as the
/// process lives. Each call gives a future of the next signal. For
/// [`run_blocking_until`](crate::run_blocking_until), and inside `#[tokio::main]` as any future.
///
/// # Errors
///
/// If the process cannot listen to signals.
///
/// # Cancel safety
///
/// A signal that comes when nobody listens is lost, also between two futures of this.
///
/// ```no_run
/// use corox_core::{await_cancellation, run_blocking_until, shutdown_signal};
/// use std::time::Duration;
///
/// let result = run_blocking_until(shutdown_signal, Duration::from_secs(5), async |_| {
///     await_cancellation().await;
///     # #[allow(unreachable_code)]
///     Ok(())
/// });
/// std::process::exit(if result.is_ok() { 0 } else { 130 });
/// ```
pub async fn shutdown_signal() -> Result<()> {
    #[cfg(unix)]
    let mut others = {
        use tokio::signal::unix::{SignalKind, signal};
        [signal(SignalKind::terminate())?]
    };
    #[cfg(windows)]
    let mut others = {
        use tokio::signal::windows;
        (
            windows::ctrl_close()?,
            windows::ctrl_logoff()?,
            windows::ctrl_shutdown()?,
        )
    };
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    poll_fn(|cx| {
        #[cfg(unix)]
        let other = others
            .iter_mut()
            .any(|other| other.poll_recv(cx).is_ready());
        #[cfg(windows)]
        let other = others.0.poll_recv(cx).is_ready()
            || others.1.poll_recv(cx).is_ready()
            || others.2.poll_recv(cx).is_ready();
        match ctrl_c.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending if other => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    })
    .await?;
    Ok(())
}
