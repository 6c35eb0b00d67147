//! The image builder: stage graph, cache keys, executor.
