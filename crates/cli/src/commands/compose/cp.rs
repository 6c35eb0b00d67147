//! `compose cp`.

use clap::Args;
use tare_compose::observe_engine::{number_of, service_of};
use tare_compose::select::OneOffs;

use super::project::Context;
use crate::commands::container::cp;
use crate::error::Failure;

/// Flags of `cp`.
#[derive(Debug, Args)]
pub(super) struct CpArgs {
    /// Include containers that `run` made
    #[arg(long)]
    all: bool,
    /// Copy uid and gid too
    #[arg(short = 'a', long)]
    archive: bool,
    /// Follow symbolic links in the source
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Index of the container if the service has several
    #[arg(long, default_value_t = 0)]
    index: u32,
    /// SERVICE:PATH, a path, or - for a tar stream
    source: String,
    /// SERVICE:PATH, a path, or - for a tar stream
    destination: String,
}

/// `compose cp`: to every container of a service, or from its first one.
pub(super) fn main(context: &Context<'_>, args: &CpArgs) -> anyhow::Result<u8> {
    let copy = |source: String, destination: String| {
        let CpArgs { archive, follow_link, .. } = *args;
        cp::run_line(context.session, &cp::Line { archive, follow_link, quiet: true, source, destination })
    };
    let inside = |text: &str| match text.split_once(':') {
        Some((service, path)) if !service.contains('/') && service != "." => {
            Some((service.to_owned(), path.to_owned()))
        }
        _ => None,
    };
    match (inside(&args.source), inside(&args.destination)) {
        (Some((service, path)), None) => {
            let container = context.one(&service, args.index)?;
            copy(format!("{}:{path}", container.id), args.destination.clone())
        }
        (None, Some((service, path))) => {
            let target = context.target()?;
            let oneoffs = if args.all { OneOffs::Include } else { OneOffs::Exclude };
            let mut all = context.containers(&target, std::slice::from_ref(&service), oneoffs)?;
            all.retain(|container| args.index == 0 || number_of(container) == args.index);
            if all.is_empty() {
                return Err(Failure::new(format!("no container found for service \"{service}\"")).into());
            }
            let mut code = 0;
            for container in all.iter().filter(|container| service_of(container) == service) {
                code = code.max(copy(args.source.clone(), format!("{}:{path}", container.id))?);
            }
            Ok(code)
        }
        (Some(_), Some(_)) => Err(Failure::new("copying between services is not supported").into()),
        (None, None) => Err(Failure::new("neither side names a service: write SERVICE:PATH").into()),
    }
}
