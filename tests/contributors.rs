//! The example `contributors`, run as its users run it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const VARIANTS: [&str; 8] = [
    "blocking",
    "background",
    "callbacks",
    "suspending",
    "concurrent",
    "not_cancellable",
    "progress",
    "channels",
];
/// A small and quick organisation.
const SMALL: [&str; 4] = ["--repos", "6", "--latency", "1-5"];

// ---- normal runs

#[test]
fn every_variant_finds_the_same_contributors() {
    let output = run(&SMALL);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table = stdout(&output);
    for variant in VARIANTS {
        assert_eq!(row(&table, variant).contributors, 200, "{table}");
    }
    assert!(
        table.contains("All variants found the same contributors."),
        "{table}"
    );
}

#[test]
fn all_pages_are_loaded() {
    let output = run(&["--latency", "0-0", "--variant", "concurrent"]);
    assert_eq!(row(&stdout(&output), "concurrent").contributors, 2000);
}

#[test]
fn one_variant_runs_alone() {
    for variant in VARIANTS {
        let output = run(&[&SMALL[..], &["--variant", variant]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let table = stdout(&output);
        for other in VARIANTS {
            assert_eq!(table.contains(other), other == variant, "{table}");
        }
    }
}

#[test]
fn only_the_concurrent_variants_have_several_requests_in_flight() {
    let output = run(&["--repos", "6", "--latency", "100-100"]);
    let table = stdout(&output);
    for variant in VARIANTS {
        let concurrent =
            ["callbacks", "concurrent", "not_cancellable", "channels"].contains(&variant);
        assert_eq!(row(&table, variant).in_flight > 1, concurrent, "{table}");
    }
}

#[test]
fn without_a_terminal_progress_is_plain_lines() {
    let output = run(&SMALL);
    let progress = stderr(&output);
    assert!(
        !progress.contains(|c: char| c.is_control() && c != '\n'),
        "{progress:?}"
    );
    for variant in VARIANTS {
        for text in ["0 of 6 repositories", "6 of 6 repositories", "done in"] {
            let line = format!("{variant}: {text}");
            assert!(progress.contains(&line), "no {line:?} in {progress}");
        }
    }
    for variant in ["progress", "channels"] {
        let line = format!("{variant}: 6 of 6 repositories, 200 contributors so far");
        assert!(progress.contains(&line), "no {line:?} in {progress}");
    }
}

#[test]
fn help_names_every_option() {
    for flag in ["--help", "-h"] {
        let output = run(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        let help = stdout(&output);
        for option in [
            "--variant",
            "--grace",
            "--repos",
            "--latency",
            "--fail",
            "--api",
            "--org",
            "--token",
        ] {
            assert!(help.contains(option), "{help}");
        }
    }
}

// ---- failures

#[test]
fn wrong_arguments_are_told_in_one_line() {
    let cases: [(&[&str], &str); 17] = [
        (&["--what"], "unknown argument \"--what\""),
        (&["repos"], "unknown argument \"repos\""),
        (&["--repos"], "--repos needs a value"),
        (&["--repos", "0"], "--repos needs a number"),
        (&["--repos=many"], "--repos needs a number"),
        (&["--repos", "2", "--repos", "3"], "--repos is given twice"),
        (&["--latency", "5"], "--latency needs milliseconds as A-B"),
        (&["--latency", "5-1"], "--latency needs milliseconds as A-B"),
        (&["--latency", "a-b"], "--latency needs milliseconds as A-B"),
        (
            &["--variant", "fastest"],
            "--variant needs one of blocking, ",
        ),
        (&["--fail", "418"], "--fail needs one of 404, "),
        (&["--grace", "-1"], "--grace needs a number"),
        (&["--api", "http://localhost"], "--api needs --org"),
        (&["--org", "x"], "--org needs --api"),
        (&["--token", "x"], "--token needs --api"),
        (
            &["--api", "localhost", "--org", "x"],
            "--api needs an http or https address",
        ),
        (
            &["--api", "http://localhost", "--org", "x", "--repos", "3"],
            "--repos, --latency and --fail are for the own server",
        ),
    ];
    for (arguments, message) in cases {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let text = stderr(&output);
        assert!(
            text.starts_with(&format!("error: {message}")),
            "{arguments:?}: {text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn each_failure_of_the_server_is_one_clear_line_in_every_variant() {
    let cases = [
        (
            "404",
            "/orgs/example-org/repos?per_page=100&page=1 does not exist (404)",
        ),
        (
            "403",
            "refused, the rate limit is exhausted (403); it resets at ",
        ),
        (
            "malformed",
            "answered with malformed JSON: EOF while parsing",
        ),
        ("500", "answered 500 Internal Server Error"),
        ("refuse", "error: cannot reach http://127.0.0.1:"),
    ];
    for (kind, message) in cases {
        for variant in VARIANTS {
            let output = run(&[&SMALL[..], &["--fail", kind, "--variant", variant]].concat());
            assert_eq!(output.status.code(), Some(1), "{kind}, {variant}");
            assert!(error_line(&output).contains(message), "{kind}, {variant}");
            assert_eq!(stdout(&output), "");
        }
    }
}

#[test]
fn an_address_where_nothing_listens_is_unreachable() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = run(&["--api", &url, "--org", "x"]);
    assert_eq!(output.status.code(), Some(1));
    let line = error_line(&output);
    assert!(
        line.starts_with(&format!("error: cannot reach {url}: ")),
        "{line}"
    );
}

#[test]
fn a_server_that_closes_the_connection_is_unreachable() {
    let api = Api::serve(|_| Vec::new());
    let output = run(&["--api", &api.url, "--org", "x"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_line(&output).contains("cannot reach"));
}

#[test]
fn an_exhausted_rate_limit_is_told_with_the_time_of_its_reset() {
    let cases = [
        (951_782_399, "2000-02-28 23:59:59 UTC"),
        (951_782_400, "2000-02-29 00:00:00 UTC"),
        (1_700_000_000, "2023-11-14 22:13:20 UTC"),
        (1_709_251_200, "2024-03-01 00:00:00 UTC"),
    ];
    for (reset, time) in cases {
        let api = Api::serve(move |_| {
            let headers = format!("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: {reset}\r\n");
            answer("403 Forbidden", &headers, "{}")
        });
        let output = run(&["--api", &api.url, "--org", "x"]);
        assert_eq!(output.status.code(), Some(1));
        let line = error_line(&output);
        assert!(
            line.contains(&format!("it resets at {time} (in 0 s)")),
            "{line}"
        );
    }
}

#[test]
fn a_refusal_with_requests_left_is_no_rate_limit() {
    let api = Api::serve(|_| answer("403 Forbidden", "x-ratelimit-remaining: 7\r\n", "{}"));
    let output = run(&["--api", &api.url, "--org", "x"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_line(&output).contains("answered 403 Forbidden"));
}

// ---- another server

#[test]
fn another_api_is_asked_with_the_token_and_page_by_page() {
    let api = Api::serve(|request| {
        assert!(
            request.contains("authorization: Bearer secret\r\n"),
            "{request}"
        );
        assert!(
            request.contains("user-agent: corox-contributors\r\n"),
            "{request}"
        );
        match path(request) {
            "/orgs/acme/repos?per_page=100&page=1" => {
                // A relative target is resolved against the address of the request.
                let link = "Link: </orgs/acme/repos?per_page=100&page=2>; rel=\"next\"\r\n";
                answer("200 OK", link, r#"[{"name":"a","fork":false}]"#)
            }
            "/orgs/acme/repos?per_page=100&page=2" => {
                answer("200 OK", "", r#"[{"name":"b"},{"name":"empty"}]"#)
            }
            "/repos/acme/a/contributors?per_page=100&page=1" => {
                answer("200 OK", "", r#"[{"login":"x","contributions":1}]"#)
            }
            "/repos/acme/b/contributors?per_page=100&page=1" => answer(
                "200 OK",
                "",
                r#"[{"login":"y","contributions":5},{"login":"x","contributions":7}]"#,
            ),
            "/repos/acme/empty/contributors?per_page=100&page=1" => {
                answer("204 No Content", "", "")
            }
            other => panic!("request for {other}"),
        }
    });
    // The slash at the end is the user's habit, not part of the address.
    let url = format!("{}/", api.url);
    let output = run(&["--api", &url, "--org", "acme", "--token", "secret"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table = stdout(&output);
    for variant in VARIANTS {
        assert_eq!(row(&table, variant).contributors, 2, "{table}");
    }
    assert!(
        table.contains("Most contributions: x (8), y (5)."),
        "{table}"
    );
}

#[test]
fn a_next_page_on_another_server_is_not_followed() {
    let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    other.set_nonblocking(true).unwrap();
    let target = other.local_addr().unwrap();
    let api = Api::serve(move |request| {
        let link = format!("Link: <http://{target}/next>; rel=\"next\"\r\n");
        match path(request).starts_with("/orgs/") {
            true => answer("200 OK", &link, r#"[{"name":"a"}]"#),
            false => answer("200 OK", &link, r#"[{"login":"x","contributions":1}]"#),
        }
    });
    let output = run(&["--api", &api.url, "--org", "acme", "--token", "secret"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let error = other.accept().expect_err("nobody connects");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn variants_that_find_different_contributors_are_a_failure() {
    let mut answered = 0;
    let api = Api::serve(move |request| match path(request).starts_with("/orgs/") {
        true => answer("200 OK", "", r#"[{"name":"a"}]"#),
        false => {
            answered += 1;
            let body = format!(r#"[{{"login":"x","contributions":{answered}}}]"#);
            answer("200 OK", "", &body)
        }
    });
    let output = run(&["--api", &api.url, "--org", "acme"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        error_line(&output),
        "error: background found other contributors than blocking"
    );
}

// ---- Ctrl-C

/// Requests that outlast the test, if they are not cancelled. The list of repositories is there at
/// once.
#[cfg(unix)]
const ENDLESS: [&str; 4] = ["--repos", "6", "--latency", "1-60000"];

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_the_requests_in_flight() {
    for variant in VARIANTS.into_iter().filter(|v| *v != "not_cancellable") {
        let mut example =
            Running::start(&[&ENDLESS[..], &["--grace", "10000", "--variant", variant]].concat());
        example.read_until(&format!("{variant}: 0 of 6 repositories"));
        let (code, took, rest) = example.interrupt();
        assert_eq!(code, Some(130), "{variant}: {rest}");
        // Well before the grace: nothing had to be given up.
        assert!(took < Duration::from_secs(5), "{variant}: {took:?}");
        assert!(rest.contains("stopped after"), "{variant}: {rest}");
        assert!(rest.starts_with("interrupted\n"), "{variant}: {rest}");
        assert!(!rest.contains("could not stop"), "{variant}: {rest}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_the_first_request() {
    for variant in VARIANTS {
        let mut example = Running::start(&[
            "--latency",
            "60000-60000",
            "--grace",
            "10000",
            "--variant",
            variant,
        ]);
        example.read_until(&format!("{variant}: loading the list of repositories"));
        let (code, took, rest) = example.interrupt();
        assert_eq!(code, Some(130), "{variant}: {rest}");
        assert!(took < Duration::from_secs(5), "{variant}: {took:?}");
        assert!(
            rest.contains("stopped before the first repository"),
            "{variant}: {rest}"
        );
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_names_what_cannot_stop_and_exits_within_the_grace() {
    let arguments = [
        &ENDLESS[..],
        &["--grace", "300", "--variant", "not_cancellable"],
    ]
    .concat();
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let mut example = Running::start(&arguments);
        example.read_until("not_cancellable: 0 of 6 repositories");
        let (code, took, rest) = example.interrupt();
        assert_eq!(code, Some(130), "{rest}");
        let mut lines = rest.lines().filter(|l| l.starts_with("could not stop"));
        let line = lines.next().unwrap_or_default();
        assert!(line.contains("not_cancellable.rs:"), "{rest}");
        assert_eq!(lines.next(), None, "{rest}");
        fastest = fastest.min(took);
        // The time until the end of the process is seen from here as a little more.
        if fastest < Duration::from_millis(300 + 200) {
            return;
        }
        // It may be this test that had to wait for a processor.
    }
    panic!("{fastest:?}");
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_does_not_wait_for_the_grace() {
    let mut example = Running::start(
        &[
            &ENDLESS[..],
            &["--grace", "60000", "--variant", "not_cancellable"],
        ]
        .concat(),
    );
    example.read_until("not_cancellable: 0 of 6 repositories");
    example.signal();
    example.read_until("interrupted");
    let (code, took, rest) = example.interrupt();
    assert_eq!(code, Some(130), "{rest}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_works_at_any_moment() {
    let options = ["--repos", "4", "--grace", "10000", "--latency"];
    let quick = [&options[..], &["20-40"]].concat();
    let lines = stderr(&run(&quick)).lines().count();
    // The last lines leave no time for the signal to come before the end.
    for line in 1..lines - 2 {
        let (code, rest) = interrupted_in_time(&options, line);
        assert_eq!(code, Some(130), "after line {line}: {rest}");
        assert!(
            !rest.contains("could not stop"),
            "after line {line}: {rest}"
        );
        assert!(!rest.contains("error"), "after line {line}: {rest}");
    }
}

/// Sends Ctrl-C after so many lines. On a busy machine the example can be at its end before the
/// signal is sent: then it is run again, with requests that take twice as long.
#[cfg(unix)]
fn interrupted_in_time(options: &[&str], after_line: usize) -> (Option<i32>, String) {
    let mut latency = 20;
    loop {
        let range = format!("{latency}-{}", 2 * latency);
        let mut example = Running::start(&[options, &[&range]].concat());
        for _ in 0..after_line {
            example.read_line();
        }
        let (code, _, rest) = example.interrupt();
        if code != Some(0) || latency > 2000 {
            return (code, rest);
        }
        // It has not only ended without an error: it has done all that it was to do.
        assert!(rest.contains("channels: done"), "{rest}");
        latency *= 2;
    }
}

// ---- running the example

/// The built example. `cargo test` builds it; `cargo test --test contributors` alone does not.
fn example() -> Command {
    let mut path: PathBuf = std::env::current_exe().expect("the path of this test");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("contributors{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --example contributors`",
        path.display()
    );
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    // A proxy of the environment has no business with the loopback interface.
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    example()
        .args(arguments)
        .output()
        .expect("the example runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The only line on stderr that tells an error.
fn error_line(output: &Output) -> String {
    let text = stderr(output);
    let lines: Vec<&str> = text.lines().filter(|l| l.contains("error")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert_eq!(text.lines().last(), Some(lines[0]), "{text}");
    lines[0].to_owned()
}

#[derive(Debug)]
struct Row {
    in_flight: usize,
    contributors: usize,
}

fn row(table: &str, variant: &str) -> Row {
    let rows: HashMap<&str, Vec<&str>> = table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.collect()))
        })
        .collect();
    match rows.get(variant).map(Vec::as_slice) {
        Some([_time, "ms", in_flight, contributors]) => Row {
            in_flight: in_flight.parse().expect("a number"),
            contributors: contributors.parse().expect("a number"),
        },
        _ => panic!("no row of {variant} in:\n{table}"),
    }
}

/// An example that has not ended. Dropping it kills it.
#[cfg(unix)]
#[derive(Debug)]
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

#[cfg(unix)]
impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = example()
            .args(arguments)
            .spawn()
            .expect("the example starts");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, stderr }
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).expect("UTF-8");
        assert!(!line.is_empty(), "the example has ended");
        line
    }

    fn read_until(&mut self, text: &str) {
        while !self.read_line().contains(text) {}
    }

    fn signal(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Sends Ctrl-C. Returns the exit code, the time until the end, and what was still printed.
    fn interrupt(mut self) -> (Option<i32>, Duration, String) {
        self.signal();
        let sent = Instant::now();
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("UTF-8");
        let status = self.child.wait().expect("the example ends");
        (status.code(), sent.elapsed(), rest)
    }
}

#[cfg(unix)]
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP server that answers each connection's one request with what a function returns, until
/// the tests end.
#[derive(Debug)]
struct Api {
    url: String,
}

impl Api {
    fn serve(mut respond: impl FnMut(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let request = read_request(&mut stream);
                let _ = stream.write_all(&respond(&request));
            }
        });
        Self { url }
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = String::new();
    for line in BufReader::new(stream).lines() {
        match line {
            Ok(line) if !line.is_empty() => {
                request.push_str(&line);
                request.push_str("\r\n");
            }
            _ => break,
        }
    }
    request
}

fn path(request: &str) -> &str {
    request.split(' ').nth(1).unwrap_or_default()
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = match status.starts_with("204") {
        true => String::new(),
        false => format!("Content-Length: {}\r\n", body.len()),
    };
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{length}{headers}\r\n{body}").into_bytes()
}
