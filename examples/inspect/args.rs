//! The command line.

use std::num::NonZeroU64;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Loads the contributors of an organisation in a loop, all variants of the example `contributors` at
once, and serves a page of the coroutines that do it. Ctrl-C ends it.

Usage: inspect [OPTIONS]

  --port N     where the page is served, on 127.0.0.1 (default: any free port)
  --repos N    repositories to load in a round, 1 to 400 (default 60)
  --rounds N   end when each variant has loaded so many times
  -h, --help   print this text
";

/// What the user asked for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Print the help text.
    Help,
    /// Load and serve.
    Run(Args),
}

/// The options of a run.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) port: u16,
    pub(crate) repos: usize,
    pub(crate) rounds: Option<NonZeroU64>,
}

/// Reads the arguments (without the name of the program). The error is one line for the user.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut parsed = Args {
        port: 0,
        repos: 60,
        rounds: None,
    };
    let mut args = args.into_iter();
    while let Some(name) = args.next() {
        if ["-h", "--help"].contains(&&*name) {
            return Ok(Command::Help);
        }
        let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
        let error = |text: &str| format!("{name} cannot be {text:?}");
        match &*name {
            "--port" => {
                let text = value()?;
                parsed.port = text.parse().map_err(|_| error(&text))?;
            }
            "--repos" => {
                let text = value()?;
                let repos = text.parse().ok().filter(|repos| (1..=400).contains(repos));
                parsed.repos = repos.ok_or_else(|| error(&text))?;
            }
            "--rounds" => {
                let text = value()?;
                parsed.rounds = Some(text.parse().map_err(|_| error(&text))?);
            }
            _ => return Err(format!("unknown argument {name:?}")),
        }
    }
    Ok(Command::Run(parsed))
}
