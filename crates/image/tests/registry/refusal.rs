//! What goes wrong is named: the registry, the image, and what may help.

use std::net::{Ipv4Addr, TcpListener};

use tare_image::{Error, PullOptions, RegistryError, Silent};

use crate::lab::Registry;
use crate::support::{image, name, store};

#[test]
fn errors_say_what_and_where() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("app:1");
    image(&from, &tag, &[("f", 1)]);
    let options = PullOptions::default();
    from.push(&name(&tag), &options, &Silent).unwrap();
    let (_two, to) = store();
    let pull = |text: &str| match to.pull(&name(text), &options, &Silent).unwrap_err() {
        Error::Registry(e) => e,
        other => panic!("{other}"),
    };
    let unknown = pull(&registry.image("app:2"));
    assert!(matches!(unknown, RegistryError::ManifestUnknown { .. }), "{unknown}");
    assert!(unknown.to_string().contains(&registry.image("app:2")), "{unknown}");
    let nowhere = pull(&registry.image("never/was:1"));
    assert!(
        matches!(nowhere, RegistryError::Denied { .. } | RegistryError::ManifestUnknown { .. }),
        "{nowhere}"
    );
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let silent = pull(&format!("{closed}/app:1"));
    assert!(
        matches!(silent, RegistryError::Unreachable { .. }) && silent.to_string().contains("refused"),
        "{silent}"
    );
    let other = PullOptions { platform: Some("linux/s390x".parse().unwrap()), ..options.clone() };
    // A lone manifest is taken whatever the platform wanted: there is nothing to choose from.
    assert!(to.pull(&name(&tag), &other, &Silent).is_ok());
}
