//! Stacks of threads: taken quickly, read when somebody looks.

use std::sync::Arc;

use backtrace::Backtrace;
use corox_core::probe_protocol::Stack;

use crate::sanitized::is_of_a_library;
use crate::stack_frame::StackFrame;

/// The addresses of the stack of this thread.
pub(crate) fn take() -> Stack {
    Arc::new(Backtrace::new_unresolved())
}

/// What takes a stack, and what is below the poll of a coroutine, has no place in a trace.
const TAKING: [&str; 3] = ["backtrace::", "corox_debug::stack::", "corox_core::probe::"];
const BELOW: [&str; 2] = [
    "corox_core::coroutine::Coroutine<",
    "corox_scheduler::task::",
];
/// It is also in the stack of the launch of a root, whose callers tell more.
const BELOW_A_ROOT: [&str; 1] = ["corox_core::run_blocking::run_root"];

/// When a stack was taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Of {
    Wait,
    Launch,
}

/// What tells a stack from others: equal ones have the same functions.
pub(crate) fn addresses(stack: &Stack) -> Vec<usize> {
    let stack = stack.downcast_ref::<Backtrace>();
    let frames = stack.map_or(&[][..], Backtrace::frames).iter();
    frames.map(|frame| frame.ip().addr()).collect()
}

/// The functions of a stack, the innermost first: from whoever has had it taken to the poll of the coroutine.
pub(crate) fn read(stack: &Stack, of: Of) -> Vec<StackFrame> {
    let Some(stack) = stack.downcast_ref::<Backtrace>() else {
        return Vec::new();
    };
    let mut stack = stack.clone();
    stack.resolve();
    let mut frames = Vec::new();
    for symbol in stack.frames().iter().flat_map(|frame| frame.symbols()) {
        // `{:#}`: without the hash.
        let Some(function) = symbol.name().map(|name| format!("{name:#}")) else {
            continue;
        };
        if begins(&function, &TAKING) && frames.iter().all(is_of_a_library) {
            frames.clear();
            continue;
        }
        if begins(&function, &BELOW) || of == Of::Wait && begins(&function, &BELOW_A_ROOT) {
            break;
        }
        frames.push(StackFrame {
            function,
            file: symbol.filename().map(|file| file.display().to_string()),
            line: symbol.lineno(),
            column: symbol.colno(),
        });
    }
    frames
}

fn begins(function: &str, with: &[&str]) -> bool {
    let function = function.trim_start_matches('<');
    with.iter().any(|begin| function.starts_with(begin))
}
