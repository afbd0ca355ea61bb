//! The result on standard output: lines for people, or one JSON value for programs.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::Value;

use crate::failure::Failure;

/// Where the result goes.
#[derive(Debug)]
pub(crate) struct Output {
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    People,
    Json,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { form: if json { Form::Json } else { Form::People } }
    }

    /// The whole result, in the form that was asked for.
    pub(crate) fn result(&mut self, text: impl Display, json: &Value) -> Result<(), Failure> {
        match self.form {
            Form::People => self.line(text),
            Form::Json => self.json(json),
        }
    }

    /// One step of a result that goes on: a line for people, or a line of JSON.
    pub(crate) fn step(&mut self, text: impl Display, json: &Value) -> Result<(), Failure> {
        match self.form {
            Form::People => self.line(text),
            Form::Json => self.line(json),
        }
    }

    /// A JSON value in both forms, indented.
    pub(crate) fn json(&mut self, json: &Value) -> Result<(), Failure> {
        self.line(format_args!("{json:#}"))
    }

    /// Exactly these bytes, in both forms.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        written(stdout.write_all(bytes).and_then(|()| stdout.flush()))
    }

    /// With `--json` the value, else exactly these bytes.
    pub(crate) fn value_or_bytes(&mut self, json: &Value, bytes: &[u8]) -> Result<(), Failure> {
        match self.form {
            Form::People => self.bytes(bytes),
            Form::Json => self.json(json),
        }
    }

    /// Something to hear of that is no error, on standard error.
    pub(crate) fn warn(text: impl Display) {
        // A warning that nobody can read is no reason to fail.
        let _ = writeln!(io::stderr().lock(), "warning: {text}");
    }

    fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }
}

fn written(outcome: io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
        Err(error) => Err(Failure::failed("output", format!("cannot write to standard output: {error}"))),
    }
}
