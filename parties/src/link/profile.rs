//! What the links between the parties are like, and how the transport is sized for them.

use std::{sync::Arc, time::Duration};

use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt, congestion::CubicConfig};

/// The sizes of the transport.
///
/// The three constants suit most networks: `LOOPBACK` where all parties share a machine, `LAN`
/// within a site, `WAN` between sites. All three parties should use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Asked of the kernel for each direction of the UDP socket, in bytes. A burst that finds no
    /// room is lost and sent again. The kernel grants at most `net.core.rmem_max` and
    /// `net.core.wmem_max`.
    pub socket_buffer: usize,
    /// Bytes that each peer may have under way to this party: bandwidth times round-trip time, or
    /// the link idles. On one machine what is under way lies in the socket buffer, so there it is
    /// cut down to what both peers can fit into the buffer that the kernel granted.
    pub window: u32,
    /// Bytes sent and not yet acknowledged, for each peer: at least the peer's `window`. Costs that
    /// much memory.
    pub send_window: u64,
    /// Bytes that a fresh connection sends before the first acknowledgement: larger saves round
    /// trips at the start and risks losses on a narrow link.
    pub initial_window: u64,
    /// The round-trip time to assume until it is measured; a lost first packet is repeated after
    /// three times that.
    pub initial_rtt: Duration,
    /// Bytes of a UDP payload, where the path is known to carry them. `None` starts at 1200 and
    /// probes up to 1452, which every Ethernet carries. With segmentation offload ten packets make
    /// one datagram of at most 64 KiB, so 6500 is near the largest that works.
    pub datagram: Option<u16>,
    /// How long a receive waits for a message, and the end of the run for the other parties, while
    /// those are alive: longer than the longest computation between two messages.
    pub patience: Duration,
}

impl Profile {
    /// All parties on one machine.
    pub const LOOPBACK: Profile = Profile {
        socket_buffer: 4 << 20,
        window: 2 << 20,
        send_window: 4 << 20,
        initial_window: 2 << 20,
        initial_rtt: Duration::from_millis(20),
        datagram: Some(6500),
        patience: Duration::from_secs(600),
    };

    /// One site: 10 Gbit/s and up to 3 ms.
    pub const LAN: Profile = Profile {
        socket_buffer: 4 << 20,
        window: 4 << 20,
        send_window: 8 << 20,
        initial_window: 128 << 10,
        initial_rtt: Duration::from_millis(20),
        datagram: None,
        patience: Duration::from_secs(600),
    };

    /// Between sites: 100 Mbit/s to 1 Gbit/s at 100 ms, which holds 12.5 MB under way; the window
    /// is twice that, so that a lost packet does not stop the link while it is repeated.
    pub const WAN: Profile = Profile {
        socket_buffer: 4 << 20,
        window: 25 << 20,
        send_window: 32 << 20,
        initial_window: 64 << 10,
        initial_rtt: Duration::from_millis(100),
        datagram: None,
        patience: Duration::from_secs(600),
    };

    /// A peer that sent nothing for so long is gone. A live one sends at least every
    /// [`Profile::KEEP_ALIVE`]. The clock starts anew with the first packet after the peer's last, so
    /// the end comes after at most the sum of both, plus the farewell to the third party: 2 s in all.
    pub const IDLE: Duration = Duration::from_millis(1300);

    /// How often a connection without traffic sends a sign of life.
    pub const KEEP_ALIVE: Duration = Duration::from_millis(200);

    /// The transport's settings, given what the kernel granted as receive buffer.
    pub(crate) fn transport_config(&self, granted_buffer: usize) -> Arc<TransportConfig> {
        let mut window = self.window;
        let mut config = TransportConfig::default();
        if let Some(datagram) = self.datagram {
            // Two peers send to one socket.
            window = window.min(u32::try_from(granted_buffer / 2).unwrap_or(u32::MAX));
            config.initial_mtu(datagram).min_mtu(datagram).mtu_discovery_config(None);
        } else {
            config.mtu_discovery_config(Some(MtuDiscoveryConfig::default()));
        }
        let mut congestion = CubicConfig::default();
        congestion.initial_window(self.initial_window);
        config
            .receive_window(VarInt::from_u32(window))
            .stream_receive_window(VarInt::from_u32(window))
            .send_window(self.send_window)
            .initial_rtt(self.initial_rtt)
            .congestion_controller_factory(Arc::new(congestion))
            .max_idle_timeout(Some(idle_timeout()))
            .keep_alive_interval(Some(Profile::KEEP_ALIVE))
            // One control stream and, each way, one stream of frames.
            .max_concurrent_bidi_streams(VarInt::from_u32(1))
            .max_concurrent_uni_streams(VarInt::from_u32(1))
            .datagram_receive_buffer_size(None);
        Arc::new(config)
    }
}

fn idle_timeout() -> IdleTimeout {
    Profile::IDLE.try_into().expect("1.3 s is a valid idle timeout")
}
