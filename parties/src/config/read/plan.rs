//! Reading `[network.plan]`.

use nets::zoo::{BlockRatios, Kind, Pool, Ratios};

use super::{super::keys, section::Section};
use crate::error::Result;

/// Reads a plan over the one that holds where nothing is said.
pub(super) fn read_plan(table: &Section, mut plan: Ratios) -> Result<Ratios> {
    const NUMBERED: &str = "the table of a block, named by its number from 0";
    table.check_keys()?;
    let own = read_block(table)?;
    plan.activation = own.activation.unwrap_or(plan.activation);
    plan.first = own.first.unwrap_or(plan.first);
    plan.second = own.second.unwrap_or(plan.second);
    plan.pool = table.one_of("pool", Pool::ALL, Pool::name)?.unwrap_or(plan.pool);
    plan.double = table.flag("double")?.unwrap_or(plan.double);
    if let Some(blocks) = table.section("blocks", &keys::BLOCK)? {
        for key in blocks.keys() {
            let block = key.parse().map_err(|_| blocks.wrong(key, NUMBERED))?;
            let own = blocks.section(key, &keys::BLOCK)?.expect("it is there");
            own.check_keys()?;
            plan.blocks.insert(block, read_block(&own)?);
        }
    }
    Ok(plan)
}

fn read_block(table: &Section) -> Result<BlockRatios> {
    Ok(BlockRatios {
        activation: table.one_of("activation", Kind::ALL, Kind::name)?,
        first: table.number("first")?,
        second: table.number("second")?,
    })
}
