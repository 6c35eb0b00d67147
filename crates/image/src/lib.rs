//! Content store, layers, registry client, archives.
//!
//! [`Store`] is the whole of it: images by name and ID, layers as folders in overlayfs form, blobs by digest. It talks
//! to registries ([`Store::pull`], [`Store::push`]) and reads and writes archives ([`Store::load`], [`Store::save`],
//! [`Store::import`]). It does not run containers, does not know which exist (callers say what is in use), and mounts
//! nothing. The API blocks; a pull runs an async runtime of its own inside.
//!
//! ```text
//! <root>/image.db                   names, images, layers, which blob holds which layer
//!        blobs/sha256/<hex>         configs, manifests, compressed layers: exact bytes, so save and push repeat them
//!        layers/<diff-id hex>/diff  one layer, in overlayfs form; complete when it is there (renamed into place)
//!        staging/<random>/          work in progress, each locked by its owner; without a lock it is rubbish
//! ```
//!
//! **Crash safety.** A layer or blob is written under `staging/` and renamed into place; image.db is written last. A
//! process killed in between leaves staging folders, which [`Store::sweep`] removes because their lock is free, and at
//! worst a whole layer without an image, which the next garbage collection removes. Nothing is fsynced per file: after
//! a power failure a layer's files may be short, so the store syncs the file system once, before image.db says that a
//! new image exists.

mod archive;
pub mod auth;
mod blob;
mod codec;
mod create;
mod db;
mod error;
mod find;
mod gc;
mod image;
mod layer;
mod pack;
mod progress;
mod registry;
mod staging;
mod store;
mod tarball;
mod transfer;
mod unpack;

pub use error::{Error, RegistryError, Result};
pub use gc::{ImageUser, PruneOptions, Pruned, RemoveOptions, Removed};
pub use image::{HistoryEntry, Image, Layer};
pub use layer::diff_id_of;
pub use progress::{LayerStatus, PullProgress, Silent};
pub use staging::LayerStaging;
pub use store::Store;
pub use transfer::{PullOptions, PullOutcome, PushOutcome, RegistryConfig};
