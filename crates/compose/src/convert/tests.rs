//! Services of real files and what the engine is asked for.

use std::net::IpAddr;
use std::path::PathBuf;

use tare_compose_model::Project;
use tare_engine::config::{
    BindOwner, ContainerConfig, CreateSource, IpcMode, MountSource, NamespaceMode, NetworkMode, PortBinding,
    Protocol, RestartPolicy, Seccomp, UsernsMode, Written,
};

use super::{ConvertError, Instance, StagedFiles, Surroundings, container};

fn project(json: &str) -> Project {
    let mut project: Project = serde_json::from_str(json).unwrap();
    project.working_dir = PathBuf::from("/shop");
    project
}

fn convert_in(folder: PathBuf, project: &Project, service: &str) -> Result<super::Converted, ConvertError> {
    let variable = |name: &str| (name == "TOKEN").then(|| "hush".to_owned());
    let files = StagedFiles { folder, variable: &variable };
    let around = Surroundings { project, files: &files };
    container(&around, service, &project.services[service], &Instance::Replica(1))
}

fn convert(project: &Project, service: &str) -> ContainerConfig {
    convert_in(PathBuf::from("/nowhere"), project, service).unwrap().config
}

#[test]
fn the_tutorials_service() {
    let project = project(
        r#"{"name": "shop", "networks": {"default": {"name": "shop_default"}},
            "volumes": {"data": {"name": "shop_data"}},
            "services": {
              "db": {"image": "postgres", "networks": {"default": null},
                     "volumes": [{"type": "volume", "source": "data", "target": "/var/lib/postgresql/data"}]},
              "web": {"build": {"context": "."}, "command": ["python manage.py runserver 0:8000"],
                      "environment": {"A": "1", "GONE": null, "B": ""}, "networks": {"default": null},
                      "links": ["db:database"], "restart": "on-failure:3",
                      "ports": [{"target": 8000, "published": "8000", "host_ip": "127.0.0.1"}],
                      "volumes": [{"type": "bind", "source": "/shop", "target": "/app"},
                                  {"type": "volume", "target": "/cache"}]}}}"#,
    );
    let web = convert(&project, "web");
    assert_eq!(web.image, "shop-web");
    assert_eq!(web.name.as_deref(), Some("shop-web-1"));
    assert_eq!(web.cmd, Some(vec!["python manage.py runserver 0:8000".to_owned()]));
    assert_eq!(web.env, ["A=1", "B="]);
    assert_eq!(web.restart, RestartPolicy::OnFailure { maximum: 3 });
    assert_eq!(web.network, NetworkMode::Networks);
    let endpoint = &web.endpoints["shop_default"];
    assert_eq!(endpoint.aliases, ["web", "shop-web-1"]);
    assert_eq!(endpoint.links, [("shop-db-1".to_owned(), "database".to_owned())]);
    let host_ip: Option<IpAddr> = Some([127, 0, 0, 1].into());
    let port = PortBinding {
        host_ip,
        host_port: 8000,
        host_port_end: 8000,
        container_port: 8000,
        protocol: Protocol::Tcp,
    };
    assert_eq!(web.ports, [port]);
    let bind = MountSource::Bind {
        path: "/shop".into(),
        create: CreateSource::AsParentOwner,
        idmap: BindOwner::SourceOwner,
        propagation: Written::default(),
    };
    assert_eq!(web.mounts[0].source, bind);
    assert_eq!(web.mounts[1].source, MountSource::Anonymous { name: String::new() });
    assert_eq!(web.labels["com.docker.compose.service"], "web");
    assert!(web.labels.contains_key("tare.compose.config"));
    let db = convert(&project, "db");
    assert!(matches!(&db.mounts[0].source, MountSource::Volume { name, .. } if name == "shop_data"));
}

#[test]
fn limits_namespaces_and_security() {
    let project = project(
        r#"{"name": "p", "services": {
              "a": {"image": "x", "network_mode": "service:b", "pid": "host", "ipc": "container:z",
                    "cap_add": ["cap_net_admin"], "security_opt": ["no-new-privileges:true", "seccomp:unconfined"],
                    "mem_limit": "1048576", "cpus": 0.5, "stop_grace_period": "1500ms", "gpus": [{"count": -1}],
                    "deploy": {"resources": {"limits": {"memory": "2097152", "pids": 9}}},
                    "ulimits": {"nofile": {"soft": 1, "hard": 2}, "nproc": 7},
                    "healthcheck": {"test": ["CMD", "true"], "interval": "2s", "retries": 4}},
              "b": {"image": "x", "healthcheck": {"disable": true}, "userns_mode": "auto"},
              "c": {"image": "x", "userns_mode": "keep-id"},
              "d": {"image": "x", "security_opt": ["label:type:foo"]}}}"#,
    );
    assert_eq!(convert(&project, "d").label_options, ["label:type:foo"]);
    assert_eq!(convert(&project, "b").userns, UsernsMode::Auto);
    let error = convert_in(PathBuf::from("/nowhere"), &project, "c").unwrap_err().to_string();
    assert!(error.contains("userns_mode") && error.contains("host or auto"), "{error}");
    let converted = convert_in(PathBuf::from("/nowhere"), &project, "a").unwrap();
    assert_eq!(converted.notes.len(), 1, "{:?}", converted.notes);
    let a = converted.config;
    assert_eq!(a.network, NetworkMode::Container("p-b-1".to_owned()));
    assert!(a.endpoints.is_empty());
    assert_eq!((a.pid_mode, a.ipc_mode), (NamespaceMode::Host, IpcMode::Container("z".to_owned())));
    assert_eq!(a.cap_add[0].name(), "NET_ADMIN");
    assert!(a.no_new_privileges);
    assert_eq!(a.seccomp, Seccomp::Unconfined);
    assert_eq!(
        (a.resources.memory, a.resources.nano_cpus, a.resources.pids_limit),
        (2 << 20, 500_000_000, 9)
    );
    assert_eq!(a.stop_timeout, Some(2));
    assert_eq!((a.ulimits[0].soft, a.ulimits[0].hard, a.ulimits[1].hard), (1, 2, 7));
    let check = a.healthcheck.unwrap();
    assert_eq!((check.interval, check.retries), (2_000_000_000, 4));
    assert_eq!(convert(&project, "b").healthcheck.unwrap().test, ["NONE"]);
}

#[test]
fn secrets_and_configs_become_files() {
    use std::os::unix::fs::PermissionsExt;
    let project = project(
        r#"{"name": "p",
            "configs": {"c": {"name": "p_c", "content": "hello"}},
            "secrets": {"s": {"name": "p_s", "environment": "TOKEN"}, "f": {"name": "p_f", "file": "/key"},
                        "u": {"name": "p_u", "environment": "UNSET"}},
            "services": {
              "a": {"image": "x", "configs": [{"source": "c", "target": "/etc/c", "mode": "0440"}],
                    "secrets": [{"source": "s"}, {"source": "f", "target": "key"}]},
              "b": {"image": "x", "secrets": [{"source": "u"}]}}}"#,
    );
    let folder = std::env::temp_dir().join(format!("tare-convert-{}", std::process::id()));
    let converted = convert_in(folder.clone(), &project, "a");
    let missing = convert_in(folder.clone(), &project, "b");
    let mounts = converted.unwrap().config.mounts;
    let path = |index: usize| match &mounts[index].source {
        MountSource::Bind { path, .. } => path.clone(),
        other => panic!("{other:?}"),
    };
    let targets: Vec<&str> = mounts.iter().map(|mount| mount.target.as_str()).collect();
    let content = std::fs::read_to_string(path(0)).unwrap();
    let mode = std::fs::metadata(path(0)).unwrap().permissions().mode();
    let secret = std::fs::read_to_string(path(1)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(targets, ["/etc/c", "/run/secrets/s", "/run/secrets/key"]);
    assert_eq!((content.as_str(), mode & 0o777, secret.as_str()), ("hello", 0o440, "hush"));
    assert_eq!(path(2), PathBuf::from("/key"));
    assert!(mounts.iter().all(|mount| mount.readonly));
    assert!(missing.unwrap_err().to_string().contains("UNSET"));
}

#[test]
fn values_without_meaning_are_errors() {
    let wrong = |service: &str| {
        let json = format!(r#"{{"name": "p", "services": {{"a": {service}}}}}"#);
        convert_in(PathBuf::from("/nowhere"), &project(&json), "a").unwrap_err().to_string()
    };
    assert!(wrong(r#"{"image": "x", "restart": "sometimes"}"#).contains("«sometimes»"));
    assert!(wrong(r#"{"image": "x", "network_mode": "service:nope"}"#).contains("«nope»"));
    assert!(wrong(r#"{"image": "x", "networks": {"n": null}}"#).contains("network «n»"));
    assert!(wrong(r#"{"image": "x", "cpus": -1}"#).contains("cpus"));
    assert!(wrong(r#"{"image": "x", "mac_address": "02:42"}"#).contains("«02:42»"));
    assert!(wrong(r#"{"image": "x", "stop_signal": "NOPE"}"#).contains("stop_signal"));
    assert!(wrong(r#"{"image": "x", "cap_add": ["NOPE"]}"#).contains("cap_add"));
}
