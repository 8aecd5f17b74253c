//! The trait of a transport between processes, beyond the carrying of messages.

use protocols::{Links, Result, Transport};

/// A transport between processes. It has an end that all parties reach together, and bytes on a
/// wire that are more than the payload.
///
/// Everything above the links runs on this trait: another transport implements it and nothing else
/// changes.
pub trait ProcessTransport: Transport {
    /// Ends the run: waits until all parties have sent and received everything, compares what both
    /// ends of each link counted, and closes the links. Call it after the last message; nothing
    /// can be sent or received afterwards.
    ///
    /// # Errors
    /// Whatever ended the run before; [`PeerLost`](protocols::Error::PeerLost);
    /// [`Stopped`](protocols::Error::Stopped) if the counts differ, if messages came that nobody
    /// took, if the others take too long, or if it was called before.
    fn finish(&self) -> Result<()>;

    /// Bytes that this party has put on the wire so far, on its own links; the other links are
    /// zero.
    fn wire_bytes(&self) -> Links;
}
