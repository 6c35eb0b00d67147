//! Progress of pulls, pushes and loads.

/// Receives progress, from several threads at once. `id` is a layer's short digest.
pub trait PullProgress: Sync {
    /// A layer's state changed, or its counts did.
    fn layer(&self, id: &str, status: LayerStatus);
    /// A line for the person: «latest: Pulling from library/postgres».
    fn message(&self, text: &str);
}

/// Where a layer is on its way. Sizes in bytes; a total of 0 is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerStatus {
    /// Known of, not begun.
    Pulling,
    /// In the queue.
    Waiting,
    /// Coming in.
    Downloading {
        /// Bytes here.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// All here; its digest is compared.
    Verifying,
    /// Being unpacked; counts are of the compressed stream.
    Extracting {
        /// Bytes read.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// In the store.
    Complete,
    /// Was in the store before.
    Exists,
    /// To be pushed: looked for on the registry, and packed if it never was.
    Preparing,
    /// Going out.
    Pushing {
        /// Bytes sent.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// On the registry.
    Pushed,
    /// Was on the registry before.
    OnRegistry,
    /// On the registry: another repository of it had it.
    Mounted,
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl PullProgress for Silent {
    fn layer(&self, _id: &str, _status: LayerStatus) {}
    fn message(&self, _text: &str) {}
}
