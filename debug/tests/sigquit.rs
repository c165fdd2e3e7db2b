//! `kill -3` to a child process: this test itself, which then finds its role in an environment variable.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use corox_core::{CoroutineName, Dispatcher, GlobalScope, run_blocking};
use corox_debug::DebugProbes;

const ROLE: &str = "COROX_TEST_ROLE";

/// The child.
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Process {
    /// Starts the test `name` of this binary as the child.
    fn start(name: &str) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([name, "--exact", "--nocapture", "--test-threads=1"]);
        child.env(ROLE, "child");
        child.stdin(Stdio::piped());
        child.stdout(Stdio::piped());
        child.stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        Process {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Until it says `word` on its standard output.
    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while self.stdout.read_line(&mut line).unwrap() > 0 {
            if line.contains(word) {
                return;
            }
            line.clear();
        }
        let mut text = String::new();
        self.stderr.read_to_string(&mut text).unwrap();
        panic!("the child has not said {word}: {text}");
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn kill_3(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-3", &pid]).status();
        assert!(status.unwrap().success());
    }

    /// The lines of one dump, in which the root comes last.
    fn dump(&mut self) -> String {
        let mut text = String::new();
        loop {
            let begin = text.len();
            let read = self.stderr.read_line(&mut text).unwrap();
            assert!(read > 0, "the child has ended: {text}");
            if text[begin..].starts_with("\tat run_blocking (") {
                return text;
            }
        }
    }

    /// Lets it end by itself; what it has written besides.
    fn end(mut self) -> String {
        self.stdin = None;
        let mut text = String::new();
        self.stderr.read_to_string(&mut text).unwrap();
        let mut out = String::new();
        self.stdout.read_to_string(&mut out).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {text}{out}");
        text
    }
}

fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

fn tell(word: &str) {
    println!("\n{word}");
}

/// Until the parent has written a line; `None` if it has closed the pipe.
fn read_line() -> Option<String> {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).unwrap();
    (read > 0).then_some(line)
}

/// Blocks all workers of `DEFAULT`, and waits until they are.
fn block_default(names: [&'static str; 2]) {
    let mut begun = Vec::new();
    for name in names {
        let (begin, has_begun): (_, Receiver<()>) = channel();
        let context = Dispatcher::DEFAULT + CoroutineName::new(name);
        GlobalScope.with(context).launch(async move {
            begin.send(()).unwrap();
            // Without end.
            let (_keep, never) = channel::<()>();
            let _ = never.recv();
        });
        begun.push(has_begun);
    }
    for begun in begun {
        begun.recv().unwrap();
    }
}

#[test]
fn a_dump_comes_while_all_threads_are_blocked_and_as_often_as_asked_for() {
    if is_child() {
        let _dumps = DebugProbes::dump_on_sigquit().unwrap();
        let workers = corox_core::SchedulerConfig::new().workers(2);
        workers.apply().unwrap();
        block_default(["first", "second"]);
        let blocked = run_blocking(async |_| {
            // The event loop stands still, too.
            tell("ready");
            while read_line().is_some() {}
            Ok(())
        });
        return blocked.unwrap();
    }
    let mut child =
        Process::start("a_dump_comes_while_all_threads_are_blocked_and_as_often_as_asked_for");
    child.wait_for("ready");
    for _ in 0..2 {
        child.kill_3();
        let dump = child.dump();
        assert!(dump.starts_with("Coroutines dump "), "{dump}");
        for name in ["\"first#", "\"second#"] {
            let begin = dump.find(name).unwrap();
            let line = dump[begin..].lines().next().unwrap();
            assert!(line.contains("state: RUNNING on corox-"), "{dump}");
        }
        assert!(dump.contains("BlockingCoroutine{Active}@"), "{dump}");
    }
    assert_eq!(child.end(), "");
}

#[test]
fn each_signal_gives_one_dump_as_long_as_a_guard_of_several_lives() {
    if is_child() {
        let result = run_blocking(async |_| {
            let (one, two) = (
                DebugProbes::dump_on_sigquit()?,
                DebugProbes::dump_on_sigquit()?,
            );
            // The root is older than the probes.
            let run = || {
                let blocked = std::thread::spawn(|| {
                    run_blocking(async |_| {
                        tell("ready");
                        read_line();
                        Ok(())
                    })
                });
                blocked.join().unwrap()
            };
            run()?;
            drop(one);
            run()?;
            drop(two);
            assert!(!DebugProbes::is_installed());
            let _three = DebugProbes::dump_on_sigquit()?;
            run()
        });
        return result.unwrap();
    }
    let mut child =
        Process::start("each_signal_gives_one_dump_as_long_as_a_guard_of_several_lives");
    for _ in 0..3 {
        child.wait_for("ready");
        child.kill_3();
        let dump = child.dump();
        assert_eq!(dump.matches("Coroutines dump ").count(), 1, "{dump}");
        child.say("go on");
    }
    assert_eq!(child.end(), "");
}

#[test]
fn without_a_guard_the_signal_is_ignored_once_there_was_one() {
    if is_child() {
        drop(DebugProbes::dump_on_sigquit().unwrap());
        tell("ready");
        read_line();
        return;
    }
    let mut child = Process::start("without_a_guard_the_signal_is_ignored_once_there_was_one");
    child.wait_for("ready");
    child.kill_3();
    assert_eq!(child.end(), "");
}
