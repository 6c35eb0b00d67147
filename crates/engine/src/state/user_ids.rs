//! A container's block of the host's IDs, as its record has it.

use serde::{Deserialize, Serialize};
use tare_runtime::{IdRange, UserNamespace};

/// IDs in a block: what images use, and a user namespace of Docker's has as many.
pub(crate) const WIDTH: u32 = 65536;

/// A container's block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIds {
    /// The host's ID of the container's root, user and group alike.
    pub first: u32,
}

impl UserIds {
    /// The maps of the user namespace.
    pub(crate) fn namespace(self) -> UserNamespace {
        let map = vec![IdRange { inside: 0, outside: self.first, count: WIDTH }];
        UserNamespace { uids: map.clone(), gids: map }
    }

    /// An ID of the host as the container sees it; 65534 is nobody.
    #[must_use]
    pub fn inside(self, id: u32) -> u32 {
        id.checked_sub(self.first).filter(|id| *id < WIDTH).unwrap_or(65534)
    }

    /// An ID of the container as the host sees it; `None` for one beyond the block.
    #[must_use]
    pub fn outside(self, id: u32) -> Option<u32> {
        (id < WIDTH).then(|| self.first + id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_translated_both_ways() {
        let ids = UserIds { first: 1 << 30 };
        assert_eq!((ids.inside((1 << 30) + 7), ids.inside(7), ids.inside(u32::MAX)), (7, 65534, 65534));
        assert_eq!((ids.outside(7), ids.outside(WIDTH)), (Some((1 << 30) + 7), None));
    }
}
