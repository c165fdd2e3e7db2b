//! The rows of the table, and how they come from one process to the other.

/// What is measured of one size.
pub(crate) struct Row {
    /// What the row is about: a number of workers, of coroutines.
    pub(crate) size: usize,
    /// Nanoseconds for each operation.
    pub(crate) nanoseconds: f64,
    /// Bytes: for each coroutine, or of the process.
    pub(crate) bytes: Option<f64>,
}

impl Row {
    /// Prints the row for the other process.
    pub(crate) fn send(&self) {
        let bytes = self.bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
        println!("{}\t{}\t{bytes}", self.size, self.nanoseconds);
    }

    /// Reads what [`send`](Row::send) has printed.
    pub(crate) fn receive(line: &str) -> Row {
        let fields: Vec<&str> = line.split('\t').collect();
        let [size, nanoseconds, bytes] = fields[..] else {
            panic!("not a row: {line}");
        };
        Row {
            size: size.parse().expect("a size"),
            nanoseconds: nanoseconds.parse().expect("a time"),
            bytes: bytes.parse().ok(),
        }
    }
}

/// Prints a block: each row as it comes, with its ratios to the first.
pub(crate) fn print_all(by: &str, rows: impl Iterator<Item = Row>) {
    let mut first: Option<Row> = None;
    for row in rows {
        let base = first.as_ref().unwrap_or(&row);
        if first.is_none() {
            let bytes = row.bytes.map_or("", |_| "         bytes   ratio");
            println!("{by:>12} {:>10} {:>7} {bytes}", "ns each", "ratio");
        }
        let bytes = row
            .bytes
            .zip(base.bytes)
            .map_or(String::new(), |(is, was)| {
                format!("{is:>14.0} {:>7.2}", is / was)
            });
        let ratio = row.nanoseconds / base.nanoseconds;
        println!(
            "{:>12} {:>10.1} {ratio:>7.2} {bytes}",
            row.size, row.nanoseconds
        );
        first.get_or_insert(row);
    }
}
