//! Executing the program, and finding out why it could not be.

use crate::{Error, Result};
use std::ffi::CString;
use std::io;
use tare_sys::exec::ExecArgs;
use tare_sys::root::RootDir;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How much of a file the kernel looks at for an interpreter.
const HEAD: u64 = 256;

/// A program with its arguments, allocated before the child is made.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    candidates: Vec<CString>,
    args: Vec<String>,
}

impl Program {
    /// Looks a name without a slash up in the `PATH` of `env`.
    pub(crate) fn new(args: &[String], env: &[String]) -> Result<Self> {
        let invalid = |reason: &str| Error::Invalid { field: "args", reason: reason.into() };
        let name = args.first().filter(|name| !name.is_empty()).ok_or_else(|| invalid("no command"))?;
        let paths: Vec<String> = if name.contains('/') {
            vec![name.clone()]
        } else {
            let path = env.iter().rev().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
            path.split(':').map(|dir| format!("{}/{name}", if dir.is_empty() { "." } else { dir })).collect()
        };
        let candidates = paths.into_iter().map(CString::new).collect::<std::result::Result<_, _>>();
        let candidates = candidates.map_err(|_| invalid("a NUL byte in the command"))?;
        Ok(Self { name: name.clone(), candidates, args: args.to_vec() })
    }

    /// Becomes the program. Returns only the reason why not.
    pub(crate) fn execute(&self, env: &[String]) -> Error {
        let args = match ExecArgs::new(self.args.iter().cloned(), env.iter().cloned()) {
            Ok(args) => args,
            Err(_) => return Error::Invalid { field: "args", reason: "a NUL byte".into() },
        };
        let mut refused: Option<Error> = None;
        for candidate in &self.candidates {
            if let Some(error) = carriage_return(&candidate.to_string_lossy()) {
                return error;
            }
            let error = args.execve(candidate);
            match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => {
                    if let Some(error) = missing_interpreter(&candidate.to_string_lossy()) {
                        return error;
                    }
                }
                _ => {
                    let program = candidate.to_string_lossy().into_owned();
                    let is_folder = std::fs::metadata(&program).is_ok_and(|meta| meta.is_dir());
                    let error = if is_folder { io::Error::from_raw_os_error(libc::EISDIR) } else { error };
                    refused.get_or_insert(Error::PermissionDenied { program, source: error });
                }
            }
        }
        refused.unwrap_or_else(|| Error::NotFound { program: self.name.clone() })
    }
}

fn head(path: &str) -> io::Result<Vec<u8>> {
    let cwd = RootDir::open_host(if path.starts_with('/') { "/" } else { "." })?;
    let mut bytes = cwd.read(path, HEAD)?;
    bytes.truncate(usize::try_from(HEAD).unwrap_or(256));
    Ok(bytes)
}

fn interpreter_line(bytes: &[u8]) -> Option<String> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).trim_start().to_owned())
}

/// A script with Windows line ends always fails, and always bafflingly: either the kernel finds no interpreter of
/// that name, or `env` no program, or the interpreter gets an option that ends in CR. So look before executing.
fn carriage_return(path: &str) -> Option<Error> {
    let line = interpreter_line(&head(path).ok()?)?;
    let interpreter = line.strip_suffix('\r')?.to_owned();
    Some(Error::CrlfInterpreter { file: path.to_owned(), interpreter })
}

/// The file exists and yet the kernel says it does not: then what it names as its interpreter does not.
fn missing_interpreter(path: &str) -> Option<Error> {
    let bytes = head(path).ok()?;
    let interpreter = match interpreter_line(&bytes) {
        Some(line) => line.split_ascii_whitespace().next().unwrap_or_default().to_owned(),
        None if bytes.starts_with(b"\x7fELF") => {
            elf_interpreter(path).unwrap_or_else(|| "(ELF loader)".into())
        }
        None => return None,
    };
    Some(Error::InterpreterNotFound { file: path.to_owned(), interpreter })
}

/// PT_INTERP of a 64-bit ELF file.
fn elf_interpreter(path: &str) -> Option<String> {
    let bytes = RootDir::open_host("/").ok()?.read(path, 8192).ok()?;
    let number = |at: usize, width: usize| -> Option<usize> {
        let mut eight = [0u8; 8];
        eight[..width].copy_from_slice(bytes.get(at..at + width)?);
        usize::try_from(u64::from_le_bytes(eight)).ok()
    };
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let entry = (0..count).map(|i| table + i * size).find(|at| number(*at, 4) == Some(3))?;
    let (offset, length) = (number(entry + 8, 8)?, number(entry + 32, 8)?);
    let text = bytes.get(offset..offset.checked_add(length)?)?;
    Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_line_is_read_as_the_kernel_does() {
        assert_eq!(interpreter_line(b"#! /bin/sh -e\nx").unwrap(), "/bin/sh -e");
        assert_eq!(interpreter_line(b"#!/usr/bin/env python\r\n").unwrap(), "/usr/bin/env python\r");
        assert_eq!(interpreter_line(b"echo"), None);
    }

    #[test]
    fn the_last_path_variable_counts() {
        let env = ["PATH=/a".to_owned(), "PATH=/b:/c".to_owned()];
        let program = Program::new(&["x".into()], &env).unwrap();
        assert_eq!(program.candidates, [c"/b/x".to_owned(), c"/c/x".to_owned()]);
        assert!(Program::new(&[], &[]).is_err());
    }
}
