//! The order of services.

use indexmap::IndexSet;
use tare_compose_model::Project;

use super::PlanError;

/// Whether dependencies come along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closure {
    WithDependencies,
    Alone,
}

/// The named services (all when none is named) in dependency order, dependencies first.
pub(super) fn ordered<'a>(
    project: &'a Project,
    named: &[String],
    closure: Closure,
) -> Result<Vec<&'a str>, PlanError> {
    if let Some(unknown) = named.iter().find(|name| !project.services.contains_key(*name)) {
        return Err(PlanError::NoSuchService(unknown.clone()));
    }
    let all = named.is_empty();
    let mut order = IndexSet::new();
    for name in project.services.keys() {
        if all || closure == Closure::Alone || named.contains(name) {
            visit(project, name, &mut order)?;
        }
    }
    if closure == Closure::Alone && !all {
        order.retain(|name| named.iter().any(|given| given == name));
    }
    Ok(order.into_iter().collect())
}

/// Adds a service after its dependencies, by a walk with a stack of its own: chains may be as long as the file.
fn visit<'a>(project: &'a Project, start: &'a str, order: &mut IndexSet<&'a str>) -> Result<(), PlanError> {
    let targets =
        |name: &str| project.services.get(name).into_iter().flat_map(|service| service.depends_on.keys());
    if order.contains(start) {
        return Ok(());
    }
    let mut chain = IndexSet::from([start]);
    let mut open = vec![targets(start)];
    while let Some(next) = open.last_mut() {
        match next.next().map(String::as_str) {
            Some(target) if order.contains(target) || !project.services.contains_key(target) => {}
            Some(target) => {
                if !chain.insert(target) {
                    let circle = chain.iter().skip_while(|known| **known != target).chain([&target]);
                    return Err(PlanError::Cycle(circle.map(|name| (*name).to_owned()).collect()));
                }
                open.push(targets(target));
            }
            None => {
                open.pop();
                order.extend(chain.pop());
            }
        }
    }
    Ok(())
}
