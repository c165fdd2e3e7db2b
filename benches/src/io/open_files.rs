//! How many files, and so sockets, the process may have open.

/// Raises the limit to `needed`, as far as the operating system lets it; else the limit.
#[cfg(unix)]
pub(crate) fn allow(needed: u64) -> Result<(), u64> {
    use nix::sys::resource::{Resource::RLIMIT_NOFILE, getrlimit, setrlimit};

    let Ok((soft, hard)) = getrlimit(RLIMIT_NOFILE) else {
        return Ok(());
    };
    if soft >= needed || setrlimit(RLIMIT_NOFILE, needed.min(hard), hard).is_ok() && hard >= needed
    {
        return Ok(());
    }
    Err(soft.max(hard))
}

/// There is no such limit.
#[cfg(not(unix))]
pub(crate) fn allow(_: u64) -> Result<(), u64> {
    Ok(())
}
