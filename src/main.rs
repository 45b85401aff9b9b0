//! The program: everything is in the library; here is only what a process does once.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use firefinch::cli::{self, Cli};
use firefinch::error::Failure;

// Many short allocations of all sizes on several threads: measured faster and smaller than malloc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Clap answers --help itself, and ends with 2 where the words make no sense.
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "firefinch: {failure}");
            failure.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    firefinch::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(anyhow::Error::new(error).context("cannot start the runtime")))?;
    let done = runtime.block_on(cli::run(cli));
    // Not waiting for threads that are stuck in a system call.
    runtime.shutdown_background();
    done
}
