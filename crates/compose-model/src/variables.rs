//! The variables that a file names, with what stands in for them: what `config --variables` prints.

use std::collections::BTreeMap;

use crate::node::{Node, Value};
use crate::template::{Variable, expressions};

/// Adds the variables in the values below `node`; of several uses the last one counts.
pub(crate) fn collect(node: &Node, found: &mut BTreeMap<String, Variable>) {
    match &node.value {
        Value::Scalar(text, _) => {
            for variable in expressions(text) {
                found.insert(variable.name.clone(), variable);
            }
        }
        Value::List(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Map(map) => map.values().for_each(|value| collect(value, found)),
        Value::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn defaults_and_nested_variables_are_found() {
        let text = "a: [\"${A:-${B-x}}\", $C, \"$$D ${E:?why} ${F:+y}\"]\nb: {$K: 1}";
        let node = crate::yaml::parse(Path::new("c"), text).unwrap().remove(0);
        let mut found = BTreeMap::new();
        collect(&node, &mut found);
        let shown: Vec<String> = found
            .values()
            .map(|v| format!("{} {} {} {}", v.name, v.default, v.alternate, v.required))
            .collect();
        assert_eq!(shown, ["A ${B-x}  false", "B x  false", "C   false", "E   true", "F  y false"]);
    }
}
