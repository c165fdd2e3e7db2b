//! Many delays at once.

use std::time::Duration;

use corox::{coroutine_scope, delay};

use super::Cases;
use crate::measure::Quantity::{ProcessorTime, WallTime};

const COROUTINES: u64 = 100_000;

pub(super) fn register(cases: &mut Cases) {
    for (name, of) in [
        ("delay_many_wall", WallTime),
        ("delay_many_cpu", ProcessorTime),
    ] {
        cases.both(name, of, COROUTINES, |_, _| async {
            coroutine_scope(async |scope| {
                for i in 0..COROUTINES {
                    let pause = Duration::from_millis(1 + (i * 7919) % 100);
                    scope.launch(async move { delay(pause).await });
                }
                Ok(())
            })
            .await
        });
    }
}
