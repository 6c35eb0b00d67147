//! `compose wait`.

use clap::Args;
use std::sync::mpsc;
use tare_compose::select::OneOffs;

use tare_engine::WaitCondition;

use super::down::{DownArgs, take_down};
use super::project::Context;
use crate::error::Failure;
use crate::output::print_line;

/// Flags of `wait`.
#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// Take the project down when the first container stops
    #[arg(long)]
    down_project: bool,
    /// Services
    #[arg(required = true)]
    services: Vec<String>,
}

/// `compose wait`: prints exit codes; its own is that of the container that ended last.
pub(super) fn main(context: &Context<'_>, args: &WaitArgs) -> anyhow::Result<u8> {
    let target = context.target()?;
    let containers = context.containers(&target, &args.services, OneOffs::Exclude)?;
    if containers.is_empty() {
        return Err(Failure::new(format!("no containers for project \"{}\"", target.name)).into());
    }
    let engine = context.engine()?;
    let codes: Vec<i32> = std::thread::scope(|scope| -> anyhow::Result<Vec<i32>> {
        let (sender, receiver) = mpsc::channel();
        for container in &containers {
            let sender = sender.clone();
            scope.spawn(move || {
                let code = engine.wait(&container.id, WaitCondition::NotRunning);
                sender.send((container.short_id(), code))
            });
        }
        drop(sender);
        let mut codes = Vec::new();
        for code in receiver {
            let (id, code) = code;
            codes.push(code?);
            let code = codes.last().copied().unwrap_or_default();
            print_line(&format!("container {id:?} exited with status code {code}"))?;
            if args.down_project {
                // Taking the project down ends the other waits.
                take_down(context, target.clone(), &DownArgs::default())?;
                break;
            }
        }
        Ok(codes)
    })?;
    Ok(u8::try_from(codes.last().copied().unwrap_or(0) & 0xff).unwrap_or(1))
}
