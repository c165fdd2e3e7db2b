//! Context and dispatchers.

use corox::{CoroutineScope, Result, thread_label};

cases! {
    "context-03" context_03 "In debug mode a coroutine has a number, and a log can name it";
}

async fn context_03(scope: CoroutineScope) -> Result<()> {
    fn log(text: &str) {
        println!("[{}] {text}", thread_label());
    }

    let a = scope.spawn(async {
        log("I'm computing a piece of the answer");
        Ok(6)
    });
    let b = scope.spawn(async {
        log("I'm computing another piece of the answer");
        Ok(7)
    });
    let answer = a.await? * b.await?;
    log(&format!("The answer is {answer}"));
    Ok(())
}
