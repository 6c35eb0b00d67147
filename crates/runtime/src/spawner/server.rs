//! The spawner's side: one loop over its orders and its children.

use std::io;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use tare_sys::signal::{self, Signal};

use super::wire::{self, Answer, Order};
use crate::{Error, Result, Running, Stdio};

/// A child, and whom to tell of its end.
struct Ward {
    pidfd: OwnedFd,
    /// `None` when nobody wants to know any more.
    answers: Option<OwnedFd>,
}

/// Carries out the orders that come by `socket` until its other side is closed, and kills what still runs then. The
/// process must have one thread, and be of use for nothing else.
///
/// # Errors
/// What poll(2) and recvmsg(2) say. Whatever goes wrong with one order is that order's answer.
pub fn serve(socket: impl AsFd) -> Result<()> {
    // The terminal's signals are for the caller, who lets his containers end in order.
    let _ = rustix::process::setsid();
    let mut wards: Vec<Ward> = Vec::new();
    let outcome = loop {
        match turn(&socket, &mut wards) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(Error::system("serving orders")(error)),
        }
    };
    for ward in &wards {
        // One that has ended already is no error.
        let _ = signal::pidfd_send(&ward.pidfd, Signal::KILL);
        let _ = ended(ward);
    }
    outcome
}

/// Waits for something to happen and sees to it; false once there is no more to come.
fn turn(socket: impl AsFd, wards: &mut Vec<Ward>) -> io::Result<bool> {
    let (asked, over, dropped) = wait(&socket, wards)?;
    for index in dropped {
        let ward = &mut wards[index];
        ward.answers = None;
        let _ = signal::pidfd_send(&ward.pidfd, Signal::KILL);
    }
    // From the last on, so that the others keep their places.
    for index in over.into_iter().rev() {
        let ward = wards.swap_remove(index);
        let status = ended(&ward);
        if let Some(answers) = &ward.answers {
            // Whoever does not listen any more has no use for it.
            let _ = wire::send_answer(answers, &Answer::Ended(status), &[]);
        }
    }
    if !asked {
        return Ok(true);
    }
    match wire::receive(&socket, 1)? {
        Some((_, descriptors)) => {
            wards.extend(carry_out(descriptors));
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Whether there is an order, which wards have ended, and which are nobody's any more.
fn wait(socket: impl AsFd, wards: &[Ward]) -> io::Result<(bool, Vec<usize>, Vec<usize>)> {
    let mut polled = vec![PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
    polled.extend(wards.iter().map(|ward| PollFd::new(&ward.pidfd, PollFlags::IN)));
    let told: Vec<(usize, &OwnedFd)> =
        wards.iter().enumerate().filter_map(|(index, ward)| Some((index, ward.answers.as_ref()?))).collect();
    // Nothing is read from these: their end is seen without having been asked for.
    polled.extend(told.iter().map(|(_, answers)| PollFd::new(*answers, PollFlags::empty())));
    match poll(&mut polled, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let happened: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
    let (ends, hangups) = happened[1..].split_at(wards.len());
    let over = ends.iter().enumerate().filter(|(_, happened)| **happened).map(|(index, _)| index).collect();
    let dropped = told.iter().zip(hangups).filter(|(_, happened)| **happened).map(|((index, _), _)| *index);
    Ok((happened[0], over, dropped.collect()))
}

/// Carries out one order; what came of it is told to whom it concerns.
fn carry_out(descriptors: Vec<OwnedFd>) -> Option<Ward> {
    let mut descriptors = descriptors.into_iter();
    let (text, answers) = (descriptors.next()?, descriptors.next()?);
    let stdio = match (descriptors.next(), descriptors.next(), descriptors.next()) {
        (Some(stdin), Some(stdout), Some(stderr)) => Stdio::Streams { stdin, stdout, stderr },
        _ => Stdio::Terminal,
    };
    match started(text, stdio) {
        Ok(Running { pid, pidfd, pty_master, notes }) => {
            let beside: Vec<_> = [&pidfd].into_iter().chain(&pty_master).map(|fd| fd.as_fd()).collect();
            // A caller that is gone is seen by the end of its socket.
            let _ = wire::send_answer(&answers, &Answer::Started { pid, notes }, &beside);
            Some(Ward { pidfd, answers: Some(answers) })
        }
        Err(error) => {
            let _ = wire::send_answer(&answers, &Answer::Failed((&error).into()), &[]);
            None
        }
    }
}

fn started(text: OwnedFd, stdio: Stdio) -> Result<Running> {
    match wire::read_order(text).map_err(Error::system("reading an order"))? {
        Order::Run(spec) => crate::create(&spec, stdio)?.start(),
        Order::Exec(spec) => crate::exec(&spec, stdio),
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
