//! Who is answered by an inspector, how, and as long as it lives.

#[path = "support/http.rs"]
mod http;
mod support;

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use corox_core::{Dispatcher, run_blocking};
use corox_debug::{DebugProbes, Inspector, InspectorError};
use http::{Answer, connect, get, request, send};
use support::alone;

fn serve() -> Inspector {
    Inspector::serve("127.0.0.1:0").unwrap()
}

/// With the address as it is.
fn host(inspector: &Inspector) -> String {
    format!("Host: {}\r\n", inspector.local_addr())
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    alone(|| {
        let inspector = serve();
        let page = get(&inspector, "/");
        assert_eq!(page.status, 200);
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(page.body.starts_with("<!doctype html>"));
        let mut files = vec![page.body.clone()];
        for (path, kind) in [("/page.css", "text/css"), ("/page.js", "text/javascript")] {
            assert!(page.body.contains(&format!("\"{path}\"")));
            let file = get(&inspector, path);
            let expected = format!("{kind}; charset=utf-8");
            assert_eq!(file.header("content-type"), Some(&*expected));
            files.push(file.body);
        }
        // What the policy forbids does not work: none of these is there.
        for text in [
            "//cdn",
            "http:",
            "https:",
            "url(",
            "@import",
            "innerHTML",
            " style=\"",
            " onclick=",
        ] {
            assert!(files.iter().all(|file| !file.contains(text)), "{text}");
        }
        assert!(!page.body.contains("<style") && !page.body.contains("<script>"));
    });
}

#[test]
fn every_answer_is_for_the_page_alone() {
    alone(|| {
        let inspector = serve();
        for (path, status) in [
            ("/", 200),
            ("/api/coroutines", 200),
            ("/api/dump", 200),
            ("/x", 404),
        ] {
            let answer = get(&inspector, path);
            assert_eq!(answer.status, status, "{path}");
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
            assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(
                answer.header("cross-origin-resource-policy"),
                Some("same-origin")
            );
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    });
}

#[test]
fn head_gives_the_head_of_what_get_gives() {
    alone(|| {
        let inspector = serve();
        for path in ["/", "/page.js", "/nothing"] {
            let get = get(&inspector, path);
            let head = request(&inspector, &format!("HEAD {path}"), &[&host(&inspector)]);
            assert_eq!((head.status, &*head.body), (get.status, ""));
            assert_eq!(
                head.header("content-length"),
                Some(&*get.body.len().to_string())
            );
            assert_eq!(head.header("content-type"), get.header("content-type"));
        }
        let head = request(&inspector, "HEAD /api/coroutines", &[&host(&inspector)]);
        assert_eq!((head.status, &*head.body), (200, ""));
    });
}

#[test]
fn it_can_only_be_looked_at() {
    alone(|| {
        let inspector = serve();
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
            for path in ["/", "/api/dump"] {
                let first = format!("{method} {path}");
                let body = "Content-Length: 7\r\n";
                let answer = request(&inspector, &first, &[&host(&inspector), body]);
                assert_eq!(answer.status, 405, "{first}");
                assert_eq!(answer.header("allow"), Some("GET, HEAD"));
            }
        }
        for path in [
            "/index.html",
            "/api",
            "/api/",
            "/api/dump/",
            "//",
            "/../page.js",
            "/page%2ejs",
        ] {
            assert_eq!(get(&inspector, path).status, 404, "{path}");
        }
    });
}

#[test]
fn a_name_that_somebody_else_may_have_is_refused() {
    alone(|| {
        let inspector = serve();
        let port = inspector.local_addr().port();
        let ask = |host: &str| request(&inspector, "GET /api/coroutines", &[host]).status;
        for name in ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"] {
            assert_eq!(ask(&format!("Host: {name}:{port}\r\n")), 200, "{name}");
        }
        for name in [
            "evil.example",
            "localhost.evil.example",
            "0.0.0.0",
            "192.168.0.1",
            "",
        ] {
            assert_eq!(ask(&format!("Host: {name}:{port}\r\n")), 421, "{name}");
        }
        assert_eq!(ask("Host: localhost\r\n"), 421);
        assert_eq!(ask(&format!("Host: localhost:{}\r\n", port ^ 1)), 421);
        assert_eq!(ask("Host: \r\n"), 421);
        assert_eq!(ask("Host: \u{e4}\r\n"), 421);
        // None, or one of two.
        assert_eq!(ask(""), 400);
        let own = host(&inspector);
        let other = format!("Host: evil.example:{port}\r\n");
        assert_eq!(ask(&format!("{own}{other}")), 400);
        assert_eq!(ask(&format!("{own}{own}")), 400);
        let mut connection = connect(inspector.local_addr());
        connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.0 400 "), "{text}");
        // A proxy names it in the address.
        let whole =
            |name: &str| request(&inspector, &format!("GET http://{name}:{port}/"), &[&own]);
        assert_eq!(whole("localhost").status, 200);
        assert_eq!(whole("evil.example").status, 421);
    });
}

#[test]
fn a_name_that_was_allowed_is_answered() {
    alone(|| {
        let builder = Inspector::builder()
            .allow_host("dev.example")
            .allow_host("build:8080");
        let inspector = builder.serve("127.0.0.1:0").unwrap();
        let ask = |host: &str| request(&inspector, "GET /", &[&format!("Host: {host}\r\n")]).status;
        assert_eq!(
            (ask("dev.example"), ask("Dev.Example:99"), ask("build:8080")),
            (200, 200, 200)
        );
        assert_eq!(
            (ask("build"), ask("build:81"), ask("x.dev.example")),
            (421, 421, 421)
        );
        assert_eq!(get(&inspector, "/").status, 200);

        let error = Inspector::builder()
            .allow_host("a/b")
            .serve("127.0.0.1:0")
            .unwrap_err();
        assert!(
            matches!(&error, InspectorError::Host { host } if host == "a/b"),
            "{error:?}"
        );
        assert!(error.to_string().starts_with("\"a/b\" is no host"));
    });
}

/// It could not read the answer, but a dump has a price.
#[test]
fn a_page_of_another_site_has_no_dump_made() {
    alone(|| {
        let inspector = serve();
        let ask = |path: &str, site: &str| {
            let site = format!("Sec-Fetch-Site: {site}\r\n");
            request(
                &inspector,
                &format!("GET {path}"),
                &[&host(&inspector), &site],
            )
            .status
        };
        for site in ["cross-site", "same-site"] {
            assert_eq!(
                (ask("/api/dump", site), ask("/api/coroutines", site)),
                (403, 403)
            );
            // By a link.
            assert_eq!(ask("/", site), 200);
        }
        for site in ["same-origin", "none"] {
            assert_eq!(
                (ask("/api/dump", site), ask("/api/coroutines", site)),
                (200, 200)
            );
        }
    });
}

#[test]
fn other_addresses_than_of_the_loopback_interface_need_a_word() {
    alone(|| {
        for address in [
            "0.0.0.0:0",
            "[::]:0",
            "192.0.2.1:7400",
            "[2001:db8::1]:7400",
        ] {
            let error = Inspector::serve(address).unwrap_err();
            let InspectorError::NotLoopback { address: refused } = error else {
                panic!("{error:?}");
            };
            assert_eq!(refused.to_string(), address);
        }
        // One of them is enough: it may be the one that is used.
        let mixed = ["127.0.0.1:0".parse().unwrap(), "0.0.0.0:0".parse().unwrap()];
        let error = Inspector::serve(&mixed[..]).unwrap_err();
        assert!(matches!(error, InspectorError::NotLoopback { .. }));
        assert!(!DebugProbes::is_installed());

        let inspector = Inspector::builder()
            .allow_any_address()
            .serve("0.0.0.0:0")
            .unwrap();
        let port = inspector.local_addr().port();
        let ask = |host: &str| {
            let text =
                format!("GET / HTTP/1.1\r\nConnection: close\r\nHost: {host}:{port}\r\n\r\n");
            send(([127, 0, 0, 1], port).into(), text.as_bytes()).status
        };
        assert_eq!(
            (ask("127.0.0.1"), ask("192.0.2.1"), ask("localhost")),
            (200, 200, 200)
        );
        assert_eq!(ask("evil.example"), 421);
    });
}

#[test]
fn an_address_that_is_taken_or_is_none_is_an_error() {
    alone(|| {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = Inspector::serve(address).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the inspector cannot listen at {address}")
        );
        let InspectorError::Bind { source, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(source.kind(), ErrorKind::AddrInUse);
        assert_eq!(error.source().unwrap().to_string(), source.to_string());

        // The next one may be free.
        let inspector = Inspector::serve(&[address, "127.0.0.1:0".parse().unwrap()][..]).unwrap();
        assert_ne!(inspector.local_addr(), address);
        for none in ["127.0.0.1", "127.0.0.1:65536", ""] {
            let error = Inspector::serve(none).unwrap_err();
            assert!(matches!(error, InspectorError::Address(_)), "{error:?}");
            assert!(error.source().is_some());
        }
        let none: [std::net::SocketAddr; 0] = [];
        assert!(matches!(
            Inspector::serve(&none[..]),
            Err(InspectorError::Address(_))
        ));
        // Nothing of those that failed is left.
        drop(inspector);
        assert!(!DebugProbes::is_installed());
    });
}

#[test]
fn after_its_drop_nobody_is_there() {
    alone(|| {
        let inspector = serve();
        let address = inspector.local_addr();
        assert!(DebugProbes::is_installed());
        // A connection that is kept, and one that has said nothing.
        let mut kept = connect(address);
        write!(kept, "GET /page.css HTTP/1.1\r\n{}\r\n", host(&inspector)).unwrap();
        let mut first = [0; 12];
        kept.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        let mut silent = connect(address);
        assert_eq!(get(&inspector, "/").status, 200);

        drop(inspector);
        assert!(!DebugProbes::is_installed());
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        for connection in [&mut kept, &mut silent] {
            assert!(is_closed(connection));
        }
        // The address is free again.
        let again = Inspector::serve(address).unwrap();
        assert_eq!(get(&again, "/").status, 200);
    });
}

/// Each drop waits for its thread: that a thread is quick mostly is not enough.
#[test]
fn once_it_is_dropped_its_address_is_free() {
    alone(|| {
        for _ in 0..300 {
            let inspector = serve();
            let address = inspector.local_addr();
            drop(inspector);
            TcpListener::bind(address).unwrap();
        }
    });
}

/// Reads what has come, until the other side ends it.
fn is_closed(connection: &mut TcpStream) -> bool {
    match connection.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn it_may_be_made_and_dropped_where_coroutines_run() {
    alone(|| {
        run_blocking(async |scope| {
            for dispatcher in [Dispatcher::DEFAULT, Dispatcher::IO, Dispatcher::UNCONFINED] {
                let served = scope.with(dispatcher).spawn(async {
                    let inspector = serve();
                    Ok(get(&inspector, "/api/coroutines").json()["total"].clone())
                });
                assert_eq!(served.await?, 0);
            }
            assert_eq!(get(&serve(), "/").status, 200);
            Ok(())
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async { assert_eq!(get(&serve(), "/").status, 200) });
        assert!(!DebugProbes::is_installed());
    });
}

#[test]
fn several_are_independent() {
    alone(|| {
        let (first, second) = (serve(), serve());
        assert_ne!(first.local_addr(), second.local_addr());
        assert_eq!(
            (get(&first, "/").status, get(&second, "/").status),
            (200, 200)
        );
        drop(first);
        assert!(DebugProbes::is_installed());
        assert_eq!(get(&second, "/api/dump").status, 200);
        drop(second);
        assert!(!DebugProbes::is_installed());
    });
}

#[test]
fn many_who_are_slow_keep_nobody_out() {
    alone(|| {
        let inspector = serve();
        let mut slow = Vec::new();
        for number in 0..100 {
            let mut connection = connect(inspector.local_addr());
            // Of requests, and of answers that nobody reads.
            let half = ["GET / HT", "GET /page.js HTTP/1.1\r\n"][number % 2];
            connection.write_all(half.as_bytes()).unwrap();
            if number % 2 == 1 {
                connection.write_all(host(&inspector).as_bytes()).unwrap();
                connection.write_all(b"\r\n").unwrap();
            }
            slow.push(connection);
            assert_eq!(get(&inspector, "/").status, 200);
        }
        // The oldest has given way, long before it was closed for its slowness.
        let short = Some(Duration::from_secs(10));
        slow[0].set_read_timeout(short).unwrap();
        assert!(is_closed(&mut slow[0]));
        // The youngest has not: it ends what it has begun.
        let rest = format!("TP/1.1\r\nConnection: close\r\n{}\r\n", host(&inspector));
        let last = &mut slow[98];
        last.write_all(rest.as_bytes()).unwrap();
        let mut text = String::new();
        last.read_to_string(&mut text).unwrap();
        assert_eq!(Answer::parse(&text).status, 200);
    });
}

#[test]
fn what_is_no_request_is_refused_and_harms_nobody() {
    alone(|| {
        let inspector = serve();
        let address = inspector.local_addr();
        for (bytes, status) in [
            (&b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"[..], 400),
            (b"GET\r\n\r\n", 400),
            (b"GET / HTTP/9.9\r\n\r\n", 400),
            (b"GET /a b HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost\r\n\r\n", 400),
            (
                b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
                400,
            ),
        ] {
            assert_eq!(
                send(address, bytes).status,
                status,
                "{}",
                bytes.escape_ascii()
            );
        }
        // As long as a head may be, and longer.
        let long = |length: usize| {
            let text = format!("GET /api/coroutines?q={} HTTP/1.1\r\n", "x".repeat(length));
            let own = host(&inspector);
            let text = format!("{text}Connection: close\r\n{own}\r\n");
            let mut connection = connect(address);
            // The rest may find the connection closed.
            let _ = connection.write_all(text.as_bytes());
            let mut answer = Vec::new();
            let _ = connection.read_to_end(&mut answer);
            String::from_utf8(answer).unwrap()
        };
        assert!(long(20_000).starts_with("HTTP/1.1 200 "));
        let answer = long(200_000);
        assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(get(&inspector, "/").status, 200);
    });
}

#[test]
fn several_requests_use_one_connection() {
    alone(|| {
        let inspector = serve();
        let own = host(&inspector);
        let text = format!(
            "GET /api/coroutines HTTP/1.1\r\n{own}\r\nGET /x HTTP/1.1\r\n{own}Connection: close\r\n\r\n"
        );
        let mut connection = connect(inspector.local_addr());
        connection.write_all(text.as_bytes()).unwrap();
        let mut answers = String::new();
        connection.read_to_string(&mut answers).unwrap();
        assert!(answers.starts_with("HTTP/1.1 200 "));
        assert_eq!(answers.matches("HTTP/1.1 404 ").count(), 1);
    });
}

#[test]
fn its_debug_text_names_its_address() {
    alone(|| {
        let inspector = serve();
        let address = inspector.local_addr();
        let expected = format!("Inspector {{ local_addr: {address}, .. }}");
        assert_eq!(format!("{inspector:?}"), expected);
    });
}
