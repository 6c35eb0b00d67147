//! The spawner's side: one loop over its orders and its children.

use std::io;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use tare_sys::signal::{self, Signal};

use super::wire::{self, Answer, Order};
use crate::{Created, Error, Result, Running, Spec, Stdio};

/// A child, and whom to tell of its end.
struct Ward {
    pidfd: OwnedFd,
    /// `None` when nobody wants to know any more.
    answers: Option<OwnedFd>,
}

/// A container whose program waits for word by the socket for answers.
struct Waiting {
    created: Created,
    answers: OwnedFd,
}

/// What has been made and is not over.
#[derive(Default)]
struct Care {
    wards: Vec<Ward>,
    waiting: Vec<Waiting>,
}

/// What there is to do.
struct News {
    /// An order has come.
    asked: bool,
    /// Wards that have ended.
    over: Vec<usize>,
    /// Wards that nobody waits for any more.
    dropped: Vec<usize>,
    /// Waiting containers that are to start, or that nobody wants any more.
    called: Vec<usize>,
}

/// Carries out the orders that come by `socket` until its other side is closed, and kills what still runs then. The
/// process must have one thread, and be of use for nothing else.
///
/// # Errors
/// What poll(2) and recvmsg(2) say. Whatever goes wrong with one order is that order's answer.
pub fn serve(socket: impl AsFd) -> Result<()> {
    // The terminal's signals are for the caller, who lets his containers end in order.
    let _ = rustix::process::setsid();
    let mut care = Care::default();
    let outcome = loop {
        match care.turn(&socket) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(Error::system("serving orders")(error)),
        }
    };
    for ward in &care.wards {
        // One that has ended already is no error.
        let _ = signal::pidfd_send(&ward.pidfd, Signal::KILL);
        let _ = ended(ward);
    }
    outcome
}

impl Care {
    /// Waits for something to happen and sees to it; false once there is no more to come.
    fn turn(&mut self, socket: impl AsFd) -> io::Result<bool> {
        let news = self.wait(&socket)?;
        for index in news.dropped {
            let ward = &mut self.wards[index];
            ward.answers = None;
            let _ = signal::pidfd_send(&ward.pidfd, Signal::KILL);
        }
        // From the last on, so that the others keep their places.
        for index in news.over.into_iter().rev() {
            let ward = self.wards.swap_remove(index);
            let status = ended(&ward);
            if let Some(answers) = &ward.answers {
                // Whoever does not listen any more has no use for it.
                let _ = wire::send_answer(answers, &Answer::Ended(status), &[]);
            }
        }
        for index in news.called.into_iter().rev() {
            let Waiting { created, answers } = self.waiting.swap_remove(index);
            // A container that nobody wants goes with its value.
            if let Ok(Some(_)) = wire::receive(&answers, 1) {
                self.wards.extend(told(created.start(), answers));
            }
        }
        if !news.asked {
            return Ok(true);
        }
        match wire::receive(&socket, 1)? {
            Some((_, descriptors)) => {
                self.carry_out(descriptors);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn wait(&self, socket: impl AsFd) -> io::Result<News> {
        let mut polled = vec![PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
        polled.extend(self.wards.iter().map(|ward| PollFd::new(&ward.pidfd, PollFlags::IN)));
        polled.extend(self.waiting.iter().map(|waiting| PollFd::new(&waiting.answers, PollFlags::IN)));
        let told: Vec<(usize, &OwnedFd)> = self
            .wards
            .iter()
            .enumerate()
            .filter_map(|(index, ward)| Some((index, ward.answers.as_ref()?)))
            .collect();
        // Nothing is read from these: their end is seen without having been asked for.
        polled.extend(told.iter().map(|(_, answers)| PollFd::new(*answers, PollFlags::empty())));
        match poll(&mut polled, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (ends, rest) = happened[1..].split_at(self.wards.len());
        let (calls, hangups) = rest.split_at(self.waiting.len());
        let those = |list: &[bool]| {
            list.iter().enumerate().filter(|(_, set)| **set).map(|(index, _)| index).collect()
        };
        let dropped = told.iter().zip(hangups).filter(|(_, set)| **set).map(|((index, _), _)| *index);
        Ok(News { asked: happened[0], over: those(ends), dropped: dropped.collect(), called: those(calls) })
    }

    /// Carries out one order; what came of it is told to whom it concerns.
    fn carry_out(&mut self, descriptors: Vec<OwnedFd>) {
        let mut descriptors = descriptors.into_iter();
        let (Some(text), Some(answers)) = (descriptors.next(), descriptors.next()) else { return };
        let stdio = match (descriptors.next(), descriptors.next(), descriptors.next()) {
            (Some(stdin), Some(stdout), Some(stderr)) => Stdio::Streams { stdin, stdout, stderr },
            _ => Stdio::Terminal,
        };
        let running = match wire::read_order(text).map_err(Error::system("reading an order")) {
            Ok(Order::Create(spec)) => return self.waiting.extend(made(&spec, stdio, answers)),
            Ok(Order::Run(spec)) => crate::create(&spec, stdio).and_then(Created::start),
            Ok(Order::Exec(spec)) => crate::exec(&spec, stdio),
            Err(error) => Err(error),
        };
        self.wards.extend(told(running, answers));
    }
}

fn made(spec: &Spec, stdio: Stdio, answers: OwnedFd) -> Option<Waiting> {
    let created = crate::create(spec, stdio).and_then(|mut created| {
        created.wait_ready()?;
        Ok(created)
    });
    // A caller that is gone is seen by the end of its socket.
    match created {
        Ok(created) => {
            let _ = wire::send_answer(&answers, &Answer::Made, &[]);
            Some(Waiting { created, answers })
        }
        Err(error) => {
            let _ = wire::send_answer(&answers, &Answer::Failed((&error).into()), &[]);
            None
        }
    }
}

/// Tells how a program's start went.
fn told(running: Result<Running>, answers: OwnedFd) -> Option<Ward> {
    match running {
        Ok(Running { pid, pidfd, pty_master, notes }) => {
            let beside: Vec<_> = [&pidfd].into_iter().chain(&pty_master).map(|fd| fd.as_fd()).collect();
            let _ = wire::send_answer(&answers, &Answer::Started { pid, notes }, &beside);
            Some(Ward { pidfd, answers: Some(answers) })
        }
        Err(error) => {
            let _ = wire::send_answer(&answers, &Answer::Failed((&error).into()), &[]);
            None
        }
    }
}

/// Collects a child that has ended, or is about to.
fn ended(ward: &Ward) -> i32 {
    loop {
        match waitid(WaitId::PidFd(ward.pidfd.as_fd()), WaitIdOptions::EXITED) {
            Ok(Some(status)) => {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                return status.exit_status().or(signal).unwrap_or(255);
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return 255,
        }
    }
}
