//! Elements at regular times.

use std::panic::Location;
use std::time::Duration;

use corox_core::location_protocol::delay_at;
use corox_core::waiters_protocol::now;
use corox_core::{Dispatcher, Result};

use crate::builders::ProducerScope;

/// When the next tick of a [`ticker`](crate::ChannelBuilders::ticker) comes, if a receiver is late.
///
/// Kotlin: `TickerMode`.
///
/// ```
/// use corox_channels::{ChannelBuilders, TickerMode};
/// use corox_core::{delay, run_blocking};
/// use std::time::{Duration, Instant};
///
/// run_blocking(async |scope| {
///     let period = Duration::from_millis(20);
///     let ticks = scope.ticker(period, Duration::ZERO, TickerMode::FixedDelay);
///     ticks.receive().await?;
///     delay(3 * period).await;
///     ticks.receive().await?; // waits already
///     let late = Instant::now();
///     ticks.receive().await?;
///     assert!(late.elapsed() > period / 2);
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TickerMode {
    /// At the next multiple of the period: beats that nobody has received are skipped.
    ///
    /// Kotlin: `TickerMode.FIXED_PERIOD`.
    #[default]
    #[doc(alias = "FIXED_PERIOD")]
    FixedPeriod,
    /// A period after the last one was received.
    ///
    /// Kotlin: `TickerMode.FIXED_DELAY`.
    #[doc(alias = "FIXED_DELAY")]
    FixedDelay,
}

/// What a ticker does that was made at `location`.
pub(crate) async fn tick(
    location: &'static Location<'static>,
    producer: ProducerScope<()>,
    period: Duration,
    initial_delay: Duration,
    mode: TickerMode,
) -> Result<()> {
    let context = producer.context();
    let dispatcher = context.dispatcher().cloned().unwrap_or(Dispatcher::DEFAULT);
    let now = || now(&dispatcher);
    // `None`: beyond what the clock can hold.
    let mut deadline = now().checked_add(initial_delay);
    delay_at(location, initial_delay).await;
    loop {
        producer.channel().send_at((), location).await?;
        let wait = match mode {
            TickerMode::FixedDelay => period,
            TickerMode::FixedPeriod => {
                deadline = deadline.and_then(|deadline| deadline.checked_add(period));
                let (Some(due), now) = (deadline, now()) else {
                    delay_at(location, Duration::MAX).await;
                    continue;
                };
                let late = now.saturating_duration_since(due);
                let wait = if late.is_zero() || period.is_zero() {
                    due.saturating_duration_since(now)
                } else {
                    let into_the_beat = late.as_nanos() % period.as_nanos();
                    period - Duration::from_nanos(into_the_beat as u64)
                };
                deadline = now.checked_add(wait);
                wait
            }
        };
        delay_at(location, wait).await;
    }
}
