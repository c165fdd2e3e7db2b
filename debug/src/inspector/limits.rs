//! After what time an inspector gives up.

use std::time::Duration;

/// Its patience, with peers and with the code that it runs for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long a request may take to come, the time between two of them included.
    pub(super) head: Duration,
    /// How long whoever has asked waits for an answer.
    pub(super) answer: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: Duration::from_secs(30),
            answer: Duration::from_secs(20),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::*;
    use crate::Inspector;
    use corox_core::probe_protocol::known;
    use corox_core::{
        CoroutineName, CoroutineScope, Dispatch, Dispatcher, Rejected, Task, await_cancellation,
    };

    const SHORT: Duration = Duration::from_millis(50);
    /// Far longer than that, and shorter than what an inspector has as a rule.
    const LONG: Duration = Duration::from_secs(15);

    fn serve(limits: Limits) -> Inspector {
        let mut builder = Inspector::builder();
        builder.limits = limits;
        builder.serve("127.0.0.1:0").unwrap()
    }

    fn connect(to: SocketAddr) -> TcpStream {
        let connection = TcpStream::connect(to).unwrap();
        connection.set_read_timeout(Some(LONG)).unwrap();
        connection
    }

    /// What comes until the other side ends the connection; panics if it does not.
    fn rest(mut connection: TcpStream) -> String {
        let mut bytes = Vec::new();
        match connection.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
        String::from_utf8(bytes).unwrap()
    }

    fn ask(to: SocketAddr, path: &str) -> String {
        let mut connection = connect(to);
        let lines = format!("Host: {to}\r\nConnection: close\r\n\r\n");
        write!(connection, "GET {path} HTTP/1.1\r\n{lines}").unwrap();
        rest(connection)
    }

    #[test]
    fn who_does_not_end_a_request_is_not_waited_for() {
        let limits = Limits {
            head: SHORT,
            ..Limits::default()
        };
        let inspector = serve(limits);
        let address = inspector.local_addr();
        for begun in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: loc"] {
            let mut connection = connect(address);
            connection.write_all(begun.as_bytes()).unwrap();
            let answer = rest(connection);
            assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        // Nor is who does not begin a second one.
        let mut kept = connect(address);
        write!(kept, "GET / HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        assert!(rest(kept).starts_with("HTTP/1.1 200"));
    }

    /// Has each task run on a thread; as long as somebody keeps the lock, it keeps whoever hands one over.
    struct Sticky(Arc<Mutex<()>>, Sender<()>);

    impl Dispatch for Sticky {
        fn dispatch(&self, task: Task) -> Result<(), Rejected> {
            let _ = self.1.send(());
            drop(self.0.lock());
            thread::spawn(move || task.run());
            Ok(())
        }
    }

    /// A dump wakes coroutines, and that is code of users, which may take as long as it likes.
    #[test]
    fn what_takes_too_long_is_answered_with_503_and_made_again_later() {
        // On a busy machine a dump that nothing keeps has to be made within it.
        let limits = Limits {
            answer: 10 * SHORT,
            ..Limits::default()
        };
        let inspector = serve(limits);
        let address = inspector.local_addr();
        let lock = Arc::new(Mutex::new(()));
        let (handed, was_handed) = channel();
        let scope = CoroutineScope::new(Dispatcher::new(Sticky(lock.clone(), handed)));
        let job = scope
            .with(CoroutineName::new("stuck"))
            .launch(await_cancellation());
        was_handed.recv().unwrap();
        let is_suspended = || {
            let known = known();
            let mut known = known.iter().filter(|known| known.job.ptr_eq(&job));
            known.any(|known| known.thread.is_none() && !known.waits.is_empty())
        };
        while !is_suspended() {
            thread::yield_now();
        }
        let kept = lock.lock().unwrap();
        let answer = ask(address, "/api/dump");
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("\r\n\r\nit takes too long\n"), "{answer}");
        // It had come to the dispatcher, and is there still: the next one is not begun.
        was_handed.recv().unwrap();
        assert!(ask(address, "/api/dump").starts_with("HTTP/1.1 503 "));
        assert!(was_handed.try_recv().is_err());
        assert!(ask(address, "/").starts_with("HTTP/1.1 200 "));

        drop(kept);
        let again = || ask(address, "/api/dump");
        let mut answers = std::iter::repeat_with(again).take(200);
        let made = answers.find(|answer| answer.starts_with("HTTP/1.1 200 "));
        assert!(made.unwrap().contains("\"stuck#"));
        job.cancel();
    }
}
