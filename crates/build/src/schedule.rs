//! The stages side by side: each goes on until its next `RUN` step's program runs, or until it needs something that
//! another has not finished, and one loop attends to all programs. No thread is involved but the one that hashes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tare_dockerfile::{Node, Span};

use crate::event::Event;
use crate::executor::{Builder, Stage, Step, stage_name};
use crate::io_at::At as _;
use crate::layers::hash;
use crate::plan::{self, Base};
use crate::program::{self, Program};
use crate::run_step::{Begun, RunStep};
use crate::{Error, Event::StepCancelled};

/// How long the loop waits at most: a cache that another build has locked announces nothing.
const PATIENCE: Duration = Duration::from_millis(100);

/// A stage on its way.
struct Job {
    parsed: tare_dockerfile::Stage,
    /// `None` until its base is there.
    stage: Option<Stage>,
    /// Steps to come, each with its number in the stage.
    steps: VecDeque<(usize, Node)>,
    total: usize,
    /// The step that has begun and not ended.
    open: Option<(Step, Instant)>,
    running: Option<Box<RunStep>>,
    is_finished: bool,
}

impl Job {
    fn new(parsed: tare_dockerfile::Stage) -> Self {
        let steps = parsed.steps.iter().cloned().enumerate().map(|(at, node)| (at + 2, node)).collect();
        let total = parsed.steps.len() + 1;
        Self { parsed, stage: None, steps, total, open: None, running: None, is_finished: false }
    }
}

impl Builder<'_> {
    /// Carries out stages that are listed after those that they need.
    pub(crate) fn carry_out(&mut self, stages: &[usize]) -> Result<(), Error> {
        let mut jobs: Vec<Job> =
            stages.iter().map(|index| Job::new(self.file.stages[*index].clone())).collect();
        let outcome = self.drive(&mut jobs);
        if outcome.is_err() {
            for job in &mut jobs {
                // The one that failed is not among them: it runs no more.
                if let (Some(_), Some((step, _))) = (job.running.take(), job.open) {
                    self.events.event(StepCancelled { id: step.id });
                }
            }
        }
        outcome
    }

    fn drive(&mut self, jobs: &mut Vec<Job>) -> Result<(), Error> {
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let mut has_moved = false;
            for at in 0..jobs.len() {
                let moved = self.advance(&mut jobs[at])?;
                has_moved |= moved == Moved::Yes;
                if let Moved::Needs(stage) = moved
                    && !jobs.iter().any(|job| job.parsed.index == stage)
                {
                    // Only the trigger of an image asks for it.
                    jobs.push(Job::new(self.file.stages[stage].clone()));
                    has_moved = true;
                }
            }
            if jobs.iter().all(|job| job.is_finished) {
                return Ok(());
            }
            self.attend(jobs, if has_moved { Duration::ZERO } else { PATIENCE })?;
        }
    }

    /// Brings a stage one step forward.
    fn advance(&mut self, job: &mut Job) -> Result<Moved, Error> {
        if job.is_finished || job.running.is_some() {
            return Ok(Moved::No);
        }
        if job.stage.is_none() {
            return self.begin_stage(job);
        }
        let Some((n, node)) = job.steps.front().cloned() else {
            self.stages[job.parsed.index] = job.stage.clone();
            job.is_finished = true;
            return Ok(Moved::Yes);
        };
        for name in plan::sources(&node.instruction) {
            if let Some(needed) = plan::stage_before(&self.file, job.parsed.index, name)
                && self.stages[needed].is_none()
            {
                return Ok(Moved::Needs(needed));
            }
        }
        let (step, started) =
            *job.open.get_or_insert_with(|| self.begin(&job.parsed, n, job.total, &node.text, node.span));
        let Some(stage) = &mut job.stage else { return Ok(Moved::No) };
        match self.instruction(stage, &node, step).map_err(|error| error.at_line(step.line))? {
            Begun::Finished => {
                self.events.event(Event::StepFinished { id: step.id, duration: started.elapsed() });
                job.open = None;
                job.steps.pop_front();
                Ok(Moved::Yes)
            }
            Begun::Runs(run) => {
                job.running = Some(run);
                job.steps.pop_front();
                Ok(Moved::Yes)
            }
            Begun::Blocked => Ok(Moved::No),
        }
    }

    /// `FROM`.
    fn begin_stage(&mut self, job: &mut Job) -> Result<Moved, Error> {
        let _span = tracing::debug_span!("begin stage", stage = job.parsed.index).entered();
        let Span { first: line, .. } = job.parsed.span;
        let expand = |source| Error::Expand { line, instruction: "FROM", source };
        if let Base::Stage(base) =
            plan::base(&self.file, &job.parsed, &self.globals, &self.request.contexts).map_err(expand)?
            && self.stages[base].is_none()
        {
            return Ok(Moved::Needs(base));
        }
        if plan::replaced(&job.parsed, &self.request.contexts).is_some() {
            job.steps.clear();
        }
        let parsed = job.parsed.clone();
        self.events.event(Event::StageStart { stage: &stage_name(&parsed), base: &parsed.from.image });
        let (step, started) = self.begin(&parsed, 1, job.total, &parsed.text, parsed.span);
        let (mut stage, triggers) = self.base(&parsed).map_err(|error| error.at_line(line))?;
        stage.index = parsed.index;
        stage.variables.begin(&stage.config.config);
        stage.has_cmd = false;
        self.events.event(Event::StepFinished { id: step.id, duration: started.elapsed() });
        // What stands in for a stage is taken as it is.
        let triggers = if job.steps.is_empty() && job.total > 1 { Vec::new() } else { triggers };
        for trigger in triggers.into_iter().rev() {
            let mut node = tare_dockerfile::parse_trigger(&trigger).map_err(|source| Error::Trigger {
                line,
                trigger,
                source: Box::new(source),
            })?;
            node.span = parsed.span;
            job.steps.push_front((1, node));
        }
        job.stage = Some(stage);
        Ok(Moved::Yes)
    }

    fn begin(
        &mut self,
        parsed: &tare_dockerfile::Stage,
        n: usize,
        total: usize,
        text: &str,
        span: Span,
    ) -> (Step, Instant) {
        let id = self.steps;
        self.steps += 1;
        let stage = parsed.from.alias.as_deref();
        self.events.event(Event::StepStarted { id, n, total, stage, text });
        (Step { id, line: span.first }, Instant::now())
    }

    /// Waits for something to happen to the programs that run, and finishes the steps whose program has ended.
    fn attend(&mut self, jobs: &mut [Job], patience: Duration) -> Result<(), Error> {
        if self.hashing.as_ref().is_some_and(|thread| thread.is_finished()) {
            // Other builds may wait for these layers.
            self.join_hashing()?;
        }
        let to_hash = self.layers.to_hash();
        if self.hashing.is_none() && !to_hash.is_empty() && patience > Duration::ZERO {
            // All stages wait. Where this process makes the containers, none is made until this has been joined.
            // Where no thread can be had, it is done at the end.
            self.hashing = std::thread::Builder::new().spawn(|| hash(to_hash)).ok();
        }
        let mut programs: Vec<&mut Program> =
            jobs.iter_mut().filter_map(|job| job.running.as_mut()).map(|run| &mut run.program).collect();
        program::attend(&mut programs, self.cancel, patience, self.events).at("watch", "RUN")?;
        self.events.event(Event::Waiting);
        for job in jobs {
            let Some(run) = job.running.take_if(|run| run.program.has_ended()) else { continue };
            let (Some(stage), Some((step, started))) = (&mut job.stage, job.open) else { continue };
            self.finish_run(stage, *run, step).map_err(|error| error.at_line(step.line))?;
            self.events.event(Event::StepFinished { id: step.id, duration: started.elapsed() });
            job.open = None;
        }
        Ok(())
    }
}

/// Whether a stage got on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Yes,
    No,
    /// Not before another stage is finished.
    Needs(usize),
}
