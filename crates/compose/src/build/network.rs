//! The network of a build's steps, of this machine's engine.

use std::cell::OnceCell;

use tare_build::{Networks, Space};
use tare_engine::Engine;
use tare_engine::network::BuildSpace;

/// Makes it when it is asked for; it goes with the value.
pub(super) struct OfEngine<'e> {
    engine: &'e Engine,
    kept: OnceCell<BuildSpace<'e>>,
}

impl<'e> OfEngine<'e> {
    pub(super) fn new(engine: &'e Engine) -> Self {
        Self { engine, kept: OnceCell::new() }
    }
}

impl Networks for OfEngine<'_> {
    fn space(&self) -> Result<Space, Box<dyn std::error::Error + Send + Sync>> {
        let made = self.engine.build_space()?;
        let namespace = made.namespace.try_clone()?;
        let kept = self.kept.get_or_init(|| made);
        Ok(Space { namespace, resolv_conf: kept.resolv_conf.clone() })
    }
}
