//! Whole builds on a tiny image of busybox, in real containers. Needs root; one thread, see Cargo.toml.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a test program")]

mod support;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Instant;

use support::{World, chain};
use tare_build::{CachePolicy, Context, Error, HostTrust, Secret, SecretSource};

fn main() {
    let cases: &[(&str, fn())] = &[
        ("run_copy_and_config", run_copy_and_config),
        ("second_build_is_cached", second_build_is_cached),
        ("content_decides", content_decides),
        ("stages", stages),
        ("mounts", mounts),
        ("no_traces", no_traces),
        ("failures_name_their_place", failures_name_their_place),
        ("add_unpacks_archives", add_unpacks_archives),
        ("add_fetches", add_fetches),
        ("copy_rules", copy_rules),
        ("tar_context", tar_context),
        ("twenty_steps", twenty_steps),
        ("stages_side_by_side", stages_side_by_side),
        ("a_failure_stops_the_others", a_failure_stops_the_others),
        ("equal_steps_run_once", equal_steps_run_once),
        ("locked_caches_take_turns", locked_caches_take_turns),
        ("triggers_ask_for_stages", triggers_ask_for_stages),
        ("mounts_with_all_their_fields", mounts_with_all_their_fields),
        ("ssh_agents", ssh_agents),
        ("networks_and_security", networks_and_security),
        ("heredocs", heredocs),
        ("directives", directives),
        ("arguments", arguments),
        ("copy_flags", copy_flags),
        ("ignore_files", ignore_files),
        ("memory_of_steps", memory_of_steps),
        ("links_of_a_context_stay_in_it", links_of_a_context_stay_in_it),
        (
            "what_a_step_writes_into_its_context_is_thrown_away",
            what_a_step_writes_into_its_context_is_thrown_away,
        ),
        ("links_that_a_step_left_are_not_followed", links_that_a_step_left_are_not_followed),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for (name, case) in cases {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            case();
            println!("test {name} ... ok");
        }
    }
}

fn run_copy_and_config() {
    let world = World::new();
    world.write("a.txt", "hello");
    world.write("run.sh", "#!/bin/sh\r\necho hi\r\n");
    let built = world.build(
        "FROM base\nARG GREETING=hi\nENV NAME=world PYTHONBUFFERED=0\nWORKDIR /app/sub\nCOPY a.txt run.sh ./\n\
         RUN cat a.txt && echo \" $GREETING $NAME $TRIGGERED\" && pwd\nUSER app\nRUN id -u && echo x > /tmp/mine\n\
         RUN <<END\necho from heredoc\nEND\nCOPY <<conf /etc/\nname=$NAME\nconf\n\
         EXPOSE 80 53/udp\nVOLUME /data\nLABEL k=\"a b\"\nENTRYPOINT [\"/bin/sh\"]\nHEALTHCHECK --interval=3s CMD true\n",
    );
    assert!(built.output.contains("hello hi world yes\n/app/sub\n1000\nfrom heredoc\n"), "{}", built.output);
    assert!(built.warnings.iter().any(|w| w.contains("PYTHONBUFFERED")), "{:?}", built.warnings);
    assert!(
        built.warnings.iter().any(|w| w.contains("run.sh") && w.contains("CRLF")),
        "{:?}",
        built.warnings
    );
    let config = world.image(&built).config;
    let run = &config.config;
    assert_eq!(run.working_dir, "/app/sub");
    assert_eq!(run.user, "app");
    assert_eq!(run.cmd, None, "ENTRYPOINT resets the base image's CMD");
    assert!(run.exposed_ports.contains("53/udp") && run.volumes.contains("/data"));
    assert_eq!(run.labels["k"], "a b");
    assert!(run.on_build.is_empty());
    assert_eq!(run.healthcheck.as_ref().unwrap().interval, 3_000_000_000);
    let layers = config.history.iter().filter(|h| !h.empty_layer).count();
    assert_eq!(layers + 1, config.rootfs.diff_ids.len(), "{:#?}", config.history);
    assert_eq!(std::fs::read_to_string(world.find(&built, "etc/conf").unwrap()).unwrap(), "name=world\n");
    let mine = world.find(&built, "tmp/mine").unwrap().metadata().unwrap();
    assert_eq!((mine.uid(), mine.gid()), (1000, 1001));
}

fn second_build_is_cached() {
    let world = World::new();
    world.write("a.txt", "hello");
    let text = "FROM base\nWORKDIR /w\nCOPY a.txt /w/\nRUN echo once >> log\nCMD [\"x\"]\n";
    let first = world.build(text);
    let second = world.build(text);
    assert_eq!(first.outcome.image_id, second.outcome.image_id);
    assert_eq!(second.outcome.cached, 3);
    // What changes no file does not undo what follows it.
    let third = world.build(&text.replace("WORKDIR", "LABEL new=1\nWORKDIR"));
    assert_eq!(third.outcome.cached, 3);
    let mut request = world.request(text);
    request.cache = CachePolicy::Ignore;
    assert_eq!(world.try_build(request).unwrap().outcome.cached, 0);
}

fn content_decides() {
    let world = World::new();
    let path = world.write("d/a.txt", "one");
    world.write(".dockerignore", "d/ignored\n");
    let text = "FROM base\nCOPY d /d\nRUN cat /d/a.txt\n";
    world.build(text);
    world.write("d/ignored", "x");
    let time = std::fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
    std::fs::File::options().write(true).open(&path).unwrap().set_times(time).unwrap();
    let touched = world.build(text);
    assert_eq!(touched.outcome.cached, 2, "times and ignored files do not count");
    assert!(world.find(&touched, "d/ignored").is_none());
    world.write("d/a.txt", "two");
    let changed = world.build(text);
    assert_eq!((changed.outcome.cached, changed.output.as_str()), (0, "two"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(world.build(text).outcome.cached, 0, "permissions count");
    let argument = "FROM base\nARG A\nRUN echo $A\n";
    world.build(argument);
    let mut request = world.request(argument);
    request.build_args.insert("A".into(), Some("1".into()));
    assert_eq!(world.try_build(request).unwrap().output, "1\n");
}

fn stages() {
    let world = World::new();
    let text = "ARG FINAL=build\nFROM base AS unused\nRUN false\nFROM base AS build\nRUN mkdir /out && echo made > /out/f && touch /out/g\n\
                FROM scratch AS export\nCOPY --from=build --chown=5:6 --chmod=640 /out/f /x/\nFROM $FINAL\nRUN cat /out/f\n";
    let mut request = world.request(text);
    request.target = Some("export".into());
    let built = world.try_build(request).unwrap();
    assert_eq!(world.image(&built).layers.len(), 1);
    let file = world.find(&built, "x/f").unwrap().metadata().unwrap();
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (5, 6, 0o640));
    assert_eq!(world.build(text).output, "made\n");
    let mut request = world.request(text);
    request.target = Some("export".into());
    let again = world.try_build(request).unwrap();
    assert_eq!((again.outcome.cached, again.outcome.image_id), (2, built.outcome.image_id));
    let mut request = world.request(text);
    request.target = Some("nope".into());
    assert!(matches!(world.try_build(request), Err(Error::NoSuchTarget { .. })));
}

fn mounts() {
    let world = World::new();
    world.write("src/f", "from context");
    let text = "FROM base AS tools\nRUN mkdir /t && echo tool > /t/x\nFROM base\n\
        RUN --mount=type=cache,target=/root/.cache,id=c echo 1 >> /root/.cache/n && wc -l < /root/.cache/n\n\
        RUN --mount=type=bind,source=src,target=/mnt/src cat /mnt/src/f && ! touch /mnt/src/no\n\
        RUN --mount=from=tools,source=/t,target=/tools cat /tools/x\n\
        RUN --mount=type=secret,id=token,required cat /run/secrets/token\n\
        RUN --mount=type=secret,id=token,env=TOKEN echo $TOKEN\n\
        RUN --mount=type=tmpfs,target=/scratch echo x > /scratch/y && ls /scratch\n";
    let build = |change: &str| {
        let mut request = world.request(&text.replace("echo 1", change));
        request.secrets =
            vec![Secret { id: "token".into(), source: SecretSource::Value(b"s3cret\n".to_vec()) }];
        world.try_build(request).unwrap_or_else(|error| panic!("{}", chain(&error)))
    };
    let first = build("echo 1");
    let expected = ["1\nfrom context", "tool\n", "s3cret\ns3cret\n", "y\n"];
    for part in expected {
        assert!(first.output.contains(part), "{part:?} in {}", first.output);
    }
    assert!(build("echo 2").output.starts_with("2\n"), "the cache outlives the build");
    for path in ["root", "mnt", "tools", "run", "scratch"] {
        assert!(world.find(&first, path).is_none(), "{path} is a trace of a mount");
    }
    let mut request = world.request(text);
    request.cache = CachePolicy::Ignore;
    assert!(matches!(world.try_build(request), Err(Error::SecretMissing { line: 7, .. })));
}

fn no_traces() {
    let world = World::new();
    let bundle = world.dir.path().join("ca.pem");
    std::fs::write(&bundle, "CERTIFICATES").unwrap();
    let text = "FROM base\nRUN cat $SSL_CERT_FILE $PIP_CERT && echo $https_proxy && cat $APT_CONFIG $WGETRC && touch /made\n";
    let mut request = world.request(text);
    request.host_trust =
        HostTrust { ca_bundle: Some(bundle), proxy_env: vec![("https_proxy".into(), "http://proxy".into())] };
    let built = world.try_build(request).unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(
        built.output.contains("CERTIFICATESCERTIFICATEShttp://proxy\nAcquire::https::CAInfo"),
        "{}",
        built.output
    );
    assert!(built.output.ends_with("ca_certificate = /dev/tare/ca-certificates.crt\n"), "{}", built.output);
    let image = world.image(&built);
    let top = &image.layers.last().unwrap().path;
    let mut names: Vec<_> = std::fs::read_dir(top).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.retain(|name| name != "etc");
    assert_eq!(names, ["made"]);
    assert!(!top.join("etc").exists() || std::fs::read_dir(top.join("etc")).unwrap().next().is_none());
    assert!(!image.config.config.env.iter().any(|e| e.contains("proxy") || e.contains("CERT")));
    assert_eq!(world.build(text).outcome.cached, 1, "trust is not in the key");
    let left = std::fs::read_dir(world.dir.path().join("run/build")).unwrap().count();
    assert_eq!(left, 0, "generated files are gone");
}

fn failures_name_their_place() {
    let world = World::new();
    world.write("requirements.txt", "x");
    world.write("secret.key", "x");
    world.write(".dockerignore", "# keys\n*.key\n");
    let fails = |text: &str| world.try_build(world.request(text)).err().unwrap();
    let Error::RunFailed { line: 3, code: 7, tail, .. } = fails("FROM base\nRUN true\nRUN echo why; exit 7")
    else {
        panic!("another error")
    };
    assert_eq!(tail, "why\n");
    assert_eq!(world.build("FROM base\nRUN true").outcome.cached, 1, "results before the failure are kept");
    let missing = fails("FROM base\nCOPY requirement.txt /");
    assert!(matches!(missing, Error::SourceNotFound { line: 2, .. }), "{missing}");
    assert_eq!(missing.hint().as_deref(), Some("did you mean requirements.txt?"));
    assert!(world.try_build(world.request("FROM base\nADD *.key /")).is_ok(), "a pattern may match nothing");
    assert_eq!(
        fails("FROM base\nADD secret.key /").hint().as_deref(),
        Some("line 2 of .dockerignore keeps it out: *.key")
    );
    assert!(matches!(fails("FROM base\nCOPY --chown=nobody . /"), Error::UnknownUser { line: 2, .. }));
    let from = |name: &str| {
        let text = format!(
            "FROM base AS builder\nRUN true\nFROM base AS out\nCOPY --from={name} /a /\nFROM base AS later\n"
        );
        let mut request = world.request(&text);
        (request.pull, request.target) = (tare_build::PullPolicy::Never, Some("out".into()));
        world.try_build(request).err().unwrap()
    };
    assert_eq!(from("bilder").to_string(), "line 4: there is no stage \"bilder\", nor an image of that name");
    assert_eq!(from("bilder").hint().as_deref(), Some("did you mean the stage builder?"));
    assert_eq!(
        from("later").hint().as_deref(),
        Some("the stage later is only made at line 5: move it before this one")
    );
    assert_eq!((from("nothing").line(), from("nothing").hint()), (Some(4), None));
    assert!(matches!(from("some/image"), Error::NotPulled { line: 4, .. }));
    assert_eq!(fails("ARG A=1\nARG B=${A:?}${C:?no}\nFROM base").line(), Some(2));
    assert_eq!(fails("FROM base\nRUN true\nFROM ${C:?no}\n").line(), Some(3));
    let agent = fails("FROM base\nRUN --mount=type=ssh,required true");
    assert!(matches!(agent, Error::AgentMissing { line: 2, .. }), "{agent}");
    assert!(matches!(fails("FROM base\nENV a=${b:?no}"), Error::Expand { line: 2, .. }));
    assert!(matches!(fails("FROM base\nCOPPY a b"), Error::Parse { .. }));
}

/// `in/side`, in a tar archive in gzip.
fn archive_of_one_file() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(4);
    header.set_mode(0o600);
    header.set_uid(7);
    header.set_gid(8);
    builder.append_data(&mut header, "in/side", &b"text"[..]).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &builder.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

fn add_unpacks_archives() {
    let world = World::new();
    std::fs::write(world.dir.path().join("context/a.tar.gz"), archive_of_one_file()).unwrap();
    let built = world
        .build("FROM base\nADD a.tar.gz /un\nADD --unpack=false a.tar.gz /whole/\nCOPY a.tar.gz /kept/\n");
    let file = world.find(&built, "un/in/side").unwrap().metadata().unwrap();
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o777, file.len()), (7, 8, 0o600, 4));
    assert!(world.find(&built, "kept/a.tar.gz").is_some() && world.find(&built, "whole/a.tar.gz").is_some());
}

fn add_fetches() {
    use std::io::{Read as _, Write as _};
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        // Two builds ask once each.
        for _ in 0..2 {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0_u8; 4096];
            let read = client.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /tools/wait-for-it.sh "));
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n";
            let changed = "Last-Modified: Thu, 01 Jan 1970 00:01:40 GMT\r\n\r\n";
            client.write_all(format!("{head}{changed}text").as_bytes()).unwrap();
        }
    });
    let url = format!("http://127.0.0.1:{port}/tools/wait-for-it.sh");
    let built = world.build(&format!("FROM base\nADD {url} /\n"));
    let file = world.find(&built, "wait-for-it.sh").unwrap().metadata().unwrap();
    assert_eq!((file.mode() & 0o7777, file.mtime(), file.len()), (0o600, 100, 4));
    let wrong = format!("FROM base\nADD --checksum=sha256:00 {url} /\n");
    assert!(matches!(world.try_build(world.request(&wrong)), Err(Error::Checksum { line: 2, .. })));
    server.join().unwrap();
    let packed = archive_of_one_file();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let _ = client.read(&mut [0_u8; 4096]).unwrap();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", packed.len());
        client.write_all(head.as_bytes()).and_then(|()| client.write_all(&packed)).unwrap();
    });
    let built = world.build(&format!("FROM base\nADD --unpack=true http://{address}/s6.tar.gz /un\n"));
    assert!(world.find(&built, "un/in/side").is_some());
    server.join().unwrap();
    let gone = format!("FROM base\nADD {url} /\n");
    assert!(matches!(world.try_build(world.request(&gone)), Err(Error::Fetch { line: 2, .. })));
}

fn copy_rules() {
    let world = World::new();
    for path in ["d/one", "d/sub/two", "x1.txt", "x2.txt", "plain"] {
        world.write(path, path);
    }
    let built = world.build(
        "FROM base\nRUN mkdir /real && ln -s /real /link 2>/dev/null || busybox ln -s /real /link\n\
         COPY d /folder\nCOPY d/sub/two /renamed\nCOPY x*.txt /many/\nCOPY plain /link\nCOPY plain /etc\n\
         COPY --chown=app plain /new/owned/\nCOPY --parents d/sub/two /p/\nCOPY --exclude=**/sub d /without\n",
    );
    let text = |path: &str| {
        std::fs::read_to_string(world.find(&built, path).unwrap_or_else(|| panic!("{path}"))).unwrap()
    };
    assert_eq!(text("folder/one"), "d/one");
    assert_eq!(text("folder/sub/two"), "d/sub/two");
    assert_eq!(text("renamed"), "d/sub/two");
    assert_eq!(text("many/x2.txt"), "x2.txt");
    assert_eq!(text("real/plain"), "plain", "a symlink in the image is followed inside it");
    assert_eq!(text("etc/plain"), "plain");
    assert_eq!(text("p/d/sub/two"), "d/sub/two");
    assert!(world.find(&built, "without/one").is_some() && world.find(&built, "without/sub").is_none());
    let owned = world.find(&built, "new/owned").unwrap().metadata().unwrap();
    assert_eq!((owned.uid(), owned.gid()), (1000, 1001));
}

fn tar_context() {
    let world = World::new();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(4);
    header.set_mode(0o644);
    builder.append_data(&mut header, "f", &b"text"[..]).unwrap();
    let mut request = world.request("FROM base\nCOPY f /\nRUN cat /f\n");
    request.context = Context::Tar(Box::new(std::io::Cursor::new(builder.into_inner().unwrap())));
    assert_eq!(world.try_build(request).unwrap().output, "text");
    assert_eq!(std::fs::read_dir(world.dir.path().join("cache/contexts")).unwrap().count(), 0);
}

fn twenty_steps() {
    let world = World::new();
    let steps: String = (0..20).map(|n| format!("RUN echo {n} > /f{n}\n")).collect();
    let text = format!("FROM base\n{steps}");
    let timed = || {
        let start = Instant::now();
        let built = world.build(&text);
        (start.elapsed(), built)
    };
    let (cold, first) = timed();
    assert!(world.find(&first, "f19").is_some_and(|p| Path::new(&p).exists()));
    let (cached, second) = timed();
    assert_eq!(second.outcome.cached, 20);
    println!("twenty steps: {cold:?} cold, {cached:?} cached");
}

/// Each stage waits for the other through a cache that both share: one after the other they would never end.
fn stages_side_by_side() {
    let world = World::new();
    let meet = |own: &str, other: &str| {
        format!(
            "RUN --mount=type=cache,id=meeting,target=/m touch /m/{own}; while ! test -e /m/{other}; do true; done; echo {own} met"
        )
    };
    let text = format!(
        "FROM base AS one\n{}\nRUN echo 1 > /one\nFROM base AS two\n{}\nRUN echo 2 > /two\nFROM base AS never\nRUN false\n\
         FROM base\nRUN echo early\nCOPY --from=one /one /\nCOPY --from=two /two /\nRUN cat /one /two\n",
        meet("a", "b"),
        meet("b", "a")
    );
    let built = world.build(&text);
    assert!(built.output.contains("a met\n") && built.output.contains("b met\n"), "{}", built.output);
    assert!(built.output.ends_with("1\n2\n"), "{}", built.output);
    let again = world.build(&text);
    assert_eq!((again.outcome.image_id, again.outcome.cached), (built.outcome.image_id, 8));
}

fn a_failure_stops_the_others() {
    let world = World::new();
    let text = "FROM base AS slow\nRUN while true; do true; done\nFROM base AS bad\nRUN exit 3\n\
                FROM base\nCOPY --from=slow / /\nCOPY --from=bad / /\n";
    let staging = world.dir.path().join("store/staging");
    let count = || std::fs::read_dir(&staging).unwrap().count();
    let before = count();
    let error = world.try_build(world.request(text)).err().unwrap();
    assert!(matches!(error, Error::RunFailed { line: 4, code: 3, .. }), "{error}");
    assert_eq!(count(), before, "what the stopped step made is gone");
}

fn equal_steps_run_once() {
    let world = World::new();
    let step = "RUN --mount=type=cache,id=count,target=/c echo x >> /c/n; wc -l < /c/n > /n";
    let text = format!(
        "FROM base AS one\n{step}\nFROM base AS two\n{step}\nRUN echo 2\nFROM base\n\
         COPY --from=one /n /one\nCOPY --from=two /n /two\nRUN cat /one /two\n"
    );
    let mut request = world.request(&text);
    request.cache = CachePolicy::Ignore;
    let built = world.try_build(request).unwrap();
    assert!(built.output.ends_with("1\n1\n"), "{}", built.output);
}

fn locked_caches_take_turns() {
    let world = World::new();
    let step = |name: &str| {
        format!(
            "RUN --mount=type=cache,id=l,target=/c,sharing=locked test ! -e /c/busy && touch /c/busy && \
             for i in 1 2 3 4 5 6 7 8 9; do cat /bin/busybox > /c/big; done; echo {name}; rm /c/busy"
        )
    };
    let text = format!(
        "FROM base AS one\n{}\nFROM base AS two\n{}\nFROM base\nCOPY --from=one /etc /one\nCOPY --from=two /etc /two\n",
        step("one"),
        step("two")
    );
    let built = world.build(&text);
    assert!(built.output.contains("one\n") && built.output.contains("two\n"), "{}", built.output);
}

fn triggers_ask_for_stages() {
    let world = World::new();
    let base = world.store.find("base").unwrap().unwrap();
    let mut config = base.config.clone();
    config.config.on_build = vec!["COPY --from=assets /made /".into()];
    let layers: Vec<_> = base.layers.iter().map(|layer| layer.diff_id).collect();
    world.store.create_image(&config, &layers, &["asking".parse().unwrap()]).unwrap();
    let built = world.build("FROM base AS assets\nRUN echo x > /made\nFROM asking\nRUN cat /made\n");
    assert_eq!(built.output, "x\n");
    let variable = world.try_build(world.request("FROM base AS a\nFROM base\nARG S=a\nCOPY --from=$S / /\n"));
    assert!(matches!(variable.err().unwrap(), Error::Invalid { line: 4, .. }));
}

fn mounts_with_all_their_fields() {
    let world = World::new();
    world.write("dir/f", "context\n");
    let other = world.dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("g"), "named\n").unwrap();
    let text = "FROM base AS seed\nRUN mkdir /s && echo seeded > /s/f\nFROM base\nUSER app\n\
        RUN --mount=type=cache,target=/c,uid=1000,gid=1001,mode=0700 stat -c '%u %g %a' /c && touch /c/x\n\
        RUN --mount=type=cache,target=/c,uid=1000,gid=1001,mode=0700,readonly ls /c && ! touch /c/y\n\
        RUN --mount=type=cache,target=/c ls /c && echo another\n\
        RUN --mount=type=cache,target=/d,from=seed,source=/s,id=d cat /d/f\n\
        RUN --mount=type=cache,target=/p,sharing=private,uid=1000 touch /p/z\n\
        RUN --mount=type=secret,id=t,target=/tmp/t,mode=0440,uid=1000,gid=1001 stat -c '%u %g %a' /tmp/t && cat /tmp/t\n\
        RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent\n\
        RUN --mount=type=secret,id=t,env=T,target=/tmp/u,uid=1000 echo $T && cat /tmp/u\n\
        USER root\n\
        RUN --mount=type=bind,source=dir,target=/b,rw cat /b/f && echo changed > /b/f && touch /b/new && cat /b/f\n\
        RUN --mount=target=/all ls /all\n\
        RUN --mount=from=other,target=/o cat /o/g\n\
        RUN --mount=from=base,source=/etc/group,target=/g cat /g\n\
        RUN --mount=type=tmpfs,target=/t,size=1m ! cat /bin/busybox > /t/big && ls /t\n";
    let mut request = world.request(text);
    request.secrets = vec![Secret { id: "t".into(), source: SecretSource::Value(b"s3cret\n".to_vec()) }];
    request.contexts.insert("other", tare_build::NamedContext::Dir(other));
    let built = world.try_build(request).unwrap_or_else(|error| panic!("{}", chain(&error)));
    let expected = "1000 1001 700\nx\n";
    assert!(built.output.starts_with(expected), "{}", built.output);
    for part in [
        "another\nseeded\n",
        "1000 1001 440\ns3cret\ns3cret\ns3cret\n",
        "context\nchanged\n",
        "dir\nnamed\n",
        "app:x:1001:\n",
        "No space left",
    ] {
        assert!(built.output.contains(part), "{part:?} in {}", built.output);
    }
    assert_eq!(std::fs::read_to_string(world.dir.path().join("context/dir/f")).unwrap(), "context\n");
    for path in ["c", "d", "p", "b", "all", "o", "g", "t", "run", "tmp/t", "tmp/u"] {
        assert!(world.find(&built, path).is_none(), "{path} is a trace of a mount");
    }
}

fn ssh_agents() {
    let world = World::new();
    let socket = world.dir.path().join("agent");
    // The one program of busybox that speaks through such a socket is logger, by datagrams to /dev/log.
    let agent = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    let text = "FROM base\nRUN --mount=type=ssh,required test -S $SSH_AUTH_SOCK && echo $SSH_AUTH_SOCK\n\
                RUN --mount=type=ssh,id=other echo none:$SSH_AUTH_SOCK\n\
                RUN --mount=type=ssh,target=/dev/log echo $SSH_AUTH_SOCK && busybox logger hello\n";
    let mut request = world.request(text);
    request.ssh = vec![tare_build::SshAgent { id: "default".into(), socket }];
    let built = world.try_build(request).unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(built.output, "/run/buildkit/ssh_agent.0\nnone:\n/dev/log\n");
    let mut heard = [0_u8; 200];
    agent.set_nonblocking(true).unwrap();
    let length = agent.recv(&mut heard).unwrap();
    assert!(String::from_utf8_lossy(&heard[..length]).contains("hello"));
    assert!(world.find(&built, "run").is_none());
}

fn networks_and_security() {
    let world = World::new();
    let of_host = std::fs::read_link("/proc/self/ns/net").unwrap();
    let of_host = of_host.to_str().unwrap();
    let text = "FROM base\nRUN --network=none busybox readlink /proc/self/ns/net\nRUN --network=host busybox readlink /proc/self/ns/net\n";
    assert!(
        world
            .try_build(world.request("FROM base\nRUN --network=host true"))
            .err()
            .unwrap()
            .to_string()
            .ends_with("--allow network.host")
    );
    let mut request = world.request(text);
    request.entitlements = vec![tare_build::Entitlement::NetworkHost];
    // The first step was done before the second was refused.
    request.cache = CachePolicy::Ignore;
    let output = world.try_build(request).unwrap().output;
    let seen: Vec<&str> = output.lines().collect();
    assert!(seen[0] != of_host && seen[1] == of_host, "{output}");
    let insecure = "FROM base\nRUN --security=insecure busybox grep CapEff /proc/self/status\n";
    let refused = world.try_build(world.request(insecure)).err().unwrap();
    assert_eq!(refused.to_string(), "line 2: RUN: --security=insecure needs --allow security.insecure");
    let capabilities = |text: &str| {
        let mut request = world.request(text);
        request.entitlements = vec![tare_build::Entitlement::SecurityInsecure];
        let output = world.try_build(request).unwrap().output;
        u64::from_str_radix(output.rsplit(['\t', ' ']).next().unwrap().trim(), 16).unwrap()
    };
    let sandboxed = insecure.replace("--security=insecure", "--security=sandbox");
    assert!(capabilities(insecure).count_ones() > capabilities(&sandboxed).count_ones());
}

fn heredocs() {
    let world = World::new();
    let text = "FROM base\nARG A=1\nENV B=2\n\
        RUN <<EOF\nset -e\necho \"shell $A $B\"\nEOF\n\
        RUN <<EOF\n#!/bin/cat\nby cat $A\nEOF\n\
        RUN cat <<ONE - <<TWO\nfirst\nONE\nsecond\nTWO\n\
        RUN sh -e <<'EOF'\necho \"quoted $B\"\nEOF\n\
        COPY <<one <<-\"two\" /files/\n$A-${B:-x}-\\$B\none\n\t$A\n\ttwo\n\
        COPY --chmod=755 <<EOF /run.sh\n#!/bin/sh\necho ran\nEOF\nRUN /run.sh\n";
    let built = world.build(text);
    assert_eq!(built.output, "shell 1 2\n#!/bin/cat\nby cat $A\nsecond\nquoted 2\nran\n");
    let text = |path: &str| std::fs::read_to_string(world.find(&built, path).unwrap()).unwrap();
    assert_eq!((text("files/one").as_str(), text("files/two").as_str()), ("1-2-$B\n", "$A\n"));
}

fn directives() {
    let world = World::new();
    let text = "# syntax=docker/dockerfile:1\n# escape=`\n\nFROM base\nENV V=C:\\x`$B\nRUN echo one `\n  && echo \"$V\"\n";
    assert_eq!(world.build(text).output, "one\nC:\\x$B\n");
    let warned = "FROM base as b\nMAINTAINER me\nLABEL a=$NOPE\n";
    assert_eq!(world.build(warned).warnings.len(), 3);
    assert_eq!(world.build(&format!("# check=skip=all\n{warned}")).warnings, [""; 0]);
    let skipped = world.build(&format!("#check=skip=MaintainerDeprecated, UndefinedVar\n{warned}"));
    assert_eq!(skipped.warnings.len(), 1);
    let strict = format!("# check=skip=FromAsCasing;error=true\n{warned}");
    assert!(matches!(world.try_build(world.request(&strict)), Err(Error::Warned { count: 1 })));
    let mut request = world.request(&strict);
    request.build_args.insert("BUILDKIT_DOCKERFILE_CHECK".into(), Some("skip=all".into()));
    world.try_build(request).unwrap();
}

fn arguments() {
    let world = World::new();
    let host = tare_oci::Platform::host();
    let text = "ARG NAME=base\nARG TAIL=x\nFROM --platform=$BUILDPLATFORM ${NAME}\nARG TARGETPLATFORM\nARG TARGETARCH TARGETOS BUILDPLATFORM\n\
        ARG NAME\nARG OWN=own\nENV FILE=a.tar.gz OWN=env\nARG VALUE=${FILE%%.*}-${FILE##*.}\n\
        RUN echo \"$TARGETPLATFORM $TARGETARCH $TARGETOS $BUILDPLATFORM $NAME [$TAIL] [$TARGETSTAGE] $OWN $VALUE\"\n\
        ENV A=${NOPE:-d} B=${FILE:+y} C=${FILE#a.} D=${FILE##*.} E=${FILE%.*} F=${FILE%%.*} G=${FILE/tar/zip} H=${FILE//a/b}\n\
        RUN echo $A $B $C $D $E $F $G $H\n";
    let platform = format!("{}/{}", host.os, host.architecture);
    let built = world.build(text);
    let expected = format!(
        "{platform} {} {} {platform} base [] [] env a-gz\nd y tar.gz gz a.tar a a.zip.gz b.tbr.gz\n",
        host.architecture, host.os
    );
    assert_eq!(built.output, expected);
    let mut request =
        world.request("FROM base\nRUN echo [$HTTP_PROXY$SECRET]\nARG SECRET\nRUN echo $SECRET\n");
    request.build_args.insert("HTTP_PROXY".into(), Some("http://p".into()));
    request.build_args.insert("SECRET".into(), Some("given".into()));
    let built = world.try_build(request).unwrap();
    assert_eq!(built.output, "[http://p]\ngiven\n");
    assert!(!format!("{:?}", world.image(&built).config).contains("http://p"));
}

fn copy_flags() {
    let world = World::new();
    for path in ["a/b/one.txt", "a/b/two.md", "a/c/d/three.txt", "a/top.txt"] {
        world.write(path, path);
    }
    let text = "FROM base\nCOPY --parents a/b/one.txt a/c/d/three.txt /plain/\nCOPY --parents ./a/./b/*.txt /pivot/\n\
        COPY --parents a/**/*.txt /deep/\nCOPY --exclude=**/*.md --exclude=c a /without/\n\
        COPY --link --chmod=700 --chown=1000:1001 a/top.txt /linked/\nADD --exclude=*.md a/b /added/\nCOPY --chmod=u=rwX,go=rX,g+w a/top.txt a/b /letters/\n";
    let built = world.build(text);
    let there = |path: &str| world.find(&built, path).is_some();
    assert!(there("plain/a/b/one.txt") && there("plain/a/c/d/three.txt"));
    assert!(there("pivot/b/one.txt") && !there("pivot/a"));
    assert!(there("deep/a/top.txt") && there("deep/a/c/d/three.txt") && !there("deep/a/b/two.md"));
    assert!(there("without/b/one.txt") && !there("without/b/two.md") && !there("without/c"));
    assert!(there("added/one.txt") && !there("added/two.md"));
    let linked = world.find(&built, "linked/top.txt").unwrap().metadata().unwrap();
    assert_eq!((linked.uid(), linked.gid(), linked.mode() & 0o7777), (1000, 1001, 0o700));
    let mode = |path: &str| world.find(&built, path).unwrap().metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode("letters/top.txt"), mode("letters/one.txt")), (0o664, 0o664));
    std::fs::rename(world.dir.path().join("context/a/c/d"), world.dir.path().join("context/a/c/e")).unwrap();
    let moved = world.build("FROM base\nCOPY --parents a/**/*.txt /deep/\n");
    assert!(world.find(&moved, "deep/a/c/e/three.txt").is_some(), "the path counts for the cache");
}

fn ignore_files() {
    let world = World::new();
    for path in ["a.log", "keep.log", "deep/b.log", "src/x", "src/y"] {
        world.write(path, path);
    }
    world.write(".dockerignore", "**/*.log\n!keep.log\n# comment\nsrc\n!src/y\n");
    let text = "FROM base\nCOPY . /c/\nRUN cd /c && echo *.log deep/* src/*\n";
    assert_eq!(world.build(text).output, "keep.log deep/* src/y\n");
    world.write("Dockerfile.dockerignore", "*\n!a.log\n");
    assert_eq!(world.build(text).output, "a.log deep/* src/*\n");
}

fn links_of_a_context_stay_in_it() {
    let world = World::new();
    let victim = world.dir.path().join("victim");
    std::fs::write(&victim, "secret").unwrap();
    symlink(&victim, world.dir.path().join("context/x")).unwrap();
    world.write(&format!(".{}/decoy", world.dir.path().display()), "");
    for access in ["ro", "rw"] {
        let text =
            format!("FROM base\nRUN --mount=source=x,target=/m,{access} cat /m; echo OWNED > /m; true\n");
        let Err(error) = world.try_build(world.request(&text)) else { panic!("{access}: followed") };
        assert!(matches!(error, Error::SourceNotFound { .. }), "{access}: {}", chain(&error));
    }
    // What the link names within the context is what is mounted.
    world.write(&format!(".{}", victim.display()), "decoy");
    let built = world.build("FROM base\nRUN --mount=source=x,target=/m,rw cat /m && echo OWNED > /m\n");
    assert_eq!(built.output, "decoy");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "secret");
    symlink(&victim, world.dir.path().join("context/.dockerignore")).unwrap();
    let Err(error) = world.try_build(world.request("FROM base\n")) else { panic!("followed") };
    assert!(chain(&error).contains("leads out of the build context"), "{}", chain(&error));
}

fn what_a_step_writes_into_its_context_is_thrown_away() {
    let world = World::new();
    let (file, deep) = (world.write("f", "mine"), world.write("d/f", "mine"));
    let text = "FROM base\n\
        RUN --mount=source=f,target=/m,rw echo 1 > /m && cat /m\n\
        RUN --mount=source=d,target=/m,rw echo 2 > /m/f && touch /m/new && cat /m/f\n\
        RUN --mount=target=/m,rw echo 3 > /m/d/f && rm /m/f && cat /m/d/f\n";
    assert_eq!(world.build(text).output, "1\n2\n3\n");
    for path in [&file, &deep] {
        assert_eq!(std::fs::read_to_string(path).unwrap(), "mine");
    }
    assert!(!deep.with_file_name("new").exists());
}

fn links_that_a_step_left_are_not_followed() {
    let world = World::new();
    let victim = world.dir.path().join("victim");
    std::fs::create_dir_all(victim.join("folder")).unwrap();
    std::fs::write(victim.join("file"), "").unwrap();
    world.write("Dockerfile", "");
    let there = victim.display();
    let built = world.build(&format!(
        "FROM base\nRUN --mount=type=tmpfs,target=/x/folder --mount=target=/y/file,source=Dockerfile \
         busybox mv /x /x2 && busybox ln -s {there} /x && busybox mv /y /y2 && busybox ln -s {there} /y\n"
    ));
    assert!(victim.join("folder").is_dir() && victim.join("file").is_file());
    assert!(world.find(&built, "x").unwrap().is_symlink());
}

fn memory_of_steps() {
    let world = World::new();
    let mut request = world.request("FROM base\nRUN busybox dd if=/dev/zero of=/dev/null bs=200M count=1\n");
    request.limits.memory = Some(32 << 20);
    request.limits.memory_swap = Some(32 << 20);
    assert!(matches!(world.try_build(request), Err(Error::RunFailed { code: 137, .. })));
}
