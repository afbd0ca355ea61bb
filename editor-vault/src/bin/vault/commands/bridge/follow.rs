//! One step of both directions. A change of the file is a difference from what the file was last written from, so it
//! merges with whatever the vault got meanwhile; then the file is written from the vault.

use editor_vault::Document;
use schemas::layout::ImportError;
use serde_json::{Value, json};

use super::base::{self, Base, Memory};
use super::file::{Digest, Place, digest};
use super::form::Form;
use crate::cli::Preference;
use crate::commands::import;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// A file and the document that follow each other.
#[derive(Debug)]
pub(super) struct Bridge {
    document: Document,
    form: Form,
    place: Place,
    memory: Memory,
    /// The failure that was said last, and the file that it was about: said once, not every two seconds.
    said: Option<(Option<Digest>, String)>,
    /// The file was there and is not any more.
    is_gone: bool,
}

/// The file as it was read.
struct Seen {
    text: String,
    digest: Digest,
}

impl Bridge {
    pub(super) fn new(document: Document, form: Form, place: Place, memory: Memory) -> Result<Self, Failure> {
        document.value()?; // what cannot be read is said before anything is touched
        Ok(Self { document, form, place, memory, said: None, is_gone: false })
    }

    pub(super) const fn document(&self) -> &Document {
        &self.document
    }

    pub(super) const fn form(&self) -> &Form {
        &self.form
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// The first step. Where no bridge ran before, only one side may have something to say, unless a preference says
    /// which counts.
    pub(super) fn begin(&mut self, preference: Option<Preference>, output: &mut Output) -> Result<(), Failure> {
        let Some(bytes) = self.place.read()?.filter(|bytes| !bytes.is_empty()) else {
            return self.fill(output);
        };
        if self.memory.last.is_some() || self.memory.next.is_some() {
            return self.step(output);
        }
        let seen = self.seen(bytes)?;
        let document = self.document.value()?;
        let is_empty = self.form.part(&document) == json!({});
        let current = self.form.with_local(&document, &json!({}));
        if self.form.export(&current) == seen.text {
            return self.memory.settle(Base { value: current, written: seen.digest });
        }
        match preference {
            None if !is_empty => Err(self.both_hold()),
            None | Some(Preference::File) => self.import(&[current], &seen, output),
            Some(Preference::Both) => self.import(&[json!({})], &seen, output),
            Some(Preference::Vault) => {
                let copy = self.place.keep_copy()?.display().to_string();
                let json = json!({ "step": "kept", "file": copy });
                output.step(format_args!("kept what was in {} as {copy}", self.place.shown()), &json)?;
                let typed = self.typed(&seen).unwrap_or_default();
                let value = self.form.with_local(&document, &typed);
                self.memory.settle(Base { value, written: seen.digest })
            }
        }?;
        self.step(output)
    }

    /// One step of both directions. What goes wrong is said and tried again at the next step.
    pub(super) fn step(&mut self, output: &mut Output) -> Result<(), Failure> {
        match self.try_step(output) {
            Err(Failure::ReaderGone) => Err(Failure::ReaderGone),
            Err(failure) => {
                let bytes = self.place.read().ok().flatten();
                let said = (bytes.map(|bytes| digest(&bytes)), format!("{failure:?}"));
                if self.said.as_ref() != Some(&said) {
                    failure.say();
                }
                self.said = Some(said);
                Ok(())
            }
            Ok(()) => {
                self.said = None;
                Ok(())
            }
        }
    }

    fn try_step(&mut self, output: &mut Output) -> Result<(), Failure> {
        // Again if somebody saves the file while it is being written; a person cannot do that for long.
        for _ in 0..8 {
            let Some(bytes) = self.place.read()? else { return self.wait_for_file() };
            let seen = self.seen(bytes)?;
            if self.is_gone && self.says_nothing(&seen) {
                // An editor makes an empty file where it finds none: that is not the wish to remove everything.
                let value = self.form.only_local(&self.document.value()?, &self.last());
                self.memory.settle(Base { value, written: seen.digest.clone() })?;
            } else {
                self.take_in(&seen, output)?;
            }
            self.is_gone = false;
            if self.write(Some(&seen.digest), output)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Imports what is new in the file.
    fn take_in(&mut self, seen: &Seen, output: &mut Output) -> Result<(), Failure> {
        let bases = [self.memory.last.clone(), self.memory.next.clone()];
        let known = bases.iter().flatten().find(|base| base.written == seen.digest);
        if let Some(known) = known {
            return self.memory.settle(known.clone());
        }
        let mut values: Vec<Value> = bases.into_iter().flatten().map(|base| base.value).collect();
        if values.is_empty() {
            values.push(self.form.with_local(&self.document.value()?, &json!({})));
        }
        self.import(&values, seen, output)
    }

    /// Applies the difference between the file and that of `bases` from which it differs least: after a crash while the
    /// file was written there are two.
    fn import(&mut self, bases: &[Value], seen: &Seen, output: &mut Output) -> Result<(), Failure> {
        let mut best = None;
        for base in bases {
            let (intents, notes) = self.form.import(base, &seen.text).map_err(|error| self.refused(error))?;
            if best.as_ref().is_none_or(|(_, least, _): &(_, Vec<_>, _)| intents.len() < least.len()) {
                best = Some((base, intents, notes));
            }
        }
        let Some((base, intents, notes)) = best else { return Ok(()) };
        let after = base::after(base, &intents);
        let (intents, local) = self.form.split(&self.document.value()?, intents);
        let (put, removed) = import::counts(&intents);
        let is_new = !intents.is_empty();
        if is_new {
            self.document.apply(intents)?;
        }
        let document = self.document.value()?;
        let value = after.unwrap_or_else(|| self.form.with_local(&document, base));
        self.release(base, &value)?;
        self.memory.settle(Base { value, written: seen.digest.clone() })?;
        let file = self.place.shown();
        for note in notes {
            Output::warn(format_args!("{file}: {note}"));
        }
        for key in self.form.keys(&document, &local) {
            Output::warn(import::stays(&file, &key));
        }
        if !is_new {
            return Ok(());
        }
        let json = json!({ "step": "imported", "file": file, "put": put, "removed": removed });
        output.step(format_args!("imported {file}: {put} values put, {removed} removed"), &json)
    }

    /// Writes the file if the vault says something else; false if somebody else wrote it meanwhile.
    fn write(&mut self, seen: Option<&Digest>, output: &mut Output) -> Result<bool, Failure> {
        let last = self.last();
        self.release(&last, &last)?;
        let value = self.form.with_local(&self.document.value()?, &last);
        let text = self.form.export(&value);
        let next = Base { value, written: digest(text.as_bytes()) };
        if seen == Some(&next.written) {
            self.memory.settle(next)?;
            return Ok(true);
        }
        // Before the file: a crash in between leaves two candidates, never none.
        self.memory.intend(next.clone())?;
        if !self.place.write(&text, seen)? {
            self.memory.next = None;
            return Ok(false);
        }
        self.memory.settle(next)?;
        let file = self.place.shown();
        output.step(format_args!("wrote {file}"), &json!({ "step": "wrote", "file": file }))?;
        Ok(true)
    }
    /// Gives the vault what `file` holds of keys that stayed on this machine by the list in `before`, and no more do.
    /// Gives the vault what `file` holds of keys that stayed on this machine by the list in `before`, and
    /// does so no more.
    fn release(&self, before: &Value, file: &Value) -> Result<(), Failure> {
        let released = self.form.released(&self.document.value()?, before, file);
        if !released.is_empty() {
            self.document.apply(released)?;
        }
        Ok(())
    }

    /// A file that is not there, or empty, is written from the vault.
    fn fill(&mut self, output: &mut Output) -> Result<(), Failure> {
        let seen = self.place.read()?.map(|bytes| digest(&bytes));
        if self.write(seen.as_ref(), output)? { Ok(()) } else { self.step(output) }
    }

    /// Deleting a file does not delete settings, and whoever deleted it does not want it back at once.
    fn wait_for_file(&mut self) -> Result<(), Failure> {
        if !std::mem::replace(&mut self.is_gone, true) {
            Output::warn(format_args!(
                "{} is gone; the vault keeps its values: save the file again, or start the bridge again to have it \
                 written",
                self.place.shown()
            ));
        }
        Ok(())
    }

    /// What the file was last written from; nothing before the first time.
    fn last(&self) -> Value {
        self.memory.last.as_ref().map_or_else(|| json!({}), |last| last.value.clone())
    }

    fn says_nothing(&self, seen: &Seen) -> bool {
        seen.text.trim().is_empty() || self.typed(seen).is_some_and(|value| self.form.has_no_values(&value))
    }

    /// What the file holds by itself; nothing if it cannot be read.
    fn typed(&self, seen: &Seen) -> Option<Value> {
        let (intents, _) = self.form.import(&json!({}), &seen.text).ok()?;
        base::after(&json!({}), &intents)
    }

    fn seen(&self, bytes: Vec<u8>) -> Result<Seen, Failure> {
        let digest = digest(&bytes);
        let text = import::text(bytes, &self.place.shown())?;
        Ok(Seen { text, digest })
    }

    fn refused(&self, error: ImportError) -> Failure {
        import::refused(&self.place.shown(), error)
    }

    fn both_hold(&self) -> Failure {
        let (file, form) = (self.place.shown(), &self.form);
        let sentence = format!(
            "{file} and the {form} of the vault differ, and no bridge was between them before: choose what counts with \
             --prefer file, --prefer vault (keeps a copy of the file) or --prefer both (the file's value where both \
             have one)"
        );
        Failure::new(Exit::NeedsPerson, "file_and_vault_differ", sentence)
    }
}
