//! An allocator that counts. A binary that takes this module in, by its path, has it as its own.
#![allow(dead_code, unreachable_pub)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::{Mul, Sub};
use std::process::Command;
use std::sync::atomic::{AtomicIsize, Ordering};

struct Counting;

static LIVE_BLOCKS: AtomicIsize = AtomicIsize::new(0);
static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static OF_THIS_THREAD: Cell<Count> = const { Cell::new(Count { allocations: 0, bytes: 0 }) };
    static GIVEN_BACK_BY_THIS_THREAD: Cell<Count> =
        const { Cell::new(Count { allocations: 0, bytes: 0 }) };
}

// SAFETY: each call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BLOCKS.fetch_add(1, Ordering::Relaxed);
        LIVE_BYTES.fetch_add(layout.size() as isize, Ordering::Relaxed);
        OF_THIS_THREAD.with(|count| count.set(count.get().and_one_of(layout)));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BLOCKS.fetch_sub(1, Ordering::Relaxed);
        LIVE_BYTES.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        GIVEN_BACK_BY_THIS_THREAD.with(|count| count.set(count.get().and_one_of(layout)));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What was allocated, given back or not. What grows counts as allocated anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Count {
    pub allocations: usize,
    pub bytes: usize,
}

impl Count {
    fn and_one_of(self, layout: Layout) -> Count {
        Count {
            allocations: self.allocations + 1,
            bytes: self.bytes + layout.size(),
        }
    }

    /// By this thread, so far.
    pub fn of_this_thread() -> Count {
        OF_THIS_THREAD.get()
    }
}

impl Sub for Count {
    type Output = Count;

    fn sub(self, before: Count) -> Count {
        Count {
            allocations: self.allocations - before.allocations,
            bytes: self.bytes - before.bytes,
        }
    }
}

impl Mul<usize> for Count {
    type Output = Count;

    fn mul(self, times: usize) -> Count {
        Count {
            allocations: self.allocations * times,
            bytes: self.bytes * times,
        }
    }
}

/// How many blocks the process has that it has not given back.
pub fn live_blocks() -> isize {
    LIVE_BLOCKS.load(Ordering::Relaxed)
}

/// How many bytes these have.
pub fn live_bytes() -> isize {
    LIVE_BYTES.load(Ordering::Relaxed)
}

/// How many blocks and bytes this thread has allocated more than it has given back: what other threads do, those of the test
/// harness too, is not in it.
pub fn live_of_this_thread() -> (isize, isize) {
    let (made, gone) = (OF_THIS_THREAD.get(), GIVEN_BACK_BY_THIS_THREAD.get());
    (
        made.allocations as isize - gone.allocations as isize,
        made.bytes as isize - gone.bytes as isize,
    )
}

/// The compiler whose numbers of bytes the tests know. Others are compared by the numbers of allocations.
const COMPILER: &str = "rustc 1.95.";

pub fn are_bytes_comparable() -> bool {
    let same_layouts = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    same_layouts && version.is_ok_and(|version| version.stdout.starts_with(COMPILER.as_bytes()))
}
