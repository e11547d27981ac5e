//! wattkeep: a software revenue meter of the 8650 class, and the tools that set it up.

use std::process::ExitCode;

fn main() -> ExitCode {
    wattkeep::main(std::env::args_os())
}
