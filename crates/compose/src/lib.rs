//! Compose projects: observe, plan, execute.
