//! Failures and supervision.

use std::error::Error;
use std::fmt;

use corox::{CoroutineScope, GlobalScope, Result};

cases! {
    "exceptions-01" exceptions_01 "Outside of any scope: launch reports its failure, spawn keeps it for who awaits";
}

#[derive(Debug)]
struct ArithmeticException;

impl fmt::Display for ArithmeticException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArithmeticException")
    }
}

impl Error for ArithmeticException {}

#[derive(Debug)]
struct IndexOutOfBoundsException;

impl fmt::Display for IndexOutOfBoundsException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexOutOfBoundsException")
    }
}

impl Error for IndexOutOfBoundsException {}

async fn exceptions_01(_: CoroutineScope) -> Result<()> {
    let job = GlobalScope.launch(async {
        println!("Throwing exception from launch");
        Err(IndexOutOfBoundsException.into())
    });
    job.join().await;
    println!("Joined failed job");
    let deferred = GlobalScope.spawn(async {
        println!("Throwing exception from async");
        Err::<(), _>(ArithmeticException.into())
    });
    match deferred.await {
        Err(error) if error.downcast_ref::<ArithmeticException>().is_some() => {
            println!("Caught ArithmeticException");
        }
        other => println!("Unreached: {other:?}"),
    }
    Ok(())
}
