//! How long a run takes over links of a given latency and bandwidth, from its prediction alone.
//!
//! Each stage takes the bytes of its busiest link at that link's bandwidth. Online the critical
//! path is added, in one-way latencies of half a round trip each: nothing that goes ahead of the
//! query waits for an answer. Each of the six directed links has the whole bandwidth. Computing is
//! not in it, nor are headers (a few percent) and a congestion window that has to open: a run comes
//! near to it when it waits for the network.

use nets::cost::Totals;
use protocols::Links;
use serde::Serialize;

/// The model of every link between two parties.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct LinkModel {
    /// There and back, in milliseconds.
    pub rtt_ms: f64,
    /// Each way, in 10^6 bits a second.
    pub bandwidth_mbit: f64,
}

/// A run over some links.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Estimate {
    /// `lan`, `wan` or `custom`.
    pub link: &'static str,
    /// The model of the links.
    #[serde(flatten)]
    pub model: LinkModel,
    /// The setup, once for a model.
    pub setup_seconds: f64,
    /// Everything ahead of the query.
    pub offline_seconds: f64,
    /// From the query to the result, with all that goes ahead of it present.
    pub online_seconds: f64,
    /// How long the run takes, one stage after the other.
    pub seconds: f64,
}

impl LinkModel {
    /// A network of one site: 0.5 ms, 10 Gbit/s.
    pub(crate) const LAN: LinkModel = LinkModel { rtt_ms: 0.5, bandwidth_mbit: 10_000.0 };

    /// Another continent's edge: 40 ms, 100 Mbit/s.
    pub(crate) const WAN: LinkModel = LinkModel { rtt_ms: 40.0, bandwidth_mbit: 100.0 };

    /// How long a run of this cost takes over such links, which are called `link`.
    pub(crate) fn estimate(self, link: &'static str, cost: &Totals) -> Estimate {
        let setup_seconds = self.seconds(0, cost.setup_links);
        let offline_seconds = self.seconds(0, cost.offline_links);
        let online_seconds = self.seconds(cost.critical_path, cost.online_links());
        let seconds = setup_seconds + offline_seconds + online_seconds;
        Estimate { link, model: self, setup_seconds, offline_seconds, online_seconds, seconds }
    }

    /// How long a stage takes that waits for this many one-way latencies and sends these bytes.
    fn seconds(&self, critical_path: u32, links: Links) -> f64 {
        let busiest = links.iter().map(|(_, bytes)| bytes).max().unwrap_or(0) as f64;
        let waiting = f64::from(critical_path) * self.rtt_ms / 2.0 / 1e3;
        waiting + 8.0 * busiest / (self.bandwidth_mbit * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use protocols::{Link, Role};

    use super::*;

    fn links(bytes: [u64; 2]) -> Links {
        let mut links = Links::default();
        let towards = |to| Link { from: Role::CryptoProducer, to };
        links[towards(Role::ModelOwner)] = bytes[0];
        links[towards(Role::DataOwner)] = bytes[1];
        links
    }

    #[track_caller]
    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    }

    #[test]
    fn latencies_and_the_busiest_link_add_up() {
        close(LinkModel::WAN.seconds(10, Links::default()), 10.0 * 0.020);
        close(LinkModel::WAN.seconds(0, links([12_500_000, 1_000])), 1.0);
        close(LinkModel::WAN.seconds(50, links([1_000, 12_500_000])), 1.0 + 1.0);
        close(LinkModel::LAN.seconds(4, links([0, 1_250_000_000])), 0.001 + 1.0);
    }

    #[test]
    fn stages_are_timed_apart() {
        let cost = Totals {
            links: links([37_500_000, 12_500_000]),
            setup_links: links([12_500_000, 0]),
            offline_links: links([12_500_000, 0]),
            critical_path: 50,
            ..Totals::default()
        };
        let estimate = LinkModel::WAN.estimate("wan", &cost);
        close(estimate.setup_seconds, 1.0);
        close(estimate.offline_seconds, 1.0);
        close(estimate.online_seconds, 1.0 + 1.0);
        close(estimate.seconds, 4.0);
    }

    #[test]
    fn links_do_not_share_their_bandwidth() {
        let both = LinkModel::LAN.seconds(3, links([500, 500]));
        close(both, LinkModel::LAN.seconds(3, links([500, 0])));
    }
}
