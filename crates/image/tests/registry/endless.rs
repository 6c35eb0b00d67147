//! Registries and token services whose answers have no end: what is read whole into memory is bounded.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tare_image::registry::{manifest, search, tags};
use tare_image::{PullOptions, RegistryConfig, Silent};
use tare_oci::Digest;

use crate::lab::{reply, serve};
use crate::support::{name, store};

/// More than any bound, with what the kernel buffers: a client that has let so much come reads without one.
const MUCH: usize = 32 << 20;

/// Answers what `is_endless` picks with a head and blanks until the client hangs up or has taken too much; the rest
/// with `else`. Counts the blanks.
fn endless(
    head: &'static str,
    is_endless: fn(&str) -> bool,
    other: impl Fn(u16) -> String + Send + 'static,
) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let asked = head_of(&mut client);
            if !is_endless(&asked) {
                let _ = client.write_all(other(port).as_bytes());
                continue;
            }
            let _ = client.write_all(head.as_bytes());
            while count.load(Ordering::Relaxed) < MUCH && client.write_all(&[b' '; 65536]).is_ok() {
                count.fetch_add(65536, Ordering::Relaxed);
            }
        }
    });
    (port, sent)
}

fn head_of(client: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0u8; 1]);
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
        // A TLS hello does not start with a letter.
        if !head[0].is_ascii_alphabetic() {
            break;
        }
    }
    String::from_utf8_lossy(&head).to_lowercase()
}

const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n";
const HUGE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n";
const REFUSED: &str = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n";

fn plain(_: u16) -> String {
    reply("200 OK", "", "{}")
}

fn pull_error(port: u16) -> String {
    let (_tmp, store) = store();
    let image = name(&format!("127.0.0.1:{port}/app:1"));
    store.pull(&image, &PullOptions::default(), &Silent).unwrap_err().to_string()
}

#[test]
fn a_manifest_without_an_end_is_refused() {
    for head in [OK, HUGE] {
        let (port, sent) = endless(head, |asked| asked.contains("/manifests/"), plain);
        let error = pull_error(port);
        assert!(error.contains("its manifest is longer than 4096 KiB"), "{error}");
        let image = name(&format!("127.0.0.1:{port}/app:1"));
        let error = manifest(&image, &PullOptions::default()).unwrap_err().to_string();
        assert!(error.contains("longer than 4096 KiB"), "{error}");
        assert!(sent.load(Ordering::Relaxed) < MUCH);
    }
}

#[test]
fn a_config_without_an_end_is_refused() {
    let manifest = |_| {
        let digest = Digest::of(b"config");
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        let config = r#""mediaType":"application/vnd.docker.container.image.v1+json""#;
        let body = format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{{{config},"digest":"{digest}","size":6}},"layers":[]}}"#
        );
        reply("200 OK", &format!("Content-Type: {kind}\r\n"), &body)
    };
    let (port, sent) = endless(OK, |asked| asked.contains("/blobs/"), manifest);
    let error = pull_error(port);
    assert!(error.contains("its config is longer than 4096 KiB"), "{error}");
    assert!(sent.load(Ordering::Relaxed) < MUCH);
}

#[test]
fn a_token_without_an_end_is_refused() {
    let challenge = |port| {
        let header = format!("WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{port}/token\"\r\n");
        reply("401 Unauthorized", &header, "")
    };
    let (port, sent) = endless(OK, |asked| asked.starts_with("get /token"), challenge);
    let error = pull_error(port);
    assert!(error.contains("its token is longer than 1024 KiB"), "{error}");
    assert!(sent.load(Ordering::Relaxed) < MUCH);
}

#[test]
fn a_refusal_without_an_end_is_read_for_its_start() {
    let (port, sent) = endless(REFUSED, |asked| asked.contains("/manifests/"), plain);
    let error = pull_error(port);
    assert!(error.contains("not found"), "{error}");
    assert!(sent.load(Ordering::Relaxed) < MUCH);
}

#[test]
fn lists_without_an_end_are_refused() {
    let (port, sent) = endless(OK, |asked| asked.contains("/tags/") || asked.contains("/v1/search"), plain);
    let image = name(&format!("127.0.0.1:{port}/app"));
    let error = tags(&image, &PullOptions::default()).unwrap_err().to_string();
    assert!(error.contains("its list of tags is longer than 4096 KiB"), "{error}");
    let term = format!("127.0.0.1:{port}/app");
    let error = search(&term, None, &RegistryConfig::default()).unwrap_err().to_string();
    assert!(error.contains("its list of images is longer than 4096 KiB"), "{error}");
    assert!(sent.load(Ordering::Relaxed) < MUCH);

    // Each page is short, but there is always another one.
    let pages = AtomicUsize::new(0);
    let long = "x".repeat(1 << 20);
    let port = serve(move |head, _| {
        if !head.contains("/tags/") {
            return reply("200 OK", "", "{}");
        }
        let next = pages.fetch_add(1, Ordering::Relaxed);
        let link = format!("Link: </v2/app/tags/list?last={next}>; rel=\"next\"\r\n");
        reply("200 OK", &link, &format!(r#"{{"tags":["{long}"]}}"#))
    });
    let image = name(&format!("127.0.0.1:{port}/app"));
    let error = tags(&image, &PullOptions::default()).unwrap_err().to_string();
    assert!(error.contains("its list of tags is longer than"), "{error}");
}
