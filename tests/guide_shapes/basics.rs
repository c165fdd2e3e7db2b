//! Coroutines, scopes and jobs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use corox::{coroutine_scope, delay};
use corox_test::run_test;

/// Their dots are counted by the case of the same name; here, where they run.
#[test]
fn basic_06_fifty_thousand_coroutines_share_a_thread_and_five_seconds() {
    run_test(async |t| {
        let ran: Arc<Mutex<Vec<ThreadId>>> = Arc::default();
        coroutine_scope(async |scope| {
            for _ in 0..50_000 {
                let ran = ran.clone();
                scope.launch(async move {
                    delay(Duration::from_secs(5)).await;
                    ran.lock().unwrap().push(thread::current().id());
                });
            }
            Ok(())
        })
        .await?;
        let ran = ran.lock().unwrap();
        assert_eq!(ran.len(), 50_000);
        let threads: HashSet<_> = ran.iter().copied().collect();
        assert_eq!(threads, HashSet::from([thread::current().id()]));
        assert_eq!(t.current_time(), Duration::from_secs(5));
        Ok(())
    });
}
