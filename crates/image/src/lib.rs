//! Content store, layers, registry client, archives.
//!
//! [`Store`] is the whole of it: images by name and ID, layers as folders in overlayfs form, blobs by digest. It talks
//! to registries ([`Store::pull`], [`Store::push`]) and reads and writes archives ([`Store::load`], [`Store::save`],
//! [`Store::import`]). It does not run containers, does not know which exist (callers say what is in use), and mounts
//! nothing. The API blocks; a pull runs an async runtime of its own inside.
//!
//! ```text
//! <root>/image.db                   names, images with config and manifest, layers, which blob holds which layer
//!        blobs/sha256/<hex>         compressed layers: exact bytes, so that save and push repeat them
//!        layers/<diff-id hex>/diff  one layer, in overlayfs form; complete when it is there (renamed into place)
//!        staging/<random>/          work in progress, each locked by its owner; without a lock it is rubbish
//!        staging/<hex>.partial      a blob coming in, locked by its downloader; without a lock it can be resumed
//! ```
//!
//! **Crash safety.** A layer or blob is written under `staging/` and renamed into place; image.db is written last. A
//! process killed in between leaves staging folders, which [`Store::sweep`] removes because their lock is free, and at
//! worst a whole layer without an image, which the next garbage collection removes. Nothing is synced to disk, neither
//! per file nor per layer, as in Docker and containerd: that would cost most of a pull's time. A power failure (not a
//! kill) in the half minute after a pull may therefore leave files of a layer empty; pulling the image anew after
//! removing it mends that.
//!
//! **Concurrency.** Whoever records an image checks its layers under the database's write lock, and garbage collection
//! moves layers away under the same lock: an image never names a layer that is gone. Layers that no image has yet, or any more, are
//! pinned by the process that works with them (`pin.rs`).

mod ahead;
mod archive;
pub mod auth;
mod blob;
mod codec;
mod create;
mod db;
mod error;
mod find;
#[doc(hidden)]
pub mod fuzzing;
mod gc;
mod image;
mod layer;
mod layer_staging;
mod pack;
mod pin;
mod progress;
mod refusal;
pub mod registry;
mod staging;
mod store;
mod tarball;
mod transfer;
mod tree;
mod unpack;

pub use codec::decompress;
pub use error::{Error, RegistryError, Result};
pub use gc::{ImageUser, PruneOptions, Pruned, RemoveOptions, Removed};
pub use image::{HistoryEntry, Image, Layer};
pub use layer::diff_id_of;
pub use layer_staging::LayerStaging;
pub use progress::{LayerStatus, PullProgress, Silent};
pub use registry::fetch;
pub use store::Store;
pub use transfer::{PullOptions, PullOutcome, PushOutcome, RegistryConfig};
pub use tree::remove_tree;
