//! By reference a deferred is awaited only if each await can have a clone.
// says: `&Deferred<Connection>` is not a future
// notes: impl<T: Clone + Send + 'static> IntoFuture for &Deferred<T> {
use corox_core::run_blocking;

struct Connection;

fn main() {
    let _ = run_blocking(async |scope| {
        let connection = scope.spawn(async { Ok(Connection) });
        (&connection).await?;
        connection.await
    });
}
