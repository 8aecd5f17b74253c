//! One party's host: from `[addresses]`, `[certificates]` and the role's own table.

use std::{net::SocketAddr, path::PathBuf};

/// One party's host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Host {
    /// Where the others find it, "host:port".
    pub address: Option<String>,
    /// Its certificate, which all three have.
    pub certificate: Option<PathBuf>,
    /// Its private key, which it alone has.
    pub key: Option<PathBuf>,
    /// The address it binds, where that is not the one that the others use.
    pub bind: Option<SocketAddr>,
    /// In `dealer`: a directory for what outlives a session. As secret as the key.
    pub state: Option<PathBuf>,
}
