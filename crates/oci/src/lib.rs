//! OCI and Docker image types: references, digests, manifests, configs. Pure.
