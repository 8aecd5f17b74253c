//! Published figures, beside what the same takes here.

mod comparison;
mod delphi;
mod figures;
mod minionn;
mod plans;
mod safenet;
pub mod shafran;
mod subject;
mod systems;
mod xonn;

pub use comparison::Row;
pub use figures::Figures;
pub use systems::System;
