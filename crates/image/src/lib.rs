//! Content store, layers, registry client, archives.
