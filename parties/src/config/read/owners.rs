//! Reading `[model-owner]` and `[data-owner]`.

use toml::Value;

use super::{
    super::{
        network::Network,
        owners::{DataOwner, ModelOwner},
    },
    section::Section,
};
use crate::{
    data::{Column, DataFiles, Format, Normalisation},
    error::Result,
};

impl ModelOwner {
    pub(super) fn read(table: &Section, network: &Network) -> Result<ModelOwner> {
        table.check_keys()?;
        let weights = table.path("weights")?;
        if network.has_weights() && weights.is_some() {
            return Err(table.wrong("weights", "left out: `network.onnx` has them"));
        }
        if !network.is_untrained() && !network.has_weights() {
            table.need("weights", weights.as_ref())?;
        }
        let said = ["scale", "mean", "std"].iter().any(|&key| table.has(key));
        let normalisation =
            said.then(|| read_normalisation(table, network.input[0])).transpose()?;
        let calibration = table.paths("calibration")?.unwrap_or_default();
        Ok(ModelOwner { weights, calibration, normalisation })
    }
}

impl DataOwner {
    pub(super) fn read(table: &Section, network: &Network) -> Result<DataOwner> {
        table.check_keys()?;
        let images = table.paths("images")?;
        let labels = table.paths("labels")?;
        if !network.is_untrained() {
            table.need("images", images.as_ref())?;
        }
        let format = table.one_of("format", Format::ALL, Format::name)?;
        let label_column = table.read("label_column", column)?;
        if images.is_none() {
            for key in ["labels", "format", "label_column"] {
                if table.has(key) {
                    return Err(table.wrong(key, "left out where there are no `images`"));
                }
            }
        }
        let files = DataFiles {
            images: images.unwrap_or_default(),
            labels: labels.unwrap_or_default(),
            format,
            label_column,
            first: table.integer("first")?.unwrap_or(0) as usize,
            count: table.integer("count")?.map(|count| count as usize),
            normalisation: read_normalisation(table, network.input[0])?,
        };
        Ok(DataOwner { files, predictions: table.path("predictions")? })
    }
}

fn read_normalisation(table: &Section, channels: usize) -> Result<Normalisation> {
    let default = Normalisation::scaling_only(channels);
    let std = table.numbers("std", channels)?.unwrap_or(default.std);
    if std.iter().any(|&std| std <= 0.0) {
        return Err(table.wrong("std", "above 0"));
    }
    let mean = table.numbers("mean", channels)?.unwrap_or(default.mean);
    Ok(Normalisation { scale: table.number("scale")?, mean, std })
}

fn column(value: &Value) -> Option<Column> {
    match value {
        Value::Integer(place) => usize::try_from(*place).ok().map(Column::Place),
        value => value.as_str().map(|name| Column::Name(name.to_owned())),
    }
}
