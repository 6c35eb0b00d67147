//! How a service's image is built.

use indexmap::IndexMap;

use crate::extensions::Extensions;
use crate::parts::{FileReference, Ulimit};
use crate::quantity::ByteSize;
use crate::record::record;

record! {
    /// The `build` section, its short form spelled out.
    pub struct Build {
        /// The context: an absolute path or a URL.
        pub context: Option<String>,
        /// The Dockerfile, relative to the context.
        pub dockerfile: Option<String>,
        /// The Dockerfile's text itself.
        pub dockerfile_inline: Option<String>,
        /// Extra privileges.
        pub entitlements: Vec<String>,
        /// Build arguments; `None` when the caller's environment has no such variable.
        pub args: IndexMap<String, Option<String>>,
        /// Provenance attestation.
        pub provenance: Option<String>,
        /// SBOM attestation.
        pub sbom: Option<String>,
        /// SSH agents and keys: id to path; `None` for the agent's socket.
        pub ssh: IndexMap<String, Option<String>>,
        /// Labels of the image.
        pub labels: IndexMap<String, String>,
        /// Cache sources.
        pub cache_from: Vec<String>,
        /// Cache exports.
        pub cache_to: Vec<String>,
        /// Whether the cache stays unused.
        pub no_cache: bool,
        /// Named further contexts: absolute paths or URLs.
        pub additional_contexts: IndexMap<String, String>,
        /// Whether base images are pulled anew.
        pub pull: bool,
        /// Extra lines of /etc/hosts while building.
        pub extra_hosts: IndexMap<String, Vec<String>>,
        /// Isolation technology (Windows).
        pub isolation: Option<String>,
        /// The network of RUN steps.
        pub network: Option<String>,
        /// The stage to build.
        pub target: Option<String>,
        /// Secrets for RUN steps.
        pub secrets: Vec<FileReference>,
        /// Size of /dev/shm in RUN steps.
        pub shm_size: Option<ByteSize>,
        /// Further names for the image.
        pub tags: Vec<String>,
        /// Resource limits of RUN steps.
        pub ulimits: IndexMap<String, Ulimit>,
        /// Platforms to build for.
        pub platforms: Vec<String>,
        /// RUN steps with all capabilities.
        pub privileged: bool,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}
