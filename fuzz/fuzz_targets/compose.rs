//! Compose files: YAML, interpolation, merging, the project. What `config` prints loads again, as the same project.
#![no_main]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use tare_compose_model::{Files, LoadOptions, Project, Source, load, load_uninterpolated, variables};

/// One other file, which `include`, `extends` and `env_file` may name.
struct Other<'a>(&'a str);

impl Files for Other<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        if self.exists(path) { Ok(self.0.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn exists(&self, path: &Path) -> bool {
        path == Path::new("/project/other")
    }
}

fn project(text: &str, env: BTreeMap<String, String>, files: &dyn Files) -> Option<Project> {
    let options = options(text, env);
    let _ = variables(&options, files);
    let _ = load_uninterpolated(&options, files);
    load(&options, files).ok().map(|(project, _)| project)
}

fn options(text: &str, env: BTreeMap<String, String>) -> LoadOptions {
    LoadOptions {
        sources: vec![Source::Text { name: PathBuf::from("/project/compose.yaml"), text: text.to_owned() }],
        project_directory: PathBuf::from("/project"),
        profiles: vec!["*".to_owned()],
        env,
        ..LoadOptions::default()
    }
}

fuzz_target!(|text: &str| {
    let (text, other) = text.split_once("\n=====\n").unwrap_or((text, ""));
    let set = [("A", "value"), ("EMPTY", ""), ("PORT", "8000"), ("HOME", "/home/user")];
    let env: BTreeMap<String, String> = set.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let Some(project) = project(text, env, &Other(other)) else { return };
    let printed = project.to_yaml();
    let again = load(&options(&printed, BTreeMap::new()), &Other(""));
    let (again, _) = again.unwrap_or_else(|error| panic!("{error}\nof what was printed:\n{printed}"));
    assert_eq!(again.to_yaml(), printed);
});
