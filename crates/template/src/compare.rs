//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`.

use std::cmp::Ordering;

use super::TemplateError;
use super::data::{Data, Nil};

pub(super) fn call(name: &str, args: &[Data]) -> Result<bool, TemplateError> {
    let (first, rest) = match args {
        [first, rest @ ..] if !rest.is_empty() && (name == "eq" || rest.len() == 1) => (first, rest),
        [_] if name == "eq" => return Err(failed(name, "missing argument for comparison")),
        _ => {
            return Err(TemplateError::execute(format!(
                "wrong number of args for {name}: want 2 got {}",
                args.len()
            )));
        }
    };
    match name {
        "eq" => {
            for other in rest {
                if equal(name, first, other)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        "ne" => Ok(!equal(name, first, &rest[0])?),
        _ => {
            let order = order(name, first, &rest[0])?;
            Ok(match name {
                "lt" => order == Ordering::Less,
                "le" => order != Ordering::Greater,
                "gt" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            })
        }
    }
}

fn failed(name: &str, why: &str) -> TemplateError {
    TemplateError::execute(format!("error calling {name}: {why}"))
}

fn equal(name: &str, left: &Data, right: &Data) -> Result<bool, TemplateError> {
    let empty = |value: &Data| matches!(value, Data::Nil(Nil::NoValue | Nil::Pointer));
    if empty(left) || empty(right) {
        return Ok(empty(left) && empty(right));
    }
    match (left, right) {
        (Data::Bool(left), Data::Bool(right)) => Ok(left == right),
        (Data::Struct(left), Data::Struct(right)) => Ok(left == right),
        (Data::List(_) | Data::Map(_) | Data::Nil(_), _)
        | (_, Data::List(_) | Data::Map(_) | Data::Nil(_)) => {
            Err(failed(name, &format!("non-comparable type {}", left.type_name())))
        }
        _ => order(name, left, right).map(Ordering::is_eq),
    }
}

fn order(name: &str, left: &Data, right: &Data) -> Result<Ordering, TemplateError> {
    let whole = |value: &Data| match value {
        Data::Int(number) => Some(i128::from(*number)),
        Data::Uint(number) => Some(i128::from(*number)),
        _ => None,
    };
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        return Ok(left.cmp(&right));
    }
    match (left, right) {
        (Data::Text(left), Data::Text(right)) => Ok(left.cmp(right)),
        (Data::Float(left), Data::Float(right)) => {
            left.partial_cmp(right).ok_or_else(|| failed(name, "invalid type for comparison"))
        }
        (
            Data::Bool(_) | Data::List(_) | Data::Map(_) | Data::Struct(_) | Data::Lookup(_) | Data::Nil(_),
            _,
        ) => Err(failed(name, "invalid type for comparison")),
        _ => Err(failed(name, "incompatible types for comparison")),
    }
}
