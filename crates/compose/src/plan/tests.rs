//! Plans compared as text.

use std::io;
use std::path::{Path, PathBuf};

use tare_compose_model::{
    Files, LoadOptions, Project, Source, canonical_json, config_hash, load, resource_json,
};

use super::*;
use crate::observe::{ContainerState, Health, Observed, ObservedContainer, ObservedNetwork, ObservedVolume};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _path: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn exists(&self, _path: &Path) -> bool {
        false
    }
}

fn project(yaml: &str) -> Project {
    let options = LoadOptions {
        sources: vec![Source::Text { name: PathBuf::from("compose.yaml"), text: yaml.to_owned() }],
        project_directory: PathBuf::from("/shop"),
        ..LoadOptions::default()
    };
    load(&options, &NoFiles).unwrap().0
}

const SHOP: &str = "
services:
  db:
    image: postgres
    volumes: [data:/var/lib/postgresql/data]
  web:
    build: .
    depends_on: [db]
volumes: {data: {}}
";

fn container(project: &Project, service: &str, number: u32, state: ContainerState) -> ObservedContainer {
    let definition = &project.services[service];
    ObservedContainer {
        id: format!("id-{service}-{number}"),
        name: container_name(project, service, number),
        service: service.to_owned(),
        number,
        state,
        config_hash: config_hash(definition),
        config_json: canonical_json(definition),
        image_id: format!("sha:{}", definition.image_name(&project.name, service)),
        health: Health::None,
        ready: state == ContainerState::Running,
        networks: definition.networks.keys().map(|key| project.networks[key].name.clone()).collect(),
        volumes: super::up::named_volumes(definition).map(|key| project.volumes[key].name.clone()).collect(),
        oneoff: false,
        depends_on: definition.depends_on.clone().into_iter().collect(),
    }
}

/// Everything of the project exists; one running container for each service.
fn running(project: &Project) -> Observed {
    let image = |(name, service): (&String, &tare_compose_model::Service)| {
        let image = service.image_name(&project.name, name);
        (image.clone(), format!("sha:{image}"))
    };
    Observed {
        containers: project
            .services
            .keys()
            .map(|service| container(project, service, 1, ContainerState::Running))
            .collect(),
        networks: project
            .networks
            .iter()
            .map(|(key, network)| ObservedNetwork {
                id: key.clone(),
                name: network.name.clone(),
                key: Some(key.clone()),
                label: Some(key.clone()),
                config_json: resource_json(network),
            })
            .collect(),
        volumes: project
            .volumes
            .iter()
            .map(|(key, volume)| ObservedVolume {
                name: volume.name.clone(),
                key: Some(key.clone()),
                config_json: resource_json(volume),
            })
            .collect(),
        images: project.services.iter().map(image).collect(),
        built: Vec::new(),
    }
}

fn shown(plan: Result<Plan, PlanError>) -> String {
    plan.unwrap().to_string()
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_first_up_makes_everything_and_waits_for_readiness() {
    let plan = shown(up(&project(SHOP), &Observed::default(), &UpOptions::default()));
    assert_eq!(
        plan,
        "1. create network shop_default (does not exist)\n\
         2. create volume shop_data (does not exist)\n\
         3. pull image postgres (does not exist)\n\
         4. build image shop-web (does not exist)\n\
         5. create container shop-db-1 (does not exist) after 1, 2, 3\n\
         6. start container shop-db-1 (does not exist) after 5\n\
         7. create container shop-web-1 (does not exist) after 1, 4\n\
         8. wait until service db is ready (service web depends on it) after 6\n\
         9. start container shop-web-1 (does not exist) after 7, 8\n"
    );
}

#[test]
fn a_second_up_has_nothing_to_do() {
    let project = project(SHOP);
    assert!(up(&project, &running(&project), &UpOptions::default()).unwrap().is_empty());
}

#[test]
fn only_what_changed_is_recreated_and_the_key_is_named() {
    let observed = running(&project(SHOP));
    let changed = project(&SHOP.replace("build: .", "build: .\n    environment: {DEBUG: \"1\"}"));
    assert_eq!(
        shown(up(&changed, &observed, &UpOptions::default())),
        "1. recreate container shop-web-1 (environment added)\n\
         2. stop container shop-web-1 (replaced) after 1\n\
         3. remove container shop-web-1 (replaced) after 2\n\
         4. rename new container to shop-web-1 (replaced) after 3\n\
         5. start container shop-web-1 (environment added) after 4\n"
    );
    let plan = up(&changed, &observed, &UpOptions::default()).unwrap();
    assert!(
        matches!(&plan.steps[0].action, Action::CreateContainer { replaces: Some(id), inherit_volumes: true, .. } if id == "id-web-1")
    );
    let never = UpOptions { recreate: Recreate::Never, ..UpOptions::default() };
    assert!(up(&changed, &observed, &never).unwrap().is_empty());
}

#[test]
fn renewed_anonymous_volumes_go_with_the_old_container() {
    let project = project(SHOP);
    let options = UpOptions {
        services: named(&["db"]),
        recreate: Recreate::Force,
        anonymous_volumes: VolumesAtRenewal::Renew,
        ..UpOptions::default()
    };
    let plan = up(&project, &running(&project), &options).unwrap();
    assert!(matches!(plan.steps[0].action, Action::CreateContainer { inherit_volumes: false, .. }));
    assert!(
        plan.steps
            .iter()
            .any(|step| matches!(step.action, Action::RemoveContainer { with_volumes: true, .. }))
    );
    assert!(plan.steps.iter().all(|step| !step.action.to_string().contains("web")), "{plan}");
}

#[test]
fn another_image_under_the_name_recreates() {
    let project = project(SHOP);
    let mut observed = running(&project);
    observed.images.insert("postgres".to_owned(), "sha:new".to_owned());
    let plan = shown(up(&project, &observed, &UpOptions::default()));
    assert!(plan.starts_with("1. recreate container shop-db-1 (image changed)\n"), "{plan}");
    assert!(!plan.contains("web"), "{plan}");
}

#[test]
fn what_stopped_is_started_in_order() {
    let project = project(SHOP);
    let mut observed = running(&project);
    for container in &mut observed.containers {
        container.state = ContainerState::Exited { status: 137 };
        container.ready = false;
    }
    assert_eq!(
        shown(up(&project, &observed, &UpOptions::default())),
        "1. start container shop-db-1 (not running)\n\
         2. wait until service db is ready (service web depends on it) after 1\n\
         3. start container shop-web-1 (not running) after 2\n"
    );
}

#[test]
fn a_dependency_that_runs_but_is_not_ready_is_awaited() {
    let project = project(SHOP);
    let mut observed = running(&project);
    observed.containers[0].ready = false;
    observed.containers.remove(1);
    let plan = shown(up(&project, &observed, &UpOptions::default()));
    assert!(plan.contains("wait until service db is ready"), "{plan}");
    let alone = UpOptions {
        services: named(&["web"]),
        dependencies: DependencyScope::Exclude,
        ..UpOptions::default()
    };
    assert_eq!(
        shown(up(&project, &observed, &alone)),
        "1. create container shop-web-1 (does not exist)\n2. start container shop-web-1 (does not exist) after 1\n"
    );
}

#[test]
fn scale_goes_up_and_down() {
    let project = project("services: {a: {image: x}}");
    let mut observed = running(&project);
    let to = |count| UpOptions { scale: [("a".to_owned(), count)].into(), ..UpOptions::default() };
    assert_eq!(
        shown(up(&project, &observed, &to(3))),
        "1. create container shop-a-2 (scale up)\n2. start container shop-a-2 (scale up) after 1\n\
         3. create container shop-a-3 (scale up)\n4. start container shop-a-3 (scale up) after 3\n"
    );
    observed.containers.push(container(&project, "a", 2, ContainerState::Exited { status: 0 }));
    assert_eq!(
        shown(up(&project, &observed, &to(0))),
        "1. remove container shop-a-2 (scale down)\n2. stop container shop-a-1 (scale down)\n\
         3. remove container shop-a-1 (scale down) after 2\n"
    );
}

#[test]
fn orphans_are_named_or_removed() {
    let old = project(SHOP);
    let new = project(
        "services: {db: {image: postgres, volumes: [\"data:/var/lib/postgresql/data\"]}}\nvolumes: {data: }",
    );
    let plan = up(&new, &running(&old), &UpOptions::default()).unwrap();
    assert_eq!((plan.is_empty(), plan.orphans), (true, named(&["shop-web-1"])));
    let options = UpOptions { orphans: Orphans::Remove, ..UpOptions::default() };
    assert_eq!(
        shown(up(&new, &running(&old), &options)),
        "1. stop container shop-web-1 (orphan: not in the file)\n\
         2. remove container shop-web-1 (orphan: not in the file) after 1\n"
    );
}

#[test]
fn conditions_and_shared_namespaces_make_edges() {
    let yaml = "
services:
  app: {image: app, depends_on: {init: {condition: service_completed_successfully}, db: {condition: service_healthy, restart: true}}}
  init: {image: i}
  db: {image: pg}
  side: {image: s, network_mode: 'service:app'}
";
    let plan = shown(up(&project(yaml), &Observed::default(), &UpOptions::default()));
    assert!(plan.contains("wait until service init is completed (service app depends on it)"), "{plan}");
    assert!(plan.contains("wait until service db is healthy (service app depends on it)"), "{plan}");
    // `side` starts after `app` started, without a wait of its own.
    assert!(plan.ends_with("15. start container shop-side-1 (does not exist) after 13, 14\n"), "{plan}");

    let before = project(yaml);
    let changed = project(&yaml.replace("image: pg", "image: pg, tty: true"));
    let mut observed = running(&before);
    for container in &mut observed.containers {
        container.health = Health::Healthy;
    }
    observed.containers[1].state = ContainerState::Exited { status: 0 };
    let plan = shown(up(&changed, &observed, &UpOptions::default()));
    assert!(plan.contains("restart container shop-app-1 (service db is recreated)"), "{plan}");
    assert!(!plan.contains("side"), "{plan}");
    let changed = project(&yaml.replace("image: app", "image: app, tty: true"));
    let plan = shown(up(&changed, &observed, &UpOptions::default()));
    assert!(plan.contains("recreate container shop-side-1 (service app is recreated)"), "{plan}");
}

#[test]
fn creating_only_starts_nothing() {
    let options = UpOptions { start: StartMode::CreateOnly, ..UpOptions::default() };
    let plan = shown(up(&project(SHOP), &Observed::default(), &options));
    assert!(
        plan.contains("create container shop-web-1") && !plan.contains("start") && !plan.contains("wait"),
        "{plan}"
    );
}

#[test]
fn missing_external_resources_and_unknown_services_are_errors() {
    let external = project("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {external: true}}");
    let error = up(&external, &Observed::default(), &UpOptions::default()).unwrap_err();
    assert_eq!(error, PlanError::ExternalNetworkMissing("n".to_owned()));
    let options = UpOptions { services: named(&["nope"]), ..UpOptions::default() };
    assert_eq!(
        up(&project(SHOP), &Observed::default(), &options).unwrap_err().to_string(),
        "no such service: nope"
    );
}

#[test]
fn down_goes_the_other_way() {
    let project = project(SHOP);
    let options = DownOptions { volumes: Volumes::Remove, images: Images::Local, ..DownOptions::default() };
    assert_eq!(
        shown(down(&project, &running(&project), &options)),
        "1. stop container shop-web-1 (down)\n\
         2. remove container shop-web-1 (down) after 1\n\
         3. stop container shop-db-1 (down) after 2\n\
         4. remove container shop-db-1 (down) after 3\n\
         5. remove network shop_default (down) after 2, 4\n\
         6. remove volume shop_data (down) after 2, 4\n\
         7. remove image shop-web (requested) after 2, 4\n"
    );
    let plan = shown(down(&project, &running(&project), &DownOptions::default()));
    assert!(plan.contains("network") && !plan.contains("volume") && !plan.contains("image"), "{plan}");
}

#[test]
fn down_leaves_what_the_file_does_not_name() {
    let project = project(&SHOP.replace("volumes: {data: {}}", "volumes: {data: {}, unused: {}}"));
    let mut observed = running(&project);
    let labelled = |name: &str| Some(name.to_owned());
    observed.volumes.push(ObservedVolume {
        name: "shop_other-file".to_owned(),
        key: labelled("other-file"),
        config_json: String::new(),
    });
    observed.networks.push(ObservedNetwork {
        id: "other".to_owned(),
        name: "shop_other-file".to_owned(),
        key: labelled("other-file"),
        label: labelled("other-file"),
        config_json: String::new(),
    });
    let mut oneoff = container(&project, "db", 1, ContainerState::Running);
    (oneoff.oneoff, oneoff.name) = (true, "shop-db-run".to_owned());
    observed.containers.push(oneoff);
    let options = DownOptions { volumes: Volumes::Remove, ..DownOptions::default() };
    let plan = shown(down(&project, &observed, &options));
    assert!(plan.contains("shop_data") && plan.contains("shop_default"), "{plan}");
    for left in ["other-file", "unused", "shop-db-run"] {
        assert!(!plan.contains(left), "{left}: {plan}");
    }
    let options = DownOptions { resources: Resources::Labelled, ..options };
    let plan = shown(down(&project, &observed, &options));
    assert!(plan.contains("network shop_other-file") && plan.contains("volume shop_other-file"), "{plan}");
    let options = DownOptions { orphans: Orphans::Remove, ..options };
    assert!(shown(down(&project, &observed, &options)).contains("remove container shop-db-run"));
}

#[test]
fn stop_start_restart_and_rm() {
    let project = project(SHOP);
    let mut observed = running(&project);
    assert_eq!(
        shown(stop(&project, &observed, &[])),
        "1. stop container shop-web-1 (requested)\n2. stop container shop-db-1 (requested) after 1\n"
    );
    assert_eq!(
        shown(restart(&project, &observed, &[])),
        "1. restart container shop-db-1 (requested)\n\
         2. wait until service db is ready (service web depends on it) after 1\n\
         3. restart container shop-web-1 (requested) after 2\n"
    );
    assert!(start(&project, &observed, &[]).unwrap().is_empty());
    assert!(rm(&project, &observed, &RmOptions::default()).unwrap().is_empty());
    observed.containers[1].state = ContainerState::Exited { status: 1 };
    assert_eq!(
        shown(rm(&project, &observed, &RmOptions::default())),
        "1. remove container shop-web-1 (requested)\n"
    );
    observed.containers[0].state = ContainerState::Paused;
    let error = start(&project, &observed, &named(&["web"])).unwrap_err();
    assert_eq!(error.to_string(), "container shop-db-1 is paused; `docker compose unpause db` lets it go on");
    observed.containers.remove(1);
    assert_eq!(
        restart(&project, &observed, &named(&["web"])).unwrap().remarks,
        ["service web has no container"]
    );
    observed.containers.clear();
    let error = start(&project, &observed, &named(&["web"])).unwrap_err();
    assert_eq!(error.to_string(), "service db has no container to start");
}

#[test]
fn every_step_comes_after_earlier_ones_only() {
    let plan = up(&project(SHOP), &Observed::default(), &UpOptions::default()).unwrap();
    for step in &plan.steps {
        assert!(step.after.iter().all(|before| *before < step.id), "{plan}");
    }
}

#[test]
fn images_are_made_as_options_and_policies_say() {
    let project = project(
        "
services:
  app: {build: {context: ., additional_contexts: {base: 'service:base'}}, depends_on: [db]}
  base: {build: ./base}
  db: {image: postgres}
  cache: {image: redis, pull_policy: always}
",
    );
    let observed = running(&project);
    let always = ImageOptions { build: BuildMode::Always, ..ImageOptions::default() };
    assert_eq!(
        shown(images(&project, &observed, &always)),
        "1. build image shop-base (requested)\n\
         2. build image shop-app (requested) after 1\n\
         3. pull image redis (pull_policy: always)\n"
    );
    let missing = images(&project, &Observed::default(), &ImageOptions::default());
    assert_eq!(
        shown(missing),
        "1. pull image postgres (does not exist)\n\
         2. build image shop-base (does not exist)\n\
         3. build image shop-app (does not exist) after 2\n\
         4. pull image redis (pull_policy: always)\n"
    );
    let never = ImageOptions { pull: PullMode::Never, ..ImageOptions::default() };
    assert!(images(&project, &observed, &never).unwrap().is_empty());
}

#[test]
fn a_changed_network_is_made_anew_between_stop_and_start() {
    let before = project("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {}}");
    let after = project("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {internal: true}}");
    let plan = up(&after, &running(&before), &UpOptions::default()).unwrap();
    assert_eq!(
        plan.to_string(),
        "1. stop container shop-a-1 (network shop_n is recreated)
2. remove network shop_n (internal added) after 1
3. create network shop_n (internal added) after 2
4. start container shop-a-1 (not running) after 3
"
    );
    let renamed = project("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {name: other}}");
    let plan = up(&renamed, &running(&before), &UpOptions::default()).unwrap().to_string();
    assert!(plan.contains("recreate container shop-a-1 (networks.n is another one) after 1"), "{plan}");
    let yaml = "services: {a: {image: x, networks: [n]}, b: {image: x, networks: [n]}}\nnetworks: {n: {}}";
    let both = running(&project(yaml));
    let options = UpOptions { services: vec!["a".to_owned()], ..UpOptions::default() };
    let plan = up(&project(&yaml.replace("n: {}", "n: {internal: true}")), &both, &options).unwrap();
    assert!(
        plan.is_empty() && plan.remarks[0].ends_with("because shop-b-1 uses it"),
        "{plan} {:?}",
        plan.remarks
    );
}

#[test]
fn a_changed_volume_goes_only_on_request() {
    let yaml = "services: {a: {image: x, volumes: ['data:/d']}}\nvolumes: {data: {labels: {l: '1'}}}";
    let observed = running(&project(yaml));
    let after = project(&yaml.replace("'1'", "'2'"));
    assert_eq!(changed_volumes(&after, &observed)[0].changes, ["labels.l changed"]);
    assert!(up(&after, &observed, &UpOptions::default()).unwrap().is_empty());
    let options = UpOptions { renew_volumes: vec!["data".to_owned()], ..UpOptions::default() };
    assert_eq!(
        up(&after, &observed, &options).unwrap().to_string(),
        "1. stop container shop-a-1 (volume shop_data is recreated)
2. remove container shop-a-1 (volume shop_data is recreated) after 1
3. remove volume shop_data (labels.l changed) after 2
4. create volume shop_data (labels.l changed) after 3
5. create container shop-a-1 (replaced) after 4
6. start container shop-a-1 (replaced) after 5
"
    );
}

#[test]
fn pulls_come_due() {
    let project =
        project("services: {a: {image: a, pull_policy: daily}, b: {image: b, pull_policy: every_2h}}");
    let aged = |hours: u64| {
        let age = std::time::Duration::from_secs(hours * 3600);
        let ages = ["a", "b"].map(|name| (name.to_owned(), age)).into();
        let options = ImageOptions { ages, ..ImageOptions::default() };
        images(&project, &running(&project), &options).unwrap().steps.len()
    };
    assert_eq!((aged(1), aged(3), aged(25)), (0, 1, 2));
    let never = ImageOptions { pull: PullMode::Never, ..ImageOptions::default() };
    let error = images(&project, &Observed::default(), &never).unwrap_err();
    assert!(matches!(error, PlanError::NotPulled { .. }), "{error}");
}
