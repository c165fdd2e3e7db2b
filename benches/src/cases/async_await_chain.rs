//! One child after the other, each with a result that is awaited.

use std::hint::black_box;

use tokio_util::sync::CancellationToken;

use super::Cases;
use super::children::unless_cancelled;

const CHILDREN: u64 = 100_000;

pub(super) fn register(cases: &mut Cases) {
    cases.both("async_await_chain", CHILDREN, |mut case| {
        case.corox(|scope, _| async move {
            let mut sum = 0;
            for i in 0..CHILDREN {
                sum += scope.spawn(async move { Ok(i) }).await?;
            }
            black_box(sum);
            Ok(())
        });
        case.tokio("tokio-spawn", |_| async {
            let mut sum = 0;
            for i in 0..CHILDREN {
                sum += tokio::spawn(async move { i }).await.expect("no panic");
            }
            black_box(sum);
        });
        case.tokio("spawn+childtoken", |_| async {
            let token = CancellationToken::new();
            let mut sum = 0;
            for i in 0..CHILDREN {
                let token = token.child_token();
                let child = async move { unless_cancelled!(token, async { i }) };
                sum += tokio::spawn(child).await.expect("no panic");
            }
            black_box(sum);
        });
    });
}
