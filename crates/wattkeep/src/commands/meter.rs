//! Runs one meter until it is told to stop.

use std::io::IsTerminal;

use host::{Options, SourceChoice};

use super::runtime;
use crate::args::meter::{MeterArgs, Source};
use crate::exit::Status;
use crate::failure::Failure;
use crate::files;
use crate::output;
use crate::screen::Screen;

/// A public key is one line; a key file with more in it isn't one.
const LONGEST_KEY: usize = 4096;

/// Runs the meter: prints where it listens, `ready` when it does, and then serves until SIGTERM or
/// ctrl-C.
///
/// # Errors
/// If it can't be started.
pub fn run(args: MeterArgs, screen: &mut Screen<'_>) -> Result<Status, Failure> {
    let trust = args.trust.iter().map(|path| files::read_text(path, "a public key", LONGEST_KEY));
    let options = Options {
        state: args.state,
        release: args.release,
        source: match args.source {
            Source::Grid => SourceChoice::Grid { seed: GRID_SEED },
            Source::Recording(cfg) => SourceChoice::Recording(cfg),
        },
        bind: args.bind,
        device_key: args.device_key,
        trust: trust.collect::<Result<_, _>>()?,
        ports: args.ports.unwrap_or_default().0,
        serial: args.serial,
    };
    log_to_standard_error();
    runtime()?.block_on(async {
        let bind = options.bind;
        let mut signals = Signals::listen()?;
        let meter = host::start(options).await?;
        output::meter::started(screen, &meter, bind)?;
        writeln!(screen.out, "ready")?;
        screen.out.flush()?;
        signals.wait().await;
        meter.stop().await;
        Ok(Status::Done)
    })
}

/// What the meter's rooms have to say of themselves: warnings and errors, or what `WATTKEEP_LOG` asks for
/// (`debug`, `services=debug`). No secret is ever in it.
fn log_to_standard_error() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("WATTKEEP_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // The SSH library logs the names that logins are tried with, and people type passwords there.
    let filter = filter.add_directive("russh=warn".parse().expect("a room and a level are a directive"));
    // A second meter in the same process (tests) goes on with the first one's.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
}

/// The simulated grid is the same each time: what people compare should differ only where they changed
/// something.
const GRID_SEED: u64 = 8650;

/// What stops a meter.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
