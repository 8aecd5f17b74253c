//! How a QUIC endpoint is set up: socket buffers, TLS and the profile's sizes.

use std::{io, sync::Arc};

use protocols::Role;
use quinn::{
    ClientConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig,
    VarInt,
    congestion::CubicConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use socket2::Socket;

use super::{
    identity::{Identity, IdentityError, Trust},
    profile::Profile,
    tls,
};

/// Asks for socket buffers of this size; returns the receive buffer that the kernel granted.
pub(crate) fn enlarge_buffers(socket: &Socket, bytes: usize) -> io::Result<usize> {
    socket.set_recv_buffer_size(bytes)?;
    socket.set_send_buffer_size(bytes)?;
    // Linux reports twice what it grants, to account for its own bookkeeping.
    let granted = socket.recv_buffer_size()? / if cfg!(target_os = "linux") { 2 } else { 1 };
    if granted < bytes {
        tracing::warn!(
            "the kernel grants a UDP receive buffer of {granted} bytes where {bytes} are wanted, \
             which slows the run down: sysctl -w net.core.rmem_max={bytes} \
             net.core.wmem_max={bytes}"
        );
    }
    Ok(granted.min(bytes))
}

/// The endpoint's settings.
pub(crate) fn endpoint_config(profile: &Profile) -> EndpointConfig {
    let mut config = EndpointConfig::default();
    if let Some(datagram) = profile.datagram {
        config.max_udp_payload_size(datagram).expect("profiles hold at least 1200");
    }
    config
}

/// The transport's settings, given the receive buffer that the kernel granted.
pub(crate) fn transport_config(profile: &Profile, granted_buffer: usize) -> Arc<TransportConfig> {
    let mut window = profile.receive_window;
    let mut config = TransportConfig::default();
    if let Some(datagram) = profile.datagram {
        // Two peers send to one socket.
        window = window.min(u32::try_from(granted_buffer / 2).unwrap_or(u32::MAX));
        config.initial_mtu(datagram).min_mtu(datagram).mtu_discovery_config(None);
    } else {
        config.mtu_discovery_config(Some(MtuDiscoveryConfig::default()));
    }
    let mut congestion = CubicConfig::default();
    congestion.initial_window(profile.initial_congestion_window);
    let idle: IdleTimeout = Profile::IDLE.try_into().expect("1.3 s is a valid idle timeout");
    config
        .receive_window(VarInt::from_u32(window))
        .stream_receive_window(VarInt::from_u32(window))
        .send_window(profile.send_window)
        .initial_rtt(profile.initial_rtt)
        .congestion_controller_factory(Arc::new(congestion))
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(Profile::KEEP_ALIVE))
        // One control stream and, each way, one stream of frames.
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .datagram_receive_buffer_size(None);
    Arc::new(config)
}

/// The settings of connections to `peer`.
pub(crate) fn client_config(
    identity: &Identity,
    trust: &Trust,
    peer: Role,
    transport: &Arc<TransportConfig>,
) -> Result<ClientConfig, IdentityError> {
    let tls = tls::client_config(identity, trust, peer)?;
    let tls = QuicClientConfig::try_from(tls).expect("AES-128-GCM is among the suites");
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(transport.clone());
    Ok(config)
}

/// The settings of connections that `peers` open; `None` if there are no such peers.
pub(crate) fn server_config(
    identity: &Identity,
    trust: &Trust,
    peers: Vec<Role>,
    transport: &Arc<TransportConfig>,
) -> Result<Option<ServerConfig>, IdentityError> {
    if peers.is_empty() {
        return Ok(None);
    }
    let tls = tls::server_config(identity, trust, peers)?;
    let tls = QuicServerConfig::try_from(tls).expect("AES-128-GCM is among the suites");
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(transport.clone()).migration(false);
    Ok(Some(config))
}
