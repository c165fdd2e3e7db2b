//! Two coroutines on one thread yield to each other.

use corox::coroutine_scope;

use super::Cases;
use crate::Threads;

const YIELDS: u64 = 400_000;

pub(super) fn register(cases: &mut Cases) {
    let mut case = cases.case("yield_pingpong_st", Threads::One, YIELDS);
    case.corox(|_, _| async {
        coroutine_scope(async |scope| {
            for _ in 0..2 {
                scope.launch(async {
                    for _ in 0..YIELDS / 2 {
                        corox::yield_now().await;
                    }
                });
            }
            Ok(())
        })
        .await
    });
    case.tokio("tokio-yield_now", |_| async {
        let yielding = async || {
            for _ in 0..YIELDS / 2 {
                tokio::task::yield_now().await;
            }
        };
        let (one, two) = (tokio::spawn(yielding()), tokio::spawn(yielding()));
        one.await.expect("no panic");
        two.await.expect("no panic");
    });
}
