//! `compose port`.

use super::project::Context;
use crate::error::Failure;
use crate::output::ports::joined;
use crate::output::print_line;
use clap::Args;

/// Flags of `port`.
#[derive(Debug, Args)]
pub(super) struct PortArgs {
    /// Index of the container if the service has several
    #[arg(long, default_value_t = 0)]
    index: u32,
    /// tcp or udp
    #[arg(long, default_value = "tcp", value_parser = ["tcp", "udp"])]
    protocol: String,
    /// The service
    service: String,
    /// The container's port
    private_port: u16,
}

/// `compose port`.
pub(super) fn main(context: &Context<'_>, args: &PortArgs) -> anyhow::Result<u8> {
    let container = context.one(&args.service, args.index)?;
    let bound = container
        .ports
        .iter()
        .find(|bound| bound.container_port == args.private_port && bound.protocol == args.protocol);
    let Some(bound) = bound else {
        let text =
            format!("no port {}/{} for container {}", args.private_port, args.protocol, container.name);
        return Err(Failure::new(text)
            .with_hint("the service publishes what stands under its `ports:`")
            .into());
    };
    let every = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    print_line(&joined(bound.host_ip.unwrap_or(every), &bound.host_port.to_string()))?;
    Ok(0)
}
