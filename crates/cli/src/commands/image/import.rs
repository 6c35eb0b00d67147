//! `docker import`.

use std::io::Read;

use anyhow::Context as _;
use tare_oci::{ImageConfig, Platform};

use crate::error::Failure;
use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Set commit message for imported image
    #[arg(short, long, default_value = "")]
    message: String,
    /// Set platform if server is multi-platform capable
    #[arg(long)]
    platform: Option<String>,
    /// Archive
    #[arg(value_name = "file|-", allow_hyphen_values = true)]
    source: String,
    /// Name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

/// `docker import`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("import"), args)?;
    if line.source.starts_with("http://") || line.source.starts_with("https://") {
        return Err(Failure::new("importing from a URL is not supported")
            .with_hint(format!("curl -fsSL {} | {} import -", line.source, session.program))
            .into());
    }
    let mut input: Box<dyn Read + Send> = match line.source.as_str() {
        "-" => Box::new(std::io::stdin()),
        path => Box::new(std::fs::File::open(path).with_context(|| format!("open {path}"))?),
    };
    let platform = crate::commands::image::pull::platform_of(line.platform.as_deref().unwrap_or_default())?
        .unwrap_or_else(Platform::host);
    let mut config = ImageConfig {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        comment: line.message.clone(),
        created: Some(jiff::Timestamp::now().to_string()),
        ..ImageConfig::default()
    };
    tare_build::apply_changes(&mut config.config, &line.change)?;
    let name = line.name.as_deref().map(crate::commands::image::tag::reference).transpose()?;
    let image = session.engine()?.image_import(&mut input, config, name.as_ref())?;
    print_line(&image.id.to_string())?;
    Ok(0)
}
