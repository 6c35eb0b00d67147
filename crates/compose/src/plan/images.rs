//! `build`, `pull` and the image part of `up`: which images are built or pulled before containers are looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use tare_compose_model::{Project, Service, Span};

use super::graph::{Closure, ordered};
use super::step::{Action, Cause, Plan, StepId};
use super::up::DependencyScope;
use super::{PlanError, support};
use crate::observe::Observed;

/// When images are built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BuildMode {
    /// When they are missing, or the service's `pull_policy` is `build`.
    #[default]
    Missing,
    /// Always (`--build`); the build cache keeps it cheap.
    Always,
    /// Never (`--no-build`).
    Never,
}

/// When images are pulled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullMode {
    /// As each service's `pull_policy` says; when missing without one.
    #[default]
    Policy,
    /// Always (`--pull always`, `pull`).
    Always,
    /// When they are missing (`--pull missing`).
    Missing,
    /// Never (`--pull never`): what is missing is an error.
    Never,
    /// Only builds are planned.
    Omit,
}

/// Options of the image part.
#[derive(Debug, Clone, Default)]
pub struct ImageOptions {
    /// The services meant; all when empty.
    pub services: Vec<String>,
    /// Whether their dependencies come along.
    pub dependencies: DependencyScope,
    /// When images are built.
    pub build: BuildMode,
    /// When images are pulled.
    pub pull: PullMode,
    /// How long ago images were pulled, by name; for `daily`, `weekly` and `every_…`.
    pub ages: BTreeMap<String, Duration>,
}

/// Plans what is built and pulled.
pub fn images(project: &Project, observed: &Observed, options: &ImageOptions) -> Result<Plan, PlanError> {
    let closure = match options.dependencies {
        DependencyScope::Exclude => Closure::Alone,
        DependencyScope::Include | DependencyScope::Recreate => Closure::WithDependencies,
    };
    let mut planner =
        ImagePlanner { project, observed, options, plan: Plan::default(), steps: BTreeMap::new() };
    let order = ordered(project, &options.services, closure)?;
    if options.pull != PullMode::Omit {
        support::check(project, &order)?;
    }
    for name in order {
        planner.visit(name, &mut Vec::new())?;
    }
    Ok(planner.plan)
}

struct ImagePlanner<'a> {
    project: &'a Project,
    observed: &'a Observed,
    options: &'a ImageOptions,
    plan: Plan,
    /// The step that makes an image, by the image's name.
    steps: BTreeMap<String, StepId>,
}

impl<'a> ImagePlanner<'a> {
    fn visit(&mut self, name: &'a str, chain: &mut Vec<&'a str>) -> Result<(), PlanError> {
        let Some(service) = self.project.services.get(name) else { return Ok(()) };
        let image = service.image_name(&self.project.name, name);
        if self.steps.contains_key(&image) {
            return Ok(());
        }
        if let Some(start) = chain.iter().position(|known| *known == name) {
            let cycle = chain[start..].iter().chain([&name]).map(|name| (*name).to_owned()).collect();
            return Err(PlanError::Cycle(cycle));
        }
        let Some((cause, builds)) = self.cause(service, &image) else {
            return match self.is_forbidden(service, &image) {
                true => Err(PlanError::NotPulled { service: name.to_owned(), image }),
                false => Ok(()),
            };
        };
        let mut after = Vec::new();
        if builds {
            chain.push(name);
            for base in built_from(service) {
                self.visit(base, chain)?;
                let base = self
                    .project
                    .services
                    .get(base)
                    .map(|base_service| base_service.image_name(&self.project.name, base));
                after.extend(base.and_then(|image| self.steps.get(&image)).copied());
            }
            chain.pop();
        }
        let service = name.to_owned();
        let action = if builds {
            Action::BuildImage { service, image: image.clone() }
        } else {
            Action::PullImage { service, image: image.clone() }
        };
        let step = self.plan.add(action, cause, after);
        self.steps.insert(image, step);
        Ok(())
    }

    /// Why the image is made, and whether by a build.
    fn cause(&self, service: &Service, image: &str) -> Option<(Cause, bool)> {
        let missing = !self.observed.images.contains_key(image);
        let policy = service.pull_policy.as_deref();
        if service.build.is_some() && self.options.build != BuildMode::Never {
            return match (self.options.build, policy) {
                (BuildMode::Always, _) => Some((Cause::Requested, true)),
                _ if missing => Some((Cause::Missing, true)),
                (_, Some("build")) => Some((Cause::PullPolicy("build".to_owned()), true)),
                _ => None,
            };
        }
        let cause = match (self.options.pull, policy) {
            (PullMode::Always, _) => Some(Cause::Requested),
            (PullMode::Never | PullMode::Omit, _) | (PullMode::Policy, Some("never")) => None,
            (PullMode::Policy, Some(policy)) if self.is_due(policy, image) => {
                Some(Cause::PullPolicy(policy.to_owned()))
            }
            _ => missing.then_some(Cause::Missing),
        };
        // An image that only a build makes is not in any registry.
        cause.filter(|_| service.image.is_some()).map(|cause| (cause, false))
    }
}

impl ImagePlanner<'_> {
    /// Whether an image is missing, and nothing may get it.
    fn is_forbidden(&self, service: &Service, image: &str) -> bool {
        let policy = self.options.pull == PullMode::Policy && service.pull_policy.as_deref() == Some("never");
        let missing = !self.observed.images.contains_key(image) && service.replicas() > 0;
        (policy || self.options.pull == PullMode::Never)
            && missing
            && service.build.is_none()
            && service.image.is_some()
    }

    /// Whether a policy asks for a pull of an image that is there.
    fn is_due(&self, policy: &str, image: &str) -> bool {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let bound = match policy {
            "always" | "refresh" => return true,
            "daily" => DAY,
            "weekly" => DAY * 7,
            other => match other.strip_prefix("every_").and_then(|span| span.parse::<Span>().ok()) {
                Some(span) => span.0,
                None => return false,
            },
        };
        self.options.ages.get(image).is_none_or(|age| *age >= bound)
    }
}

/// Services whose images a build starts from: `additional_contexts: {base: service:NAME}`.
fn built_from(service: &Service) -> impl Iterator<Item = &str> {
    let contexts = service.build.iter().flat_map(|build| build.additional_contexts.values());
    contexts.filter_map(|context| context.strip_prefix("service:"))
}
