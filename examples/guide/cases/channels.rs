//! Channels: values that go from one coroutine to another.

use std::time::Duration;

use corox::{
    Capacity, Channel, ChannelBuilders, CoroutineScope, Receiver, Result, TickerMode, delay,
    with_timeout_or_none,
};

cases! {
    "channel-01" channel_01 "One coroutine sends, another receives";
    "channel-02" channel_02 "A channel that is closed ends the loop over it";
    "channel-03" channel_03 "A coroutine with a channel, which is closed when it ends";
    "channel-04" channel_04 "A pipeline: what one produces the next one squares";
    "channel-05" channel_05 "A pipeline that grows by a filter with each prime number";
    "channel-06" channel_06 "Several receive from one channel: each element goes to one of them";
    "channel-07" channel_07 "Several send into one channel";
    "channel-08" channel_08 "Into a channel of capacity four the fifth send has to wait";
    "channel-09" channel_09 "Who waits first is served first";
    "channel-10" channel_10 "A channel that has an element at regular times";
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

async fn channel_01(scope: CoroutineScope) -> Result<()> {
    let channel = Channel::new(Capacity::Rendezvous);
    let squares = channel.clone();
    scope.launch(async move {
        for x in 1..=5 {
            squares.send(x * x).await?;
        }
        Ok(())
    });
    for _ in 0..5 {
        println!("{}", channel.receive().await?);
    }
    println!("Done!");
    Ok(())
}

async fn channel_02(scope: CoroutineScope) -> Result<()> {
    let channel = Channel::new(Capacity::Rendezvous);
    let squares = channel.clone();
    scope.launch(async move {
        for x in 1..=5 {
            squares.send(x * x).await?;
        }
        squares.close();
        Ok(())
    });
    while let Some(y) = channel.next().await? {
        println!("{y}");
    }
    println!("Done!");
    Ok(())
}

async fn channel_03(scope: CoroutineScope) -> Result<()> {
    fn produce_squares(scope: &CoroutineScope) -> Receiver<i32> {
        scope.produce(Capacity::Rendezvous, async |producer| {
            for x in 1..=5 {
                producer.send(x * x).await?;
            }
            Ok(())
        })
    }

    let squares = produce_squares(&scope);
    squares
        .consume_each(async |y| {
            println!("{y}");
            Ok(())
        })
        .await?;
    println!("Done!");
    Ok(())
}

async fn channel_04(scope: CoroutineScope) -> Result<()> {
    fn produce_numbers(scope: &CoroutineScope) -> Receiver<i32> {
        scope.produce(Capacity::Rendezvous, async |producer| {
            for x in 1.. {
                producer.send(x).await?;
            }
            Ok(())
        })
    }

    fn square(scope: &CoroutineScope, numbers: Receiver<i32>) -> Receiver<i32> {
        scope.produce(Capacity::Rendezvous, async move |producer| {
            while let Some(x) = numbers.next().await? {
                producer.send(x * x).await?;
            }
            Ok(())
        })
    }

    let numbers = produce_numbers(&scope);
    let squares = square(&scope, numbers);
    for _ in 0..5 {
        println!("{}", squares.receive().await?);
    }
    println!("Done!");
    scope.job().cancel_children();
    Ok(())
}

async fn channel_05(scope: CoroutineScope) -> Result<()> {
    fn numbers_from(scope: &CoroutineScope, start: u32) -> Receiver<u32> {
        scope.produce(Capacity::Rendezvous, async move |producer| {
            for x in start.. {
                producer.send(x).await?;
            }
            Ok(())
        })
    }

    fn filter(scope: &CoroutineScope, numbers: Receiver<u32>, prime: u32) -> Receiver<u32> {
        scope.produce(Capacity::Rendezvous, async move |producer| {
            while let Some(x) = numbers.next().await? {
                if x % prime != 0 {
                    producer.send(x).await?;
                }
            }
            Ok(())
        })
    }

    let mut current = numbers_from(&scope, 2);
    for _ in 0..10 {
        let prime = current.receive().await?;
        println!("{prime}");
        current = filter(&scope, current, prime);
    }
    scope.job().cancel_children();
    Ok(())
}

async fn channel_06(scope: CoroutineScope) -> Result<()> {
    fn produce_numbers(scope: &CoroutineScope) -> Receiver<u32> {
        scope.produce(Capacity::Rendezvous, async |producer| {
            for x in 1.. {
                producer.send(x).await?;
                delay(ms(100)).await;
            }
            Ok(())
        })
    }

    fn launch_processor(scope: &CoroutineScope, id: u32, numbers: Receiver<u32>) {
        scope.launch(async move {
            while let Some(number) = numbers.next().await? {
                println!("Processor #{id} received {number}");
            }
            Ok(())
        });
    }

    let producer = produce_numbers(&scope);
    for id in 0..5 {
        launch_processor(&scope, id, producer.clone());
    }
    delay(ms(950)).await;
    producer.cancel();
    Ok(())
}

async fn channel_07(scope: CoroutineScope) -> Result<()> {
    async fn send_string(
        channel: Channel<&'static str>,
        text: &'static str,
        every: Duration,
    ) -> Result<()> {
        loop {
            delay(every).await;
            channel.send(text).await?;
        }
    }

    let channel = Channel::new(Capacity::Rendezvous);
    scope.launch(send_string(channel.clone(), "foo", ms(200)));
    scope.launch(send_string(channel.clone(), "BAR!", ms(500)));
    for _ in 0..6 {
        println!("{}", channel.receive().await?);
    }
    scope.job().cancel_children();
    Ok(())
}

async fn channel_08(scope: CoroutineScope) -> Result<()> {
    let channel = Channel::new(4);
    let sender = scope.launch(async move {
        for n in 0..10 {
            println!("Sending {n}");
            channel.send(n).await?;
        }
        Ok(())
    });
    delay(ms(1000)).await;
    sender.cancel();
    Ok(())
}

async fn channel_09(scope: CoroutineScope) -> Result<()> {
    struct Ball {
        hits: u32,
    }

    async fn player(name: &str, table: Channel<Ball>) -> Result<()> {
        while let Some(mut ball) = table.next().await? {
            ball.hits += 1;
            println!("{name} Ball(hits={})", ball.hits);
            delay(ms(300)).await;
            table.send(ball).await?;
        }
        Ok(())
    }

    let table = Channel::new(Capacity::Rendezvous);
    scope.launch(player("ping", table.clone()));
    scope.launch(player("pong", table.clone()));
    table.send(Ball { hits: 0 }).await?;
    delay(ms(1000)).await;
    scope.job().cancel_children();
    Ok(())
}

async fn channel_10(scope: CoroutineScope) -> Result<()> {
    let ticker = scope.ticker(ms(100), Duration::ZERO, TickerMode::FixedPeriod);
    let next_within = async |limit| {
        let next = with_timeout_or_none(ms(limit), async |_| Ok(ticker.receive().await?));
        next.await.map(|next| next.map_or("None", |()| "()"))
    };

    let next = next_within(1).await?;
    println!("Initial element is available immediately: {next}");
    let next = next_within(50).await?;
    println!("Next element is not ready in 50 ms: {next}");
    let next = next_within(60).await?;
    println!("Next element is ready in 100 ms: {next}");
    println!("Consumer pauses for 150ms");
    delay(ms(150)).await;
    let next = next_within(1).await?;
    println!("Next element is available immediately after large consumer delay: {next}");
    let next = next_within(60).await?;
    println!("Next element is ready in 50ms after consumer pause in 150ms: {next}");
    ticker.cancel();
    Ok(())
}
