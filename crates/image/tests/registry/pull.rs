//! Images come in: whole, resumed, shared, refused when corrupt.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::Ordering;

use tare_image::auth::Login;
use tare_image::{Error, LayerStatus, PullOptions, RegistryConfig, Silent};

use crate::lab::{Cutter, FileServer, Recorder, Registry, reply, serve};
use crate::support::{self, image, name, names, store};

#[test]
fn pushed_is_what_is_pulled() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("me/app:1");
    let pushed = image(&from, &tag, &[("base", 3_000_000), ("mid", 10), ("top", 500_000)]);
    let options = PullOptions::default();
    let digest = from.push(&name(&tag), &options, &Silent).unwrap().digest;
    let recorder = Recorder::default();
    from.push(&name(&tag), &options, &recorder).unwrap();
    assert_eq!(recorder.count(LayerStatus::OnRegistry), 3, "nothing is sent twice");

    let (tmp, to) = store();
    let recorder = Recorder::default();
    let pulled = to.pull(&name(&tag), &options, &recorder).unwrap();
    assert_eq!((pulled.image.id, pulled.digest, pulled.up_to_date), (pushed.id, digest, false));
    assert_eq!(recorder.count(LayerStatus::Complete), 3);
    assert_eq!(pulled.image.repo_tags, std::slice::from_ref(&tag));
    assert_eq!(pulled.image.repo_digests, [registry.image(&format!("me/app@{digest}"))]);
    let file = std::fs::read(pulled.image.layers[0].path.join("base")).unwrap();
    assert!(file == support::noise("base", 3_000_000));
    assert!(to.pull(&name(&tag), &options, &Silent).unwrap().up_to_date);
    let by_digest = registry.image(&format!("me/app@{digest}"));
    assert_eq!(to.pull(&name(&by_digest), &options, &Silent).unwrap().image.id, pushed.id);
    assert_eq!(names(&tmp.path().join("tare/staging")).len(), 1, "the owner of this process's pins alone");
    // Save, from the blobs as pulled, gives the archive that the source gives.
    let (mut a, mut b) = (Vec::new(), Vec::new());
    from.save(&[&tag], &mut a).unwrap();
    to.save(&[&tag], &mut b).unwrap();
    assert!(a == b);
}

#[test]
fn a_broken_download_goes_on_where_it_ended() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("app:1");
    let pushed = image(&from, &tag, &[("big", 4_000_000)]);
    from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap();

    let cutter = Cutter::start(registry.port, 1_000_000, 3);
    let (_two, to) = store();
    let through = format!("127.0.0.1:{}/app:1", cutter.port);
    let recorder = Recorder::default();
    let pulled = to.pull(&name(&through), &PullOptions::default(), &recorder).unwrap();
    assert_eq!(pulled.image.id, pushed.id);
    assert!(cutter.connections.load(Ordering::Relaxed) >= 4, "it was cut");
    let mut last = 0;
    for (_, status) in recorder.events.lock().unwrap().iter() {
        if let LayerStatus::Downloading { done, .. } = status {
            assert!(*done > last, "it began again: {done} after {last}");
            last = *done;
        }
    }
}

#[test]
fn a_pull_given_up_is_resumed_by_the_next() {
    let registry = Registry::start("");
    let (one, from) = store();
    let tag = registry.image("app:1");
    image(&from, &tag, &[("big", 4_000_000)]);
    from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap();
    // What a killed process leaves: the beginning of the blob, without a lock.
    let blob = std::fs::read_dir(one.path().join("tare/blobs/sha256")).unwrap().next().unwrap().unwrap();
    let (hex, bytes) = (blob.file_name().into_string().unwrap(), std::fs::read(blob.path()).unwrap());
    let (tmp, to) = store();
    std::fs::write(tmp.path().join(format!("tare/staging/{hex}.partial")), &bytes[..3_000_000]).unwrap();
    let recorder = Recorder::default();
    to.pull(&name(&tag), &PullOptions::default(), &recorder).unwrap();
    let events = recorder.events.lock().unwrap();
    let first = events.iter().find_map(|(_, s)| match s {
        LayerStatus::Downloading { done, .. } => Some(*done),
        _ => None,
    });
    assert!(first.unwrap() > 3_000_000, "{first:?}");
}

#[test]
fn corrupt_content_is_refused_and_not_kept() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("app:1");
    image(&from, &tag, &[("f", 100_000)]);
    from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap();
    flip_largest_file(&registry.tmp.path().join("data"));
    let (tmp, to) = store();
    let error = to.pull(&name(&tag), &PullOptions::default(), &Silent).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. } | Error::BadLayer { .. }), "{error}");
    assert!(to.list().unwrap().is_empty());
    assert_eq!(names(&tmp.path().join("tare/layers")), Vec::<String>::new());
}

fn flip_largest_file(dir: &Path) {
    let mut stack = vec![dir.to_owned()];
    let mut files = Vec::new();
    while let Some(dir) = stack.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { stack.push(path) } else { files.push(path) }
        }
    }
    let largest = files.into_iter().max_by_key(|p| p.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(largest, bytes).unwrap();
}

#[test]
fn a_mirror_serves_docker_hubs_names() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("library/thing:1");
    let pushed = image(&from, &tag, &[("f", 1)]);
    from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap();
    let mirrors = vec![format!("http://127.0.0.1:{}", registry.port)];
    let registries = RegistryConfig { mirrors, ..RegistryConfig::default() };
    let (_two, to) = store();
    let pulled =
        to.pull(&name("thing:1"), &PullOptions { registries, ..PullOptions::default() }, &Silent).unwrap();
    assert_eq!((pulled.image.id, pulled.image.repo_tags), (pushed.id, vec!["thing:1".to_owned()]));
}

#[test]
fn pulls_at_the_same_time_share_the_download() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("app:1");
    let pushed = image(&from, &tag, &[("a", 2_000_000), ("b", 2_000_000)]);
    from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap();
    let (_two, to) = store();
    let recorders: Vec<Recorder> = (0..4).map(|_| Recorder::default()).collect();
    std::thread::scope(|s| {
        for recorder in &recorders {
            s.spawn(|| {
                let pulled = to.pull(&name(&tag), &PullOptions::default(), recorder).unwrap();
                assert_eq!(pulled.image.id, pushed.id);
            });
        }
    });
    assert_eq!(recorders.iter().map(|r| r.count(LayerStatus::Complete)).sum::<usize>(), 2);
}

/// An image of one layer for a platform, put into a repository as buildkit would; the entry of an index for it.
fn put_image(registry: &Registry, platform: &str, layer: &[u8], kind: &str) -> serde_json::Value {
    let (os, arch) = platform.split_once('/').unwrap();
    let plain = if kind.ends_with("zstd") { zstd::decode_all(layer).unwrap() } else { layer.to_vec() };
    let config = serde_json::json!({
        "os": os, "architecture": arch,
        "rootfs": {"type": "layers", "diff_ids": [tare_oci::Digest::of(&plain)]},
    });
    let config = config.to_string();
    let (layer_digest, config_digest) =
        (registry.put_blob("multi", layer), registry.put_blob("multi", config.as_bytes()));
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest,
            "size": config.len()},
        "layers": [{"mediaType": kind, "digest": layer_digest, "size": layer.len()}],
    });
    let (digest, size) = (tare_oci::Digest::of(manifest.to_string().as_bytes()), manifest.to_string().len());
    registry.put_manifest("multi", &digest.to_string(), &manifest);
    serde_json::json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
        "platform": {"os": os, "architecture": arch},
    })
}

/// A tar of one file.
fn tar(file: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(file.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, file, file.as_bytes()).unwrap();
    archive.into_inner().unwrap()
}

#[test]
fn of_an_index_the_platform_is_chosen_and_attestations_are_passed_over() {
    let registry = Registry::start("");
    let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    let packed = |file| zstd::encode_all(&tar(file)[..], 3).unwrap();
    let host = tare_oci::Platform::host().to_string();
    let (own, other) = (host.as_str(), if host == "linux/arm64" { "linux/amd64" } else { "linux/arm64" });
    let mut attestation = put_image(&registry, "unknown/unknown", &packed("sbom"), zstd);
    attestation["annotations"] = serde_json::json!({"vnd.docker.reference.type": "attestation-manifest"});
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            attestation,
            put_image(&registry, other, &tar("other"), "application/vnd.oci.image.layer.v1.tar"),
            put_image(&registry, own, &packed("own"), zstd),
        ],
    });
    registry.put_manifest("multi", "1", &index);
    let digest = tare_oci::Digest::of(index.to_string().as_bytes());

    let (_tmp, store) = store();
    let tag = registry.image("multi:1");
    let pull = |text: &str, platform: Option<&str>| {
        let platform = platform.map(|p| p.parse().unwrap());
        store.pull(&name(text), &PullOptions { platform, ..PullOptions::default() }, &Silent)
    };
    let pulled = pull(&tag, None).unwrap();
    assert_eq!(names(&pulled.image.layers[0].path), ["own"]);
    assert_eq!(
        (pulled.digest, pulled.image.repo_digests),
        (digest, vec![registry.image(&format!("multi@{digest}"))])
    );
    let pulled = pull(&tag, Some(other)).unwrap();
    assert_eq!(names(&pulled.image.layers[0].path), ["other"]);
    assert_eq!(pulled.image.repo_tags, std::slice::from_ref(&tag), "the name has moved");
    let by_digest = pull(&registry.image(&format!("multi@{digest}")), None).unwrap();
    assert_eq!(names(&by_digest.image.layers[0].path), ["own"]);

    // Pushed on, it is the very manifest, zstd and all.
    let copy = name(&registry.image("copy:1"));
    store.tag(&registry.image(&format!("multi@{digest}")), &copy).unwrap();
    let pushed = store.push(&copy, &PullOptions::default(), &Silent).unwrap().digest;
    assert_eq!(serde_json::json!(pushed), index["manifests"][2]["digest"]);

    let error = pull(&tag, Some("linux/s390x")).unwrap_err();
    let Error::NoPlatform { offered, .. } = &error else { panic!("{error}") };
    assert_eq!(offered, &[other, own]);
    assert!(error.hint().unwrap().contains("--platform"));
}

#[test]
fn tags_are_listed_over_all_pages() {
    let registry = Registry::start("");
    let (_tmp, store) = store();
    let first = registry.image("app:a");
    image(&store, &first, &[("f", 10)]);
    for tag in ["c", "b", "a"] {
        let named = name(&registry.image(&format!("app:{tag}")));
        store.tag(&first, &named).unwrap();
        store.push(&named, &PullOptions::default(), &Silent).unwrap();
    }
    let options = PullOptions::default();
    assert_eq!(tare_image::registry::tags(&name(&first), &options).unwrap(), ["a", "b", "c"]);
    let manifest = tare_image::registry::manifest(&name(&first), &options).unwrap();
    assert_eq!(manifest.digest, tare_oci::Digest::of(&manifest.json));

    // Debian's registry gives all at once; the Hub does not.
    let port = serve(|head, _| match head.split(' ').nth(1) {
        Some("/v2/app/tags/list") => {
            let next = "Link: </v2/app/tags/list?last=y&n=2>; rel=\"next\"\r\n";
            reply("200 OK", next, r#"{"name":"app","tags":["x","y"]}"#)
        }
        Some("/v2/app/tags/list?last=y&n=2") => reply("200 OK", "", r#"{"name":"app","tags":["z"]}"#),
        _ => reply("200 OK", "", "{}"),
    });
    let paged = name(&format!("127.0.0.1:{port}/app"));
    assert_eq!(tare_image::registry::tags(&paged, &options).unwrap(), ["x", "y", "z"]);
}

#[test]
fn what_has_not_changed_is_not_asked_for_again() {
    let registry = Registry::start("");
    let own = tare_oci::Platform::host().to_string();
    let kind = "application/vnd.oci.image.layer.v1.tar";
    let index = |note: &str| {
        serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [put_image(&registry, &own, &tar("own"), kind)],
            "annotations": {"note": note.repeat(50_000)},
        })
    };
    registry.put_manifest("multi", "1", &index("a"));
    let counting = Cutter::start(registry.port, usize::MAX, 0);
    let tag = name(&format!("127.0.0.1:{}/multi:1", counting.port));
    let (_tmp, store) = store();
    let mut bytes = 0;
    let mut pull = |platform: Option<&str>| {
        let platform = platform.map(|p| p.parse().unwrap());
        let recorder = Recorder::default();
        let outcome = store.pull(&tag, &PullOptions { platform, ..PullOptions::default() }, &recorder);
        let now = counting.bytes.load(Ordering::Relaxed);
        (outcome, recorder.messages.into_inner().unwrap(), now - std::mem::replace(&mut bytes, now))
    };
    let (first, _, came) = pull(None);
    assert!(!first.as_ref().unwrap().up_to_date && came > 50_000);
    let (again, lines, came) = pull(None);
    assert!(again.as_ref().unwrap().up_to_date && came < 5_000, "{came} bytes");
    assert_eq!(again.unwrap().digest, first.unwrap().digest);
    assert!(lines[1].starts_with("Digest: sha256:") && lines[2].starts_with("Status: Image is up to date"));
    // Another platform than the one that is here is a question to the registry.
    assert!(matches!(pull(Some("linux/s390x")).0, Err(Error::NoPlatform { .. })));
    registry.put_manifest("multi", "1", &index("b"));
    let (changed, _, came) = pull(None);
    assert!(
        changed.unwrap().digest == tare_oci::Digest::of(index("b").to_string().as_bytes()) && came > 50_000
    );
}

#[test]
fn blobs_may_lie_elsewhere_and_logins_stay_here() {
    let tmp = tempfile::tempdir().unwrap();
    // «secret:word», hashed with bcrypt.
    let line = "user:$2y$05$abcdefghijklmnopqrstuuCFAENiKBlCyBuDPzJAoyIPDH7szvmzC\n";
    std::fs::write(tmp.path().join("htpasswd"), line).unwrap();
    let elsewhere = FileServer::start(tmp.path().join("data"));
    let registry = Registry::start_in(
        tmp,
        &format!(
            "auth:\n  htpasswd:\n    realm: test\n    path: ROOT/htpasswd\nmiddleware:\n  storage:\n    - name: redirect\n      \
             options:\n        baseurl: http://127.0.0.1:{}/\n",
            elsewhere.port
        ),
    );
    let mut options = PullOptions::default();
    let login = Login { user: "user".into(), password: "secret:word".into(), identity_token: None };
    options.credentials.insert(&format!("127.0.0.1:{}", registry.port), login);
    let tag = name(&registry.image("app:1"));
    let (_one, from) = store();
    let pushed = image(&from, &registry.image("app:1"), &[("f", 100_000)]);
    from.push(&tag, &options, &Silent).unwrap();
    let (_two, to) = store();
    assert_eq!(to.pull(&tag, &options, &Silent).unwrap().image.id, pushed.id);
    let heads = elsewhere.heads.lock().unwrap();
    assert!(heads.iter().any(|head| head.starts_with("get /docker/registry/v2/blobs/")), "{heads:?}");
    assert!(!heads.iter().any(|head| head.contains("authorization")), "{heads:?}");
}

#[test]
fn mirrors_that_failed_are_told_of_when_the_registry_fails_too() {
    let closed = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let (mirror, proxy) = (format!("http://{}", closed()), format!("http://{}", closed()));
    let registries =
        RegistryConfig { mirrors: vec![mirror.clone()], https_proxy: Some(proxy), ..Default::default() };
    let (_tmp, store) = store();
    let error = store
        .pull(&name("thing:1"), &PullOptions { registries, ..PullOptions::default() }, &Silent)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("registry-1.docker.io: "), "{error}");
    assert!(error.contains(&format!("before that: mirror {mirror}: ")), "{error}");
}
