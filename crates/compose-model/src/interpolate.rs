//! Interpolation of a whole tree; types are cast afterwards, by whoever reads a field.

use std::collections::BTreeMap;

use crate::error::{Error, Location, Warning};
use crate::node::{Node, ScalarKind, Value, child_path};
use crate::template::{Variables, substitute};

struct Environment<'a> {
    env: &'a BTreeMap<String, String>,
    at: Location,
    warnings: &'a mut Vec<Warning>,
}

impl Variables for Environment<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn unset(&mut self, name: &str) {
        let message = format!("the \"{name}\" variable is not set; defaulting to a blank string");
        // One warning for each variable is enough, wherever it is used.
        if !self.warnings.iter().any(|warning| warning.message == message) {
            self.warnings.push(Warning { at: Some(self.at.clone()), message });
        }
    }
}

/// Replaces the variables in every string value below `node`; keys stay as they are.
pub(crate) fn interpolate(
    node: &mut Node,
    path: &str,
    env: &BTreeMap<String, String>,
    warnings: &mut Vec<Warning>,
) -> Result<(), Error> {
    match &mut node.value {
        Value::Scalar(text, ScalarKind::Text) if text.contains('$') => {
            let mut variables = Environment { env, at: node.at.clone(), warnings };
            *text = substitute(text, &mut variables).map_err(|error| Error::Interpolation {
                at: node.at.clone(),
                path: path.to_owned(),
                message: error.to_string(),
            })?;
            Ok(())
        }
        Value::Null | Value::Scalar(..) => Ok(()),
        Value::List(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, item)| interpolate(item, &format!("{path}[{index}]"), env, warnings)),
        Value::Map(map) => map
            .iter_mut()
            .try_for_each(|(key, value)| interpolate(value, &child_path(path, key), env, warnings)),
    }
}
