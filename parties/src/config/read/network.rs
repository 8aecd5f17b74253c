//! Reading `[network]`.

use nets::{
    Dims, Output,
    zoo::{self, Ratios},
};
use toml::Value;

use super::{
    super::{keys, network::Network, network_file::NetworkFile, plan_file::is_plan_file},
    plan::read_plan,
    section::Section,
};
use crate::error::{Error, Result};

impl Network {
    pub(super) fn read(table: &Section) -> Result<Network> {
        table.check_keys()?;
        let output = table.one_of("output", Output::ALL, Output::name)?.unwrap_or_default();
        let file = match (table.path("onnx")?, table.path("graph")?) {
            (Some(path), None) => Some(NetworkFile::onnx(&path)?),
            (None, Some(path)) => Some(NetworkFile::public(&path)?),
            (Some(_), Some(_)) => {
                return Err(table.wrong("graph", "left out where there is `onnx`, which has it"));
            }
            (None, None) => None,
        };
        let mut network = match file {
            Some(file) => from_file(table, file, output)?,
            None => from_zoo(table, output)?,
        };
        set_plan(&mut network, table)?;
        Ok(network)
    }
}

/// A network of the zoo.
fn from_zoo(table: &Section, output: Output) -> Result<Network> {
    let net = table.need("net", table.string("net")?)?;
    let input = table.need("input", table.array("input")?)?;
    let side = |value: &Value| value.as_integer().filter(|side| (1..=4096).contains(side));
    let [Some(channels), Some(height), Some(width)] =
        input.iter().map(side).collect::<Vec<_>>()[..]
    else {
        return Err(table.wrong_kind("input"));
    };
    let classes = table.need("classes", table.integer("classes")?)?;
    Ok(Network {
        net: net.to_owned(),
        input: [channels, height, width].map(|side| side as usize),
        classes: classes as usize,
        ratios: None,
        activation_plan: None,
        scale: table.number("scale")?.unwrap_or(1.0),
        file: None,
        output,
    })
}

/// A network whose file says everything.
fn from_file(table: &Section, file: NetworkFile, output: Output) -> Result<Network> {
    for key in ["net", "input", "classes", "scale"] {
        if table.has(key) {
            return Err(table.wrong(key, "left out where a file gives the network"));
        }
    }
    let graph = &file.graph;
    let Dims { channels, height, width } = graph.input();
    Ok(Network {
        net: graph.name().to_owned(),
        input: [channels, height, width],
        classes: graph.dims(graph.output()).len(),
        ratios: None,
        activation_plan: None,
        scale: 1.0,
        file: Some(file),
        output,
    })
}

fn set_plan(network: &mut Network, table: &Section) -> Result<()> {
    let Some(plan) = table.value("plan") else {
        return Ok(());
    };
    if plan.as_str().is_some_and(is_plan_file) {
        return network.set_plan_file(table.path("plan")?.as_deref());
    }
    if network.file.is_some() {
        return Err(table.wrong("plan", "the path of a TOML or JSON file, or left out"));
    }
    let wrong = |error| Error::file(table.file(), format!("`network`: {error}"));
    let net = zoo::with_ratios(&network.net).map_err(wrong)?;
    network.ratios = Some(match plan {
        Value::String(name) => Ratios::published(net, name, network.dims()).map_err(wrong)?,
        Value::Table(_) => {
            let plan = table.section("plan", &keys::PLAN)?.expect("it is there");
            read_plan(&plan, Ratios::original(net.kind()))?
        }
        _ => return Err(table.wrong_kind("plan")),
    });
    Ok(())
}
