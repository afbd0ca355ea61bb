//! Settings and keymaps of other editors, in the words of this one, with a report of what was not understood.
//!
//! Names of settings and commands are those of VS Code, which is where most people come from. What other editors call
//! differently is translated by tables; what has no counterpart is left out and said, never guessed. An import adds to
//! what is there: unlike the editor's own file, a foreign one does not say what the user does *not* want.

mod actions; // commands, by their names in each editor
mod convert; // what a value becomes
mod jetbrains;
mod keys; // keystrokes, as each editor writes them
mod vscode;
mod zed;

use std::fmt;

use document::Intent;
use serde_json::{Map, Value};

use crate::jsonc::JsoncError;
use crate::keymap;
use crate::settings::{self, Layer, MachineLocal};
use crate::violation::Violation;

/// Most remarks in one report; the rest is counted.
const REMARKS_MAX: usize = 1000;

/// Where a file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Editor {
    /// `settings.json`, `keybindings.json`.
    VsCode,
    /// `settings.json`, `keymap.json`.
    Zed,
    /// `options/*.xml`, `codestyles/*.xml`, `keymaps/*.xml`.
    JetBrains,
}

/// What a foreign file said.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated<T> {
    /// In the words of this editor.
    pub content: T,
    /// How many of the file's settings or bindings are in it.
    pub taken: usize,
    /// What its author should hear of, in the order of the file; at most 1,000.
    pub remarks: Vec<Remark>,
    /// How many remarks are not listed.
    pub unlisted: usize,
}

/// Something about one setting or binding. Displays as one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Where it is in the file, in that editor's words, such as `languages.Rust.tab_size` or `action EditorUp`.
    pub place: String,
    /// Its value as text, cut after 60 characters; may be empty.
    pub value: String,
    /// What became of it.
    pub about: About,
}

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Taken as it is: it belongs to an extension, which will know what it means.
    KeptForExtension,
    /// Left out: this editor has nothing like it, or it is not known what it is.
    NoCounterpart,
    /// Left out: the setting is known, this value of it is not.
    OtherValue,
    /// Left out: the place where a binding holds has no counterpart.
    OtherContext,
    /// Left out: not a keystroke.
    NoKeystroke,
    /// Left out: it takes back a default of the other editor, which is not there.
    NoDefault,
    /// Left out: the settings say that it stays on its machine.
    MachineLocal,
    /// Left out: it is about the other program itself, its account or its updates.
    OfTheProgram,
}

/// Why a foreign file cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// Not JSON with comments.
    #[error(transparent)]
    Jsonc(#[from] JsoncError),
    /// Not XML as these programs write it (without DTD, at most 8 MiB and 100,000 nodes).
    #[error("line {line}, column {column}: {rule}; export the file again")]
    Xml {
        /// From 1.
        line: u32,
        /// From 1, in characters.
        column: u32,
        /// What is wrong.
        rule: String,
    },
    /// Another kind of file.
    #[error("this is no {expected}: {remedy}")]
    OtherFile {
        /// What was expected.
        expected: &'static str,
        /// Where such a file is found.
        remedy: &'static str,
    },
}

impl About {
    /// A stable code for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::KeptForExtension => "kept_for_extension",
            Self::NoCounterpart => "no_counterpart",
            Self::OtherValue => "other_value",
            Self::OtherContext => "other_context",
            Self::NoKeystroke => "no_keystroke",
            Self::NoDefault => "no_default",
            Self::MachineLocal => "machine_local",
            Self::OfTheProgram => "of_the_program",
        }
    }

    /// Whether it is in the result.
    #[must_use]
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::KeptForExtension)
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::KeptForExtension => "kept as it is, for the extension that it belongs to",
            Self::NoCounterpart => "left out: nothing here is like it",
            Self::OtherValue => "left out: this value has no counterpart",
            Self::OtherContext => "left out: the place where it holds has no counterpart",
            Self::NoKeystroke => "left out: this is no keystroke",
            Self::NoDefault => "left out: it takes back a default of the other editor",
            Self::MachineLocal => "left out: it stays on its machine, as the settings say",
            Self::OfTheProgram => "left out: it is about the other program itself",
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, value, about } = self;
        let separator = if value.is_empty() { "" } else { " = " };
        write!(f, "{place}{separator}{value}: {}", about.sentence())
    }
}

/// The settings in a file of another editor, as one layer.
///
/// # Errors
/// [`ForeignError`] if it is no such file; single settings that are not understood are remarks.
///
/// ```
/// use schemas::foreign::{Editor, settings};
/// let read = settings(Editor::Zed, r#"{ "tab_size": 2, "hard_tabs": true, "assistant": {} }"#)?;
/// assert_eq!(read.content["editor.tabSize"], 2);
/// assert_eq!(read.content["editor.insertSpaces"], false);
/// assert_eq!(read.remarks[0].to_string(), "assistant = {}: left out: nothing here is like it");
/// assert!(settings(Editor::Zed, "[]").is_err());
/// # Ok::<(), schemas::foreign::ForeignError>(())
/// ```
pub fn settings(editor: Editor, text: &str) -> Result<Translated<Map<String, Value>>, ForeignError> {
    match editor {
        Editor::VsCode => vscode::settings(text),
        Editor::Zed => zed::settings(text),
        Editor::JetBrains => jetbrains::settings(text),
    }
}

/// The bindings in a file of another editor, in its order.
///
/// # Errors
/// As [`settings`].
pub fn bindings(editor: Editor, text: &str) -> Result<Translated<Vec<Value>>, ForeignError> {
    match editor {
        Editor::VsCode => vscode::bindings(text),
        Editor::Zed => zed::bindings(text),
        Editor::JetBrains => jetbrains::bindings(text),
    }
}

/// The edit that adds settings to `layer`: those of the same name get the new value, languages are joined, everything
/// else stays. Beside it the keys that are left out because they stay on their machine, as JSON Pointers.
///
/// # Errors
/// The rules that the result would break.
pub fn add_settings(
    layer: &Layer,
    current: &Value,
    added: &Map<String, Value>,
) -> Result<(Vec<Intent>, Vec<String>), Vec<Violation>> {
    let mut wanted = settings::export(layer, current);
    for (key, value) in added {
        let Some(fields) = wanted.as_object_mut() else { break };
        match (fields.get_mut(key), value) {
            (Some(Value::Object(language)), Value::Object(more)) if settings::is_language(key) => {
                language.extend(more.clone());
            }
            _ => drop(fields.insert(key.clone(), value.clone())),
        }
    }
    let added = Value::Object(added.clone());
    let local = MachineLocal::of(current).and(&added);
    let intents = settings::import(layer, current, &wanted)?;
    Ok((local.keep_out(layer, intents).0, local.keys_of(&added)))
}

/// The edit that adds bindings to the keymap: behind those that are there, where the last one wins, and each once.
///
/// # Errors
/// The rules that the result would break.
pub fn add_bindings(current: &Value, added: &[Value]) -> Result<Vec<Intent>, Vec<Violation>> {
    let mut wanted = keymap::export(current);
    if let Some(bindings) = wanted.as_array_mut() {
        let news: Vec<Value> = added.iter().filter(|binding| !bindings.contains(binding)).cloned().collect();
        bindings.extend(news);
    }
    keymap::import(current, &wanted)
}

/// The id of a language by the name that an editor has for it: one of these, else simply the name in small letters.
fn language_id(named: &[(&str, &str)], name: &str) -> String {
    let known = named.iter().find(|(theirs, _)| *theirs == name);
    known.map_or_else(|| name.to_lowercase().replace(' ', "-"), |(_, id)| (*id).to_owned())
}

/// A result while it is put together.
struct Report<T> {
    content: T,
    taken: usize,
    remarks: Vec<Remark>,
    unlisted: usize,
}

impl<T: Default> Report<T> {
    fn new() -> Self {
        Self { content: T::default(), taken: 0, remarks: Vec::new(), unlisted: 0 }
    }
}

impl<T> Report<T> {
    fn remark(&mut self, place: impl Into<String>, value: impl Into<String>, about: About) {
        if self.remarks.len() >= REMARKS_MAX {
            self.unlisted += 1;
            return;
        }
        self.remarks.push(Remark { place: place.into(), value: value.into(), about });
    }

    fn done(self) -> Translated<T> {
        let Self { content, taken, remarks, unlisted } = self;
        Translated { content, taken, remarks, unlisted }
    }
}

impl Report<Map<String, Value>> {
    /// Takes settings, of a language if one is named.
    fn take(&mut self, language: Option<&str>, settings: convert::Settings) {
        self.taken += 1;
        let fields = match language {
            None => &mut self.content,
            Some(language) => {
                let section = self.content.entry(format!("[{language}]")).or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(fields) = section else { return };
                fields
            }
        };
        fields.extend(settings.into_iter().map(|(key, value)| (key.to_owned(), value)));
    }
}

impl Report<Vec<Value>> {
    fn bind(&mut self, key: String, command: &str, when: Option<&str>, arguments: Option<Value>) {
        self.taken += 1;
        let mut binding = Map::from_iter([("key".to_owned(), key.into()), ("command".to_owned(), command.into())]);
        binding.extend(when.map(|when| ("when".to_owned(), when.into())));
        binding.extend(arguments.map(|arguments| ("args".to_owned(), arguments)));
        self.content.push(Value::Object(binding));
    }
}
