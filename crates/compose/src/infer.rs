//! Dependencies that a file does not declare but its variables show: `DJANGO_DB_HOST=db`, `DATABASE_URL=postgres://db/x`.
//!
//! Without `depends_on` Compose starts everything at once, and an application that connects while its database makes
//! its first files fails for good. A variable that names another service as a host is taken as «wait until that one is
//! ready», where the variable's name or the value's form says that it is an address. It orders what is started anyway: it never
//! starts a service that was not asked for, and never closes a circle.

use tare_compose_model::{Condition, Dependency, Project, Service};

/// A dependency that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inferred {
    /// Who waits.
    pub service: String,
    /// For whom.
    pub target: String,
    /// The variable that says so. Its value is not told: it may hold a password.
    pub variable: String,
}

/// Adds the dependencies that variables show among `selected` services (all, if none is named). Two services whose
/// variables name each other are not ordered by them.
pub fn dependencies(project: &mut Project, selected: &[String]) -> Vec<Inferred> {
    let meant = |name: &str| selected.is_empty() || selected.iter().any(|s| s == name);
    let names: Vec<String> = project.services.keys().filter(|n| meant(n)).cloned().collect();
    let mut shown: Vec<Inferred> = Vec::new();
    for service in &names {
        for target in names.iter().filter(|t| *t != service) {
            if let Some(variable) = project.services.get(service).and_then(|s| naming(s, target)) {
                shown.push(Inferred { service: service.clone(), target: target.clone(), variable });
            }
        }
    }
    let back = |edge: &Inferred| {
        shown.iter().any(|other| other.service == edge.target && other.target == edge.service)
    };
    let one_way: Vec<Inferred> = shown.iter().filter(|edge| !back(edge)).cloned().collect();
    let mut found = Vec::new();
    for edge in one_way {
        let Inferred { service, target, .. } = &edge;
        if reaches(project, target, service) || reaches(project, service, target) {
            continue;
        }
        if let Some(entry) = project.services.get_mut(service) {
            let condition = Condition::ServiceReady;
            let dependency = Dependency { condition, restart: false, required: false };
            entry.depends_on.insert(target.clone(), dependency);
            found.push(edge);
        }
    }
    found
}

/// The first variable of `service` that names `host`.
fn naming(service: &Service, host: &str) -> Option<String> {
    let mut variables = service.environment.iter();
    let named = variables.find(|(name, value)| {
        value.as_deref().is_some_and(|value| !is_about_others(name) && names_host(name, value, host))
    })?;
    Some(named.0.clone())
}

/// Words in the names of variables that say who may come, or what goes another way: nothing that is connected to.
const OTHERS: [&str; 7] = ["NO_PROXY", "ALLOWED", "CORS", "ORIGIN", "TRUSTED", "WHITELIST", "REFERER"];

fn is_about_others(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    OTHERS.iter().any(|word| name.contains(word))
}

/// Words in the names of variables whose value may be a host alone.
const ADDRESSES: [&str; 9] =
    ["HOST", "HOSTNAME", "ADDR", "ADDRESS", "SERVER", "URL", "URI", "ENDPOINT", "BROKER"];

fn is_address(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ADDRESSES.iter().any(|word| name.ends_with(word) || name.split('_').any(|part| part == *word))
}

/// Whether a value has `host` where a host stands: in a URL, before a port, or alone where the name says that it is an
/// address. Lists say who is known, not who is connected to.
fn names_host(name: &str, value: &str, host: &str) -> bool {
    let value = value.trim();
    if value.contains([',', ';', ' ']) && !value.contains("://") {
        return false;
    }
    let (place, is_url) = match value.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            (authority.rsplit('@').next().unwrap_or(authority), true)
        }
        None => (value, false),
    };
    match place.split_once(':') {
        Some((found, port)) => {
            found == host && (is_url || !port.is_empty()) && port.bytes().all(|b| b.is_ascii_digit())
        }
        None => place == host && (is_url || is_address(name)),
    }
}

/// Whether `from` depends on `to`, directly or through others.
fn reaches(project: &Project, from: &str, to: &str) -> bool {
    let mut open = vec![from];
    let mut seen = Vec::new();
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if !seen.contains(&name) {
            seen.push(name);
            open.extend(
                project.services.get(name).into_iter().flat_map(|s| s.depends_on.keys()).map(String::as_str),
            );
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_where_hosts_stand() {
        for (name, value) in [
            ("DB_HOST", "db"),
            ("PGHOST", "db"),
            ("DATABASE", "db:5432"),
            ("X", "postgres://u:p@db:5432/x"),
            ("CACHE", "redis://db"),
            ("API_URL", "http://db/path"),
        ] {
            assert!(naming(&service(name, value), "db").is_some(), "{name}={value}");
        }
        for (name, value) in [
            ("DB_HOST", "mydb"),
            ("DB_HOST", "db.example"),
            ("DB_CONNECTION", "db"),
            ("POSTGRES_DB", "db"),
            ("NO_PROXY", "localhost,api,db"),
            ("no_proxy", "db"),
            ("DB_HOSTS", "db,other"),
            ("ALLOWED_HOSTS", "db"),
            ("CORS_ORIGIN", "http://db:3000"),
            ("URL", "postgres://db@other/x"),
            ("PATH_URL", "/var/db"),
            ("ADDR", "other:db"),
            ("MOUNT", "db:/data"),
        ] {
            assert!(naming(&service(name, value), "db").is_none(), "{name}={value}");
        }
    }

    fn service(name: &str, value: &str) -> Service {
        let mut service = Service::default();
        service.environment.insert(name.into(), Some(value.into()));
        service
    }

    fn project(services: &[(&str, &[(&str, &str)])]) -> Project {
        let mut project = Project::default();
        for (name, variables) in services {
            let mut service = Service::default();
            for (key, value) in *variables {
                service.environment.insert((*key).into(), Some((*value).into()));
            }
            project.services.insert((*name).into(), service);
        }
        project
    }

    #[test]
    fn a_variable_orders_services_but_never_in_a_circle() {
        let mut both = project(&[("app", &[("DB_HOST", "db")]), ("db", &[])]);
        let found = dependencies(&mut both, &[]);
        assert_eq!((found[0].service.as_str(), found[0].variable.as_str()), ("app", "DB_HOST"));
        let mut both = project(&[("app", &[("DB_HOST", "db")]), ("db", &[("APP_URL", "http://app:80")])]);
        assert_eq!(dependencies(&mut both, &[]), []);
        assert!(both.services["db"].depends_on.is_empty() && both.services["app"].depends_on.is_empty());
    }

    #[test]
    fn services_that_were_not_asked_for_are_left_alone() {
        let mut both = project(&[("app", &[("DB_HOST", "db")]), ("db", &[])]);
        assert_eq!(dependencies(&mut both, &["app".into()]), []);
    }
}
