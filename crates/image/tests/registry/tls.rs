//! Registries over https: whose certificates count, and what is said of those that do not.

use std::path::{Path, PathBuf};

use tare_image::{Error, PullOptions, RegistryConfig, RegistryError, Silent};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::lab::{Detour, Registry};
use crate::support::{image, name, store};

/// A registry with a certificate of a CA that nobody knows; `more` goes below `tls:`.
fn https(more: &str) -> (Registry, Authority) {
    let tmp = tempfile::tempdir().unwrap();
    let authority = Authority::new(&tmp.path().join("authority"));
    authority.sign("server");
    let tls = format!(
        "  tls:\n    certificate: ROOT/authority/server.crt\n    key: ROOT/authority/server.key\n{more}"
    );
    (Registry::start_in(tmp, &tls), authority)
}

/// Options with a `certs.d` that holds `files` for a registry.
fn certificates(registry: &Registry, files: &[(&str, PathBuf)]) -> (TempDir, PullOptions) {
    let tmp = tempfile::tempdir().unwrap();
    let folder = tmp.path().join(format!("127.0.0.1:{}", registry.port));
    std::fs::create_dir(&folder).unwrap();
    for (file, from) in files {
        std::fs::copy(from, folder.join(file)).unwrap();
    }
    let none = PathBuf::from("/nonexistent/certs.d");
    let options =
        with(RegistryConfig { certificates: vec![none, tmp.path().to_owned()], ..Default::default() });
    (tmp, options)
}

fn with(registries: RegistryConfig) -> PullOptions {
    PullOptions { registries, ..PullOptions::default() }
}

/// Pushes and pulls.
fn round_trip(registry: &Registry, options: &PullOptions) {
    let tag = registry.image("app:1");
    let (_one, from) = store();
    let pushed = image(&from, &tag, &[("f", 300_000)]);
    from.push(&name(&tag), options, &Silent).unwrap();
    let (_two, to) = store();
    assert_eq!(to.pull(&name(&tag), options, &Silent).unwrap().image.id, pushed.id);
}

fn refused(registry: &Registry, options: &PullOptions) -> RegistryError {
    let (_tmp, store) = store();
    match store.pull(&name(&registry.image("app:1")), options, &Silent).unwrap_err() {
        Error::Registry(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn an_unknown_authority_is_named_with_the_place_for_its_certificate() {
    let (registry, authority) = https("");
    let error = refused(&registry, &PullOptions::default());
    let host = format!("127.0.0.1:{}", registry.port);
    assert!(error.to_string().starts_with(&host), "{error}");
    assert!(error.to_string().contains("signed by an unknown authority"), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains(&format!("/etc/docker/certs.d/{host}/ca.crt")), "{hint}");

    let (_tmp, options) = certificates(&registry, &[("ca.crt", authority.path("ca.crt"))]);
    round_trip(&registry, &options);
    // Another registry's CA does not count for this one.
    let (tmp, options) = certificates(&registry, &[]);
    std::fs::create_dir(tmp.path().join("127.0.0.1:1")).unwrap();
    std::fs::copy(authority.path("ca.crt"), tmp.path().join("127.0.0.1:1/ca.crt")).unwrap();
    refused(&registry, &options);
}

#[test]
fn a_bundle_is_trusted_and_insecure_registries_are_not_asked() {
    let (registry, authority) = https("");
    round_trip(
        &registry,
        &with(RegistryConfig { ca_file: Some(authority.path("ca.crt")), ..Default::default() }),
    );
    for entry in [format!("127.0.0.1:{}", registry.port), "127.0.0.0/8".to_owned()] {
        round_trip(&registry, &with(RegistryConfig { insecure: vec![entry], ..Default::default() }));
    }
    let error = refused(
        &registry,
        &with(RegistryConfig { insecure: vec!["10.0.0.0/8".into()], ..Default::default() }),
    );
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}

#[test]
fn a_client_shows_its_certificate_where_one_is_wanted() {
    let (registry, authority) = https("    clientcas:\n      - ROOT/authority/ca.crt\n");
    authority.sign("client");
    let ca = ("ca.crt", authority.path("ca.crt"));
    let (_tmp, without) = certificates(&registry, std::slice::from_ref(&ca));
    let error = refused(&registry, &without);
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("client.key"), "{error:?}: {hint}");

    let (tmp, complete) = certificates(
        &registry,
        &[ca, ("client.cert", authority.path("client.crt")), ("client.key", authority.path("client.key"))],
    );
    round_trip(&registry, &complete);

    let key: &Path = &tmp.path().join(format!("127.0.0.1:{}/client.key", registry.port));
    std::fs::remove_file(key).unwrap();
    let (_one, from) = store();
    let error = from.pull(&name(&registry.image("app:1")), &complete, &Silent).unwrap_err();
    assert!(matches!(&error, Error::MissingKey { key: missing, .. } if missing == key), "{error}");
    std::fs::write(key, "no key").unwrap();
    let error = from.pull(&name(&registry.image("app:1")), &complete, &Silent).unwrap_err();
    assert!(error.to_string().contains("client.key"), "{error}");
}

#[test]
fn a_proxy_tunnels_to_a_registry_with_tls() {
    use std::sync::atomic::Ordering;
    let (registry, authority) = https("");
    let detour = Detour::start(registry.port);
    let options = with(RegistryConfig {
        https_proxy: Some(detour.url.clone()),
        ca_file: Some(authority.path("ca.crt")),
        ..Default::default()
    });
    let tag = "registry.test:5000/app:1";
    let (_one, from) = store();
    let pushed = image(&from, tag, &[("f", 300_000)]);
    from.push(&name(tag), &options, &Silent).unwrap();
    let (_two, to) = store();
    assert_eq!(to.pull(&name(tag), &options, &Silent).unwrap().image.id, pushed.id);
    assert!(detour.tunnels.load(Ordering::Relaxed) > 0);
    assert_eq!(detour.plain.load(Ordering::Relaxed), 0);
}
