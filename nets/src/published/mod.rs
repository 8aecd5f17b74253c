//! Published figures of other systems, side by side with the costs of the same nets and operations
//! here.
//!
//! | file | what it holds |
//! |---|---|
//! | `systems` | the systems by name |
//! | `comparison`, `figures`, `subject` | rows of figures, and what a row is about |
//! | `delphi`, `minionn`, `safenet`, `xonn` | the figures and notes of one system each |
//! | `plans` | activation plans in place of unpublished ones |
//! | `shafran` | the cost tables of Shafran et al., recomputed |

#![warn(clippy::wildcard_enum_match_arm)]

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
