//! From a logical line to a typed instruction.

use tare_words::near::nearest;
use tare_words::quantity;

use crate::ast::{
    AddCopy, Arg, Command, From, Healthcheck, HealthcheckTest, Instruction, Node, Pair, Run, RunNetwork,
    RunSecurity, Source, Span,
};
use crate::error::{ParseError, ParseErrorKind};
use crate::flags::Flags;
use crate::json::Json;
use crate::lines::Line;
use crate::{heredoc, json, mount, words};

const KEYWORDS: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

type Parsed<T> = Result<T, ParseError>;

/// Parses one logical line.
pub(crate) fn parse_line(line: &Line, escape: char) -> Parsed<Node> {
    let upper = line.keyword.to_ascii_uppercase();
    let Some(keyword) = KEYWORDS.iter().find(|known| **known == upper) else {
        let near = nearest(&upper, KEYWORDS.iter().copied());
        return Err(ParseError::new(line.first, &line.keyword, ParseErrorKind::UnknownInstruction { near }));
    };
    let reader = Reader { line, escape, keyword };
    // BuildKit takes a RUN with nothing behind it for an empty script.
    if line.rest.is_empty() && *keyword != "RUN" {
        return Err(reader.error(ParseErrorKind::NoArguments));
    }
    let text = format!("{keyword} {}", line.rest);
    Ok(Node { span: Span { first: line.first, last: line.last }, text, instruction: reader.instruction()? })
}

/// Checks that an instruction may be an `ONBUILD` trigger.
pub(crate) fn check_trigger(line: u32, instruction: &Instruction) -> Parsed<()> {
    match instruction {
        Instruction::OnBuild(_) | Instruction::From(_) | Instruction::Maintainer(_) => {
            Err(ParseError::new(line, "ONBUILD", ParseErrorKind::NotATrigger(instruction.keyword())))
        }
        _ => Ok(()),
    }
}

struct Reader<'a> {
    line: &'a Line,
    escape: char,
    keyword: &'static str,
}

impl<'a> Reader<'a> {
    fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError::new(self.line.first, self.keyword, kind)
    }

    fn flags(&self, known: &[&str], repeatable: &[&str]) -> Parsed<Flags<'a>> {
        Flags::read(&self.line.rest, self.escape, (self.line.first, self.keyword), known, repeatable)
    }

    /// The text of an instruction that has no flags.
    fn rest(&self) -> Parsed<&'a str> {
        self.flags(&[], &[]).map(|flags| flags.rest)
    }

    fn instruction(&self) -> Parsed<Instruction> {
        Ok(match self.keyword {
            "FROM" => Instruction::From(self.from()?),
            "RUN" => Instruction::Run(self.run()?),
            "CMD" => Instruction::Cmd(self.command(self.rest()?)?),
            "ENTRYPOINT" => Instruction::Entrypoint(self.command(self.rest()?)?),
            "LABEL" => Instruction::Label(self.pairs()?),
            "ENV" => Instruction::Env(self.pairs()?),
            "MAINTAINER" => Instruction::Maintainer(self.line.rest.clone()),
            "EXPOSE" => Instruction::Expose(words::plain(self.rest()?)),
            "VOLUME" => Instruction::Volume(self.list(self.rest()?)?),
            "ADD" => Instruction::Add(self.add()?),
            "COPY" => Instruction::Copy(self.copy()?),
            "USER" => Instruction::User(self.rest()?.to_owned()),
            "WORKDIR" => Instruction::Workdir(self.rest()?.to_owned()),
            "STOPSIGNAL" => Instruction::StopSignal(self.single()?),
            "ARG" => Instruction::Arg(self.args()?),
            "HEALTHCHECK" => Instruction::Healthcheck(self.healthcheck()?),
            "SHELL" => Instruction::Shell(self.shell()?),
            _ => Instruction::OnBuild(self.onbuild()?),
        })
    }

    /// A JSON array of strings, if it is one. An array of anything else is a mistake and no text.
    fn array(&self, text: &str) -> Parsed<Option<Vec<String>>> {
        match json::read(text) {
            Json::Strings(words) => Ok(Some(words)),
            Json::Other => Err(self.error(ParseErrorKind::NotStrings)),
            Json::None => Ok(None),
        }
    }

    /// The exec form if the text is a JSON array of strings, the shell form if it is no JSON.
    fn command(&self, text: &str) -> Parsed<Command> {
        Ok(self.array(text)?.map_or_else(|| Command::Shell(text.to_owned()), Command::Exec))
    }

    /// A JSON array of strings or words between blanks.
    fn list(&self, text: &str) -> Parsed<Vec<String>> {
        Ok(self.array(text)?.unwrap_or_else(|| words::plain(text)))
    }

    fn single(&self) -> Parsed<String> {
        match words::plain(self.rest()?).as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(self.error(ParseErrorKind::ArgumentCount { expected: "one argument" })),
        }
    }

    fn from(&self) -> Parsed<From> {
        let flags = self.flags(&["platform"], &[])?;
        let words = words::plain(flags.rest);
        let (image, alias) = match words.as_slice() {
            [image] => (image, None),
            [image, r#as, alias] if r#as.eq_ignore_ascii_case("as") => {
                (image, Some(alias.to_ascii_lowercase()))
            }
            _ => {
                let expected = "an image, or an image, AS and a name";
                return Err(self.error(ParseErrorKind::ArgumentCount { expected }));
            }
        };
        Ok(From { platform: flags.value("platform")?, image: image.clone(), alias })
    }

    fn run(&self) -> Parsed<Run> {
        let flags = self.flags(&["mount", "network", "security"], &["mount"])?;
        let mut mounts = Vec::new();
        for text in flags.values("mount")? {
            mounts.push(mount::take(&text).map_err(|reason| flags.bad("mount", reason))?);
        }
        let network = match flags.value("network")?.as_deref() {
            None | Some("default") => RunNetwork::Default,
            Some("none") => RunNetwork::None,
            Some("host") => RunNetwork::Host,
            Some(other) => return Err(flags.bad("network", format!("{other}: use default, none or host"))),
        };
        let security = match flags.value("security")?.as_deref() {
            None | Some("sandbox") => RunSecurity::Sandbox,
            Some("insecure") => RunSecurity::Insecure,
            Some(other) => return Err(flags.bad("security", format!("{other}: use sandbox or insecure"))),
        };
        let command = self.command(flags.rest)?;
        if let Command::Exec(words) = &command
            && words.first().is_none_or(String::is_empty)
        {
            return Err(self.error(ParseErrorKind::ArgumentCount { expected: "a command" }));
        }
        Ok(Run { command, heredocs: self.line.heredocs.clone(), mounts, network, security })
    }

    /// `ENV` and `LABEL`: pairs, or the old form of one key and the rest of the line.
    fn pairs(&self) -> Parsed<Vec<Pair>> {
        let rest = self.rest()?;
        let words = words::quoted(rest, self.escape);
        let first = words.first().map(String::as_str).unwrap_or_default();
        if !first.contains('=') {
            let value = rest[first.len().min(rest.len())..].trim_start();
            if value.is_empty() {
                return Err(self.error(ParseErrorKind::PairWithoutEquals(first.to_owned())));
            }
            return Ok(vec![Pair { key: first.to_owned(), value: value.to_owned() }]);
        }
        let pair = |word: &String| match word.split_once('=') {
            None => Err(self.error(ParseErrorKind::PairWithoutEquals(word.clone()))),
            Some(("", _)) => Err(self.error(ParseErrorKind::EmptyName)),
            Some((key, value)) => Ok(Pair { key: key.to_owned(), value: value.to_owned() }),
        };
        words.iter().map(pair).collect()
    }

    fn args(&self) -> Parsed<Vec<Arg>> {
        let arg = |word: &String| match word.split_once('=') {
            Some(("", _)) => Err(self.error(ParseErrorKind::EmptyName)),
            Some((name, value)) => {
                Ok(Arg { name: name.to_owned(), default: Some(value.to_owned()), line: self.line.first })
            }
            None => Ok(Arg { name: word.clone(), default: None, line: self.line.first }),
        };
        words::quoted(self.rest()?, self.escape).iter().map(arg).collect()
    }

    fn add(&self) -> Parsed<AddCopy> {
        let known = ["chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"];
        let flags = self.flags(&known, &["exclude"])?;
        Ok(AddCopy {
            checksum: flags.value("checksum")?,
            keep_git_dir: flags.switch("keep-git-dir")?.unwrap_or(false),
            unpack: flags.switch("unpack")?,
            ..self.add_copy(&flags)?
        })
    }

    fn copy(&self) -> Parsed<AddCopy> {
        let flags = self.flags(&["from", "chown", "chmod", "link", "parents", "exclude"], &["exclude"])?;
        Ok(AddCopy {
            from: flags.value("from")?,
            parents: flags.switch("parents")?.unwrap_or(false),
            ..self.add_copy(&flags)?
        })
    }

    /// What `ADD` and `COPY` share: sources, destination, ownership.
    fn add_copy(&self, flags: &Flags<'_>) -> Parsed<AddCopy> {
        let mut sources = self.list(flags.rest)?;
        let expected = "at least a source and a destination";
        let target = sources.pop().ok_or_else(|| self.error(ParseErrorKind::ArgumentCount { expected }))?;
        if sources.is_empty() {
            return Err(self.error(ParseErrorKind::ArgumentCount { expected }));
        }
        let mut heredocs = self.line.heredocs.iter();
        if !self.line.heredocs.is_empty() && heredoc::opening(&target).is_some() {
            return Err(self.error(ParseErrorKind::HeredocTarget));
        }
        let sources: Vec<Source> = sources
            .into_iter()
            .map(|word| match heredoc::opening(&word).and_then(|_| heredocs.next()) {
                Some(doc) => Source::Inline(doc.clone()),
                None => Source::Path(word),
            })
            .collect();
        Ok(AddCopy {
            sources,
            target,
            chown: flags.value("chown")?,
            chmod: flags.value("chmod")?,
            link: flags.switch("link")?.unwrap_or(false),
            exclude: flags.values("exclude")?,
            ..AddCopy::default()
        })
    }

    fn healthcheck(&self) -> Parsed<Healthcheck> {
        let known = ["interval", "timeout", "start-period", "start-interval", "retries"];
        let flags = self.flags(&known, &[])?;
        let (kind, rest) = flags.rest.split_once(char::is_whitespace).unwrap_or((flags.rest, ""));
        match kind.to_ascii_uppercase().as_str() {
            "NONE" if rest.trim().is_empty() => return Ok(Healthcheck::None),
            "NONE" => {
                return Err(self.error(ParseErrorKind::ArgumentCount { expected: "nothing after NONE" }));
            }
            "CMD" if rest.trim().is_empty() => {
                return Err(self.error(ParseErrorKind::ArgumentCount { expected: "a command after CMD" }));
            }
            "CMD" => {}
            _ => return Err(self.error(ParseErrorKind::HealthcheckType(kind.to_owned()))),
        }
        let nanoseconds = |flag: &str| match flags.value(flag)? {
            None => Ok(None),
            Some(text) => match duration(&text) {
                Some(value) => Ok(Some(value)),
                None => Err(flags.bad(flag, format!("{text:?} is not a duration like 30s or 1m30s"))),
            },
        };
        let retries = match flags.value("retries")? {
            None => None,
            Some(text) => Some(
                text.parse().map_err(|_| flags.bad("retries", format!("{text:?} is not a whole number")))?,
            ),
        };
        Ok(Healthcheck::Test(HealthcheckTest {
            command: self.command(rest.trim())?,
            interval: nanoseconds("interval")?,
            timeout: nanoseconds("timeout")?,
            start_period: nanoseconds("start-period")?,
            start_interval: nanoseconds("start-interval")?,
            retries,
        }))
    }

    fn shell(&self) -> Parsed<Vec<String>> {
        match self.array(self.rest()?)? {
            Some(words) if !words.is_empty() => Ok(words),
            _ => Err(self.error(ParseErrorKind::NotJson)),
        }
    }

    /// The trigger's text, with the bodies of its heredocs, so that it can be parsed again when it fires.
    fn onbuild(&self) -> Parsed<String> {
        let mut text = self.line.rest.clone();
        for doc in &self.line.heredocs {
            text.push('\n');
            text.push_str(&doc.body);
            text.push_str(&doc.name);
        }
        let (keyword, rest) = self.line.rest.split_once(char::is_whitespace).unwrap_or((&self.line.rest, ""));
        if keyword.eq_ignore_ascii_case("ONBUILD") {
            // Refused before it is parsed: it holds another one, and so on down the stack.
            let kind = ParseErrorKind::NotATrigger("ONBUILD");
            return Err(ParseError::new(self.line.first, "ONBUILD", kind));
        }
        let inner = Line { keyword: keyword.to_owned(), rest: rest.trim().to_owned(), ..self.line.clone() };
        check_trigger(self.line.first, &parse_line(&inner, self.escape)?.instruction)?;
        Ok(text)
    }
}

/// Nanoseconds of a duration as Go writes it: `1h`, `1m30s`, `1.5s`, `500ms`.
pub(crate) fn duration(text: &str) -> Option<u64> {
    u64::try_from(quantity::duration(text, quantity::GO_UNITS)?.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_as_go_writes_them() {
        assert_eq!(duration("1m30s"), Some(90_000_000_000));
        assert_eq!(duration("1.5s"), Some(1_500_000_000));
        assert_eq!(duration("500ms"), Some(500_000_000));
        assert_eq!(duration("0"), Some(0));
        for bad in ["", "5", "s", "1x", "-1s", ".s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
