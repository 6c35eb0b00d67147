//! The order of services.

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
    let mut order = Vec::new();
    for name in project.services.keys() {
        if all || closure == Closure::Alone || named.contains(name) {
            visit(project, name, &mut Vec::new(), &mut order)?;
        }
    }
    if closure == Closure::Alone && !all {
        order.retain(|name| named.iter().any(|given| given == name));
    }
    Ok(order)
}

fn visit<'a>(
    project: &'a Project,
    name: &'a str,
    chain: &mut Vec<&'a str>,
    order: &mut Vec<&'a str>,
) -> Result<(), PlanError> {
    if let Some(start) = chain.iter().position(|known| *known == name) {
        let cycle = chain[start..].iter().chain([&name]).map(|name| (*name).to_owned()).collect();
        return Err(PlanError::Cycle(cycle));
    }
    if order.contains(&name) {
        return Ok(());
    }
    let Some(service) = project.services.get(name) else { return Ok(()) };
    chain.push(name);
    for target in service.depends_on.keys() {
        visit(project, target, chain, order)?;
    }
    chain.pop();
    order.push(name);
    Ok(())
}
