//! The user's text editor, on a file that only the user can read.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::failure::Failure;

/// A text in the user's editor. The file is removed by [`Editing::done`] only: until what the user wrote is saved,
/// it stays.
pub(crate) struct Editing {
    file: PathBuf,
}

impl Editing {
    /// Opens `text` in `$VISUAL` or `$EDITOR` and waits until the editor ends.
    pub(crate) fn of(name: &str, text: &str) -> Result<(Self, String), Failure> {
        let command = editor()?;
        let file = std::env::temp_dir().join(format!("vault-{}-{name}.txt", std::process::id()));
        create(&file, text).map_err(|error| Failure::file("write", &file, &error))?;
        let editing = Self { file };
        let status = run(&command, &editing.file).map_err(|error| {
            editing.remove();
            let shown = command.display();
            Failure::failed(
                "editor",
                format!("cannot start the editor {shown}: {error}; set EDITOR to one that is there"),
            )
        })?;
        let edited = editing.read()?;
        if !status.success() {
            return Err(editing.failed(&command, status, edited == text));
        }
        Ok((editing, edited))
    }

    /// The text is safe.
    pub(crate) fn done(self) {
        self.remove();
    }

    /// Adds to a failure where the text is.
    pub(crate) fn kept(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Said { exit, mut lines } => {
                if let Some((_, sentence)) = lines.last_mut() {
                    sentence.push_str(&format!("; your text is in {}", self.file.display()));
                }
                Failure::Said { exit, lines }
            }
            Failure::ReaderGone => Failure::ReaderGone,
        }
    }

    fn failed(&self, command: &OsString, status: ExitStatus, is_unchanged: bool) -> Failure {
        let sentence = format!("the editor {} ended with {status}, so nothing was saved", command.display());
        let failure = Failure::failed("editor", sentence);
        if is_unchanged {
            self.remove();
            return failure;
        }
        self.kept(failure)
    }

    fn read(&self) -> Result<String, Failure> {
        fs::read_to_string(&self.file).map_err(|error| self.kept(Failure::file("read", &self.file, &error)))
    }

    fn remove(&self) {
        // A file that is left in the temporary directory does no harm.
        let _ = fs::remove_file(&self.file);
    }
}

fn editor() -> Result<OsString, Failure> {
    let set = |name| std::env::var_os(name).filter(|command| !command.is_empty());
    set("VISUAL")
        .or_else(|| set("EDITOR"))
        .ok_or_else(|| Failure::failed("no_editor", "neither VISUAL nor EDITOR is set: set one, as in EDITOR=nano"))
}

/// The command may have arguments of its own (`code --wait`), as every program with `$EDITOR` allows.
fn run(command: &OsString, file: &Path) -> std::io::Result<ExitStatus> {
    if cfg!(windows) {
        let command = command.to_string_lossy();
        let mut words = command.split_whitespace();
        return Command::new(words.next().unwrap_or_default()).args(words).arg(file).status();
    }
    let mut script = command.clone();
    script.push(" \"$@\"");
    Command::new("sh").arg("-c").arg(script).arg("vault").arg(file).status()
}

/// Never follows or overwrites what somebody else put there.
fn create(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(file)?;
    file.write_all(text.as_bytes())
}
