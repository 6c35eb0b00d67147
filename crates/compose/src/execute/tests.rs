//! The graph that a plan becomes.

use tare_compose_model::Project;

use super::nodes;
use crate::observe::Observed;
use crate::plan::{UpOptions, up};

#[test]
fn containers_are_made_after_those_they_name() {
    let project: Project = serde_json::from_str(
        r#"{"name": "p", "services": {
              "db": {"image": "x"},
              "app": {"image": "x", "links": ["db:store"], "depends_on": {"db": {"condition": "service_started"}}}}}"#,
    )
    .unwrap();
    let plan = up(&project, &Observed::default(), &UpOptions::default()).unwrap();
    let create = |name: &str| {
        let text = format!("create container p-{name}-1");
        plan.steps.iter().position(|step| step.action.to_string() == text).unwrap()
    };
    let nodes = nodes(&plan, &project);
    assert!(nodes[create("app")].after.contains(&create("db")));
    assert!(!nodes[create("db")].after.contains(&create("app")));
}
