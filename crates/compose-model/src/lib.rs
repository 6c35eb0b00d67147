//! Compose files: YAML, interpolation, merge, the Project. Pure.
