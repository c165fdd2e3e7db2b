//! The page for readers who know Kotlin, `docs/kotlin-to-corox.md`, against the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../docs/kotlin-to-corox.md");

/// What kotlinx.coroutines 1.11 declares in its core, its test, its debug and its slf4j module.
/// A name of two parts has a row with both, the second of them as the end of a name.
const NAMES: &str = "
    Job Job.Key Job.parent Job.isActive Job.isCompleted Job.isCancelled Job.start Job.cancel Job.children Job.join
    Job.onJoin Job.invokeOnCompletion Job.getCancellationException Job.attachChild ChildHandle Job.cancelAndJoin
    Job.cancelChildren Job.ensureActive CoroutineContext.cancelChildren CoroutineContext.ensureActive
    CoroutineScope.ensureActive CoroutineContext.isActive CoroutineScope.isActive CoroutineContext.cancel
    CoroutineScope.cancel CoroutineContext.job CompletableJob CompletableJob.complete
    CompletableJob.completeExceptionally SupervisorJob DisposableHandle dispose NonDisposableHandle CompletionHandler
    Deferred Deferred.await Deferred.onAwait Deferred.getCompleted Deferred.getCompletionExceptionOrNull
    CompletableDeferred CompletableDeferred.complete CompletableDeferred.completeExceptionally
    CompletableDeferred.completeWith CompletableDeferred.asDeferred awaitAll Collection.awaitAll joinAll
    Collection.joinAll CoroutineScope CoroutineScope.coroutineContext MainScope GlobalScope CoroutineScope.plus
    CoroutineScope.newCoroutineContext currentCoroutineContext CoroutineScope.launch CoroutineScope.async coroutineScope
    supervisorScope withContext CoroutineDispatcher.invoke runBlocking NonCancellable CoroutineStart
    CoroutineStart.DEFAULT CoroutineStart.LAZY CoroutineStart.ATOMIC CoroutineStart.UNDISPATCHED CoroutineName
    CoroutineName.name AbstractCoroutine CoroutineContext.newCoroutineContext

    CancellationException TimeoutCancellationException CompletionHandlerException CoroutineExceptionHandler
    CoroutineExceptionHandler.handleException handleCoroutineException CopyableThrowable createCopy awaitCancellation

    CoroutineDispatcher CoroutineDispatcher.dispatch CoroutineDispatcher.isDispatchNeeded
    CoroutineDispatcher.dispatchYield CoroutineDispatcher.limitedParallelism CloseableCoroutineDispatcher.close
    MainCoroutineDispatcher.immediate Dispatchers Dispatchers.Default Dispatchers.IO Dispatchers.Main
    Dispatchers.Unconfined Dispatchers.shutdown newSingleThreadContext newFixedThreadPoolContext delay Delay
    scheduleResumeAfterDelay invokeOnTimeout yield withTimeout withTimeoutOrNull Runnable

    suspendCancellableCoroutine CancellableContinuation CancellableContinuation.isActive
    CancellableContinuation.isCompleted CancellableContinuation.isCancelled CancellableContinuation.cancel
    CancellableContinuation.invokeOnCancellation CancellableContinuation.resume resumeUndispatched
    resumeUndispatchedWithException tryResume tryResumeWithException completeResume initCancellability
    disposeOnCancellation

    ExecutorCoroutineDispatcher.close ExecutorCoroutineDispatcher.executor ExecutorService.asCoroutineDispatcher
    Executor.asCoroutineDispatcher CoroutineDispatcher.asExecutor runInterruptible ThreadContextElement
    updateThreadContext restoreThreadContext CopyableThreadContextElement copyForChild mergeForChild
    ThreadLocal.asContextElement ThreadLocal.isPresent ThreadLocal.ensurePresent CoroutineScope.future
    Deferred.asCompletableFuture Job.asCompletableFuture CompletionStage.asDeferred CompletionStage.await
    Stream.consumeAsFlow java.time IO_PARALLELISM_PROPERTY_NAME DEBUG_PROPERTY_NAME DEBUG_PROPERTY_VALUE_AUTO
    DEBUG_PROPERTY_VALUE_ON DEBUG_PROPERTY_VALUE_OFF ActorScope actor TickerMode ticker

    Channel Channel.Factory Channel.RENDEZVOUS CONFLATED BUFFERED UNLIMITED DEFAULT_BUFFER_PROPERTY_NAME
    BufferOverflow.SUSPEND DROP_OLDEST DROP_LATEST SendChannel SendChannel.send SendChannel.trySend SendChannel.close
    SendChannel.isClosedForSend SendChannel.invokeOnClose ReceiveChannel ReceiveChannel.receive
    ReceiveChannel.receiveCatching ReceiveChannel.tryReceive ReceiveChannel.iterator ReceiveChannel.cancel
    ReceiveChannel.isClosedForReceive ReceiveChannel.isEmpty ChannelIterator.hasNext ChannelIterator.next
    ChannelResult ChannelResult.isSuccess isFailure isClosed ChannelResult.getOrNull getOrThrow exceptionOrNull
    ChannelResult.getOrElse ChannelResult.onSuccess onFailure onClosed ReceiveChannel.consume
    ReceiveChannel.consumeEach ReceiveChannel.consumeTo ReceiveChannel.toList SendChannel.trySendBlocking
    ReceiveChannel.consumeAsFlow ReceiveChannel.receiveAsFlow produce ProducerScope ProducerScope.channel
    ProducerScope.awaitClose ClosedSendChannelException ClosedReceiveChannelException TickerMode.FIXED_PERIOD
    TickerMode.FIXED_DELAY

    Flow Flow.collect FlowCollector FlowCollector.emit FlowCollector.emitAll AbstractFlow AbstractFlow.collectSafely flow
    flowOf emptyFlow Iterable.asFlow Iterator.asFlow Sequence.asFlow Array.asFlow IntArray.asFlow LongArray.asFlow
    IntRange.asFlow LongRange.asFlow channelFlow callbackFlow emitAll Flow.produceIn

    Flow.transform Flow.filter Flow.filterNot Flow.filterNotNull Flow.filterIsInstance Flow.map Flow.mapNotNull
    Flow.withIndex Flow.onEach Flow.scan Flow.runningFold Flow.runningReduce Flow.chunked Flow.drop Flow.dropWhile
    Flow.take Flow.takeWhile Flow.transformWhile Flow.onStart Flow.onCompletion Flow.onEmpty Flow.catch Flow.retry
    Flow.retryWhen Flow.distinctUntilChanged Flow.distinctUntilChangedBy Flow.buffer Flow.conflate Flow.flowOn
    Flow.cancellable Flow.debounce Flow.sample Flow.timeout Flow.flatMapConcat Flow.flattenConcat Flow.flatMapMerge
    Flow.flattenMerge DEFAULT_CONCURRENCY DEFAULT_CONCURRENCY_PROPERTY_NAME merge Iterable.merge Flow.transformLatest
    Flow.mapLatest Flow.flatMapLatest Flow.combine combine Flow.combineTransform combineTransform Flow.zip

    Flow.launchIn Flow.collectIndexed Flow.collectLatest Flow.toList Flow.toSet Flow.toCollection SharedFlow.toList
    SharedFlow.toSet Flow.associate Flow.associateBy Flow.associateTo Flow.associateByTo Flow.associateWith
    Flow.associateWithTo Flow.groupBy Flow.groupByTo Flow.count Flow.any Flow.all Flow.none Flow.reduce Flow.fold
    Flow.single Flow.singleOrNull Flow.first Flow.firstOrNull Flow.last Flow.lastOrNull SharedFlow.collectLatest

    SharedFlow SharedFlow.replayCache MutableSharedFlow MutableSharedFlow.emit MutableSharedFlow.tryEmit
    MutableSharedFlow.subscriptionCount MutableSharedFlow.resetReplayCache StateFlow StateFlow.value MutableStateFlow
    MutableStateFlow.value MutableStateFlow.compareAndSet MutableStateFlow.update MutableStateFlow.updateAndGet
    MutableStateFlow.getAndUpdate MutableSharedFlow.asSharedFlow MutableStateFlow.asStateFlow SharedFlow.asFlow
    SharedFlow.onSubscription StateFlow.onSubscription Flow.shareIn Flow.stateIn SharingStarted SharingStarted.command
    SharingStarted.Eagerly SharingStarted.Lazily SharingStarted.WhileSubscribed SharingCommand SharingCommand.START
    SharingCommand.STOP SharingCommand.STOP_AND_RESET_REPLAY_CACHE

    select selectUnbiased whileSelect SelectBuilder onTimeout onSend onReceive onReceiveCatching onJoin SelectClause0 SelectClause1 SelectClause2
    SelectClause.clauseObject SelectClause.regFunc SelectClause.processResFunc SelectClause.onCancellationConstructor
    SelectInstance

    Mutex Mutex.isLocked Mutex.lock Mutex.tryLock Mutex.unlock Mutex.holdsLock Mutex.withLock Mutex.onLock Semaphore
    Semaphore.availablePermits Semaphore.acquire Semaphore.tryAcquire Semaphore.release Semaphore.withPermit

    runTest TestScope.runTest TestResult TestScope TestScope.testScheduler TestScope.backgroundScope
    TestScope.currentTime TestScope.advanceUntilIdle TestScope.runCurrent TestScope.advanceTimeBy
    TestScope.testTimeSource TestCoroutineScheduler TestCoroutineScheduler.Key TestCoroutineScheduler.currentTime
    TestCoroutineScheduler.advanceUntilIdle TestCoroutineScheduler.runCurrent TestCoroutineScheduler.advanceTimeBy
    TestCoroutineScheduler.timeSource TestDispatcher TestDispatcher.scheduler StandardTestDispatcher
    UnconfinedTestDispatcher Dispatchers.setMain Dispatchers.resetMain

    DebugProbes DebugProbes.install DebugProbes.uninstall DebugProbes.isInstalled withDebugProbes sanitizeStackTraces
    enableCreationStackTraces ignoreCoroutinesWithEmptyContext DebugProbes.jobToString DebugProbes.scopeToString
    DebugProbes.printJob DebugProbes.printScope DebugProbes.dumpCoroutinesInfo DebugProbes.dumpCoroutines CoroutineInfo
    CoroutineInfo.context CoroutineInfo.state CoroutineInfo.job CoroutineInfo.creationStackTrace
    CoroutineInfo.lastObservedStackTrace State.CREATED State.RUNNING State.SUSPENDED CoroutinesBlockHoundIntegration
    CoroutinesTimeout CoroutinesTimeoutExtension

    MDCContext MDCContext.contextMap
";

/// Aliases without a row: the alias, the item, and why.
const EXCEPTIONS: [(&str, &str, &str); 4] = [
    ("spawn_blocking", "blocking", "a name of tokio's"),
    (
        "runBlocking",
        "block_on",
        "of the scheduler alone; `run_blocking` has the row",
    ),
    (
        "delay",
        "Sleep",
        "of the scheduler alone; the function `delay` has the row",
    ),
    (
        "yield",
        "mark_yield",
        "of the scheduler alone; `yield_now` has the row",
    ),
];

#[test]
fn every_name_of_kotlinx_coroutines_has_a_row() {
    let rows = rows();
    let missing: Vec<_> = NAMES
        .split_whitespace()
        .filter(|name| !rows.iter().any(|row| row.has_name(name)))
        .collect();
    assert!(
        missing.is_empty(),
        "no row of docs/kotlin-to-corox.md has them in its first column: {missing:?}"
    );
}

#[test]
fn every_alias_has_a_row_with_its_item() {
    let rows = rows();
    let aliases = aliases();
    assert!(
        rows.len() > 150 && aliases.len() > 100,
        "{} rows, {} aliases",
        rows.len(),
        aliases.len()
    );
    let missing: Vec<_> = aliases
        .iter()
        .filter(|alias| !is_exception(alias) && !rows.iter().any(|row| row.is_of(alias)))
        .collect();
    assert!(
        missing.is_empty(),
        "no row of docs/kotlin-to-corox.md has the words of the alias in its first column and the item in its second: {missing:#?}"
    );
}

#[test]
fn every_exception_is_still_needed() {
    let (rows, aliases) = (rows(), aliases());
    for (name, item, reason) in EXCEPTIONS {
        let alias = aliases
            .iter()
            .find(|alias| alias.name == name && alias.item == item);
        let alias =
            alias.unwrap_or_else(|| panic!("{item} has no alias {name} any more: {reason}"));
        assert!(
            !rows.iter().any(|row| row.is_of(alias)),
            "{alias:?} has a row"
        );
    }
}

/// rustdoc cannot check them: the facade does not depend on the crate.
#[test]
fn links_to_corox_test_are_well_made_and_in_a_snippet() {
    let snippets = snippets();
    let mut links = 0;
    for line in PAGE.lines() {
        let Some((label, address)) = line.split_once("`]: ") else {
            continue;
        };
        let label = label
            .trim_start_matches("[`")
            .trim_start_matches("corox_test::");
        let page = address
            .strip_prefix("https://docs.rs/corox-test/latest/corox_test/")
            .unwrap_or_else(|| panic!("{address}"));
        let well_made = match label.split_once("::") {
            Some((owner, method)) => page == format!("struct.{owner}.html#method.{method}"),
            None => ["struct", "trait", "fn", "constant"]
                .iter()
                .any(|kind| page == format!("{kind}.{label}.html")),
        };
        assert!(well_made, "{label}: {address}");
        for name in label.split("::") {
            assert!(
                has_word(&snippets, name),
                "no snippet names {name} of {label}"
            );
        }
        links += 1;
    }
    assert!(links > 20, "{links}");
}

/// A doc alias in the sources.
#[derive(Debug)]
struct Alias {
    name: String,
    /// As the page names it: `Job::join`, `probe::dump`, `delay`.
    item: String,
}

fn is_exception(alias: &Alias) -> bool {
    EXCEPTIONS
        .iter()
        .any(|(name, item, _)| alias.name == *name && alias.item == *item)
}

/// A row of a table: what is Kotlin's, and what is corox's.
struct Row {
    kotlin: &'static str,
    corox: BTreeSet<&'static str>,
}

impl Row {
    fn is_of(&self, alias: &Alias) -> bool {
        self.corox.contains(&*alias.item) && self.has_words_of(&alias.name)
    }

    fn has_name(&self, name: &str) -> bool {
        let mut names = between_backquotes(self.kotlin).map(without_arguments);
        self.has_words_of(name) && names.any(|found| words(found).last() == words(name).last())
    }

    fn has_words_of(&self, name: &str) -> bool {
        words(name).all(|word| has_word(self.kotlin, word))
    }
}

fn rows() -> Vec<Row> {
    let rows = PAGE
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| {
            let mut cells = line.split('|').skip(1);
            let (Some(kotlin), Some(corox)) = (cells.next(), cells.next()) else {
                panic!("not a row: {line}");
            };
            let corox = between_backquotes(corox).collect();
            Row { kotlin, corox }
        });
    rows.collect()
}

fn between_backquotes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// `launch` of `launch { }`, `delay` of `delay(ms)`.
fn without_arguments(code: &str) -> &str {
    code.split(['(', '{']).next().unwrap_or_default()
}

fn snippets() -> String {
    let after_fences = PAGE.split("```rust\n").skip(1);
    after_fences
        .map(|after| after.split("```").next().unwrap_or_default())
        .collect()
}

fn has_word(text: &str, word: &str) -> bool {
    words(text).any(|found| found == word)
}

fn aliases() -> Vec<Alias> {
    let mut aliases = Vec::new();
    for sources in [
        "src",
        "core/src",
        "sync/src",
        "channels/src",
        "flow/src",
        "debug/src",
        "scheduler/src",
        "test-support/src",
    ] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(sources);
        each_source(&root, &mut |path| aliases_of(path, &mut aliases));
    }
    aliases
}

fn each_source(path: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
        let path = entry.expect("an entry of a directory").path();
        if path.is_dir() {
            each_source(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path);
        }
    }
}

/// Reads what rustfmt has written: an attribute a line, and what begins a block or ends it at the margin.
fn aliases_of(path: &Path, aliases: &mut Vec<Alias>) {
    let text = fs::read_to_string(path).expect("a source");
    let file = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .expect("a name");
    // The only module whose name is part of the names of its items.
    let module = if file == "probe" { "probe::" } else { "" };
    let mut owner = String::new();
    let mut in_enum = false;
    let mut waiting: Vec<&str> = Vec::new();
    for line in text.lines() {
        let code = line.trim_start();
        if let Some(alias) = alias_in(code, "#![doc(alias = \"") {
            aliases.push(Alias {
                name: alias.to_owned(),
                item: file.to_owned(),
            });
        } else if let Some(alias) = alias_in(code, "#[doc(alias = \"") {
            waiting.push(alias);
        } else if let Some(item) = item_of(code).or(variant_of(code).filter(|_| in_enum)) {
            let item = format!("{module}{owner}{item}");
            let alias = |name: &str| Alias {
                name: name.to_owned(),
                item: item.clone(),
            };
            aliases.extend(waiting.drain(..).map(alias));
        }
        // What has no end of its own at the margin, `impl Trait for Type {}`, owns nothing.
        if line.starts_with('}') {
            owner.clear();
            in_enum = false;
        } else if line.starts_with("impl") && !line.ends_with("{}") {
            owner = format!("{}::", implementor(line));
        } else if (line.starts_with("pub trait") || line.starts_with("pub enum"))
            && !line.ends_with("{}")
        {
            owner = format!("{}::", item_of(code).expect("its name"));
            in_enum = line.starts_with("pub enum");
        }
    }
    assert!(waiting.is_empty(), "{}: {waiting:?}", path.display());
}

fn alias_in<'a>(code: &'a str, begin: &str) -> Option<&'a str> {
    code.strip_prefix(begin)?.strip_suffix("\")]")
}

/// The name, if this is the first line of an item.
fn item_of(code: &str) -> Option<&str> {
    let kinds = [
        "struct", "enum", "trait", "fn", "type", "static", "const", "mod",
    ];
    let mut words =
        words(code).skip_while(|word| ["pub", "crate", "async", "unsafe"].contains(word));
    let kind = words
        .next()
        .filter(|_| code.starts_with(char::is_alphabetic))?;
    let name = words.next().filter(|_| kinds.contains(&kind))?;
    match name {
        "fn" => words.next(), // const fn
        _ => Some(name),
    }
}

/// The name, if this may be the first line of a variant.
fn variant_of(code: &str) -> Option<&str> {
    words(code)
        .next()
        .filter(|_| code.starts_with(char::is_uppercase))
}

/// The type in `impl<..> Trait for Type<..> {`, if it has a name.
fn implementor(line: &str) -> String {
    let line = line.replace("->", "");
    let mut after = line.trim_start_matches("impl");
    if after.starts_with('<') {
        let mut depth = 0;
        let end = after.find(|c| {
            depth += i32::from(c == '<') - i32::from(c == '>');
            depth == 0
        });
        after = &after[end.expect("the end of the parameters") + 1..];
    }
    let of_type = after
        .split_once(" for ")
        .map_or(after, |(_, of_type)| of_type);
    words(of_type).next().unwrap_or_default().to_owned()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.split(move |c| !is_part(c))
        .filter(|word| !word.is_empty())
}
