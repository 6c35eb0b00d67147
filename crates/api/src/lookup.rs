//! One name, looked up among objects of several kinds: `docker inspect`.

use serde::Serialize;
use tare_engine::{Container, Engine, Error, Result};

use crate::{ContainerInspect, ImageInspect, NetworkInspect, Volume};

/// What kind of object is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whatever has the name.
    Any,
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A network.
    Network,
}

/// Whether a container's sizes are counted, which reads all of its folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// They are: `SizeRw` and `SizeRootFs`.
    Counted,
    /// They are not.
    Omitted,
}

/// What was found; serialized, it is the object's own wire type.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Found {
    /// A container.
    Container(Box<ContainerInspect>),
    /// An image.
    Image(Box<ImageInspect>),
    /// A volume.
    Volume(Box<Volume>),
    /// A network.
    Network(Box<NetworkInspect>),
}

impl Kind {
    /// What has this name, in Docker's order.
    ///
    /// # Errors
    /// Those of the engine; a name that nothing has is none.
    pub fn find(self, engine: &Engine, name: &str, sizes: Sizes) -> Result<Option<Found>> {
        let wanted = |this: Self| self == this || self == Self::Any;
        if wanted(Self::Container) {
            match engine.container(name) {
                Ok(container) => return Ok(Some(inspected(engine, &container, sizes))),
                Err(Error::NoSuchContainer(_)) => {}
                Err(error) => return Err(error),
            }
        }
        // A name that no image could have is no error here: it may be a network's.
        if wanted(Self::Image)
            && let Ok(Some(image)) = engine.images()?.find(name)
        {
            return Ok(Some(Found::Image(Box::new(ImageInspect::new(&image)))));
        }
        if wanted(Self::Network) {
            match engine.network(name) {
                Ok(network) => {
                    let members = engine.network_members(&network)?;
                    return Ok(Some(Found::Network(Box::new(NetworkInspect::new(&network, &members)))));
                }
                Err(Error::NoSuchNetwork(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if wanted(Self::Volume) {
            match engine.volume(name) {
                Ok(volume) => return Ok(Some(Found::Volume(Box::new(Volume::new(engine, &volume))))),
                Err(Error::NoSuchVolume(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

fn inspected(engine: &Engine, container: &Container, sizes: Sizes) -> Found {
    let mut object = ContainerInspect::new(engine, container);
    if sizes == Sizes::Counted {
        let own = tare_engine::volumes::folder_size(&container.folder.join("upper"));
        let layers: u64 = container.layers.iter().map(|layer| tare_engine::volumes::folder_size(layer)).sum();
        object.size_rw = Some(own);
        object.size_root_fs = Some(own + layers);
    }
    Found::Container(Box::new(object))
}
