//! What each instruction does to its stage.

use tare_dockerfile::{Arg, Expander, Instruction, Lint, Node, Pair};

use crate::cache::KeyHasher;
use crate::copy::{Style, Writer, exists};
use crate::error::invalid;
use crate::event::Event;
use crate::executor::{Builder, Stage, Step};
use crate::run_step::Begun;
use crate::sources::{Access, mount};
use crate::{Error, config, scope, users};

impl Builder<'_> {
    /// Carries an instruction out, or begins with it.
    pub(crate) fn instruction(&mut self, stage: &mut Stage, node: &Node, step: Step) -> Result<Begun, Error> {
        match &node.instruction {
            Instruction::Run(run) => return self.run_step(stage, run, step),
            Instruction::Copy(copy) => self.copy_step(stage, "COPY", copy, node, step)?,
            Instruction::Add(add) => self.copy_step(stage, "ADD", add, node, step)?,
            Instruction::Workdir(path) => self.workdir(stage, path, step)?,
            other => {
                let shown = self.configure(stage, other, step)?;
                let created = stage.created.clone();
                config::history(&mut stage.config, shown, created, true);
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
        let lookup = |name: &str| scope::lookup(&stage.config.config, &stage.args, name);
        let expander = Expander::new(&lookup, self.file.directives.escape);
        let value =
            expander.word(text).map_err(|source| Error::Expand { line: step.line, instruction, source })?;
        let unset = if self.checks.skips(Lint::UndefinedVar) {
            Vec::new()
        } else {
            expander.unset().into_iter().collect()
        };
        for name in unset {
            let text = format!("{instruction} uses ${name}, which nothing sets here");
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
                let line = format!("CMD {}", show(&words));
                stage.config.config.cmd = Some(words);
                stage.has_cmd = true;
                line
            }
            Instruction::Entrypoint(command) => {
                let words = config::words(command, &stage.config.config);
                let line = format!("ENTRYPOINT {}", show(&words));
                stage.config.config.entrypoint = Some(words);
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
                let check = config::healthcheck(check, &stage.config.config);
                let line = format!("HEALTHCHECK {}", show(&check.test));
                stage.config.config.healthcheck = Some(check);
                line
            }
            Instruction::Shell(words) => {
                stage.config.config.shell = Some(words.clone());
                format!("SHELL {}", show(words))
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
                for text in texts.iter().flat_map(|text| text.split_whitespace()) {
                    let bad =
                        || invalid(step.line, "EXPOSE", format!("{text:?} is no port: write 80 or 80/udp"));
                    stage.config.config.exposed_ports.extend(config::ports(text).ok_or_else(bad)?);
                }
                format!("EXPOSE {}", texts.join(" "))
            }
            Instruction::Volume(paths) => {
                let paths = self.expand_all(stage, paths, place)?;
                if paths.iter().any(|path| path.trim().is_empty()) {
                    return Err(invalid(step.line, "VOLUME", "an empty path"));
                }
                stage.config.config.volumes.extend(paths.iter().cloned());
                format!("VOLUME {}", show(&paths))
            }
            Instruction::User(user) => {
                let user = self.expand(stage, user, place)?;
                stage.config.config.user.clone_from(&user);
                format!("USER {user}")
            }
            Instruction::StopSignal(signal) => {
                let signal = self.expand(stage, signal, place)?;
                stage.config.config.stop_signal.clone_from(&signal);
                format!("STOPSIGNAL {signal}")
            }
            other => other.keyword().to_owned(),
        })
    }

    fn args(&self, stage: &mut Stage, args: &[Arg], place: (&'static str, Step)) -> Result<String, Error> {
        let mut shown = vec!["ARG".to_owned()];
        for arg in args {
            let default = match &arg.default {
                Some(text) => Some(self.expand(stage, text, place)?),
                None => None,
            };
            match self.globals.stage_arg(&arg.name, default) {
                Some(value) => {
                    shown.push(format!("{}={value}", arg.name));
                    stage.args.insert(arg.name.clone(), value);
                }
                None => shown.push(arg.name.clone()),
            }
        }
        Ok(shown.join(" "))
    }

    /// `WORKDIR`: makes the folder, with a layer only if it was missing.
    fn workdir(&mut self, stage: &mut Stage, path: &str, step: Step) -> Result<(), Error> {
        let path = self.expand(stage, path, ("WORKDIR", step))?;
        let path = config::workdir(&stage.config.config.working_dir, &path);
        stage.config.config.working_dir.clone_from(&path);
        let mut key = KeyHasher::new("workdir");
        key.digest(&stage.files_key).field(&path).field(&stage.config.config.user);
        let key = key.finish();
        let made = match self.find_result(&key)? {
            Some(found) => self.reuse(stage, key, found, step),
            None => {
                let lowers = self.lowers(&stage.layers);
                let (root, staging) = mount(self.store, lowers, Access::Write, step.line)?;
                if exists(&root, path.as_ref()) {
                    self.no_layer(&key)?;
                    false
                } else {
                    let user = &stage.config.config.user;
                    let owner =
                        if user.is_empty() { None } else { Some(users::resolve(&root, user, step.line)?) };
                    Writer::new(&root, Style { owner, mode: None }, self.cancel)
                        .make_folder(path.as_ref())?;
                    drop(root);
                    self.add_layer(stage, key, staging);
                    true
                }
            }
        };
        let created = stage.created.clone();
        config::history(&mut stage.config, format!("WORKDIR {path}"), created, !made);
        Ok(())
    }
}

/// Words as JSON, as Docker's history has them.
fn show(words: &[String]) -> String {
    serde_json::to_string(words).unwrap_or_else(|_| words.join(" "))
}

fn join_pairs(keyword: &str, pairs: &[(String, String)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| format!(" {key}={value}"));
    std::iter::once(keyword.to_owned()).chain(pairs).collect()
}
