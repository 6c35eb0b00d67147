//! Whole files to whole projects. The expectations agree with what `docker compose config` 2.40 prints.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tare_compose_model::{
    Condition, Files, LoadOptions, Project, Source, Stage, Stages, Warning, discover, load,
    load_uninterpolated, to_yaml, variables,
};

struct Memory(BTreeMap<PathBuf, String>);

impl Memory {
    fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
}

fn options(paths: &[&str]) -> LoadOptions {
    LoadOptions {
        sources: paths.iter().map(|path| Source::File(PathBuf::from(path))).collect(),
        project_directory: PathBuf::from("/p"),
        env: BTreeMap::from([("HOME".to_owned(), "/home/me".to_owned())]),
        ..LoadOptions::default()
    }
}

fn loaded(files: &[(&str, &str)], paths: &[&str]) -> (Project, Vec<Warning>) {
    load(&options(paths), &Memory::new(files)).expect("a valid project")
}

fn config(text: &str) -> String {
    loaded(&[("/p/c.yaml", text)], &["/p/c.yaml"]).0.to_yaml()
}

fn failure(text: &str) -> String {
    load(&options(&["/p/c.yaml"]), &Memory::new(&[("/p/c.yaml", text)]))
        .expect_err("an invalid project")
        .to_string()
}

const TUTORIAL: &str = "
version: '3'
services:
  db:
    image: postgres
    volumes: [./docker/data:/var/lib/postgresql/data]
    environment:
      - POSTGRES_DB=djangosample
      - POSTGRES_INITDB_ARGS=--encoding=UTF-8
  django:
    build: {context: ., dockerfile: ./compose/django/Dockerfile-dev}
    environment: [DJANGO_DEBUG=True, NOT_SET, HOME]
    ports: [\"8000:8000\"]
    volumes: [./:/app/]
    links: [db]
    command:
      - python manage.py runserver 0:8000
";

#[test]
fn the_tutorials_file() {
    let (project, warnings) = loaded(&[("/p/c.yaml", TUTORIAL)], &["/p/c.yaml"]);
    assert_eq!(
        warnings.iter().map(Warning::to_string).collect::<Vec<_>>(),
        ["/p/c.yaml:2:1: `version` is obsolete and has no effect; it can be removed"]
    );
    // One item stays one item: splitting it is the engine's answer to a missing executable.
    assert_eq!(
        project.services["django"].command.as_deref(),
        Some(&["python manage.py runserver 0:8000".to_owned()][..])
    );
    assert_eq!(project.services["django"].depends_on["db"].condition, Condition::ServiceReady);
    assert_eq!(
        project.to_yaml(),
        "name: p
services:
  db:
    environment:
      POSTGRES_DB: djangosample
      POSTGRES_INITDB_ARGS: --encoding=UTF-8
    image: postgres
    networks:
      default: null
    volumes:
      - type: bind
        source: /p/docker/data
        target: /var/lib/postgresql/data
        bind:
          create_host_path: true
  django:
    build:
      context: /p
      dockerfile: ./compose/django/Dockerfile-dev
    command:
      - python manage.py runserver 0:8000
    depends_on:
      db:
        condition: service_started
        restart: true
        required: true
    environment:
      DJANGO_DEBUG: \"True\"
      HOME: /home/me
      NOT_SET: null
    links:
      - db
    networks:
      default: null
    ports:
      - mode: ingress
        target: 8000
        published: \"8000\"
        protocol: tcp
    volumes:
      - type: bind
        source: /p
        target: /app
        bind:
          create_host_path: true
networks:
  default:
    name: p_default
"
    );
}

const RICH: &str = "
name: shop
services:
  web:
    image: nginx
    command: sh -c 'echo $$HOME'
    environment: {A: yes, B: 0x10, C: true, D: null, E: 3.10}
    ports: [80, '127.0.0.1:8080-8081:80-81/udp', '9000-9010:90', {target: 443, published: 8443, mode: host}]
    mem_limit: 50m
    cpus: 0.5
    stop_grace_period: 90s
    healthcheck: {test: curl -f localhost, interval: 1m30s, start_period: 500ms}
    ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}}
    extra_hosts: ['a:1.2.3.4', 'b=::1']
    volumes: ['data:/data:ro', /anon, '~/h:/h:z', {type: tmpfs, target: /t, tmpfs: {size: 10m, mode: 0755}}]
    secrets: [{source: s, mode: 0440}]
    deploy: {replicas: 2, resources: {limits: {cpus: '0.5', memory: 50M}}}
    x-mine: {deep: [1, 2.5, text]}
volumes: {data: }
secrets: {s: {file: ./s.txt}}
";

#[test]
fn what_config_prints_loads_again_and_stays_the_same() {
    let first = config(RICH);
    assert!(
        first.contains("$$HOME") && first.contains("E: \"3.1\"") && first.contains("B: \"16\""),
        "{first}"
    );
    assert_eq!(config(&first), first);
}

const BASE: &str = "
services:
  web:
    image: a
    command: [a, b]
    environment: {A: 1, B: 2}
    ports: ['80:80', '81:81']
    volumes: ['./a:/a', './b:/b']
    dns: [1.1.1.1]
    cap_add: [NET_ADMIN]
    logging: {driver: json-file, options: {a: b}}
";

#[test]
fn later_files_merge_by_composes_rules() {
    let over = "
services:
  web:
    command: c
    environment: [B=3, C=4]
    ports: ['80:80', '82:82']
    volumes: ['./c:/a:ro']
    dns: [8.8.8.8, 1.1.1.1]
    cap_add: [NET_ADMIN, SYS_TIME]
    logging: {driver: syslog}
";
    let (project, _) = loaded(&[("/p/c.yaml", BASE), ("/p/o.yaml", over)], &["/p/c.yaml", "/p/o.yaml"]);
    let web = &project.services["web"];
    assert_eq!(web.command.as_deref(), Some(&["c".to_owned()][..]));
    let environment: Vec<_> =
        web.environment.iter().map(|(k, v)| format!("{k}={}", v.as_deref().unwrap())).collect();
    assert_eq!(environment, ["A=1", "B=3", "C=4"]);
    assert_eq!(web.ports.iter().map(|port| port.target).collect::<Vec<_>>(), [80, 81, 82]);
    let mounts: Vec<_> =
        web.volumes.iter().map(|m| (m.source.as_deref().unwrap(), m.target.as_str(), m.read_only)).collect();
    assert_eq!(mounts, [("/p/c", "/a", true), ("/p/b", "/b", false)]);
    assert_eq!(web.dns, ["1.1.1.1", "8.8.8.8"]);
    assert_eq!(web.cap_add, ["NET_ADMIN", "SYS_TIME"]);
    assert!(web.logging.as_ref().unwrap().options.is_empty());
}

#[test]
fn reset_removes_and_override_replaces() {
    let over = "
services:
  web:
    ports: !reset []
    volumes: !override ['./z:/z']
    environment: {A: !reset null}
";
    let (project, _) = loaded(&[("/p/c.yaml", BASE), ("/p/o.yaml", over)], &["/p/c.yaml", "/p/o.yaml"]);
    let web = &project.services["web"];
    assert!(web.ports.is_empty());
    assert_eq!(web.volumes.iter().map(|mount| mount.target.as_str()).collect::<Vec<_>>(), ["/z"]);
    assert_eq!(web.environment.keys().collect::<Vec<_>>(), ["B"]);
}

#[test]
fn extends_in_this_file_and_in_another() {
    let main = "
services:
  child: {extends: {service: base}, environment: {B: 2}, image: child}
  base: {image: base, environment: {A: 1}, ports: ['1:1']}
  far: {extends: {file: sub/common.yaml, service: app}, environment: {Z: 1}}
";
    let common = "
services:
  app: {extends: root, build: ./ctx, env_file: ./e.env, volumes: ['./v:/v']}
  root: {image: r, environment: {R: 1}}
";
    let files = [("/p/c.yaml", main), ("/p/sub/common.yaml", common), ("/p/sub/e.env", "EE=1\n")];
    let (project, _) = loaded(&files, &["/p/c.yaml"]);
    let child = &project.services["child"];
    assert_eq!((child.image.as_deref(), child.environment.len(), child.ports.len()), (Some("child"), 2, 1));
    let far = &project.services["far"];
    assert_eq!(far.image.as_deref(), Some("r"));
    assert_eq!(far.build.as_ref().unwrap().context.as_deref(), Some("/p/sub/ctx"));
    assert_eq!(far.volumes[0].source.as_deref(), Some("/p/sub/v"));
    assert_eq!(far.environment.keys().collect::<Vec<_>>(), ["EE", "R", "Z"]);
    assert_eq!(
        failure("services:\n  a: {extends: b}\n  b: {extends: a}\n"),
        "/p/c.yaml:3:7: extends cycle: a -> b -> a"
    );
    assert!(failure("services: {a: {extends: zz}}").ends_with("there is no service `zz` in this file"));
}

#[test]
fn include_brings_its_own_folder_and_env() {
    let main = "include: [sub/inc.yaml]\nservices: {web: {image: w, depends_on: [inc]}}";
    let included = "services: {inc: {image: 'i:${TAG:-none}', volumes: ['./q:/q', 'v:/v']}}\nvolumes: {v: }";
    let files = [("/p/c.yaml", main), ("/p/sub/inc.yaml", included), ("/p/sub/.env", "TAG=env\n")];
    let (project, _) = loaded(&files, &["/p/c.yaml"]);
    let inc = &project.services["inc"];
    assert_eq!((inc.image.as_deref(), inc.volumes[0].source.as_deref()), (Some("i:env"), Some("/p/sub/q")));
    assert_eq!(project.volumes["v"].name, "p_v");
    let clash = "include: [sub/inc.yaml]\nservices: {inc: {image: other}}";
    let error = load(&options(&["/p/c.yaml"]), &Memory::new(&[("/p/c.yaml", clash), files[1], files[2]]))
        .unwrap_err();
    assert!(
        error.to_string().contains("services.inc: is also defined, differently, at /p/c.yaml:2:12"),
        "{error}"
    );
}

#[test]
fn env_files_under_the_environment() {
    let main = "services: {a: {image: x, env_file: [one.env, {path: two.env, required: false}], environment: {A: mine, HOME: }}}";
    let files = [("/p/c.yaml", main), ("/p/one.env", "A=1\nB='q # r' # c\nexport C=${HOME}/x\n")];
    let (project, _) = loaded(&files, &["/p/c.yaml"]);
    let shown: Vec<_> = project.services["a"]
        .environment
        .iter()
        .map(|(k, v)| format!("{k}={}", v.as_deref().unwrap()))
        .collect();
    assert_eq!(shown, ["A=mine", "B=q # r", "C=/home/me/x", "HOME=/home/me"]);
    assert_eq!(
        failure("services: {a: {image: x, env_file: no.env}}"),
        "/p/c.yaml:1:36: services.a.env_file: env file /p/no.env not found"
    );
}

#[test]
fn profiles_choose_services() {
    let text = "services: {a: {image: x}, b: {image: y, profiles: [dbg]}, c: {image: z, profiles: [other]}}";
    let files = Memory::new(&[("/p/c.yaml", text)]);
    let active = |profiles: &[&str], services: &[&str]| {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let options =
            LoadOptions { profiles: own(profiles), services: own(services), ..options(&["/p/c.yaml"]) };
        load(&options, &files).unwrap().0.services.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(active(&[], &[]), ["a"]);
    assert_eq!(active(&["dbg"], &[]), ["a", "b"]);
    assert_eq!(active(&["*"], &[]), ["a", "b", "c"]);
    assert_eq!(active(&[], &["c"]), ["a", "c"]);
    assert!(
        failure("services: {a: {image: x, depends_on: [b]}, b: {image: y, profiles: [p]}}")
            .contains("with the profile p")
    );
}

#[test]
fn types_are_cast_after_interpolation() {
    let text = "services: {a: {image: 'x:${TAG:-1}', privileged: '${P:-true}', scale: '${N:-2}', ports: ['${PORT:-80}:80'], cpus: '${C:-1.5}', environment: {U: $UNSET}}}";
    let (project, warnings) = loaded(&[("/p/c.yaml", text)], &["/p/c.yaml"]);
    let a = &project.services["a"];
    assert!(a.privileged);
    assert_eq!(
        (a.scale, a.image.as_deref(), a.ports[0].published.as_deref()),
        (Some(2), Some("x:1"), Some("80"))
    );
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].message.contains("\"UNSET\" variable is not set"));
}

#[test]
fn errors_name_the_place_and_the_rule() {
    for (text, expected) in [
        ("services: {a: {}}", "1:12: services.a: has neither an image nor a build context"),
        (
            "services: {a: {image: x, networks: [z]}}",
            "1:37: services.a.networks.z: network `z` is not defined under `networks:`",
        ),
        (
            "services: {a: {image: x, volumes: ['vol:/x']}}",
            "1:36: services.a.volumes[0]: volume `vol` is not defined under `volumes:`; a folder is written ./vol",
        ),
        (
            "services: {a: {image: x, depends_on: [b]}, b: {image: y, depends_on: [a]}}",
            "1:26: dependency cycle: a -> b -> a",
        ),
        (
            "services: {a: {image: x, mem_limit: 5x}}",
            "1:37: services.a.mem_limit: `5x` is not a size; write it like 512m or 1gb",
        ),
        (
            "services: {a: {image: x, ports: [abc]}}",
            "1:34: services.a.ports[0]: `abc` has the invalid port `abc`; ports are 0 to 65535",
        ),
        (
            "services: {a: {image: '${Q:?set Q}'}}",
            "1:23: services.a.image: required variable Q is missing a value: set Q",
        ),
        (
            "services: {a: {image: x, network_mode: host, networks: [default]}}",
            "1:26: services.a.network_mode: network_mode and networks cannot be used together",
        ),
        (
            "services: {a: {image: x, container_name: cc, scale: 2}}",
            "1:26: services.a.container_name: a fixed container name cannot be had by 2 containers",
        ),
        (
            "services: {a: {image: x, secrets: [q]}}",
            "1:26: services.a.secrets: `q` is not defined under `secrets:`",
        ),
        ("services:\n\ta: {image: x}", "2:2: tabs disallowed"),
    ] {
        let error = failure(text);
        assert!(error.starts_with(&format!("/p/c.yaml:{expected}")), "{text}\n{error}");
    }
    assert!(failure("name: '!!'\nservices: {a: {image: x}}").starts_with("invalid project name `!!`"));
}

#[test]
fn files_are_discovered_upwards() {
    let files = Memory::new(&[
        ("/p/docker-compose.yml", ""),
        ("/p/compose.yaml", ""),
        ("/p/compose.override.yml", ""),
        ("/q/docker-compose.yml", ""),
    ]);
    let found = discover(Path::new("/p/src/deep"), &files).unwrap();
    assert_eq!(found.folder, Path::new("/p"));
    assert_eq!(found.files, [Path::new("/p/compose.yaml"), Path::new("/p/compose.override.yml")]);
    assert_eq!(found.unused, [Path::new("/p/docker-compose.yml")]);
    assert_eq!(discover(Path::new("/q"), &files).unwrap().files.len(), 1);
    assert!(discover(Path::new("/r"), &files).is_none());
}

#[test]
fn a_file_cut_anywhere_is_an_answer_and_no_panic() {
    let mut errors = 0;
    for end in 0..RICH.len() {
        let files = Memory::new(&[("/p/c.yaml", &RICH[..end])]);
        errors += usize::from(load(&options(&["/p/c.yaml"]), &files).is_err());
    }
    assert!(errors > 0 && errors < RICH.len());
}

#[test]
fn label_files_lie_under_the_labels() {
    let main = "services: {a: {image: x, label_file: l.env, labels: {a: mine}}}";
    let (project, _) = loaded(&[("/p/c.yaml", main), ("/p/l.env", "a=file\nb=2\n")], &["/p/c.yaml"]);
    let labels: Vec<_> = project.services["a"].labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(labels, ["a=mine", "b=2"]);
}

#[test]
fn stages_can_be_left_out() {
    let text =
        "services: {a: {build: ., env_file: e.env, depends_on: [b], volumes: ['./x:/x']}, b: {image: b}}";
    let files = Memory::new(&[("/p/c.yaml", text), ("/p/e.env", "A=1")]);
    let with = |stages| load(&LoadOptions { stages, ..options(&["/p/c.yaml"]) }, &files).unwrap().0;
    let plain = with(Stages { normalization: Stage::Skip, ..Stages::default() });
    assert!(plain.networks.is_empty() && plain.services["a"].build.as_ref().unwrap().dockerfile.is_none());
    let relative = with(Stages { paths: Stage::Skip, ..Stages::default() });
    assert_eq!(relative.services["a"].volumes[0].source.as_deref(), Some("./x"));
    assert_eq!(
        relative.services["a"].environment["A"].as_deref(),
        Some("1"),
        "the file is found all the same"
    );
    let unread = with(Stages { env_files: Stage::Skip, ..Stages::default() });
    assert!(unread.services["a"].environment.is_empty() && unread.services["a"].env_file.len() == 1);
    let broken = Memory::new(&[("/p/c.yaml", "services: {a: {image: x, depends_on: [gone]}}")]);
    let stages = Stages { consistency: Stage::Skip, ..Stages::default() };
    assert!(load(&LoadOptions { stages, ..options(&["/p/c.yaml"]) }, &broken).is_ok());
    assert!(load(&options(&["/p/c.yaml"]), &broken).is_err());
}

#[test]
fn without_interpolation_variables_stay_where_any_value_may_stand() {
    let text = "services: {a: {image: 'i:${T:-1}', scale: '${N}', ports: ['${P}:80', '81:81'], command: 'x ${A:-b c}', \
                volumes: ['${D}:/d'], init: '${I}', depends_on: [b]}, b: {image: b}}";
    let files = Memory::new(&[("/p/c.yaml", text)]);
    let (value, _) = load_uninterpolated(&options(&["/p/c.yaml"]), &files).unwrap();
    let a = &value["services"]["a"];
    assert_eq!(
        to_yaml(&serde_json::json!([a["image"], a["ports"][0], a["command"], a["volumes"], a["scale"]])),
        "- i:${T:-1}\n- ${P}:80\n- x ${A:-b c}\n- - source: ${D}\n    target: /d\n    type: volume\n    volume: {}\n- ${N}\n"
    );
    assert_eq!(
        (&a["ports"][1], &a["depends_on"]["b"]["condition"]),
        (&"81:81".into(), &"service_started".into())
    );
    let names: Vec<String> = variables(&options(&["/p/c.yaml"]), &files)
        .unwrap()
        .into_iter()
        .map(|variable| variable.name)
        .collect();
    assert_eq!(names, ["A", "D", "I", "N", "P", "T"]);
}
