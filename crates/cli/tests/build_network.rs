//! The network of RUN steps: one of the build's own, with the way out, from which the host's loopback is out of reach.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;

use support::{Lab, text, until};

/// Answers `host` to everybody who connects.
fn answering(address: &str) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"host\n");
            let _ = stream.read(&mut [0; 64]);
        }
    });
    port
}

fn dockerfile(lab: &Lab, name: &str, lines: &str) -> PathBuf {
    let folder = lab.folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("Dockerfile"), format!("FROM busybox\n{lines}\n")).unwrap();
    folder
}

fn build(lab: &Lab, folder: &std::path::Path, flags: &[&str]) -> std::process::Output {
    let words = [&["build", "--no-cache", "--progress=plain"], flags, &[folder.to_str().unwrap()]].concat();
    lab.run(&words)
}

#[test]
fn the_hosts_loopback_is_not_there() {
    let lab = Lab::new();
    let port = answering("127.0.0.1");
    let look = format!("RUN busybox nc -w 2 127.0.0.1 {port} </dev/null || echo nobody listens");
    let folder = dockerfile(&lab, "loopback", &look);
    let own = text(&build(&lab, &folder, &[]));
    assert!(own.contains("nobody listens") && !own.contains(" host\n"), "{own}");
    let hosts = text(&build(&lab, &folder, &["--network=host"]));
    assert!(hosts.contains(" host\n"), "{hosts}");
}

#[test]
fn the_way_out_is_one_for_all_steps_of_a_build() {
    let lab = Lab::new();
    let port = answering("0.0.0.0");
    let way = "gateway=$(busybox ip route | busybox awk '/^default/ {print $3}')";
    let address = "busybox ip -4 -o addr show eth0 | busybox awk '{print \"mine \" $4}'";
    let lines = format!("RUN {way}; busybox nc -w 5 $gateway {port} </dev/null; {address}\nRUN {address}\n");
    let folder = dockerfile(&lab, "way", &lines);
    let output = build(&lab, &folder, &[]);
    let said = text(&output);
    assert!(output.status.success() && said.contains(" host\n"), "{said}");
    let mine: Vec<&str> =
        said.lines().filter_map(|line| line.split_once("mine ")).map(|(_, at)| at).collect();
    let seen: Vec<&str> = mine.into_iter().filter(|at| !at.contains('$')).collect();
    assert!(seen.len() == 2 && seen[0] == seen[1], "{said}");
}

#[test]
fn none_has_loopback_only_and_the_hosts_own_must_be_allowed() {
    let lab = Lab::new();
    let folder = dockerfile(&lab, "none", "RUN --network=none busybox ls /sys/class/net");
    let said = text(&build(&lab, &folder, &[]));
    assert!(said.contains(" lo\n") && !said.contains("eth0\n"), "{said}");
    let folder = dockerfile(&lab, "plain", "RUN busybox ls /sys/class/net");
    let said = text(&build(&lab, &folder, &["--network=none"]));
    assert!(said.contains(" lo\n") && !said.contains("eth0\n"), "{said}");
    let folder = dockerfile(&lab, "host", "RUN --network=host true");
    let refused = build(&lab, &folder, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("network.host"), "{}", text(&refused));
    assert!(build(&lab, &folder, &["--allow", "network.host"]).status.success());
}

#[test]
fn a_killed_build_leaves_no_address_taken() {
    let lab = Lab::new();
    let folder = dockerfile(&lab, "killed", "RUN sleep 1000");
    let words = ["build", "--no-cache", folder.to_str().unwrap()];
    let mut child = lab.command(&words).stderr(std::process::Stdio::null()).spawn().unwrap();
    let holders = || {
        let database = lab.folder.join("root/state.db");
        let connection = rusqlite::Connection::open(database).unwrap();
        let mut query = connection.prepare("SELECT container FROM leases").unwrap();
        query.query_map([], |row| row.get::<_, String>(0)).unwrap().flatten().collect::<Vec<_>>()
    };
    until("the build has its address", || (!holders().is_empty()).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = dockerfile(&lab, "next", "RUN busybox ip -4 addr show eth0");
    assert!(build(&lab, &folder, &[]).status.success());
    assert_eq!(holders(), Vec::<String>::new());
}

#[test]
fn a_proxy_on_the_hosts_loopback_is_told() {
    let lab = Lab::new();
    let folder = dockerfile(&lab, "proxy", "RUN true");
    let words = ["build", "--no-cache", "--progress=plain", folder.to_str().unwrap()];
    let mut command = lab.command(&words);
    let output = command.env("HTTP_PROXY", "http://127.0.0.1:3128").output().unwrap();
    assert!(
        text(&output).contains("HTTP_PROXY=http://127.0.0.1:3128 is on this machine's loopback"),
        "{}",
        text(&output)
    );
    let words = ["build", "--no-cache", "--progress=plain", "--network=host", folder.to_str().unwrap()];
    let output = lab.command(&words).env("HTTP_PROXY", "http://127.0.0.1:3128").output().unwrap();
    assert!(!text(&output).contains("loopback"), "{}", text(&output));
}
