//! Execution of a parsed template.

use super::data::{Data, Nil};
use super::functions::{Functions, call};
use super::parse::{Branch, Expr, Node, Pipe, Target, Tree};
use super::print::shown;
use super::{Missing, TemplateError};

/// How deep templates may call each other.
const DEPTH: usize = 1000;

/// The text of a template on some data.
pub(super) fn run(
    tree: &Tree,
    data: &Data,
    missing: Missing,
    functions: Functions,
) -> Result<String, TemplateError> {
    let mut state = State {
        tree,
        missing,
        functions,
        variables: vec![("$".to_owned(), data.clone())],
        out: String::new(),
        depth: 0,
    };
    state.list(&tree.nodes, data)?;
    Ok(state.out)
}

struct State<'a> {
    tree: &'a Tree,
    missing: Missing,
    functions: Functions,
    variables: Vec<(String, Data)>,
    out: String,
    depth: usize,
}

/// How a list of nodes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl State<'_> {
    fn list(&mut self, nodes: &[Node], dot: &Data) -> Result<Flow, TemplateError> {
        for node in nodes {
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        if let Data::Lookup(_) = value {
                            return Err(TemplateError::execute(
                                "wrong number of args for Label: want 1 got 0",
                            ));
                        }
                        self.out.push_str(&shown(&value));
                    }
                }
                Node::Branch { kind, pipe, then, otherwise } => {
                    let known = self.variables.len();
                    let flow = self.branch(*kind, pipe, (then, otherwise), dot)?;
                    self.variables.truncate(known);
                    if flow != Flow::On {
                        return Ok(flow);
                    }
                }
                Node::Template { name, pipe } => self.template(name, pipe.as_ref(), dot)?,
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::On)
    }

    fn template(&mut self, name: &str, pipe: Option<&Pipe>, dot: &Data) -> Result<(), TemplateError> {
        let tree = self.tree;
        let nodes = tree
            .defined
            .get(name)
            .ok_or_else(|| TemplateError::execute(format!("template {name:?} not defined")))?;
        if self.depth == DEPTH {
            return Err(TemplateError::execute(format!("exceeded maximum template depth ({DEPTH})")));
        }
        let data = match pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Data::Nil(Nil::NoValue),
        };
        let outer = std::mem::replace(&mut self.variables, vec![("$".to_owned(), data.clone())]);
        self.depth += 1;
        let done = self.list(nodes, &data);
        self.depth -= 1;
        self.variables = outer;
        done.map(|_| ())
    }

    fn branch(
        &mut self,
        kind: Branch,
        pipe: &Pipe,
        (then, otherwise): (&[Node], &[Node]),
        dot: &Data,
    ) -> Result<Flow, TemplateError> {
        if kind == Branch::Range {
            return self.range(pipe, (then, otherwise), dot);
        }
        let value = self.pipe(pipe, dot)?;
        match (value.is_true(), kind) {
            (false, _) => self.list(otherwise, dot),
            (true, Branch::With) => self.list(then, &value),
            (true, _) => self.list(then, dot),
        }
    }

    fn range(
        &mut self,
        pipe: &Pipe,
        (then, otherwise): (&[Node], &[Node]),
        dot: &Data,
    ) -> Result<Flow, TemplateError> {
        let known = self.variables.len();
        let value = self.pipe_value(pipe, dot)?;
        let items: Vec<(Data, Data)> = match &value {
            Data::List(items) => (0i64..).map(Data::Int).zip(items.iter().cloned()).collect(),
            Data::Map(map) => {
                map.iter().map(|(key, item)| (Data::from(key.as_str()), item.clone())).collect()
            }
            Data::Int(count) => (0..*count).map(|number| (Data::Int(number), Data::Int(number))).collect(),
            Data::Nil(_) => Vec::new(),
            other => {
                return Err(TemplateError::execute(format!("range can't iterate over {}", shown(other))));
            }
        };
        if items.is_empty() {
            return self.list(otherwise, dot);
        }
        for (key, item) in items {
            self.variables.truncate(known);
            match pipe.variables.as_slice() {
                [] => {}
                [one] => self.set(pipe.target, one, item.clone()),
                [index, one, ..] => {
                    self.set(pipe.target, index, key);
                    self.set(pipe.target, one, item.clone());
                }
            }
            let inner = self.variables.len();
            let flow = self.list(then, &item)?;
            self.variables.truncate(inner);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn set(&mut self, target: Target, name: &str, value: Data) {
        if target == Target::Assigns
            && let Some(known) = self.variables.iter_mut().rev().find(|(known, _)| known == name)
        {
            known.1 = value;
            return;
        }
        self.variables.push((name.to_owned(), value));
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Data) -> Result<Data, TemplateError> {
        let value = self.pipe_value(pipe, dot)?;
        for name in &pipe.variables {
            self.set(pipe.target, name, value.clone());
        }
        Ok(value)
    }

    fn pipe_value(&mut self, pipe: &Pipe, dot: &Data) -> Result<Data, TemplateError> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.unwrap_or(Data::Nil(Nil::NoValue)))
    }

    fn command(&mut self, words: &[Expr], piped: Option<Data>, dot: &Data) -> Result<Data, TemplateError> {
        let Some((first, rest)) = words.split_first() else {
            return Ok(Data::Nil(Nil::NoValue));
        };
        if let Expr::Function(name) = first {
            if piped.is_none() && matches!(name.as_str(), "and" | "or") {
                return self.shortcut(name, rest, dot);
            }
            let mut args = rest.iter().map(|word| self.value(word, dot)).collect::<Result<Vec<_>, _>>()?;
            args.extend(piped);
            return call(self.functions, name, &args);
        }
        if matches!(first, Expr::Nil) {
            return Err(TemplateError::execute("nil is not a command"));
        }
        let value = self.value(first, dot)?;
        if rest.is_empty() && piped.is_none() {
            return Ok(value);
        }
        let mut args = rest.iter().map(|word| self.value(word, dot)).collect::<Result<Vec<_>, _>>()?;
        args.extend(piped);
        match (&value, args.as_slice()) {
            (Data::Lookup(lookup), [Data::Text(name)]) => Ok(lookup.get(name)),
            (Data::Lookup(_), _) => Err(TemplateError::execute(format!(
                "wrong number of args for Label: want 1 got {}",
                args.len()
            ))),
            _ => Err(TemplateError::execute(format!("{first:?} is not a method but has arguments"))),
        }
    }

    /// `and` and `or` look no further than they have to.
    fn shortcut(&mut self, name: &str, words: &[Expr], dot: &Data) -> Result<Data, TemplateError> {
        let mut last = None;
        for word in words {
            let value = self.value(word, dot)?;
            let is_decided = value.is_true() == (name == "or");
            last = Some(value);
            if is_decided {
                break;
            }
        }
        last.ok_or_else(|| {
            TemplateError::execute(format!("wrong number of args for {name}: want at least 1 got 0"))
        })
    }

    fn value(&mut self, word: &Expr, dot: &Data) -> Result<Data, TemplateError> {
        match word {
            Expr::Dot => Ok(dot.clone()),
            Expr::Nil => Ok(Data::Nil(Nil::NoValue)),
            Expr::Bool(flag) => Ok(Data::Bool(*flag)),
            Expr::Int(number) => Ok(Data::Int(*number)),
            Expr::Float(number) => Ok(Data::Float(*number)),
            Expr::Text(text) => Ok(Data::from(text.as_str())),
            Expr::Field(names) => self.fields(dot.clone(), names),
            Expr::Variable(name, names) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let value = known.map(|(_, value)| value.clone());
                self.fields(value.unwrap_or(Data::Nil(Nil::NoValue)), names)
            }
            Expr::Function(name) => call(self.functions, name, &[]),
            Expr::Group(pipe, names) => {
                let value = self.pipe(pipe, dot)?;
                self.fields(value, names)
            }
        }
    }

    fn fields(&self, value: Data, names: &[String]) -> Result<Data, TemplateError> {
        names.iter().try_fold(value, |value, name| self.field(&value, name))
    }

    fn field(&self, value: &Data, name: &str) -> Result<Data, TemplateError> {
        match value {
            Data::Struct(fields) => fields
                .fields
                .iter()
                .find(|field| field.name == name)
                .map(|field| field.value.clone())
                .ok_or_else(|| TemplateError::execute(format!("can't evaluate field {name}"))),
            Data::Map(map) => match map.get(name) {
                Some(item) => Ok(item.clone()),
                None => self.absent(|| format!("map has no entry for key {name:?}")),
            },
            Data::Nil(Nil::NoValue) => self.absent(|| format!("nil data; no entry for key {name:?}")),
            Data::Nil(Nil::Map) => self.absent(|| format!("map has no entry for key {name:?}")),
            Data::Nil(Nil::Pointer) => {
                Err(TemplateError::execute(format!("nil pointer evaluating field {name}")))
            }
            other => Err(TemplateError::execute(format!(
                "can't evaluate field {name} in type {}",
                other.type_name()
            ))),
        }
    }

    fn absent(&self, message: impl Fn() -> String) -> Result<Data, TemplateError> {
        match self.missing {
            Missing::NoValue => Ok(Data::Nil(Nil::NoValue)),
            Missing::Error => Err(TemplateError::execute(message())),
        }
    }
}
