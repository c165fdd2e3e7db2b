//! Context and dispatchers.

use std::cell::Cell;

use corox::{LocalKeyExt, with_context, yield_now};
use corox_test::run_test;

thread_local!(static TENANT: Cell<u32> = const { Cell::new(0) });

/// A coroutine that runs with tenant 2, on a thread whose own is 1.
#[test]
fn context_11_lost_update_what_a_coroutine_sets_is_gone_after_its_next_suspension() {
    run_test(async |t| {
        TENANT.set(1);
        let job = t.with(TENANT.as_context_element(2)).launch(async {
            TENANT.set(3);
            assert_eq!(TENANT.get(), 3, "until it suspends");
            yield_now().await;
            assert_eq!(TENANT.get(), 2, "the value of the element is back");
            TENANT.set(3);
        });
        job.join().await;
        assert_eq!(TENANT.get(), 1, "the caller has seen none of it");
    });
}

#[test]
fn context_11_lost_update_a_new_element_is_how_a_part_of_it_gets_another_value() {
    run_test(async |t| {
        TENANT.set(1);
        let job = t.with(TENANT.as_context_element(2)).launch(async {
            with_context(TENANT.as_context_element(3), async {
                yield_now().await;
                assert_eq!(TENANT.get(), 3, "it stays");
                Ok(())
            })
            .await?;
            assert_eq!(TENANT.get(), 2);
            Ok(())
        });
        job.join().await;
        assert_eq!(TENANT.get(), 1);
    });
}

#[test]
fn context_11_lost_update_ensure_present_fails_where_the_element_was_forgotten() {
    run_test(async |t| {
        t.with(TENANT.as_context_element(2))
            .launch(async { TENANT.ensure_present() });
        let error = TENANT.ensure_present().unwrap_err();
        assert!(error.to_string().contains("as_context_element"), "{error}");
        assert!(error.location().file().ends_with("context.rs"));
    });
}
