//! Whose requests are answered, by the name that they were sent to.
//!
//! A site may have its name point to the loopback interface (DNS rebinding). For the browser a page of that site and the inspector
//! then have the same origin, and only the name in the request tells that somebody else was asked for.

use std::net::IpAddr;

use hyper::http::uri::Authority;

/// A name or an address, and a port if one was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    pub(super) fn parse(text: &str) -> Option<Host> {
        let authority: Authority = text.parse().ok()?;
        // Somebody's name before an `@`, or a port that is none.
        let rest = authority.as_str().strip_prefix(authority.host())?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None if rest.is_empty() => None,
            None => return None,
        };
        let name = authority.host();
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        (!name.is_empty()).then_some(Host { name, port })
    }

    fn address(&self) -> Option<IpAddr> {
        let name = self.name.strip_prefix('[');
        let name = name.and_then(|name| name.strip_suffix(']'));
        let address: IpAddr = name.unwrap_or(&self.name).parse().ok()?;
        Some(address.to_canonical())
    }
}

/// Those that are answered.
#[derive(Debug)]
pub(super) struct Hosts {
    port: u16,
    any_address: bool,
    extra: Vec<Host>,
}

impl Hosts {
    pub(super) fn new(port: u16, any_address: bool, extra: Vec<Host>) -> Hosts {
        Hosts {
            port,
            any_address,
            extra,
        }
    }

    /// Whether a request to `text`, as its header has it, is answered.
    pub(super) fn allow(&self, text: &str) -> bool {
        let Some(host) = Host::parse(text) else {
            return false;
        };
        // Without a port it is that of the scheme.
        let port = host.port.unwrap_or(80);
        let is_own = match host.address() {
            Some(address) => address.is_loopback() || self.any_address,
            None => host.name == "localhost",
        };
        let is_extra = |extra: &Host| {
            extra.name == host.name && extra.port.is_none_or(|expected| expected == port)
        };
        is_own && port == self.port || self.extra.iter().any(is_extra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(any_address: bool, extra: &[&str]) -> Hosts {
        let extra = extra.iter().map(|host| Host::parse(host).unwrap());
        Hosts::new(7400, any_address, extra.collect())
    }

    #[test]
    fn names_and_addresses_of_the_loopback_interface_are_allowed_with_the_port() {
        let hosts = hosts(false, &[]);
        for host in [
            "localhost:7400",
            "LocalHost:7400",
            "localhost.:7400",
            "127.0.0.1:7400",
            "127.8.8.8:7400",
            "[::1]:7400",
            "[::ffff:127.0.0.1]:7400",
        ] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in [
            "",
            "localhost",
            "localhost:80",
            "localhost:7401",
            "localhost:",
            "localhost:74000",
            "localhost:07400x",
            "127.0.0.1",
            "evil.example:7400",
            "localhost.evil.example:7400",
            "127.0.0.1.evil.example:7400",
            "evil.example@localhost:7400",
            "localhost:7400@evil.example",
            "localhost:7400/",
            "http://localhost:7400",
            "0.0.0.0:7400",
            "192.168.0.7:7400",
            "[::]:7400",
            "::1:7400",
            "local host:7400",
        ] {
            assert!(!hosts.allow(host), "{host}");
        }
    }

    #[test]
    fn with_any_address_allowed_names_are_still_refused() {
        let hosts = hosts(true, &[]);
        assert!(hosts.allow("192.168.0.7:7400") && hosts.allow("[2001:db8::1]:7400"));
        assert!(!hosts.allow("evil.example:7400") && !hosts.allow("192.168.0.7:7401"));
    }

    #[test]
    fn what_was_allowed_besides_counts_with_its_port_or_with_any() {
        let hosts = hosts(false, &["build:8080", "Dev.Example"]);
        for host in [
            "build:8080",
            "dev.example",
            "dev.example:1",
            "DEV.example:7400",
        ] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in ["build", "build:7400", "a.dev.example", "example"] {
            assert!(!hosts.allow(host), "{host}");
        }
    }

    #[test]
    fn at_port_80_none_need_be_named() {
        let hosts = Hosts::new(80, false, Vec::new());
        assert!(hosts.allow("localhost") && hosts.allow("[::1]") && hosts.allow("127.0.0.1:80"));
        assert!(!hosts.allow("evil.example"));
    }

    #[test]
    fn what_is_no_host_is_not_parsed() {
        for text in [
            "", ".", ":80", "a b", "a/b", "http://a", "a@b", "a:", "a:x", "a:65536",
        ] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }
}
