//! Hostile and odd archives, and the round trip through `pack`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Privilege, unpack};
use crate::pack::pack;

/// A tar entry, written without any check of the name: `tar::Header` refuses hostile ones.
struct E<'a> {
    name: &'a str,
    flag: u8,
    link: &'a str,
    data: &'a [u8],
    pax: &'a [(&'a str, &'a [u8])],
}

fn file<'a>(name: &'a str, data: &'a [u8]) -> E<'a> {
    E { name, flag: b'0', link: "", data, pax: &[] }
}

fn dir(name: &str) -> E<'_> {
    E { name, flag: b'5', link: "", data: b"", pax: &[] }
}

fn symlink<'a>(name: &'a str, link: &'a str) -> E<'a> {
    E { name, flag: b'2', link, data: b"", pax: &[] }
}

fn hardlink<'a>(name: &'a str, link: &'a str) -> E<'a> {
    E { name, flag: b'1', link, data: b"", pax: &[] }
}

fn header(name: &str, flag: u8, link: &str, size: usize) -> Vec<u8> {
    let mut h = tar::Header::new_ustar();
    h.set_mode(if flag == b'5' { 0o755 } else { 0o644 });
    h.set_uid(0);
    h.set_gid(0);
    h.set_mtime(1_000_000);
    h.set_size(size as u64);
    h.set_entry_type(tar::EntryType::new(flag));
    let raw = h.as_mut_bytes();
    raw[..name.len()].copy_from_slice(name.as_bytes());
    raw[157..157 + link.len()].copy_from_slice(link.as_bytes());
    h.set_cksum();
    h.as_bytes().to_vec()
}

fn tarball(entries: &[E<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |head: Vec<u8>, data: &[u8]| {
        out.extend(head);
        out.extend(data);
        out.extend(vec![0; (512 - data.len() % 512) % 512]);
    };
    for e in entries {
        if !e.pax.is_empty() {
            let mut records = Vec::new();
            for (key, value) in e.pax {
                let body = key.len() + value.len() + 3;
                let len = (body..).find(|n| *n == body + n.to_string().len()).unwrap();
                records.extend(format!("{len} {key}=").bytes());
                records.extend(*value);
                records.push(b'\n');
            }
            put(header("pax", b'x', "", records.len()), &records);
        }
        put(header(e.name, e.flag, e.link, e.data.len()), e.data);
    }
    out.extend([0; 1024]);
    out
}

/// Unpacks into `<tmp>/layer`, with a canary beside it that must stay as it is.
fn run(entries: &[E<'_>]) -> (TempDir, crate::Result<u64>) {
    let tmp = TempDir::new().unwrap();
    fs::create_dir(tmp.path().join("layer")).unwrap();
    fs::create_dir(tmp.path().join("outside")).unwrap();
    fs::write(tmp.path().join("outside/canary"), "alive").unwrap();
    let bytes = tarball(entries);
    let result = unpack(&bytes[..], &tmp.path().join("layer"), "test", Privilege::of_this_process());
    assert_eq!(fs::read_to_string(tmp.path().join("outside/canary")).unwrap(), "alive");
    assert_eq!(fs::read_dir(tmp.path().join("outside")).unwrap().count(), 1, "something came out");
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 2, "something came out");
    (tmp, result)
}

fn text(tmp: &TempDir, path: &str) -> String {
    fs::read_to_string(tmp.path().join("layer").join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn dot_dot_is_refused() {
    for name in ["../outside/x", "a/../../outside/x", "/../outside/x", ".."] {
        let (_tmp, result) = run(&[file(name, b"x")]);
        assert!(result.unwrap_err().to_string().contains(".."), "{name}");
    }
}

#[test]
fn absolute_names_stay_inside() {
    let (tmp, result) = run(&[file("/etc/passwd", b"x"), file("//b", b"y")]);
    result.unwrap();
    assert_eq!((text(&tmp, "etc/passwd"), text(&tmp, "b")), ("x".into(), "y".into()));
}

#[test]
fn symlinks_in_parents_resolve_inside() {
    let up = "../../../../../../outside";
    let (tmp, result) =
        run(&[symlink("a", up), file("a/x", b"1"), symlink("abs", "/outside"), file("abs/y", b"2")]);
    result.unwrap();
    assert_eq!((text(&tmp, "outside/x"), text(&tmp, "outside/y")), ("1".into(), "2".into()));
}

#[test]
fn a_symlink_is_replaced_not_written_through() {
    let (tmp, result) = run(&[symlink("a", "../outside/canary"), file("a", b"mine")]);
    result.unwrap();
    assert_eq!(text(&tmp, "a"), "mine");
}

#[test]
fn a_folder_replaced_by_a_symlink_does_not_lead_out() {
    let entries = [dir("d"), file("d/one", b"1"), symlink("d", "../outside"), file("d/two", b"2")];
    let (tmp, result) = run(&entries);
    result.unwrap();
    assert_eq!(text(&tmp, "outside/two"), "2");
    assert!(tmp.path().join("layer/d").is_symlink());
}

#[test]
fn symlink_loops_end() {
    let (_tmp, result) = run(&[symlink("a", "b"), symlink("b", "a"), file("a/x", b"")]);
    assert!(result.is_err());
}

#[test]
fn hard_links_to_outside_fail() {
    for target in ["../outside/canary", "/outside/canary", "up/outside/canary"] {
        let (_tmp, result) = run(&[symlink("up", ".."), hardlink("x", target)]);
        assert!(result.is_err(), "{target}");
    }
}

#[test]
fn hard_link_to_a_symlink_links_the_symlink() {
    let (tmp, result) = run(&[symlink("s", "../outside/canary"), hardlink("h", "s"), file("h", b"new")]);
    result.unwrap();
    assert_eq!(text(&tmp, "h"), "new");
}

#[test]
fn whiteouts_become_devices_and_opaque_marks() {
    let (tmp, result) =
        run(&[file("a/.wh.gone", b""), dir("o"), file("o/.wh..wh..opq", b""), file(".wh..wh.plnk", b"")]);
    result.unwrap();
    let meta = fs::symlink_metadata(tmp.path().join("layer/a/gone")).unwrap();
    assert!(meta.file_type().is_char_device() && meta.rdev() == 0);
    assert!(is_opaque(&tmp.path().join("layer/o")));
    assert_eq!(fs::read_dir(tmp.path().join("layer")).unwrap().count(), 2);
}

fn is_opaque(path: &Path) -> bool {
    let mut value = [0u8; 8];
    let name = Privilege::of_this_process().opaque_name();
    rustix::fs::lgetxattr(path, name, &mut value[..]).is_ok_and(|n| &value[..n] == b"y")
}

#[test]
fn a_folder_after_its_own_whiteout_is_opaque() {
    let (tmp, result) =
        run(&[file(".wh.d", b""), dir("d"), file("d/x", b""), file(".wh.e", b""), file("e/x", b"")]);
    result.unwrap();
    assert!(is_opaque(&tmp.path().join("layer/d")) && is_opaque(&tmp.path().join("layer/e")));
}

#[test]
fn whiteout_tricks_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", ".wh.d/x"] {
        let (_tmp, result) = run(&[file(name, b"")]);
        assert!(result.is_err(), "{name}");
    }
}

#[test]
fn overlay_attributes_are_dropped_binary_ones_kept() {
    // The value holds a line end, at which naive PAX parsers break.
    let capability: &[u8] = &[1, 0, 0, 2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let pax: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.security.capability", capability),
        ("mtime", b"123.5"),
    ];
    let (tmp, result) = run(&[E { pax, ..file("f", b"") }]);
    result.unwrap();
    let path = tmp.path().join("layer/f");
    let mut value = [0u8; 32];
    assert!(rustix::fs::lgetxattr(&path, "trusted.overlay.redirect", &mut value[..]).is_err());
    let n = rustix::fs::lgetxattr(&path, "security.capability", &mut value[..]).unwrap();
    assert_eq!(&value[..n], capability);
    let meta = path.metadata().unwrap();
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (123, 500_000_000));
}

#[test]
fn damaged_streams_are_errors() {
    let good = tarball(&[file("a", &[7; 2000])]);
    let tmp = TempDir::new().unwrap();
    let unpack = |bytes: &[u8]| unpack(bytes, tmp.path(), "test", Privilege::of_this_process());
    assert!(unpack(&good[..1500]).is_err(), "cut in the data");
    assert!(unpack(&good[..100]).is_err(), "cut in the header");
    let mut flipped = good.clone();
    flipped[3] ^= 1;
    assert!(unpack(&flipped).unwrap_err().to_string().contains("checksum"));
}

#[test]
fn reads_what_gnu_tar_writes() {
    let tmp = TempDir::new().unwrap();
    let src = tmp.path().join("src");
    let long = "n".repeat(150);
    fs::create_dir_all(src.join(&long)).unwrap();
    fs::write(src.join(&long).join("f"), "deep").unwrap();
    let mut sparse = fs::File::create(src.join("sparse")).unwrap();
    sparse.write_all(b"start").unwrap();
    sparse.set_len(1 << 20).unwrap();
    drop(sparse);
    fs::OpenOptions::new().append(true).open(src.join("sparse")).unwrap().write_all(b"end").unwrap();
    fs::set_permissions(src.join("sparse"), PermissionsExt::from_mode(0o4755)).unwrap();
    for format in ["--format=gnu", "--format=posix", "--sparse-version=0.1", "--sparse-version=0.0"] {
        let tar = std::process::Command::new("tar")
            .args(["-c", "-S", format, "--numeric-owner", "-C"])
            .arg(&src)
            .arg(".")
            .output()
            .unwrap();
        assert!(tar.status.success());
        if format == "--sparse-version=0.0" {
            continue; // its map is in repeated records, which nobody writes into images
        }
        let out = tmp.path().join(format);
        fs::create_dir(&out).unwrap();
        unpack(&tar.stdout[..], &out, "test", Privilege::of_this_process()).unwrap();
        assert_eq!(fs::read_to_string(out.join(&long).join("f")).unwrap(), "deep", "{format}");
        assert!(fs::read(out.join("sparse")).unwrap() == fs::read(src.join("sparse")).unwrap(), "{format}");
        assert_eq!(out.join("sparse").metadata().unwrap().mode() & 0o7777, 0o4755);
        assert!(out.join("sparse").metadata().unwrap().blocks() < 100, "{format}: it is not sparse");
    }
}

#[test]
fn numbers_at_their_ends_do_not_wrap() {
    let with = |name: &'static str, flag: u8, key: &'static str, value: &'static [u8]| {
        let entry = E { name, flag, link: "", data: b"", pax: &[(key, value)] };
        run(&[entry, file("after", b"x")]).1
    };
    for size in ["18446744073709551615", "18446744073709551000", "9223372036854775808"] {
        for flag in [b'0', b'Z'] {
            let error = with("f", flag, "size", size.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("larger than files can be"), "{size}: {error}");
        }
    }
    for time in ["-9223372036854775808.5", "9223372036854775807.999999999", "-0.5"] {
        with("f", b'0', "mtime", time.as_bytes()).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>, u32),
    Dir(u32, bool),
    Symlink(String),
    Whiteout,
    Fifo,
    HardlinkToFirstFile,
}

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        (proptest::collection::vec(any::<u8>(), 0..1500), 0u32..0o7777).prop_map(|(d, m)| Node::File(d, m)),
        (0u32..0o1777, any::<bool>()).prop_map(|(m, o)| Node::Dir(m | 0o700, o)),
        "[a-z/.]{1,120}".prop_map(Node::Symlink),
        Just(Node::Whiteout),
        Just(Node::Fifo),
        Just(Node::HardlinkToFirstFile),
    ]
}

fn make(root: &Path, tree: &[(Vec<String>, Node)]) {
    use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
    let mut first: Option<std::path::PathBuf> = None;
    for (parts, node) in tree {
        let path = parts.iter().fold(root.to_owned(), |p, c| p.join(c));
        let parent = path.parent().unwrap();
        if fs::symlink_metadata(&path).is_ok()
            || !parent.is_dir()
            || fs::canonicalize(parent).unwrap() != parent
        {
            continue;
        }
        match node {
            Node::File(data, mode) => {
                fs::write(&path, data).unwrap();
                fs::set_permissions(&path, PermissionsExt::from_mode(*mode)).unwrap();
                first.get_or_insert(path);
            }
            Node::Dir(mode, opaque) => {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(&path, PermissionsExt::from_mode(*mode)).unwrap();
                if *opaque {
                    let name = Privilege::of_this_process().opaque_name();
                    setxattr(&path, name, b"y", XattrFlags::empty()).unwrap();
                }
            }
            Node::Symlink(to) => std::os::unix::fs::symlink(to, &path).unwrap(),
            Node::Whiteout => mknodat(CWD, &path, FileType::CharacterDevice, Mode::empty(), 0).unwrap(),
            Node::Fifo => mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap(),
            Node::HardlinkToFirstFile => {
                if let Some(first) = &first {
                    fs::hard_link(first, &path).unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn pack_unpack_pack_is_the_same_stream(
        tree in proptest::collection::vec(
            (proptest::collection::vec("[a-cé]{1,3}|[a-z]{110}", 1..4), node()), 0..30)
    ) {
        let tmp = TempDir::new().unwrap();
        let root = fs::canonicalize(tmp.path()).unwrap();
        let (one, two) = (root.join("1"), root.join("2"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&two).unwrap();
        make(&one, &tree);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let size = pack(&one, &mut a).unwrap();
        let unpacked = unpack(&a[..], &two, "test", Privilege::of_this_process()).unwrap();
        prop_assert_eq!(size, unpacked);
        pack(&two, &mut b).unwrap();
        prop_assert!(a == b);
    }

    #[test]
    fn any_bytes_end_in_an_answer(mut noise in proptest::collection::vec(any::<u8>(), 0..3000), fix in any::<bool>()) {
        let tmp = TempDir::new().unwrap();
        if fix && noise.len() >= 512 {
            // A header that passes the checksum, so that the rest is reached.
            let mut h = tar::Header::new_gnu();
            h.as_mut_bytes().copy_from_slice(&noise[..512]);
            h.set_size(u64::from(noise[0]));
            h.set_cksum();
            noise[..512].copy_from_slice(h.as_bytes());
        }
        let _ = unpack(&noise[..], tmp.path(), "noise", Privilege::User);
    }
}
