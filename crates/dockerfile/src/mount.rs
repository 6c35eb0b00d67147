//! `RUN --mount=…`: comma-separated `key=value` fields.

use tare_words::near::nearest;
use tare_words::quantity::size;

use crate::ast::{CacheSharing, Mount, MountKind, MountText};
use crate::flags::boolean;

const KEYS: &[&str] = &[
    "type",
    "target",
    "dst",
    "destination",
    "source",
    "src",
    "from",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "id",
    "sharing",
    "mode",
    "uid",
    "gid",
    "required",
    "size",
    "env",
];

#[derive(Default)]
struct Fields {
    kind: Option<String>,
    target: Option<String>,
    source: Option<String>,
    from: Option<String>,
    id: Option<String>,
    env: Option<String>,
    read_only: Option<bool>,
    required: bool,
    sharing: Option<CacheSharing>,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    size: Option<u64>,
}

/// Takes one `--mount` value: all of it is checked now, if it has no variable.
pub(crate) fn take(text: &str) -> Result<MountText, String> {
    let mut from = None;
    for field in split_fields(text) {
        if let Some((key, value)) = field.split_once('=')
            && key.eq_ignore_ascii_case("from")
        {
            from = Some(value.to_owned());
        }
    }
    if !text.contains('$') {
        parse(text)?;
    }
    Ok(MountText { text: text.to_owned(), from })
}

impl Mount {
    /// Reads a `--mount`; `expand` replaces the variables of a value.
    ///
    /// # Errors
    /// Those of `expand`, or `wrap`ped, which field is wrong.
    pub fn read<E>(
        text: &MountText,
        expand: impl Fn(&str) -> Result<String, E>,
        wrap: impl Fn(String) -> E,
    ) -> Result<Self, E> {
        let mut fields = Fields::default();
        for field in split_fields(&text.text) {
            match field.split_once('=') {
                Some((key, value)) => {
                    let key = key.to_ascii_lowercase();
                    let value = if key == "from" { value.to_owned() } else { expand(value)? };
                    fields.set(&key, &value).map_err(&wrap)?;
                }
                None => fields.set_switch(&field.to_ascii_lowercase()).map_err(&wrap)?,
            }
        }
        fields.into_mount().map_err(wrap)
    }
}

/// Reads one `--mount` value without variables; the error says which field is wrong.
fn parse(text: &str) -> Result<Mount, String> {
    let text = MountText { text: text.to_owned(), from: None };
    Mount::read(&text, |value| Ok(value.to_owned()), |reason| reason)
}

/// Fields as CSV has them: a field in double quotes may hold commas.
fn split_fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.extend_last(c),
        }
    }
    fields
}

trait ExtendLast {
    fn extend_last(&mut self, c: char);
}

impl ExtendLast for Vec<String> {
    fn extend_last(&mut self, c: char) {
        if let Some(last) = self.last_mut() {
            last.push(c);
        }
    }
}

impl Fields {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let text = || Some(value.to_owned());
        let switch = || boolean(value).ok_or_else(|| format!("{key}={value} is neither true nor false"));
        let number = |radix| {
            u32::from_str_radix(value, radix).map(Some).map_err(|_| format!("{key}={value} is not a number"))
        };
        match key {
            "type" => self.kind = Some(value.to_ascii_lowercase()),
            "target" | "dst" | "destination" => self.target = text(),
            "source" | "src" => self.source = text(),
            "from" => self.from = text(),
            "id" => self.id = text(),
            "env" => self.env = text(),
            "readonly" | "ro" => self.read_only = Some(switch()?),
            "readwrite" | "rw" => self.read_only = Some(!switch()?),
            "required" => self.required = switch()?,
            "mode" => self.mode = number(8)?,
            "uid" => self.uid = number(10)?,
            "gid" => self.gid = number(10)?,
            "size" => self.size = Some(size(value).ok_or_else(|| format!("{key}={value} is not a size"))?),
            "sharing" => {
                self.sharing = Some(match value {
                    "shared" => CacheSharing::Shared,
                    "private" => CacheSharing::Private,
                    "locked" => CacheSharing::Locked,
                    _ => return Err(format!("sharing={value}: use shared, private or locked")),
                });
            }
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    fn set_switch(&mut self, key: &str) -> Result<(), String> {
        match key {
            "readonly" | "ro" => self.read_only = Some(true),
            "readwrite" | "rw" => self.read_only = Some(false),
            "required" => self.required = true,
            "" => return Err("has an empty field".into()),
            known if KEYS.contains(&known) => return Err(format!("{known} needs a value")),
            other => return Err(unknown(other)),
        }
        Ok(())
    }

    fn into_mount(self) -> Result<Mount, String> {
        let Self { target, source, from, id, env, required, mode, uid, gid, .. } = self;
        let name = self.kind.as_deref().unwrap_or("bind");
        if target.is_none() && ["bind", "cache", "tmpfs"].contains(&name) {
            return Err(format!("type={name} needs target="));
        }
        if !["cache", "secret", "ssh"].contains(&name) {
            for (key, given) in [("mode", mode), ("uid", uid), ("gid", gid)] {
                if given.is_some() {
                    return Err(format!("type={name} takes no {key}="));
                }
            }
        }
        let only = |key: &str, given: bool, kinds: &[&str]| {
            if given && !kinds.contains(&name) { Err(format!("type={name} takes no {key}=")) } else { Ok(()) }
        };
        only("sharing", self.sharing.is_some(), &["cache"])?;
        only("size", self.size.is_some(), &["tmpfs"])?;
        only("required", required, &["secret", "ssh"])?;
        only("from", from.is_some(), &["bind", "cache", "tmpfs"])?;
        let kind = match name {
            "bind" => MountKind::Bind { from, source },
            "cache" => MountKind::Cache {
                id,
                sharing: self.sharing.unwrap_or_default(),
                from,
                source,
                mode,
                uid,
                gid,
            },
            "tmpfs" => MountKind::Tmpfs { size: self.size },
            "secret" if id.is_none() && target.is_none() && source.is_none() => {
                return Err("type=secret needs id= or target=".into());
            }
            "secret" => MountKind::Secret { id: id.or(source), env, required, mode, uid, gid },
            "ssh" => MountKind::Ssh { id, required, mode, uid, gid },
            other => return Err(format!("type={other}: use bind, cache, tmpfs, secret or ssh")),
        };
        // Bind mounts are read-only unless told otherwise, all others the other way round.
        let read_only = self.read_only.unwrap_or(matches!(kind, MountKind::Bind { .. }));
        Ok(Mount { kind, target, read_only })
    }
}

fn unknown(key: &str) -> String {
    match nearest(key, KEYS.iter().copied()) {
        Some(near) => format!("unknown field {key}; did you mean {near}?"),
        None => format!("unknown field {key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_with_their_defaults() {
        let cache = parse("type=cache,target=/root/.cache,id=pip,sharing=locked,mode=0755").unwrap();
        assert!(!cache.read_only);
        let MountKind::Cache { id, sharing, mode, .. } = cache.kind else { panic!() };
        assert_eq!((id.as_deref(), sharing, mode), (Some("pip"), CacheSharing::Locked, Some(0o755)));
        assert!(parse("target=/src").unwrap().read_only);
        assert!(!parse("target=/src,rw").unwrap().read_only);
        let tmpfs = parse("type=tmpfs,dst=/tmp,size=64m").unwrap();
        assert_eq!(tmpfs.kind, MountKind::Tmpfs { size: Some(64 << 20) });
        let secret = parse("type=secret,id=token,required,env=TOKEN").unwrap();
        assert!(matches!(secret.kind, MountKind::Secret { required: true, .. }));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse("type=cache").unwrap_err(), "type=cache needs target=");
        assert!(parse("type=cache,tagret=/x").unwrap_err().contains("did you mean target?"));
        assert!(parse("type=volume,target=/x").unwrap_err().contains("type=volume"));
        assert!(parse("type=cache,target=/x,mode=rwx").unwrap_err().contains("mode=rwx"));
    }
}
