//! Images come in: whole, resumed, shared, refused when corrupt.

use std::path::Path;
use std::sync::atomic::Ordering;

use tare_image::{Error, LayerStatus, PullOptions, RegistryConfig, Silent};

use crate::lab::{Cutter, Recorder, Registry};
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
    assert_eq!(names(&tmp.path().join("tare/staging")), Vec::<String>::new());
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
