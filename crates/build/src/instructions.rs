//! What each instruction does to its stage.

use tare_dockerfile::{Arg, Expander, Instruction, Lint, Node, Pair};

use crate::cache::KeyHasher;
use crate::copy::{Style, Writer};
use crate::error::invalid;
use crate::event::Event;
use crate::executor::{Builder, Stage, Step};
use crate::run_step::Begun;
use crate::sources::{Access, mount};
use crate::{Error, config, go, place, users};
use tare_sys::signal::Signal;

impl Builder<'_> {
    /// Carries an instruction out, or begins with it.
    pub(crate) fn instruction(&mut self, stage: &mut Stage, node: &Node, step: Step) -> Result<Begun, Error> {
        match &node.instruction {
            Instruction::Run(run) => return self.run_step(stage, run, step),
            Instruction::Copy(copy) => self.copy_step(stage, "COPY", copy, step)?,
            Instruction::Add(add) => self.copy_step(stage, "ADD", add, step)?,
            Instruction::Workdir(path) => self.workdir(stage, path, step)?,
            other => {
                let shown = self.configure(stage, other, step)?;
                // A trigger leaves no line behind, as with BuildKit.
                if !matches!(other, Instruction::OnBuild(_)) {
                    let created = stage.created.clone();
                    config::history(&mut stage.config, shown, created, true);
                }
            }
        }
        Ok(Begun::Finished)
    }

    /// Expands a text at this place of the stage; names that nothing sets are warned about.
    pub(crate) fn expand(
        &self,
        stage: &Stage,
        text: &str,
        (instruction, step): (&'static str, Step),
    ) -> Result<String, Error> {
        let lookup = |name: &str| stage.variables.get(name);
        let expander = Expander::new(&lookup, self.file.directives.escape);
        let value =
            expander.word(text).map_err(|source| Error::Expand { line: step.line, instruction, source })?;
        let unset = if self.checks.skips(Lint::UndefinedVar) {
            Vec::new()
        } else {
            expander.unset().into_iter().filter(|name| !stage.variables.is_declared(name)).collect()
        };
        for name in unset {
            let known = stage.variables.names();
            let text = tare_dockerfile::lint::undefined_message(&name, &known);
            let hint = format!("put ARG {name} or ENV {name}=… before it in this stage");
            self.events.event(Event::Warning { line: step.line, text: &text, hint: Some(&hint) });
        }
        Ok(value)
    }

    fn expand_all(
        &self,
        stage: &Stage,
        texts: &[String],
        place: (&'static str, Step),
    ) -> Result<Vec<String>, Error> {
        texts.iter().map(|text| self.expand(stage, text, place)).collect()
    }

    fn expand_pairs(
        &self,
        stage: &Stage,
        pairs: &[Pair],
        place: (&'static str, Step),
    ) -> Result<Vec<(String, String)>, Error> {
        // All values of one instruction see the variables as they were before it.
        pairs
            .iter()
            .map(|pair| Ok((self.expand(stage, &pair.key, place)?, self.expand(stage, &pair.value, place)?)))
            .collect()
    }

    /// Acts on the config and returns the line for the history.
    fn configure(
        &mut self,
        stage: &mut Stage,
        instruction: &Instruction,
        step: Step,
    ) -> Result<String, Error> {
        let keyword = instruction.keyword();
        let place = (keyword, step);
        Ok(match instruction {
            Instruction::Env(pairs) => {
                let pairs = self.expand_pairs(stage, pairs, place)?;
                for (name, value) in &pairs {
                    stage.config.config.set_env(name, value);
                    stage.variables.set(name, value);
                }
                join_pairs("ENV", &pairs)
            }
            Instruction::Label(pairs) => {
                let pairs = self.expand_pairs(stage, pairs, place)?;
                stage.config.config.labels.extend(pairs.iter().cloned());
                join_pairs("LABEL", &pairs)
            }
            Instruction::Arg(args) => self.args(stage, args, place)?,
            Instruction::Cmd(command) => {
                let words = config::words(command, &stage.config.config);
                let line = format!("CMD {}", go::quoted(&words));
                stage.config.config.cmd = Some(words).filter(|words| !words.is_empty());
                stage.config.config.args_escaped = true;
                stage.has_cmd = true;
                line
            }
            Instruction::Entrypoint(command) => {
                let words = config::words(command, &stage.config.config);
                let line = format!("ENTRYPOINT {}", go::quoted(&words));
                stage.config.config.entrypoint = Some(words).filter(|words| !words.is_empty());
                // The base image's command was meant for its own entrypoint.
                if !stage.has_cmd {
                    stage.config.config.cmd = None;
                }
                line
            }
            Instruction::Maintainer(name) => {
                stage.config.author.clone_from(name);
                format!("MAINTAINER {name}")
            }
            Instruction::Expose(_)
            | Instruction::Volume(_)
            | Instruction::User(_)
            | Instruction::StopSignal(_) => self.configure_text(stage, instruction, place)?,
            Instruction::Healthcheck(check) => {
                let check = config::healthcheck(check);
                let line = format!("HEALTHCHECK {}", config::shown_healthcheck(&check));
                stage.config.config.healthcheck = Some(check);
                line
            }
            Instruction::Shell(words) => {
                stage.config.config.shell = Some(words.clone());
                format!("SHELL {}", go::list(words))
            }
            Instruction::OnBuild(text) => {
                stage.config.config.on_build.push(text.clone());
                format!("ONBUILD {text}")
            }
            // Steps of their own; none of them comes here.
            Instruction::From(_)
            | Instruction::Run(_)
            | Instruction::Add(_)
            | Instruction::Copy(_)
            | Instruction::Workdir(_) => keyword.to_owned(),
        })
    }

    /// The instructions whose arguments are texts with variables.
    fn configure_text(
        &self,
        stage: &mut Stage,
        instruction: &Instruction,
        place: (&'static str, Step),
    ) -> Result<String, Error> {
        let step = place.1;
        Ok(match instruction {
            Instruction::Expose(texts) => {
                let texts = self.expand_all(stage, texts, place)?;
                let mut ports = Vec::new();
                for text in texts.iter().flat_map(|text| text.split_whitespace()) {
                    let bad =
                        || invalid(step.line, "EXPOSE", format!("{text:?} is no port: write 80 or 80/udp"));
                    ports.extend(config::ports(text).ok_or_else(bad)?);
                }
                ports.sort();
                let line = format!("EXPOSE {}", go::list(&ports));
                stage.config.config.exposed_ports.extend(ports);
                line
            }
            Instruction::Volume(paths) => {
                let paths = self.expand_all(stage, paths, place)?;
                if paths.iter().any(|path| path.trim().is_empty()) {
                    return Err(invalid(step.line, "VOLUME", "an empty path"));
                }
                stage.config.config.volumes.extend(paths.iter().cloned());
                format!("VOLUME {}", go::list(&paths))
            }
            Instruction::User(user) => {
                let user = self.expand(stage, user, place)?;
                stage.config.config.user.clone_from(&user);
                format!("USER {user}")
            }
            Instruction::StopSignal(signal) => {
                let signal = self.expand(stage, signal, place)?;
                if Signal::parse(&signal).is_none() {
                    return Err(invalid(step.line, "STOPSIGNAL", format!("{signal:?} is no signal")));
                }
                stage.config.config.stop_signal.clone_from(&signal);
                format!("STOPSIGNAL {signal}")
            }
            other => other.keyword().to_owned(),
        })
    }

    fn args(&self, stage: &mut Stage, args: &[Arg], place: (&'static str, Step)) -> Result<String, Error> {
        let mut shown = vec!["ARG".to_owned()];
        for arg in args {
            let default = arg.default.as_ref().map(|text| || self.expand(stage, text, place));
            let value = self.globals.stage_arg(&arg.name, default)?;
            shown.push(match &value {
                Some(value) => format!("{}={value}", arg.name),
                None => arg.name.clone(),
            });
            stage.variables.declare(&arg.name, value);
        }
        Ok(shown.join(" "))
    }

    /// `WORKDIR`: makes the folder; a layer, which is empty if the folder was there.
    fn workdir(&mut self, stage: &mut Stage, path: &str, step: Step) -> Result<(), Error> {
        let path = self.expand(stage, path, ("WORKDIR", step))?;
        let path = config::workdir(&stage.config.config.working_dir, &path);
        stage.config.config.working_dir.clone_from(&path);
        let is_root = place::clean(&path).as_os_str().is_empty();
        if !is_root {
            let mut key = KeyHasher::new("workdir");
            key.digest(&stage.files_key).field(&path).field(&stage.config.config.user);
            let key = key.finish();
            match self.find_result(stage, &key)? {
                Some(found) => self.reuse(stage, key, found, step),
                None => {
                    let lowers = self.lowers(&stage.layers);
                    let (root, staging) = mount(self.store, lowers, Access::Write, step.line)?;
                    let user = &stage.config.config.user;
                    let owner =
                        if user.is_empty() { None } else { Some(users::resolve(&root, user, step.line)?) };
                    Writer::new(&root, Style { owner, mode: None }, self.cancel)
                        .make_folder(path.as_ref())?;
                    drop(root);
                    self.add_layer(stage, key, staging);
                }
            }
        }
        let created = stage.created.clone();
        config::history(&mut stage.config, format!("WORKDIR {path}"), created, is_root);
        Ok(())
    }
}

fn join_pairs(keyword: &str, pairs: &[(String, String)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| format!(" {key}={value}"));
    std::iter::once(keyword.to_owned()).chain(pairs).collect()
}
