//! Compose projects: observe, plan, execute.
//!
//! The flow: a [`Project`](tare_compose_model::Project) and what is [observed](observe::Observed) make a
//! [plan](plan::Plan), a graph of steps that each say why; the executor carries it out. [`labels`] tie what it makes to
//! the project. Planning is pure; nothing but the executor touches the engine.

pub mod build;
pub mod convert;
pub mod discovery;
mod events;
pub mod execute;
pub mod follow;
pub mod infer;
pub mod labels;
pub mod logs;
pub mod observe;
pub mod observe_engine;
pub mod plan;
pub mod progress;
pub mod projects;
pub mod schedule;
pub mod select;
pub mod session;
pub mod signals;
pub mod watch;
