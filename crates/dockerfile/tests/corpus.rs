//! Whole Dockerfiles, and single mistakes.

use tare_dockerfile::{
    Command, Healthcheck, Instruction, Lint, ParseErrorKind, RunNetwork, Source, parse, parse_trigger,
};

const TUTORIAL: &str = "\
# Dockerfile for development
FROM python:3

ENV PYTHONBUFFERED=0

RUN apt-get update && apt-get -y install \\
    libpq-dev

WORKDIR /app
ADD\t  ./requirements.txt   \t/app/
RUN  pip install -r requirements.txt
#ADD ./djangosample /app/djangosample/
ADD https://example.test/wait-for-it.sh /
CMD [\"python\", \"manage.py\", \"runserver\", \"0:8000\"]
";

#[test]
fn the_tutorial() {
    let file = parse(TUTORIAL).unwrap();
    let steps = &file.stages[0].steps;
    let shown: Vec<(u32, u32, &str)> =
        steps.iter().map(|n| (n.span.first, n.span.last, n.text.as_str())).collect();
    assert_eq!(shown[1], (6, 7, "RUN apt-get update && apt-get -y install     libpq-dev"));
    let Instruction::Add(add) = &steps[3].instruction else { panic!() };
    assert_eq!(add.sources, [Source::Path("./requirements.txt".into())]);
    assert_eq!(add.target, "/app/");
    assert_eq!(shown[4].2, "RUN pip install -r requirements.txt");
    assert_eq!(shown.len(), 7);
    let [warning] = file.warnings.as_slice() else { panic!("{:?}", file.warnings) };
    assert_eq!((warning.line, warning.lint), (4, Lint::MisspelledVariable));
    assert!(warning.hint.as_deref().unwrap().contains("PYTHONUNBUFFERED=1"));
}

const MULTI: &str = r#"# syntax=docker/dockerfile:1
ARG GO=1.22
ARG A=1 B="two words"
FROM --platform=$BUILDPLATFORM golang:${GO} AS Build
ARG GO
RUN --mount=type=cache,target=/go/pkg --mount=type=bind,target=. --network=none \
    go build -o /out .
COPY --from=0 --chown=1000:1000 --chmod=755 --link ["a b", "c", "/d/"]
RUN <<EOF
set -e
echo $HOME
EOF
RUN cat <<'ONE' <<-TWO > /x && echo done
1
ONE
	2
	TWO
COPY <<a.conf <<"b.conf" plain /etc/
x=$GO
a.conf
y=$GO
b.conf
FROM scratch
COPY --from=build /out /out
HEALTHCHECK --interval=1m30s --retries=3 CMD ["/out", "check"]
EXPOSE 80 443/tcp 1000-1002/udp
VOLUME ["/data", "/more"]
VOLUME /a /b
LABEL a=1 "b c"="d e" f='g'
ENV X=1 Y="a b" Z=a\ b
STOPSIGNAL SIGQUIT
SHELL ["/bin/bash", "-c"]
ONBUILD COPY . /src
ENTRYPOINT /out --flag
"#;

#[test]
fn every_instruction() {
    let file = parse(MULTI).unwrap();
    assert_eq!(file.globals.len(), 3);
    assert_eq!(file.stages.len(), 2);
    assert_eq!(file.stage("BUILD").unwrap().index, 0);
    assert_eq!(file.stage("1"), None, "a number is no name");
    let first = &file.stages[0];
    assert_eq!(first.from.platform.as_deref(), Some("$BUILDPLATFORM"));
    let Instruction::Run(run) = &first.steps[1].instruction else { panic!() };
    assert_eq!((run.mounts.len(), run.network), (2, RunNetwork::None));
    assert_eq!(run.mounts[1].from.as_deref().is_some(), run.mounts[1].text.contains("from="));
    let Instruction::Copy(copy) = &first.steps[2].instruction else { panic!() };
    assert_eq!(copy.sources, [Source::Path("a b".into()), Source::Path("c".into())]);
    assert_eq!((copy.from.as_deref(), copy.chmod.as_deref(), copy.link), (Some("0"), Some("755"), true));
    let Instruction::Run(run) = &first.steps[3].instruction else { panic!() };
    assert_eq!(run.script().unwrap(), "set -e\necho $HOME\n");
    let Instruction::Run(run) = &first.steps[4].instruction else { panic!() };
    assert_eq!(run.script().unwrap(), "cat <<'ONE' <<-TWO > /x && echo done\n1\nONE\n\t2\nTWO");
    let Instruction::Copy(copy) = &first.steps[5].instruction else { panic!() };
    let [Source::Inline(a), Source::Inline(b), Source::Path(plain)] = copy.sources.as_slice() else {
        panic!()
    };
    assert_eq!((a.body.as_str(), a.expand, b.expand, plain.as_str()), ("x=$GO\n", true, false, "plain"));
    let second = &file.stages[1].steps;
    let Instruction::Healthcheck(Healthcheck::Test(test)) = &second[1].instruction else { panic!() };
    assert_eq!((test.interval, test.retries), (Some(90_000_000_000), Some(3)));
    let Instruction::Volume(volumes) = &second[4].instruction else { panic!() };
    assert_eq!(volumes, &["/a", "/b"]);
    let Instruction::Label(labels) = &second[5].instruction else { panic!() };
    assert_eq!((labels[1].key.as_str(), labels[1].value.as_str()), ("\"b c\"", "\"d e\""));
}

#[test]
fn forms_of_commands() {
    let file = parse("FROM x\nCMD [\"a\", \"b\"]\nENTRYPOINT [ 'a' ]\nRUN [ -f x ] && y").unwrap();
    let steps = &file.stages[0].steps;
    assert_eq!(steps[0].instruction, Instruction::Cmd(Command::Exec(vec!["a".into(), "b".into()])));
    assert_eq!(steps[1].instruction, Instruction::Entrypoint(Command::Shell("[ 'a' ]".into())));
    let Instruction::Run(run) = &steps[2].instruction else { panic!() };
    assert_eq!(run.script().as_deref(), Some("[ -f x ] && y"));
    assert_eq!(
        file.warnings.iter().map(|w| w.lint).collect::<Vec<_>>(),
        [Lint::JsonArgsRecommended, Lint::InvalidJsonForm]
    );
}

#[track_caller]
fn fails(text: &str, line: u32) -> (ParseErrorKind, Option<String>) {
    let error = parse(text).expect_err(text);
    assert_eq!(error.line, line, "{error}");
    (error.kind.clone(), error.hint())
}

#[test]
fn mistakes_name_their_line_and_a_way_out() {
    assert_eq!(fails("FROM x\n\nRUNN a", 3).1.as_deref(), Some("did you mean RUN?"));
    assert_eq!(fails("FROM x\nCOPY --form=a b c", 2).1.as_deref(), Some("did you mean --from?"));
    assert!(matches!(fails("RUN a", 1).0, ParseErrorKind::NoFromYet));
    assert!(matches!(fails("# nothing", 1).0, ParseErrorKind::NoStage));
    assert!(matches!(fails("FROM x\nCOPY a", 2).0, ParseErrorKind::ArgumentCount { .. }));
    assert!(matches!(fails("FROM x\nCMD [1]", 2).0, ParseErrorKind::NotStrings));
    assert!(matches!(fails("FROM x as", 1).0, ParseErrorKind::ArgumentCount { .. }));
    assert!(matches!(fails("FROM x\nENV a=1 b", 2).0, ParseErrorKind::PairWithoutEquals(_)));
    assert!(matches!(fails("FROM x\nENV a", 2).0, ParseErrorKind::PairWithoutEquals(_)));
    assert!(matches!(fails("FROM x\nSHELL bash -c", 2).0, ParseErrorKind::NotJson));
    assert!(matches!(fails("FROM x\nENV", 2).0, ParseErrorKind::NoArguments));
    assert!(matches!(fails("FROM x\nONBUILD FROM y", 2).0, ParseErrorKind::NotATrigger("FROM")));
    assert!(matches!(fails("FROM x\nHEALTHCHECK curl x", 2).0, ParseErrorKind::HealthcheckType(_)));
    assert!(matches!(fails("FROM x\nRUN --mount=type=cache a", 2).0, ParseErrorKind::FlagValue { .. }));
    assert!(matches!(fails("FROM x AS 1a", 1).0, ParseErrorKind::StageName(_)));
    assert!(matches!(fails("FROM x\nRUN <<E\na", 2).0, ParseErrorKind::UnterminatedHeredoc(_)));
    let error = parse("FROM x\nCOPPY a b").unwrap_err();
    assert_eq!(error.to_string(), "line 2: COPPY: unknown instruction");
}

#[test]
fn lints() {
    let text =
        "from x AS y\nENV A b c\nMAINTAINER me\nCMD run it\nCMD again\nRUN a \\\n\n b\nFROM $NOPE AS y";
    let found: Vec<(u32, Lint)> = parse(text).unwrap().warnings.iter().map(|w| (w.line, w.lint)).collect();
    assert_eq!(
        found,
        [
            (1, Lint::FromAsCasing),
            (1, Lint::ConsistentInstructionCasing),
            (2, Lint::LegacyKeyValueFormat),
            (3, Lint::MaintainerDeprecated),
            (4, Lint::JsonArgsRecommended),
            (4, Lint::MultipleInstructionsDisallowed),
            (5, Lint::JsonArgsRecommended),
            (8, Lint::NoEmptyContinuation),
            (9, Lint::DuplicateStageName),
            (9, Lint::InvalidDefaultArgInFrom),
            (9, Lint::UndefinedArgInFrom),
        ]
    );
}

#[test]
fn triggers() {
    assert!(matches!(parse_trigger("COPY . /src").unwrap().instruction, Instruction::Copy(_)));
    assert!(parse_trigger("FROM x").is_err());
    let file = parse("FROM x\nONBUILD RUN <<E\nhi\nE\n").unwrap();
    let Instruction::OnBuild(text) = &file.stages[0].steps[0].instruction else { panic!() };
    let Instruction::Run(run) = parse_trigger(text).unwrap().instruction else { panic!() };
    assert_eq!(run.script().as_deref(), Some("hi\n"));
}
