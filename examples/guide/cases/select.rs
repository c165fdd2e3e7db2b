//! Select: the first of several things.

use std::time::Duration;

use corox::{
    Capacity, Channel, ChannelBuilders, Clause, CoroutineScope, Deferred, Receiver, Result, Sender,
    delay, is_active, select,
};

cases! {
    "select-01" select_01 "Receives from whichever of two channels has something first";
    "select-02" select_02 "A clause that learns of the closing, and the first clause wins where both could";
    "select-03" select_03 "Sends to whoever is ready first";
    "select-04" select_04 "The quickest of twelve results, while the others go on";
    "select-05" select_05 "Awaits a result until there is a newer one to await";
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

async fn select_01(scope: CoroutineScope) -> Result<()> {
    fn every(
        scope: &CoroutineScope,
        period: Duration,
        text: &'static str,
    ) -> Receiver<&'static str> {
        scope.produce(Capacity::Rendezvous, async move |producer| {
            while is_active() {
                delay(period).await;
                producer.send(text).await?;
            }
            Ok(())
        })
    }

    async fn select_fizz_buzz(
        fizz: &Receiver<&'static str>,
        buzz: &Receiver<&'static str>,
    ) -> Result<()> {
        select((
            fizz.on_receive().then(|text| {
                println!("fizz -> '{}'", text?);
                Ok(())
            }),
            buzz.on_receive().then(|text| {
                println!("buzz -> '{}'", text?);
                Ok(())
            }),
        ))
        .await
    }

    let fizz = every(&scope, ms(500), "Fizz");
    let buzz = every(&scope, ms(1000), "Buzz!");
    for _ in 0..7 {
        select_fizz_buzz(&fizz, &buzz).await?;
    }
    scope.job().cancel_children();
    Ok(())
}

async fn select_02(scope: CoroutineScope) -> Result<()> {
    async fn select_a_or_b(a: &Receiver<String>, b: &Receiver<String>) -> String {
        select((
            a.on_receive_catching()
                .then(|received| match received.ok() {
                    Some(text) => format!("a -> '{text}'"),
                    None => "Channel 'a' is closed".to_owned(),
                }),
            b.on_receive_catching()
                .then(|received| match received.ok() {
                    Some(text) => format!("b -> '{text}'"),
                    None => "Channel 'b' is closed".to_owned(),
                }),
        ))
        .await
    }

    let [a, b] = ["Hello", "World"].map(|text| {
        scope.produce(Capacity::Rendezvous, async move |producer| {
            for n in 0..4 {
                producer.send(format!("{text} {n}")).await?;
            }
            Ok(())
        })
    });
    for _ in 0..8 {
        println!("{}", select_a_or_b(&a, &b).await);
    }
    scope.job().cancel_children();
    Ok(())
}

async fn select_03(scope: CoroutineScope) -> Result<()> {
    fn produce_numbers(scope: &CoroutineScope, side: Sender<u32>) -> Receiver<u32> {
        scope.produce(Capacity::Rendezvous, async move |producer| {
            for n in 1..=10 {
                delay(ms(100)).await;
                select((producer.on_send(n), side.on_send(n))).await?;
            }
            Ok(())
        })
    }

    let (side, side_numbers) = Channel::new(Capacity::Rendezvous).split();
    scope.launch(async move {
        while let Some(n) = side_numbers.next().await? {
            println!("Side channel has {n}");
        }
        Ok(())
    });
    let numbers = produce_numbers(&scope, side);
    numbers
        .consume_each(async |n| {
            println!("Consuming {n}");
            delay(ms(250)).await;
            Ok(())
        })
        .await?;
    println!("Done consuming");
    Ok(())
}

async fn select_04(scope: CoroutineScope) -> Result<()> {
    /// As random as they have to be.
    const TIMES: [u64; 12] = [734, 660, 210, 581, 128, 202, 549, 564, 459, 961, 585, 882];

    let deferreds = TIMES.map(|time| {
        scope.spawn(async move {
            delay(ms(time)).await;
            Ok(format!("Waited for {time} ms"))
        })
    });
    let clauses = deferreds.iter().enumerate().map(|(i, deferred)| {
        deferred.on_await().then(move |answer| {
            answer.map(|answer| format!("Deferred {i} produced answer '{answer}'"))
        })
    });
    println!("{}", select(clauses.collect::<Vec<_>>()).await?);
    let active = deferreds
        .iter()
        .filter(|deferred| deferred.job().is_active());
    println!("{} coroutines are still active", active.count());
    Ok(())
}

async fn select_05(scope: CoroutineScope) -> Result<()> {
    fn switch_map_deferreds(
        scope: &CoroutineScope,
        input: Receiver<Deferred<String>>,
    ) -> Receiver<String> {
        scope.produce(Capacity::Rendezvous, async move |producer| {
            let mut current = input.receive().await?;
            while is_active() {
                let next: Result<_> = select((
                    input.on_receive_catching().then(|update| Ok(update.ok())),
                    current.on_await().then_async(async |value| {
                        producer.send(value?).await?;
                        Ok(input.receive_catching().await.ok())
                    }),
                ))
                .await;
                match next? {
                    Some(next) => current = next,
                    None => {
                        println!("Channel was closed");
                        break;
                    }
                }
            }
            Ok(())
        })
    }

    fn string_after(
        scope: &CoroutineScope,
        text: &'static str,
        time: Duration,
    ) -> Deferred<String> {
        scope.spawn(async move {
            delay(time).await;
            Ok(text.to_owned())
        })
    }

    let channel = Channel::new(Capacity::Rendezvous);
    let (tx, rx) = channel.split();
    let switched = switch_map_deferreds(&scope, rx);
    scope.launch(async move {
        while let Some(text) = switched.next().await? {
            println!("{text}");
        }
        Ok(())
    });
    tx.send(string_after(&scope, "BEGIN", ms(100))).await?;
    delay(ms(200)).await;
    tx.send(string_after(&scope, "Slow", ms(500))).await?;
    delay(ms(100)).await;
    tx.send(string_after(&scope, "Replace", ms(100))).await?;
    delay(ms(500)).await;
    tx.send(string_after(&scope, "END", ms(500))).await?;
    delay(ms(1000)).await;
    tx.close();
    delay(ms(500)).await;
    Ok(())
}
