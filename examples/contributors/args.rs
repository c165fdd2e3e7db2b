//! The command line.

use std::time::Duration;

use crate::server::Fail;
use crate::source::SourceArgs;
use crate::variants::Variant;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Loads the contributors of an organisation's repositories over HTTP, in several ways, and compares
them. Without --api it starts a server of its own on the loopback interface.

Usage: contributors [OPTIONS]

  --variant NAME   run only this one: blocking, background, callbacks, suspending,
                   concurrent, not_cancellable, progress, channels
  --grace MS       after Ctrl-C, exit within this many milliseconds (default 200)

The own server:
  --repos N        repositories to serve, 1 to 400 (default 60)
  --latency A-B    milliseconds until it answers (default 20-120); a few requests take three times B
  --fail KIND      misbehave: 404, 403, malformed, 500, refuse

A GitHub-compatible API:
  --api URL        its address, for example https://api.github.com
  --org NAME       the organisation
  --token T        sent as a bearer token

  -h, --help       print this text
";

/// What the user asked for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Print the help text.
    Help,
    /// Load the contributors.
    Load(Args),
}

/// The options of a run.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) variants: Vec<Variant>,
    pub(crate) grace: Duration,
    pub(crate) source: SourceArgs,
}

/// Reads the arguments (without the name of the program). The error is one line for the user.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut variant = None;
    let mut grace = None;
    let mut repos = None;
    let mut latency = None;
    let mut fail = None;
    let mut api = None;
    let mut org = None;
    let mut token = None;

    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let (name, mut inline) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        let mut value = || {
            inline
                .take()
                .or_else(|| args.next())
                .ok_or_else(|| format!("{name} needs a value"))
        };
        match name {
            "-h" | "--help" => return Ok(Command::Help),
            "--variant" => set(&mut variant, name, variant_named(&value()?)?)?,
            "--grace" => {
                let ms = number(name, &value()?, 0..=60_000)?;
                set(&mut grace, name, Duration::from_millis(ms))?;
            }
            "--repos" => set(&mut repos, name, number(name, &value()?, 1..=400)?)?,
            "--latency" => set(&mut latency, name, range(name, &value()?)?)?,
            "--fail" => set(&mut fail, name, fail_named(&value()?)?)?,
            "--api" => set(&mut api, name, value()?)?,
            "--org" => set(&mut org, name, value()?)?,
            "--token" => set(&mut token, name, value()?)?,
            _ => return Err(format!("unknown argument {arg:?}")),
        }
        if inline.is_some() {
            return Err(format!("{name} takes no value"));
        }
    }

    let source = match (api, org) {
        (Some(url), Some(org)) => {
            if repos.is_some() || latency.is_some() || fail.is_some() {
                return Err(
                    "--repos, --latency and --fail are for the own server, without --api".into(),
                );
            }
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(format!("--api needs an http or https address, not {url:?}"));
            }
            SourceArgs::Api { url, org, token }
        }
        (Some(_), None) => return Err("--api needs --org".into()),
        (None, Some(_)) => return Err("--org needs --api".into()),
        (None, None) if token.is_some() => return Err("--token needs --api".into()),
        (None, None) => SourceArgs::Own {
            repos: repos.map_or(60, |n| n as usize),
            latency: latency.unwrap_or((20, 120)),
            fail,
        },
    };
    Ok(Command::Load(Args {
        variants: variant.map_or_else(|| Variant::ALL.to_vec(), |v| vec![v]),
        grace: grace.unwrap_or(Duration::from_millis(200)),
        source,
    }))
}

fn set<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{name} is given twice")),
    }
}

fn number(name: &str, text: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if range.contains(&n) => Ok(n),
        _ => Err(format!(
            "{name} needs a number from {} to {}, not {text:?}",
            range.start(),
            range.end()
        )),
    }
}

fn range(name: &str, text: &str) -> Result<(u64, u64), String> {
    let error = || format!("{name} needs milliseconds as A-B with A at most B, not {text:?}");
    let (low, high) = text.split_once('-').ok_or_else(error)?;
    match (low.parse(), high.parse()) {
        (Ok(low), Ok(high)) if low <= high && high <= 60_000 => Ok((low, high)),
        _ => Err(error()),
    }
}

fn variant_named(name: &str) -> Result<Variant, String> {
    let found = Variant::ALL.into_iter().find(|v| v.name() == name);
    found.ok_or_else(|| {
        let names: Vec<_> = Variant::ALL.iter().map(|v| v.name()).collect();
        format!("--variant needs one of {}, not {name:?}", names.join(", "))
    })
}

fn fail_named(kind: &str) -> Result<Fail, String> {
    Ok(match kind {
        "404" => Fail::NotFound,
        "403" => Fail::RateLimit,
        "malformed" => Fail::Malformed,
        "500" => Fail::Internal,
        "refuse" => Fail::Refuse,
        _ => {
            return Err(format!(
                "--fail needs one of 404, 403, malformed, 500, refuse, not {kind:?}"
            ));
        }
    })
}
