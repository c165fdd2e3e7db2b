//! Traces without the machinery between the functions of the program.

use crate::stack_frame::StackFrame;

/// Whose functions are machinery.
const LIBRARIES: [&str; 15] = [
    "__",
    "alloc::",
    "backtrace::",
    "clone",
    "core::",
    "corox::",
    "corox_",
    "crossbeam_",
    "futures_",
    "futures::",
    "parking_lot",
    "rust_",
    "start_thread",
    "std::",
    "tokio::",
];

/// Whether it is machinery, as far as its name and its file tell.
pub(crate) fn is_of_a_library(frame: &StackFrame) -> bool {
    let function = frame.function.trim_start_matches(['<', '&']);
    // With some kinds of debug information a name has no path.
    let file = frame.file.as_deref().unwrap_or_default();
    let is_foreign = file.starts_with("/rustc/") || file.contains("/.cargo/registry/");
    is_foreign
        || LIBRARIES
            .iter()
            .any(|library| function.starts_with(library))
}

/// Of each run of frames of libraries only the first and the last one are left (P-7).
pub(crate) fn sanitize(frames: Vec<StackFrame>) -> Vec<StackFrame> {
    let mut kept: Vec<StackFrame> = Vec::new();
    let mut run = 0;
    for frame in frames {
        if is_of_a_library(&frame) {
            run += 1;
            if run > 2 {
                kept.pop();
            }
        } else {
            run = 0;
        }
        kept.push(frame);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sanitized(functions: &[&str]) -> Vec<String> {
        let frame = |function: &&str| StackFrame {
            function: (*function).to_owned(),
            file: None,
            line: None,
            column: None,
        };
        let kept = sanitize(functions.iter().map(frame).collect());
        kept.into_iter().map(|frame| frame.function).collect()
    }

    /// P-7.
    #[test]
    fn runs_of_library_frames_keep_their_first_and_their_last() {
        let frames = [
            "<corox_core::time::Delay as core::future::future::Future>::poll",
            "app::load::{{closure}}",
            "std::panicking::try",
            "std::panic::catch_unwind",
            "<core::pin::Pin<P> as core::future::future::Future>::poll",
            "<corox_core::scope_builders::ScopeFuture<F,T> as core::future::future::Future>::poll",
            "app::main::{{closure}}",
            "tokio::runtime::task::poll",
            "std::thread::run",
        ];
        let expected = [
            frames[0], frames[1], frames[2], frames[5], frames[6], frames[7], frames[8],
        ];
        assert_eq!(sanitized(&frames), expected);
    }

    #[test]
    fn what_is_named_like_a_library_but_is_none_stays() {
        let frames = ["coronation::a", "coronation::b", "coronation::c", "stdx::d"];
        assert_eq!(sanitized(&frames), frames);
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        assert!(sanitized(&[]).is_empty());
    }
}
