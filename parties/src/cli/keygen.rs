//! `tercet keygen`.

use std::path::PathBuf;

use super::output::say;
use crate::{error::Result, link::write_identities};

/// Make keys and certificates for the three parties.
///
/// Writes DIR/<role>.key, which only that party may have, and DIR/<role>.pem, which all three need.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write them; files that exist are not touched.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<()> {
    write_identities(&args.directory)?;
    let directory = args.directory.display();
    say(&format!("keys and certificates of the three parties are in {directory}\n"))
}
