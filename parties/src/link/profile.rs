//! Profiles of the links between the parties, which size the transport for them.

use std::time::Duration;

/// The sizes of the transport.
///
/// The three constants suit most networks: `LOOPBACK` where all parties share a machine, `LAN`
/// within a site, `WAN` between sites. All three parties should use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The buffer asked of the kernel for each direction of the UDP socket, in bytes. A burst that
    /// does not fit is lost and sent again. The kernel grants at most `net.core.rmem_max` and
    /// `net.core.wmem_max`.
    pub socket_buffer: usize,
    /// The flow-control window: bytes that each peer may have under way to this party. It should
    /// be bandwidth times round-trip time, or the link idles. On one machine what is under way
    /// lies in the socket buffer, so there it is cut down to what both peers can fit into the
    /// buffer that the kernel granted.
    pub receive_window: u32,
    /// Bytes sent and not yet acknowledged, for each peer: at least the peer's `receive_window`.
    /// Costs that much memory.
    pub send_window: u64,
    /// Bytes that a fresh connection sends before the first acknowledgement. A larger one saves
    /// round trips at the start and risks losses on a narrow link.
    pub initial_congestion_window: u64,
    /// The round-trip time to assume until it is measured; a lost first packet is repeated after
    /// three times that.
    pub initial_rtt: Duration,
    /// Bytes of a UDP payload, where the path is known to carry them. `None` starts at 1200 and
    /// probes up to 1452, which every Ethernet carries. With segmentation offload ten packets make
    /// one datagram of at most 64 KiB, so 6500 is near the largest that works.
    pub datagram: Option<u16>,
    /// How long a receive waits for a message, and [`finish`](super::ProcessTransport::finish) for
    /// the other parties, while those are alive: longer than the longest computation between two
    /// messages.
    pub patience: Duration,
}

impl Profile {
    /// All parties on one machine.
    pub const LOOPBACK: Profile = Profile {
        socket_buffer: 4 << 20,
        receive_window: 2 << 20,
        send_window: 4 << 20,
        initial_congestion_window: 2 << 20,
        initial_rtt: Duration::from_millis(20),
        datagram: Some(6500),
        patience: Duration::from_secs(600),
    };

    /// One site: 10 Gbit/s and up to 3 ms.
    pub const LAN: Profile = Profile {
        socket_buffer: 4 << 20,
        receive_window: 4 << 20,
        send_window: 8 << 20,
        initial_congestion_window: 128 << 10,
        initial_rtt: Duration::from_millis(20),
        datagram: None,
        patience: Duration::from_secs(600),
    };

    /// Between sites: 100 Mbit/s to 1 Gbit/s at 100 ms, which holds 12.5 MB under way. The
    /// flow-control window is twice that, so that a lost packet does not stop the link while it is
    /// repeated.
    pub const WAN: Profile = Profile {
        socket_buffer: 4 << 20,
        receive_window: 25 << 20,
        send_window: 32 << 20,
        initial_congestion_window: 64 << 10,
        initial_rtt: Duration::from_millis(100),
        datagram: None,
        patience: Duration::from_secs(600),
    };

    /// A peer that sent nothing for so long is gone. A live one sends at least every
    /// [`Profile::KEEP_ALIVE`]. The clock starts anew with the first packet after the peer's last,
    /// so the end comes after at most the sum of both, plus the farewell to the third party: 2 s
    /// in all.
    pub const IDLE: Duration = Duration::from_millis(1300);

    /// How often a connection without traffic sends a sign of life.
    pub const KEEP_ALIVE: Duration = Duration::from_millis(200);
}

/// The profiles by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProfileName {
    /// All parties on one machine.
    #[default]
    Loopback,
    /// A network of one site.
    Lan,
    /// Tens of milliseconds apart.
    Wan,
}

impl ProfileName {
    /// All names.
    pub const ALL: [ProfileName; 3] = [ProfileName::Loopback, ProfileName::Lan, ProfileName::Wan];

    /// The name in configs.
    pub const fn name(self) -> &'static str {
        match self {
            ProfileName::Loopback => "loopback",
            ProfileName::Lan => "lan",
            ProfileName::Wan => "wan",
        }
    }

    /// The sizes.
    pub const fn profile(self) -> Profile {
        match self {
            ProfileName::Loopback => Profile::LOOPBACK,
            ProfileName::Lan => Profile::LAN,
            ProfileName::Wan => Profile::WAN,
        }
    }
}
