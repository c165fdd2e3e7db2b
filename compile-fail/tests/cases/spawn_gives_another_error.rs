//! Of the library's error, into which `?` converts.
// says: this body must be a future of `corox::Result`
// notes: another error is converted by `?`: `async { Ok(work().await?) }`
use corox_core::run_blocking;

async fn load() -> std::io::Result<String> {
    std::fs::read_to_string("a")
}

fn main() {
    let _ = run_blocking(async |scope| {
        let text = scope.spawn(load());
        text.await
    });
}
