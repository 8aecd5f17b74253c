//! Activation plans in place of those of Delphi's and SAFENet's planners, which are not published.
//! They are files that `tercet run` and `tercet cost` take too.

use crate::plans::ActivationPlan;

const PLANS: [(&str, &str); 6] = [
    ("cnn-7-delphi", include_str!("../../../configs/plans/cnn-7-delphi.toml")),
    ("cnn-7-safenet", include_str!("../../../configs/plans/cnn-7-safenet.toml")),
    ("vgg-16-delphi", include_str!("../../../configs/plans/vgg-16-delphi.toml")),
    ("vgg-16-safenet", include_str!("../../../configs/plans/vgg-16-safenet.toml")),
    ("resnet-32-delphi", include_str!("../../../configs/plans/resnet-32-delphi.toml")),
    ("resnet-32-safenet", include_str!("../../../configs/plans/resnet-32-safenet.toml")),
];

/// The plan of a file in `configs/plans`.
///
/// # Panics
/// If there is no such plan.
pub(super) fn named(name: &str) -> ActivationPlan {
    let (_, text) = PLANS.iter().find(|(other, _)| *other == name).expect("a plan");
    toml::from_str(text).expect("a valid plan")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::{ActivationKind, Dims, Graph},
        zoo,
    };

    /// The number of values of one image that go through ReLUs.
    fn relus(graph: &Graph) -> f64 {
        let values = |id| {
            let dims = graph.dims(id);
            let activation = graph.node(id).op.activation();
            let portions = activation.map(|activation| activation.portions(dims.channels));
            let relus = portions.into_iter().flatten();
            let relus = relus.filter(|portion| portion.kind == Some(ActivationKind::Relu));
            relus.map(|portion| portion.len()).sum::<usize>() * dims.plane()
        };
        graph.ids().map(values).sum::<usize>() as f64
    }

    #[test]
    fn plans_exchange_the_shares_that_their_files_name() {
        let input = Dims::new(3, 32, 32);
        for (name, per_cent) in [
            ("cnn-7-delphi", 62.1),
            ("cnn-7-safenet", 80.7),
            ("vgg-16-delphi", 17.2),
            ("vgg-16-safenet", 59.5),
            ("resnet-32-delphi", 18.9),
            ("resnet-32-safenet", 61.0),
        ] {
            let (net, _) = name.rsplit_once('-').unwrap();
            let original = zoo::build(net, &zoo::Options::new(input, 10)).unwrap();
            let exchanged = named(name).apply(&original).unwrap();
            let share = 100.0 * (1.0 - relus(&exchanged) / relus(&original));
            assert!((share - per_cent).abs() < 0.05, "{name}: {share}");
        }
    }
}
