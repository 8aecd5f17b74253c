//! The parties' records of a run, merged and compared with the prediction.

use nets::LayerCost;
use protocols::{LayerMeasurement, Link, Links, Role};

use super::contents::{Layer, Traffic};
use crate::{
    error::{CountError, Result},
    party::Record,
};

/// Merges what all parties saw, layer by layer as predicted, and compares it with the prediction.
/// `depths` are the causal depths that the layers should end at.
///
/// # Errors
/// [`Count`](crate::error::Error::Count) naming the first layer and link where sent, received and
/// predicted differ.
pub(crate) fn merge(costs: &[LayerCost], depths: &[u32], records: &[Record]) -> Result<Vec<Layer>> {
    let mut layers = Layer::predicted(costs, depths);
    for ((cost, &depth), layer) in costs.iter().zip(depths).zip(&mut layers) {
        let mut seen = records.iter().filter_map(|record| record.layer(&cost.name));
        let mut merged = seen.next().cloned().unwrap_or_else(|| unseen(&cost.name));
        seen.for_each(|other| merged.merge(other));
        compare(cost, depth, &merged)?;
        layer.measured = Some(Traffic {
            rounds: merged.rounds(),
            bytes: merged.sent.total(),
            links: merged.sent,
            ahead_bytes: merged.ahead.total(),
        });
        let spent = |role: Role, seconds: fn(&LayerMeasurement) -> f64| {
            let record = records.iter().find(|record| record.role == role);
            record.and_then(|record| record.layer(&cost.name)).map_or(0.0, seconds)
        };
        let ahead =
            [Role::ModelOwner, Role::DataOwner].map(|role| spent(role, |seen| seen.ahead_seconds));
        let online = spent(Role::DataOwner, |seen| seen.seconds);
        layer.seconds = Some(ahead[0].max(ahead[1]) + online);
    }
    let is_predicted = |name: &str| costs.iter().any(|cost| cost.name == name);
    for record in records {
        if let Some(extra) = record.layers.iter().find(|layer| !is_predicted(&layer.name)) {
            let (role, layer) = (record.role, extra.name.clone());
            return Err(CountError::Extra { role, layer }.into());
        }
    }
    Ok(layers)
}

/// The report of one party's record, compared with the prediction for the links that it is an end
/// of.
///
/// # Errors
/// [`Count`](crate::error::Error::Count) naming the first layer and link where they differ.
pub(crate) fn own_view(costs: &[LayerCost], depths: &[u32], record: &Record) -> Result<Vec<Layer>> {
    costs
        .iter()
        .zip(Layer::predicted(costs, depths))
        .map(|(cost, mut layer)| {
            let unseen = unseen(&cost.name);
            let seen = record.layer(&cost.name).unwrap_or(&unseen);
            let predicted = cost.predicted.links();
            for link in Link::ALL {
                let got = match record.role {
                    role if role == link.from => seen.sent[link],
                    role if role == link.to => seen.received[link],
                    _ => continue,
                };
                if got != predicted[link] {
                    let (layer, predicted) = (cost.name.clone(), predicted[link]);
                    return Err(CountError::OwnBytes { layer, link, predicted, seen: got }.into());
                }
            }
            let links = seen.sent + seen.received;
            // A party counts ahead only what it sent itself; the rest is as predicted.
            let ahead = cost.predicted.ahead_links();
            let own =
                Link::ALL.into_iter().filter(|link| [link.from, link.to].contains(&record.role));
            layer.measured = Some(Traffic {
                rounds: seen.rounds(),
                bytes: links.total(),
                links,
                ahead_bytes: own.map(|link| ahead[link]).sum(),
            });
            layer.seconds = Some(seen.seconds + seen.ahead_seconds);
            Ok(layer)
        })
        .collect()
}

fn compare(
    cost: &LayerCost,
    depth: u32,
    seen: &LayerMeasurement,
) -> std::result::Result<(), CountError> {
    let layer = || cost.name.clone();
    let links = cost.predicted.links();
    for link in Link::ALL {
        let (sent, received, predicted) = (seen.sent[link], seen.received[link], links[link]);
        if sent != predicted || received != predicted {
            return Err(CountError::Bytes { layer: layer(), link, predicted, sent, received });
        }
    }
    let ahead = cost.predicted.ahead_links();
    if seen.ahead != ahead {
        let (predicted, measured) = (ahead, seen.ahead);
        return Err(CountError::Ahead { layer: layer(), predicted, measured });
    }
    let (predicted, measured) = (cost.predicted.rounds(), seen.rounds());
    if measured != predicted {
        return Err(CountError::Rounds { layer: layer(), what: "rounds", predicted, measured });
    }
    // A layer that sends nothing may not have been measured at all.
    if measured > 0 && seen.depth != depth {
        let (predicted, measured) = (depth.into(), seen.depth.into());
        let what = "as critical path";
        return Err(CountError::Rounds { layer: layer(), what, predicted, measured });
    }
    Ok(())
}

fn unseen(name: &str) -> LayerMeasurement {
    LayerMeasurement {
        name: name.to_owned(),
        sent: Links::default(),
        received: Links::default(),
        ahead: Links::default(),
        phases: Default::default(),
        depth: 0,
        seconds: 0.0,
        ahead_seconds: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use nets::Dims;
    use protocols::{Cost, Paper};

    use super::*;
    use crate::{
        party::process::Usage,
        report::contents::{PaperCost, Totals},
    };

    const P0_TO_P1: Link = Link { from: Role::ModelOwner, to: Role::DataOwner };

    fn costs() -> Vec<LayerCost> {
        let layer = |name: &str, predicted: Cost| LayerCost {
            name: name.into(),
            op: "conv",
            output_shape: Dims::new(2, 3, 4),
            paper: Some(Paper { rounds: 2, bits: 8e6 }),
            predicted,
            nonlinear_values: 0,
            parameters: 0,
            macs: 0,
            bound: None,
        };
        vec![layer("a,b", Cost::none().exchange(1, 8)), layer("c", Cost::none())]
    }

    /// The depths that [`costs`] end at.
    const DEPTHS: [u32; 2] = [1, 1];

    /// The records of three parties that do as predicted.
    fn records() -> [Record; 3] {
        let record = |role: Role| {
            let layer = |(name, depth): (&str, u32)| {
                let mut seen = LayerMeasurement { depth, seconds: 0.25, ..unseen(name) };
                if depth > 0 && name == "a,b" && role != Role::CryptoProducer {
                    let other = role.others()[0];
                    seen.sent[Link::new(role, other)] = 8;
                    seen.received[Link::new(other, role)] = 8;
                    seen.phases.insert(1);
                }
                seen
            };
            let layers = [("a,b", 1), ("c", 1)].into_iter().map(layer).collect();
            let usage = Usage { cpu_seconds: 1.0, peak_rss_mb: 2.0 };
            let seconds = Default::default();
            let wire = Links::default();
            let (setup_kept, stock) = (false, None);
            Record { role, images: 1, layers, wire, seconds, usage, setup_kept, stock }
        };
        Role::ALL.map(record)
    }

    #[test]
    fn sums_of_layers_are_totals() {
        let layers = merge(&costs(), &DEPTHS, &records()).unwrap();
        let totals = Totals::sum(&layers).with_usage(&records());
        assert_eq!(layers[0].seconds, Some(0.25));
        assert_eq!(totals.paper, Some(PaperCost { rounds: 4, mb: 2.0 }));
        assert_eq!(totals.predicted, totals.measured);
        assert_eq!((totals.online_bytes, totals.critical_path), (16, 1));
        assert_eq!(totals.cpu_seconds.values().sum::<f64>(), 3.0);
    }

    #[test]
    fn every_difference_is_named() {
        let complaint = |change: fn(&mut [Record; 3])| {
            let mut records = records();
            change(&mut records);
            merge(&costs(), &DEPTHS, &records).unwrap_err().to_string()
        };
        let sent = complaint(|records| records[0].layers[0].sent[P0_TO_P1] = 9);
        assert_eq!(sent, "layer a,b, link P0->P1: 8 bytes predicted, 9 sent, 8 received");
        let received = complaint(|records| records[1].layers[0].received[P0_TO_P1] = 7);
        assert_eq!(received, "layer a,b, link P0->P1: 8 bytes predicted, 8 sent, 7 received");
        let rounds = complaint(|records| {
            records[2].layers[0].phases.insert(2);
        });
        assert_eq!(rounds, "layer a,b: 1 rounds predicted, 2 measured");
        let depth = complaint(|records| records[0].layers[0].depth = 5);
        assert_eq!(depth, "layer a,b: 1 as critical path predicted, 5 measured");
        let extra = complaint(|records| records[2].layers[1].name = "x".into());
        assert_eq!(extra, "the crypto-producer ran layer x, which no one predicted");
        let missing = complaint(|records| records[1].layers.clear());
        assert_eq!(missing, "layer a,b, link P0->P1: 8 bytes predicted, 8 sent, 0 received");
    }

    #[test]
    fn a_party_checks_its_own_links() {
        let [mut own, ..] = records();
        let layers = own_view(&costs(), &DEPTHS, &own).unwrap();
        assert_eq!(layers[0].measured.unwrap().links[P0_TO_P1], 8);
        own.layers[0].sent[P0_TO_P1] = 9;
        let message = own_view(&costs(), &DEPTHS, &own).unwrap_err().to_string();
        assert_eq!(message, "layer a,b, link P0->P1: 8 bytes predicted, 9 seen");
    }
}
