//! The text files of the project, as the rules see them.

use std::path::Path;

use anyhow::{Context, Result};

/// Everything that is not built, fetched or hidden.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: Vec<File>,
}

/// A text file; `path` is relative to the root, with `/`.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

const NOT_OURS: [&str; 5] = ["target", ".git", "node_modules", ".venv", "dist"];
const TEXT: [&str; 13] = ["rs", "toml", "md", "json", "jsonc", "yml", "sh", "sql", "txt", "ts", "tsx", "mjs", "css"];

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.read_directory(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn read_directory(&mut self, root: &Path, prefix: &str) -> Result<()> {
        let directory = root.join(prefix);
        for item in std::fs::read_dir(&directory).with_context(|| format!("cannot list {prefix:?}"))? {
            let item = item?;
            let name = item.file_name().to_string_lossy().into_owned();
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            if item.file_type()?.is_dir() {
                if !NOT_OURS.contains(&name.as_str()) {
                    self.read_directory(root, &path)?;
                }
            } else if is_text(&path) {
                let text = std::fs::read_to_string(item.path()).with_context(|| format!("cannot read {path}"))?;
                self.files.push(File { path, text });
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.path.ends_with(".rs"))
    }

    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.files().find(|file| file.path == path)
    }

    /// Whether a file or directory of this path exists.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files().any(|file| file.path == path || file.path.strip_prefix(path).is_some_and(|r| r.starts_with('/')))
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { files: files.iter().map(file).collect() }
    }
}

fn is_text(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(!path.contains('.') || path == ".ci/run", |(_, ending)| TEXT.contains(&ending))
}

impl File {
    /// Every line with its number.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The lines of Rust that ship: without comments, and without the unit tests at the end.
    pub(super) fn shipped_code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test_file = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        let tests_begin = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let shipped = if is_test_file { "" } else { &self.text[..tests_begin] };
        let numbered = shipped.lines().enumerate().map(|(index, line)| (index + 1, without_comment(line)));
        numbered.filter(|(_, line)| !line.trim().is_empty())
    }
}

fn without_comment(line: &str) -> &str {
    // A `//` inside a string (a URL) is preceded by a colon.
    let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
    comment.map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_unit_tests_are_not_shipped() {
        let text = "//! doc\nlet url = \"http://x\"; // tail\n\n#[cfg(test)]\nmod tests {\n  use tokio;\n}\n";
        let tree = Tree::of(&[("a/src/lib.rs", text), ("a/src/x/tests.rs", "use tokio;")]);
        let code: Vec<_> = tree.rust().flat_map(File::shipped_code).collect();
        assert_eq!(code, [(2, "let url = \"http://x\"; ")]);
    }

    #[test]
    fn text_is_told_by_its_ending() {
        for (path, text) in
            [("a/b.rs", true), ("LICENSE-MIT", true), (".ci/run", true), ("a/b.png", false), ("Cargo.lock", false)]
        {
            assert_eq!(is_text(path), text, "{path}");
        }
    }
}
