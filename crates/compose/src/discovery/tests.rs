//! What is found where.

use std::cell::RefCell;

use super::*;

/// A folder with files, and a finder that begins in it.
struct World {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    said: RefCell<Vec<String>>,
}

const SERVICES: &str = "services: {web: {image: 'app:${TAG:-none}'}, tool: {image: t, profiles: [tools]}}";

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { folder, variables: BTreeMap::new(), said: RefCell::default() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn find<T>(&self, given: Given, work: impl FnOnce(&Finder<'_>) -> T) -> T {
        let stdin = || Ok(SERVICES.to_owned());
        let remark = |text: &str| self.said.borrow_mut().push(text.to_owned());
        let folder = self.folder.path().to_owned();
        work(&Finder { given, variables: &self.variables, folder, stdin: &stdin, remark: &remark })
    }

    fn load(&self, given: Given) -> Result<Project, Error> {
        self.find(given, |finder| finder.load(&[], &[], Stages::default())).map(|(project, _)| project)
    }

    fn image(&self, given: Given) -> String {
        self.load(given).unwrap().services["web"].image.clone().unwrap()
    }
}

fn files(names: &[&str]) -> Given {
    Given { files: names.iter().map(|name| (*name).to_owned()).collect(), ..Given::default() }
}

#[test]
fn paths_lose_their_dots() {}

#[test]
fn variables_of_the_process_win_over_files_and_files_that_are_named_over_dot_env() {
    let world = World::new(&[
        ("compose.yaml", SERVICES),
        (".env", "TAG=dot"),
        ("x.env", "TAG=x"),
        ("y.env", "TAG=y"),
    ]);
    assert_eq!(world.image(Given::default()), "app:dot");
    let named = Given { env_files: vec!["x.env".into(), "y.env".into()], ..Given::default() };
    assert_eq!(world.image(named.clone()), "app:y");
    let world = world.with("COMPOSE_ENV_FILES", "x.env");
    assert_eq!(world.image(Given::default()), "app:x");
    let world = world.with("TAG", "process");
    assert_eq!(world.image(named), "app:process");
    let missing = Given { env_files: vec!["no.env".into()], ..Given::default() };
    assert!(matches!(world.load(missing), Err(Error::NoEnvFile(_))));
}

#[test]
fn files_that_are_named_have_the_variables_of_their_own_folder() {
    let world = World::new(&[
        ("compose.yaml", "nonsense"),
        (".env", "TAG=here"),
        ("sub/a.yml", SERVICES),
        ("sub/.env", "TAG=there"),
    ]);
    assert_eq!(world.image(files(&["sub/a.yml"])), "app:there");
    assert!(world.load(files(&["sub/a.yml"])).unwrap().working_dir.ends_with("sub"));
    // A file that `.env` names is found by it.
    let world = World::new(&[
        (".env", "COMPOSE_FILE=sub/a.yml\nTAG=here"),
        ("sub/a.yml", SERVICES),
        ("sub/.env", "TAG=there"),
    ]);
    assert_eq!(world.image(Given::default()), "app:here");
    let world = world.with("COMPOSE_DISABLE_ENV_FILE", "1");
    assert!(matches!(world.load(Given::default()), Err(Error::Model(ModelError::NoFile(_)))));
}

#[test]
fn the_standard_input_is_a_file_and_several_files_are_remarked_on() {
    let world = World::new(&[("compose.yaml", SERVICES), ("compose.yml", SERVICES)]);
    assert_eq!(world.image(files(&["-"])), "app:none");
    assert!(world.said.borrow().is_empty());
    world.image(Given::default());
    assert!(world.said.borrow()[0].starts_with("several Compose files found; using "));
}

#[test]
fn names_come_from_the_person_then_from_a_variable() {
    let world = World::new(&[("compose.yaml", SERVICES)]).with("COMPOSE_PROJECT_NAME", "shop");
    assert_eq!(world.load(Given::default()).unwrap().name, "shop");
    let named = |name: &str| Given { project_name: Some(name.to_owned()), ..Given::default() };
    assert_eq!(world.load(named("own")).unwrap().name, "own");
    assert_eq!(world.load(named("My Shop")).unwrap_err().hint().as_deref(), Some("try myshop"));
}

#[test]
fn a_target_without_a_file_is_known_by_its_name() {
    let world = World::new(&[]).with("COMPOSE_PROJECT_NAME", "shop");
    let target = world.find(Given::default(), |finder| finder.target()).unwrap();
    assert_eq!((target.name.as_str(), target.project.is_none()), ("shop", true));
    let world = World::new(&[]);
    assert!(world.find(Given::default(), |finder| finder.target()).is_err());
}

#[test]
fn services_of_profiles_that_are_off_are_meant_by_their_names_alone() {
    let world = World::new(&[("compose.yaml", SERVICES)]);
    let names = |services: &[String]| -> Vec<String> {
        let target = world.find(Given::default(), |finder| finder.chosen(services)).unwrap();
        target.project.unwrap().services.keys().cloned().collect()
    };
    assert_eq!(names(&[]), ["web"]);
    assert!(names(&["tool".to_owned()]).contains(&"tool".to_owned()));
    let error = world.find(Given::default(), |finder| finder.chosen(&["wep".to_owned()]).err()).unwrap();
    assert_eq!(error.to_string(), "no such service: wep");
    assert_eq!(error.hint().unwrap(), "did you mean web?");
    let error = world.find(Given::default(), |finder| finder.chosen(&["other".to_owned()]).err()).unwrap();
    assert!(error.hint().unwrap().ends_with(" has web, tool"));
}
