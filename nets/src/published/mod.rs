//! Published figures, beside what the same takes here.

mod comparison;
mod delphi;
mod figures;
mod minionn;
mod plans;
mod safenet;
mod shafran;
mod subject;
mod systems;
mod xonn;

pub use comparison::Row;
pub use figures::Figures;
pub use shafran::{Figures as TableFigures, Row as TableRow, TABLES, rows};
pub use systems::System;
