//! The `tercet` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    parties::cli::main()
}
