//! The store without a registry: names, removal, archives.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test they are the assertion")]

mod support;

use std::time::Instant;

use support::{image, name, names, store};
use tare_image::{Error, ImageUser, PruneOptions, RemoveOptions, Removed, Silent, Store};
use tare_oci::{Digest, ImageConfig, RunConfig};

fn free(_: &Digest) -> Vec<ImageUser> {
    Vec::new()
}

const REMOVE: RemoveOptions<'static> = RemoveOptions { force: false, in_use: &free };

#[test]
fn finds_by_name_id_and_prefix() {
    let (_tmp, store) = store();
    let a = image(&store, "a:1", &[("f", 10)]);
    image(&store, "me/b", &[("f", 10)]);
    for text in ["a:1", "docker.io/library/a:1", &a.id.to_string(), &a.id.hex(), &a.id.short()] {
        assert_eq!(store.find(text).unwrap().map(|i| i.id), Some(a.id), "{text}");
    }
    // "x" is no hex digit: a name without its tag's image, never the beginning of an ID.
    image(&store, "x:1", &[("f", 10)]);
    assert!(store.find("x").unwrap().is_none());
    assert!(matches!(store.require("nope"), Err(Error::NoSuchImage(n)) if n.name == "nope"));
    assert!(matches!(store.find("Bad Name"), Err(Error::Reference(_))));
    assert_eq!(store.list().unwrap().len(), 3);
    assert_eq!(a.size, 10);
    assert_eq!(a.created, 1_704_164_645);
    assert_eq!(std::fs::read(a.layers[0].path.join("f")).unwrap().len(), 10);
}

#[test]
fn an_ambiguous_prefix_is_an_error() {
    let (_tmp, store) = store();
    let mut first = std::collections::BTreeSet::new();
    for n in 0..17 {
        let id = image(&store, &format!("i:{n}"), &[("f", 1)]).id.hex();
        let prefix = id[..1].to_owned();
        if !first.insert(prefix.clone()) {
            assert!(matches!(store.find(&prefix), Err(Error::Ambiguous { .. })));
            return;
        }
    }
    panic!("17 IDs, 16 first digits");
}

#[test]
fn removing_follows_docker() {
    let (tmp, store) = store();
    let a = image(&store, "a:1", &[("shared", 10), ("own", 10)]);
    image(&store, "b:1", &[("shared", 10)]);
    store.tag("a:1", &name("a:2")).unwrap();
    assert!(matches!(store.remove(&a.id.short(), &REMOVE), Err(Error::InUse { forceable: true, .. })));
    assert_eq!(store.remove("a:2", &REMOVE).unwrap(), [Removed::Untagged("a:2".into())]);
    let running = |_: &Digest| vec![ImageUser { container: "c1".into(), running: true }];
    let refused = store.remove("a:1", &RemoveOptions { force: true, in_use: &running });
    assert!(matches!(refused, Err(Error::InUse { forceable: false, .. })));
    let own = a.layers[1].diff_id;
    assert_eq!(
        store.remove("a:1", &REMOVE).unwrap(),
        [Removed::Untagged("a:1".into()), Removed::Deleted(a.id), Removed::Deleted(own)]
    );
    assert!(a.layers[0].path.exists() && !a.layers[1].path.exists());
    assert_eq!(names(&tmp.path().join("tare/staging")).len(), 1, "the owner of this process's pins alone");
}

#[test]
fn a_stopped_container_keeps_the_layers_of_a_forced_removal() {
    let (_tmp, store) = store();
    let a = image(&store, "a:1", &[("f", 10)]);
    let stopped = |_: &Digest| vec![ImageUser { container: "c1".into(), running: false }];
    assert!(store.remove("a:1", &RemoveOptions { force: false, in_use: &stopped }).is_err());
    store.remove("a:1", &RemoveOptions { force: true, in_use: &stopped }).unwrap();
    assert!(a.layers[0].path.exists());
    assert!(store.get(&a.id).unwrap().unwrap().is_dangling());
    let all = PruneOptions { all: false, filter: &|_| true, in_use: &free };
    let pruned = store.prune(&all).unwrap();
    assert_eq!(pruned.reclaimed, 10);
    assert!(!a.layers[0].path.exists());
}

#[test]
fn what_a_process_works_with_stays() {
    let (tmp, store) = store();
    let other = Store::open(&tmp.path().join("tare")).unwrap();
    let staging = store.new_layer().unwrap();
    std::fs::write(staging.diff().join("f"), "x").unwrap();
    let layer = staging.commit().unwrap();
    assert_eq!(other.collect_garbage().unwrap(), 0, "it was just made");
    assert!(layer.path.exists());
    // Of a cached step, or of an image that loses its name beneath a build.
    other.pin(&[layer.diff_id]).unwrap();
    drop(store);
    let third = Store::open(&tmp.path().join("tare")).unwrap();
    assert_eq!(third.collect_garbage().unwrap(), 0);
    drop(other);
    assert_eq!(names(&tmp.path().join("tare/staging")), Vec::<String>::new());
    assert_eq!(third.collect_garbage().unwrap(), 1);
    assert!(third.layer(&layer.diff_id).unwrap().is_none() && !layer.path.exists());
    assert!(matches!(third.pin(&[layer.diff_id]), Err(Error::NoSuchLayer(_))));
    let gone = third.create_image(&ImageConfig::default(), &[layer.diff_id], &[]);
    assert!(matches!(gone, Err(Error::NoSuchLayer(_))));
}

#[test]
fn pins_of_a_killed_process_do_not_stay() {
    let (tmp, store) = store();
    let killed = store.new_layer().unwrap();
    std::fs::write(killed.diff().join("f"), "x").unwrap();
    let layer = killed.commit().unwrap();
    let other = Store::open(&tmp.path().join("tare")).unwrap();
    other.pin(&[layer.diff_id]).unwrap();
    // What is left of a kill: the rows, and a folder without its lock, swept or not.
    for folder in names(&tmp.path().join("tare/staging")) {
        std::fs::remove_dir(tmp.path().join("tare/staging").join(folder)).unwrap();
    }
    let third = Store::open(&tmp.path().join("tare")).unwrap();
    assert_eq!(third.collect_garbage().unwrap(), 1);
}

#[test]
fn a_broken_archive_leaves_nothing() {
    let (tmp, store) = store();
    let file = |path: &str, bytes: &[u8]| {
        let path = tmp.path().join("archive").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let layer = std::process::Command::new("tar").args(["-C", "/etc", "-c", "hostname"]).output().unwrap();
    file("one/layer.tar", &layer.stdout);
    let wrong = format!("sha256:{}", "5".repeat(64));
    file(
        "config.json",
        format!(
            r#"{{"os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":["{wrong}"]}}}}"#
        )
        .as_bytes(),
    );
    file("manifest.json", br#"[{"Config":"config.json","RepoTags":["a:1"],"Layers":["one/layer.tar"]}]"#);
    let mut tar = std::process::Command::new("tar");
    let tar = tar.arg("-C").arg(tmp.path().join("archive")).args(["-c", "."]).output().unwrap();
    assert!(store.load(&mut &tar.stdout[..], &tare_image::Silent).is_err());
    assert_eq!(names(&tmp.path().join("tare/layers")), Vec::<String>::new());
    assert_eq!(names(&tmp.path().join("tare/blobs/sha256")), Vec::<String>::new());
    drop(store);
    assert_eq!(names(&tmp.path().join("tare/staging")), Vec::<String>::new());
}

#[test]
fn sweep_spares_what_is_locked() {
    let (tmp, store) = store();
    let mine = store.new_layer().unwrap();
    std::fs::create_dir(tmp.path().join("tare/staging/left")).unwrap();
    assert_eq!(store.sweep().unwrap(), 1);
    assert!(mine.diff().exists());
    drop(mine);
    assert_eq!(names(&tmp.path().join("tare/staging")), Vec::<String>::new());
}

#[test]
fn save_and_load_keep_the_id_through_every_compression() {
    let (_tmp, one) = store();
    let a = image(&one, "a:1", &[("base", 200_000), ("top", 10)]);
    image(&one, "b:1", &[("base", 200_000)]);
    let mut archive = Vec::new();
    one.save(&["a:1", "b:1"], &mut archive).unwrap();
    let zst = zstd::encode_all(&archive[..], 1).unwrap();
    for bytes in [&archive, &zst] {
        let (_tmp, two) = store();
        assert_eq!(two.load(&mut &bytes[..], &Silent).unwrap(), ["a:1", "b:1"]);
        let b = two.require("a:1").unwrap();
        assert_eq!((b.id, b.layers.len(), b.size), (a.id, 2, a.size));
        assert_eq!(std::fs::read(b.layers[0].path.join("base")).unwrap(), support::noise("base", 200_000));
        // And the same bytes again, from a store that has the layers only as loaded.
        let mut again = Vec::new();
        two.save(&["a:1", "b:1"], &mut again).unwrap();
        assert!(again == archive);
        two.load(&mut &bytes[..], &Silent).unwrap();
    }
}

#[test]
fn loads_an_oci_layout_without_dockers_manifest() {
    let (_tmp, one) = store();
    let a = image(&one, "a:1", &[("f", 1000)]);
    let mut archive = Vec::new();
    one.save(&["a:1"], &mut archive).unwrap();
    let mut oci = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
        let entry = entry.unwrap();
        if entry.path_bytes().as_ref() != b"manifest.json" {
            let header = entry.header().clone();
            oci.append(&header, entry).unwrap();
        }
    }
    let (_tmp, two) = store();
    assert_eq!(two.load(&mut &oci.into_inner().unwrap()[..], &Silent).unwrap(), ["a:1"]);
    assert_eq!(two.require("a:1").unwrap().id, a.id);
}

#[test]
fn what_is_no_image_archive_is_refused_and_leaves_nothing() {
    let (tmp, store) = store();
    let mut other = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    other.append_data(&mut header, "blobs/sha256/zz", &b"ab"[..]).unwrap();
    let other = other.into_inner().unwrap();
    for bytes in [&b"hello, this is text"[..], &other, b""] {
        assert!(store.load(&mut &bytes[..], &Silent).is_err());
    }
    assert!(store.list().unwrap().is_empty());
    assert_eq!(names(&tmp.path().join("tare/staging")), Vec::<String>::new());
    assert_eq!(names(&tmp.path().join("tare/layers")), Vec::<String>::new());
}

#[test]
fn import_makes_an_image_of_a_root_file_system() {
    let (_tmp, store) = store();
    let mut rootfs = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o755);
    rootfs.append_data(&mut header, "bin/sh", &b"#!x"[..]).unwrap();
    let run = RunConfig { cmd: Some(vec!["sh".into()]), ..RunConfig::default() };
    let config = ImageConfig { config: run, os: "linux".into(), ..ImageConfig::default() };
    let bytes = rootfs.into_inner().unwrap();
    let image = store.import(&mut &bytes[..], config, Some(&name("mine"))).unwrap();
    assert_eq!(image.repo_tags, ["mine:latest"]);
    assert_eq!(image.layers[0].diff_id, Digest::of(&bytes));
    let mut out = Vec::new();
    store.layer_tar(&image.layers[0].diff_id, &mut out).unwrap();
    assert!(out == bytes, "the exact bytes come back");
    assert_eq!(store.history(&image).len(), 1);
}

#[test]
fn opens_fast_and_for_many_at_once() {
    let (tmp, first) = store();
    image(&first, "a:1", &[("f", 1)]);
    let root = tmp.path().join("tare");
    let best = (0..20)
        .map(|_| {
            let start = Instant::now();
            Store::open(&root).unwrap();
            start.elapsed()
        })
        .min()
        .unwrap();
    println!("open: {best:?}");
    assert!(best.as_millis() < 20, "{best:?}");
    std::thread::scope(|s| {
        for n in 0..8 {
            let root = &root;
            s.spawn(move || {
                let store = Store::open(root).unwrap();
                for m in 0..5 {
                    image(&store, &format!("t{n}:{m}"), &[("same", 100)]);
                }
            });
        }
    });
    assert_eq!(first.list().unwrap().len(), 41);
}

/// Between looking an image up and removing it, another command may give it a name.
#[test]
fn a_tag_that_is_given_beside_a_removal_is_kept() {
    let (_tmp, store) = store();
    let (removals, tags) = (Store::open(store.root()).unwrap(), Store::open(store.root()).unwrap());
    for round in 0..100 {
        let (old, new) = (format!("a:{round}"), format!("b:{round}"));
        let id = image(&store, &old, &[("f", 10)]).id;
        let barrier = std::sync::Barrier::new(2);
        let given = std::thread::scope(|scope| {
            let tagger = scope.spawn(|| {
                barrier.wait();
                tags.tag(&old, &new.parse().unwrap())
            });
            barrier.wait();
            removals.remove(&old, &REMOVE).unwrap();
            tagger.join().unwrap()
        });
        match given {
            Ok(()) => assert_eq!(store.require(&new).unwrap().id, id, "{round}"),
            Err(error) => assert!(matches!(error, Error::NoSuchImage(_)), "{error}"),
        }
        store.find(&new).unwrap().iter().for_each(|_| drop(store.remove(&new, &REMOVE).unwrap()));
    }
}
