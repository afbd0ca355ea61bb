//! How the demo is told: chapters, commands as a person would type them, and tables.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::Device;

/// Prints as it goes.
pub(super) struct Story {
    began: Instant,
    chapter: u32,
}

impl Story {
    pub(super) fn begin(title: &str) -> Self {
        println!("\n{title}\n{}", "═".repeat(title.chars().count()));
        Self { began: Instant::now(), chapter: 0 }
    }

    pub(super) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        println!("\n{}. {title}\n", self.chapter);
    }

    /// A sentence.
    pub(super) fn say(&mut self, sentence: &str) {
        println!("   {sentence}");
    }

    /// Something that was typed or printed.
    pub(super) fn line(&mut self, line: &str) {
        println!("     {line}");
    }

    /// Shows a command.
    pub(super) fn command(&mut self, device: &Device, args: &[&str]) {
        self.line(&format!("{:<8}$ vault {}", device.name(), typed(args)));
    }

    /// Shows a command, runs it, and shows what it printed.
    pub(super) fn run(&mut self, device: &Device, args: &[&str]) -> Result<()> {
        self.command(device, args);
        for line in device.ok(args)?.lines() {
            self.line(&format!("{:<8}  {line}", ""));
        }
        Ok(())
    }

    pub(super) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
        let width =
            |column: usize| rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        println!();
        for row in [&head].into_iter().chain(rows) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            self.line(cells.join("   ").trim_end());
        }
        println!();
    }

    pub(super) fn end(self) {
        println!("\nThat was all, in {:.1} seconds.", self.began.elapsed().as_secs_f64());
    }
}

/// The arguments as a person would type them in the directory of the file that they name.
fn typed(args: &[&str]) -> String {
    let quoted = |arg: &&str| {
        let path = Path::new(arg);
        let shown = path.file_name().filter(|_| path.is_absolute() && path.is_file()).and_then(OsStr::to_str);
        let shown = shown.unwrap_or(arg);
        if shown.contains([' ', '"', '[', '{']) { format!("'{shown}'") } else { shown.to_owned() }
    };
    args.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn commands_can_be_typed_as_they_are_shown() {
        let args = ["set", "settings", "workbench.colorTheme", "\"Symphony Dawn\""];
        assert_eq!(super::typed(&args), "set settings workbench.colorTheme '\"Symphony Dawn\"'");
        assert_eq!(super::typed(&["set", "settings", "/[rust]/a", "1"]), "set settings '/[rust]/a' 1");
        let file = tempfile::NamedTempFile::with_suffix(".jsonc").unwrap();
        let path = file.path().to_str().unwrap();
        assert!(super::typed(&["import", path]).starts_with("import ."), "only the name of the file");
    }
}
