//! A container's runs: prepared, started by handing a monitor its specification, talked to, waited for, stopped; and
//! further processes in them.

pub mod attach;
pub mod control;
pub mod exec;
pub(crate) mod prepare;
mod start;
pub(crate) mod stop;
pub(crate) mod wait;
