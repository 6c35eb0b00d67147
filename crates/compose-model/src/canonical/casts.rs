//! Numbers, times and sizes of the sections that are kept as they are, since nothing here acts on them: `config` prints
//! them in one form all the same.

use crate::error::Error;
use crate::node::{Node, ScalarKind, Value, child_path};
use crate::quantity::{ByteSize, Span};

#[derive(Clone, Copy)]
enum Cast {
    Whole,
    Fraction,
    Time,
    Size,
    /// A size that stays as it is; none at all is the number -1.
    Limit,
}

/// Keys of a service on the way down, `*` for every item of a list.
const CASTS: &[(&[&str], Cast)] = &[
    (&["blkio_config", "device_read_bps", "*", "rate"], Cast::Size),
    (&["blkio_config", "device_read_iops", "*", "rate"], Cast::Size),
    (&["blkio_config", "device_write_bps", "*", "rate"], Cast::Size),
    (&["blkio_config", "device_write_iops", "*", "rate"], Cast::Size),
    (&["cpu_count"], Cast::Whole),
    (&["cpu_percent"], Cast::Fraction),
    (&["cpu_rt_period"], Cast::Whole),
    (&["cpu_rt_runtime"], Cast::Whole),
    (&["mem_limit"], Cast::Limit),
    (&["mem_reservation"], Cast::Limit),
    (&["memswap_limit"], Cast::Limit),
    (&["shm_size"], Cast::Limit),
    (&["deploy", "placement", "max_replicas_per_node"], Cast::Whole),
    (&["deploy", "rollback_config", "delay"], Cast::Time),
    (&["deploy", "rollback_config", "max_failure_ratio"], Cast::Fraction),
    (&["deploy", "rollback_config", "monitor"], Cast::Time),
    (&["deploy", "rollback_config", "parallelism"], Cast::Whole),
    (&["deploy", "update_config", "delay"], Cast::Time),
    (&["deploy", "update_config", "max_failure_ratio"], Cast::Fraction),
    (&["deploy", "update_config", "monitor"], Cast::Time),
    (&["deploy", "update_config", "parallelism"], Cast::Whole),
];

/// Casts what a service has of these.
pub(super) fn service(node: &mut Node, path: &str) -> Result<(), Error> {
    CASTS.iter().try_for_each(|(keys, cast)| below(node, path, keys, *cast))
}

fn below(node: &mut Node, path: &str, keys: &[&str], cast: Cast) -> Result<(), Error> {
    let Some((first, rest)) = keys.split_first() else { return scalar(node, path, cast) };
    match (&mut node.value, *first) {
        (Value::List(items), "*") => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, item)| below(item, &format!("{path}[{index}]"), rest, cast)),
        (Value::Map(map), key) => match map.get_mut(key) {
            Some(value) => below(value, &child_path(path, key), rest, cast),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn scalar(node: &mut Node, path: &str, cast: Cast) -> Result<(), Error> {
    let Some(text) = node.as_str().filter(|text| !text.contains('$')) else { return Ok(()) };
    let value = match cast {
        Cast::Limit if node.value == Value::Scalar("-1".to_owned(), ScalarKind::Text) => Err(()),
        Cast::Limit => return Ok(()),
        Cast::Whole => text.parse::<i64>().map(|n| (n.to_string(), ScalarKind::Int)).map_err(drop),
        Cast::Fraction if text.parse::<i64>().is_ok() => Ok((text.to_owned(), ScalarKind::Int)),
        Cast::Fraction => text.parse::<f64>().map(|n| (n.to_string(), ScalarKind::Float)).map_err(drop),
        Cast::Time => text.parse::<Span>().map(|span| (span.to_string(), ScalarKind::Text)).map_err(drop),
        Cast::Size => text.parse::<ByteSize>().map(|size| (size.to_string(), ScalarKind::Text)).map_err(drop),
    };
    let wanted = match cast {
        Cast::Whole => "a whole number",
        Cast::Fraction => "a number",
        Cast::Time => "a duration such as 1m30s",
        Cast::Size => "a size such as 10mb",
        Cast::Limit => "a size such as 10mb, or -1 without quotes",
    };
    let (text, kind) =
        value.map_err(|()| Error::invalid(&node.at, path, format!("must be {wanted}, not `{text}`")))?;
    node.value = Value::Scalar(text, kind);
    Ok(())
}
