//! Dependencies that a file does not declare but its variables show: `DJANGO_DB_HOST=db`, `DATABASE_URL=postgres://db/x`.
//!
//! Without `depends_on` Compose starts everything at once, and an application that connects while its database makes
//! its first files fails for good. A variable that names another service as a host is taken as «wait until that one is
//! ready». It orders what is started anyway: it never starts a service that was not asked for, and never closes a circle.

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

/// Adds the dependencies that variables show among `selected` services (all, if none is named).
pub fn dependencies(project: &mut Project, selected: &[String]) -> Vec<Inferred> {
    let meant = |name: &str| selected.is_empty() || selected.iter().any(|s| s == name);
    let names: Vec<String> = project.services.keys().filter(|n| meant(n)).cloned().collect();
    let mut found = Vec::new();
    for service in &names {
        for target in names.iter().filter(|t| *t != service) {
            let Some(variable) = project.services.get(service).and_then(|s| naming(s, target)) else {
                continue;
            };
            if reaches(project, target, service) || reaches(project, service, target) {
                continue;
            }
            found.push(Inferred { service: service.clone(), target: target.clone(), variable });
            if let Some(entry) = project.services.get_mut(service) {
                let edge = Dependency { condition: Condition::ServiceReady, restart: false, required: false };
                entry.depends_on.insert(target.clone(), edge);
            }
        }
    }
    found
}

/// The first variable of `service` that names `host`.
fn naming(service: &Service, host: &str) -> Option<String> {
    let mut variables = service.environment.iter();
    let named = variables.find(|(_, value)| value.as_deref().is_some_and(|v| names_host(v, host)))?;
    Some(named.0.clone())
}

/// Whether a value has `host` where a host stands: alone, before a port, or in a URL. Lists have commas.
fn names_host(value: &str, host: &str) -> bool {
    value.split([',', ';', ' ']).any(|item| {
        let item = item.trim();
        let (authority, is_url) = match item.split_once("://") {
            Some((_, rest)) => (rest.split(['/', '?', '#']).next().unwrap_or(rest), true),
            None => (item, false),
        };
        let place = if is_url { authority.rsplit('@').next().unwrap_or(authority) } else { authority };
        match place.split_once(':') {
            Some((name, port)) => name == host && port.bytes().all(|b| b.is_ascii_digit()),
            None => place == host,
        }
    })
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
        for value in ["db", "db:5432", "postgres://u:p@db:5432/x", "redis://db", "a:1,db:2", "http://db/path"]
        {
            assert!(names_host(value, "db"), "{value}");
        }
        for value in
            ["mydb", "db.example", "postgres://db@other/x", "/var/db", "other:db", "x=db", "db:/data"]
        {
            assert!(!names_host(value, "db"), "{value}");
        }
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
        let mut both = project(&[("app", &[("DB_HOST", "db")]), ("db", &[("APP_URL", "http://app:80")])]);
        let found = dependencies(&mut both, &[]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].service.as_str(), found[0].variable.as_str()), ("app", "DB_HOST"));
        assert!(both.services["db"].depends_on.is_empty());
    }

    #[test]
    fn services_that_were_not_asked_for_are_left_alone() {
        let mut both = project(&[("app", &[("DB_HOST", "db")]), ("db", &[])]);
        assert_eq!(dependencies(&mut both, &["app".into()]), []);
    }
}
