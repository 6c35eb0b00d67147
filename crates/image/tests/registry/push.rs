//! Images go out: in parallel, begun anew after a break, nothing twice.

use std::sync::atomic::Ordering;

use tare_image::{LayerStatus, PullOptions, Silent};

use crate::lab::{Cutter, Direction, Fate, Recorder, Registry};
use crate::support::{image, name, store};

#[test]
fn a_broken_upload_is_begun_anew() {
    let registry = Registry::start("");
    let cutter = Cutter::start_towards(registry.port, 1_000_000, 3, Direction::Up, Fate::Cut);
    let (_one, from) = store();
    let through = format!("127.0.0.1:{}/app:1", cutter.port);
    let pushed = image(&from, &through, &[("big", 6_000_000), ("small", 10)]);
    let recorder = Recorder::default();
    let outcome = from.push(&name(&through), &PullOptions::default(), &recorder).unwrap();
    assert!(cutter.connections.load(Ordering::Relaxed) >= 4, "it was cut");
    assert_eq!(recorder.count(LayerStatus::Pushed), 2);
    assert!(
        recorder
            .messages
            .lock()
            .unwrap()
            .last()
            .unwrap()
            .starts_with(&format!("1: digest: {} size: ", outcome.digest)),
    );
    let (_two, to) = store();
    let pulled = to.pull(&name(&registry.image("app:1")), &PullOptions::default(), &Silent).unwrap();
    assert_eq!((pulled.image.id, pulled.digest), (pushed.id, outcome.digest));
}

#[test]
fn layers_go_out_at_the_same_time() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("app:1");
    let files: Vec<String> = (0..8).map(|n| format!("f{n}")).collect();
    let files: Vec<(&str, usize)> = files.iter().map(|f| (f.as_str(), 2_000_000)).collect();
    image(&from, &tag, &files);
    let recorder = Recorder::default();
    from.push(&name(&tag), &PullOptions::default(), &recorder).unwrap();
    let events = recorder.events.lock().unwrap();
    let mut under_way = std::collections::BTreeSet::new();
    let mut most = 0;
    for (id, status) in events.iter() {
        match status {
            LayerStatus::Pushing { .. } => under_way.insert(id),
            LayerStatus::Pushed => under_way.remove(id),
            _ => continue,
        };
        most = most.max(under_way.len());
    }
    assert!(most > 1, "one by one");
}

#[test]
fn an_image_that_is_not_there() {
    let (_one, from) = store();
    let error = from.push(&name("127.0.0.1:1/app:1"), &PullOptions::default(), &Silent).unwrap_err();
    assert!(matches!(error, tare_image::Error::NoSuchImage(_)), "{error}");
}
