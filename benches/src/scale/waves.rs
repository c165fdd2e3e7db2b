//! Ten million coroutines, one hundred thousand after the other: the time for each stays the same, and so does the memory.

use std::time::Instant;

use corox::{Result, coroutine_scope, yield_now};
use corox_bench::resident;

use crate::row::Row;
use crate::{Block, place, size};

const WAVE: usize = 100_000;
/// A row is the mean of so many waves.
const WAVES: usize = 10;

pub(crate) fn blocks() -> Vec<Block> {
    let block = |place| Block {
        case: "waves",
        title: format!(
            "waves of {WAVE}, {}; bytes of the process",
            place::name(place)
        ),
        by: "coroutines",
        rows: vec![(format!("waves/{place}"), None)],
    };
    place::ALL.map(block).into()
}

pub(crate) fn measure(place: &str) -> Vec<Row> {
    place::run(place, waves())
}

async fn waves() -> Result<Vec<Row>> {
    // Warms up.
    wave().await?;
    let mut rows = Vec::new();
    for number in 1..=size(10_000_000, 5) / WAVE / WAVES {
        let begin = Instant::now();
        for _ in 0..WAVES {
            wave().await?;
        }
        let took = begin.elapsed().as_secs_f64() * 1e9;
        rows.push(Row {
            size: number * WAVES * WAVE,
            nanoseconds: took / (WAVES * WAVE) as f64,
            bytes: Some(resident() as f64),
        });
    }
    Ok(rows)
}

/// Each suspends once.
async fn wave() -> Result<()> {
    coroutine_scope(async |scope| {
        for _ in 0..WAVE {
            scope.launch(async { yield_now().await });
        }
        Ok(())
    })
    .await
}
