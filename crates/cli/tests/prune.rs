//! What a prune may take: all that it takes is what flags and filters say, and what is wrong with them is said before.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use support::Lab;

/// Things that a prune without filters would take, some of them with a label.
fn litter() -> Lab {
    let lab = Lab::new();
    for (name, label) in [("kept", "keep=1"), ("gone", "drop=1")] {
        lab.ok(&["network", "create", "--label", label, &format!("n-{name}")]);
        lab.ok(&["volume", "create", "--label", label, &format!("v-{name}")]);
        lab.ok(&["create", "--name", &format!("c-{name}"), "--label", label, "busybox", "true"]);
    }
    lab.ok(&["create", "--name", "anonymous", "-v", "/data", "busybox", "true"]);
    lab.ok(&["rm", "anonymous"]);
    lab
}

fn there(lab: &Lab) -> String {
    let list = |words: &[&str]| lab.ok(words).replace('\n', " ");
    let volumes = list(&["volume", "ls", "--format", "{{.Name}}"]);
    let anonymous = |name: &str| name.len() == 64;
    let volumes: Vec<&str> =
        volumes.split_whitespace().map(|name| if anonymous(name) { "anonymous" } else { name }).collect();
    let networks = list(&["network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"]);
    let images = list(&["images", "--format", "{{.Repository}}"]);
    let containers = list(&["ps", "-a", "--format", "{{.Names}}"]);
    format!("{}{}{} {}", containers, networks, volumes.join(" "), images.trim())
}

#[test]
fn a_prune_that_is_refused_takes_nothing() {
    let lab = litter();
    let before = there(&lab);
    let refused: [&[&str]; 22] = [
        &["container", "prune", "-f", "--filter", "bogus=1"],
        &["container", "prune", "-f", "--filter", "bogus"],
        &["container", "prune", "-f", "--filter", "until=nonsense"],
        &["network", "prune", "-f", "--filter", "bogus=1"],
        &["network", "prune", "-f", "--filter", "name=n-gone"],
        &["volume", "prune", "-f", "--filter", "bogus=1"],
        &["volume", "prune", "-f", "--filter", "until=1s"],
        &["volume", "prune", "-af", "--filter", "all=false"],
        &["image", "prune", "-af", "--filter", "bogus=1"],
        &["image", "prune", "-af", "--filter", "dangling=true"],
        &["image", "prune", "-af", "--filter", "until=1s", "--filter", "until=2s"],
        &["system", "prune", "-af", "--volumes", "--filter", "bogus=1"],
        &["system", "prune", "-af", "--volumes", "--filter", "until=1s"],
        &["builder", "prune", "-f", "--filter", "until=1h"],
        &["builder", "prune", "-af", "--keep-storage", "1GB"],
        &["buildx", "prune", "-f", "--max-used-space", "1GB"],
        &["buildx", "prune", "-f", "--reserved-space=1GB"],
        &["buildx", "prune", "-f", "--min-free-space", "1GB"],
        &["buildx", "prune", "-f", "--builder", "other"],
        &["rm", "--link", "c-gone"],
        &["rmi", "--platform", "linux/s390x", "busybox"],
        &["rmi", "--platform", "linux/", "busybox"],
    ];
    for words in refused {
        // What is no filter at all fails as a flag does.
        let code = if words.last().is_some_and(|word| *word == "bogus") { 125 } else { 1 };
        lab.fails(code, words);
        assert_eq!(there(&lab), before, "{words:?}");
    }
    let said = lab.fails(1, &["network", "prune", "-f", "--filter", "bogus=1"]);
    assert!(said.contains("invalid filter 'bogus'") && said.contains("until, label, label!"), "{said}");
}

#[test]
fn what_a_filter_keeps_is_kept() {
    let lab = litter();
    let before = there(&lab);
    let kept: [&[&str]; 9] = [
        &["container", "prune", "-f", "--filter", "label=nosuch"],
        &["container", "prune", "-f", "--filter", "until=1h"],
        &["network", "prune", "-f", "--filter", "label=nosuch"],
        &["network", "prune", "-f", "--filter", "until=1h"],
        &["volume", "prune", "-af", "--filter", "label=nosuch"],
        &["image", "prune", "-af", "--filter", "label=nosuch"],
        &["image", "prune", "-f"],
        &["system", "prune", "-af", "--volumes", "--filter", "label=nosuch"],
        &["rmi", "-f", "nosuch"],
    ];
    for words in kept {
        lab.ok(words);
        assert_eq!(there(&lab), before, "{words:?}");
    }
    lab.ok(&["system", "prune", "-f", "--volumes", "--filter", "label=drop"]);
    assert_eq!(there(&lab), "c-kept n-kept anonymous v-gone v-kept busybox");
    lab.ok(&["volume", "prune", "-f", "--filter", "label!=keep=1"]);
    assert_eq!(there(&lab), "c-kept n-kept v-gone v-kept busybox", "named volumes stay without --all");
    lab.ok(&["volume", "prune", "-af", "--filter", "label!=keep=1"]);
    assert_eq!(there(&lab), "c-kept n-kept v-kept busybox");
    lab.ok(&["network", "prune", "-f", "--filter", "label!=drop", "--filter", "label=keep=1"]);
    assert_eq!(there(&lab), "c-kept v-kept busybox");
}

#[test]
fn only_the_whole_name_is_removed_by_force() {
    let lab = Lab::new();
    lab.ok(&["volume", "create", "--label", "com.docker.compose.volume=data", "shop_data"]);
    lab.ok(&["volume", "rm", "-f", "data"]);
    assert_eq!(lab.ok(&["volume", "ls", "-q"]), "shop_data\n");
}
