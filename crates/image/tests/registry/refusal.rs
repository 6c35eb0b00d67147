//! What goes wrong is named: the registry, the image, and what may help.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tare_image::{Error, PullOptions, RegistryConfig, RegistryError, Silent, Store};
use tare_oci::Digest;

use crate::lab::{Detour, Registry, reply, serve};
use crate::support::{image, name, names, store};

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
    let words = format!("manifest for {} not found: manifest unknown: ", registry.image("app:2"));
    assert!(unknown.to_string().starts_with(&words), "{unknown}");
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
    assert!(silent.hint().unwrap().contains("nothing listens there"), "{silent}");
    let other = PullOptions { platform: Some("linux/s390x".parse().unwrap()), ..options.clone() };
    // A lone manifest is taken whatever the platform wanted: there is nothing to choose from.
    assert!(to.pull(&name(&tag), &other, &Silent).is_ok());
}

/// Pulls `app:1` from a server that [`serve`] runs.
fn pull_from(port: u16) -> Error {
    let (_tmp, store) = store();
    store.pull(&name(&format!("127.0.0.1:{port}/app:1")), &PullOptions::default(), &Silent).unwrap_err()
}

/// A server that answers manifests in its own way, and a count of how often it was asked.
fn manifests(answer: impl Fn(usize) -> String + Send + 'static) -> (u16, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let port = serve(move |head, _| {
        if !head.starts_with("get /v2/app/manifests/") {
            return reply("200 OK", "", "{}");
        }
        answer(count.fetch_add(1, Ordering::Relaxed))
    });
    (port, asked)
}

const LIMIT: &str =
    r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}"#;

#[test]
fn a_limit_is_waited_for_as_long_as_it_says_and_no_longer() {
    let (port, asked) = manifests(|time| match time {
        0 => reply("429 Too Many Requests", "Retry-After: 1\r\n", LIMIT),
        1 => reply("429 Too Many Requests", "", LIMIT),
        _ => reply("404 Not Found", "", ""),
    });
    let start = std::time::Instant::now();
    let error = pull_from(port);
    assert!(matches!(error, Error::Registry(RegistryError::ManifestUnknown { .. })), "{error}");
    assert!(start.elapsed().as_secs() >= 1, "it did not wait");
    assert_eq!(asked.load(Ordering::Relaxed), 3);

    let (port, asked) = manifests(|_| reply("429 Too Many Requests", "Retry-After: 3600\r\n", LIMIT));
    let error = pull_from(port);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "an hour is not waited for");
    let text = error.to_string();
    assert!(text.contains("toomanyrequests: You have reached your pull rate limit"), "{text}");
    assert!(text.contains("may be asked again in 60 min"), "{text}");
    assert!(error.hint().unwrap().contains("docker login"), "{:?}", error.hint());

    let (port, asked) = manifests(|_| reply("429 Too Many Requests", "Retry-After: 0\r\n", LIMIT));
    assert!(matches!(pull_from(port), Error::Registry(RegistryError::RateLimited { .. })));
    assert_eq!(asked.load(Ordering::Relaxed), 5, "it gives up");
}

#[test]
fn manifests_that_are_no_image_are_refused_with_the_reason() {
    let kind = |kind: &str| format!("Content-Type: application/vnd.{kind}+json\r\n");
    let schema1 = r#"{"schemaVersion":1,"name":"app","fsLayers":[]}"#;
    let header = kind("docker.distribution.manifest.v1");
    let error = pull_from(manifests(move |_| reply("200 OK", &header, schema1)).0);
    assert!(matches!(error, Error::Schema1 { .. }), "{error}");

    // By digest: what comes is compared.
    let port = manifests(|_| reply("200 OK", "", "{}")).0;
    let (_tmp, store) = store();
    let by_digest = name(&format!("127.0.0.1:{port}/app@{}", Digest::of(b"other")));
    let error = store.pull(&by_digest, &PullOptions::default(), &Silent).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

/// A config and a manifest of one layer, as a fake registry serves them.
fn fake(config: &'static str, layer: &str) -> u16 {
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
            "config":{{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"{}","size":{}}},
            "layers":[{layer}]}}"#,
        Digest::of(config.as_bytes()),
        config.len()
    );
    serve(move |head, _| {
        if head.contains("/manifests/") {
            let kind = "Content-Type: application/vnd.docker.distribution.manifest.v2+json\r\n";
            return reply("200 OK", kind, &manifest);
        }
        reply("200 OK", "", if head.contains("/blobs/") { config } else { "{}" })
    })
}

#[test]
fn windows_images_and_foreign_layers_are_refused() {
    let zeros = Digest::of(b"");
    let layer = format!(
        r#"{{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":"{zeros}","size":1,
            "urls":["https://elsewhere.example/layer"]}}"#
    );
    const CONFIG: &str = r#"{"os":"OS","architecture":"amd64","rootfs":{"type":"layers","diff_ids":
        ["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}"#;
    let windows: &'static str = CONFIG.replace("OS", "windows").leak();
    let linux: &'static str = CONFIG.replace("OS", "linux").leak();
    let error = pull_from(fake(windows, &layer));
    assert!(error.to_string().starts_with("image operating system \"windows\""), "{error}");
    let error = pull_from(fake(linux, &layer)).to_string();
    assert!(error.contains("https://elsewhere.example/layer"), "{error}");
}

#[test]
fn names_that_do_not_resolve_and_registries_without_tls() {
    let (_tmp, store) = store();
    let error =
        store.pull(&name("no-such-host.invalid/app:1"), &PullOptions::default(), &Silent).unwrap_err();
    assert!(error.hint().unwrap().contains("DNS"), "{error}: {:?}", error.hint());
    assert!(error.to_string().starts_with("no-such-host.invalid: "), "{error}");

    let registry = Registry::start("");
    let detour = Detour::start(registry.port);
    let registries = RegistryConfig { https_proxy: Some(detour.url), ..Default::default() };
    let options = PullOptions { registries, ..PullOptions::default() };
    let error = store.pull(&name("registry.invalid:5000/app:1"), &options, &Silent).unwrap_err();
    assert!(error.to_string().contains("it answers in plain text, not in TLS"), "{error}");
    assert!(error.hint().unwrap().contains("list registry.invalid:5000 in insecure-registries"));
}

#[test]
fn proxies_are_used_but_for_loopback_and_exceptions() {
    let registry = Registry::start("");
    let local = registry.image("app:1");
    let (_one, from) = store();
    let pushed = image(&from, &local, &[("f", 100_000)]);
    let nowhere = Some("http://127.0.0.1:1".to_owned());
    let broken = RegistryConfig { http_proxy: nowhere.clone(), https_proxy: nowhere, ..Default::default() };
    let options = |registries| PullOptions { registries, ..PullOptions::default() };
    from.push(&name(&local), &options(broken), &Silent).unwrap();

    let detour = Detour::start(registry.port);
    let config = RegistryConfig {
        insecure: vec!["registry.invalid:5000".into()],
        http_proxy: Some(detour.url.clone()),
        ..Default::default()
    };
    let far = name("registry.invalid:5000/app:1");
    let (_two, to) = store();
    assert_eq!(to.pull(&far, &options(config.clone()), &Silent).unwrap().image.id, pushed.id);
    assert!(detour.plain.load(Ordering::Relaxed) > 0);
    assert_eq!(detour.tunnels.load(Ordering::Relaxed), 0);
    let except = RegistryConfig { no_proxy: Some("registry.invalid".into()), ..config };
    let error = to.pull(&far, &options(except), &Silent).unwrap_err();
    assert!(error.hint().unwrap().contains("DNS"), "{error}");
}

/// A small tmpfs, gone with the value.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(size: &str) -> Self {
        let small = Self(tempfile::tempdir().unwrap());
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(small.0.path());
        assert!(mount.status().unwrap().success(), "tests run as root");
        small
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let (big, little) = (registry.image("big:1"), registry.image("little:1"));
    image(&from, &big, &[("a", 300_000), ("b", 4_000_000), ("c", 4_000_000)]);
    image(&from, &little, &[("x", 1_000)]);
    for tag in [&big, &little] {
        from.push(&name(tag), &PullOptions::default(), &Silent).unwrap();
    }
    let disk = Small::mount("size=3m");
    let store = Store::open(&disk.path().join("tare")).unwrap();
    let error = store.pull(&name(&big), &PullOptions::default(), &Silent).unwrap_err();
    assert!(error.hint().unwrap_or_default().contains("system prune"), "{error:?}");
    assert!(store.list().unwrap().is_empty());
    assert_eq!(names(&disk.path().join("tare/staging")).len(), 1, "the owner of this process's pins alone");
    store.collect_garbage().unwrap();
    assert_eq!(names(&disk.path().join("tare/layers")), Vec::<String>::new());
    assert_eq!(names(&disk.path().join("tare/blobs/sha256")), Vec::<String>::new());
    store.pull(&name(&little), &PullOptions::default(), &Silent).unwrap();
}
