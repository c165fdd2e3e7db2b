//! A client of HTTP that says exactly what it is told to.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use corox_debug::Inspector;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        let status = head.strip_prefix("HTTP/1.1 ").expect("a status line");
        Answer {
            status: status[..3].parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(each, _)| each.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value);
        assert!(values.next().is_none(), "{name} twice: {}", self.head);
        value
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 200, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) fn connect(to: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(to).unwrap();
    let limit = Some(Duration::from_secs(40));
    connection.set_read_timeout(limit).unwrap();
    connection.set_write_timeout(limit).unwrap();
    connection
}

/// Sends these bytes; what comes until the connection is closed.
pub(crate) fn send(to: SocketAddr, bytes: &[u8]) -> Answer {
    let mut connection = connect(to);
    connection.write_all(bytes).unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    Answer::parse(&text)
}

/// A request with these lines after the first one.
pub(crate) fn request(inspector: &Inspector, first: &str, lines: &[&str]) -> Answer {
    let lines = lines.concat();
    let text = format!("{first} HTTP/1.1\r\nConnection: close\r\n{lines}\r\n");
    send(inspector.local_addr(), text.as_bytes())
}

pub(crate) fn get(inspector: &Inspector, path: &str) -> Answer {
    let host = format!("Host: {}\r\n", inspector.local_addr());
    request(inspector, &format!("GET {path}"), &[&host])
}
