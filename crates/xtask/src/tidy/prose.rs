//! What the documents name exists: files, items, and the nine functions of the life of an edit.

use std::collections::HashSet;

use super::Fault;
use super::tree::{File, Tree};

const LIFE: &str = "docs/life-of-an-edit.md";
/// The stops of an edit, in order; each is a row `| n | name | file |` of [`LIFE`].
const STOPS: [&str; 9] = [
    "Document::edit",
    "commit_local",
    "sync/driver",
    "Client::handle",
    "relay/socket",
    "Session::handle",
    "relay/append",
    "commit_remote",
    "projection",
];
/// First segments of paths that are not ours, and so cannot be looked up.
const FOREIGN: [&str; 10] =
    ["std", "tokio", "automerge", "axum", "rusqlite", "rustls", "serde_json", "minicbor", "stacker", "Automerge"];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let items = items(tree);
    let mut faults = life_of_an_edit(tree);
    for file in tree.files().filter(|file| file.path.ends_with(".md")) {
        for (number, span) in code_spans(file) {
            if let Some(missing) = missing(tree, &items, span) {
                faults.push(Fault::new(&file.path, number, format!("`{span}` names {missing}, which does not exist")));
            }
        }
    }
    faults
}

/// The text between single backticks, outside fenced blocks.
fn code_spans(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut is_fenced = false;
    let prose = file.lines().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence
    });
    prose.flat_map(|(number, line)| line.split('`').skip(1).step_by(2).map(move |span| (number, span)))
}

/// What `span` names and the project lacks.
fn missing<'a>(tree: &Tree, items: &HashSet<&str>, span: &'a str) -> Option<&'a str> {
    if is_path(span) {
        return (!tree.has(span)).then_some(span);
    }
    let mut segments = span.trim_end_matches("()").split("::").peekable();
    let first = *segments.peek()?;
    let is_item = span.contains("::") && !FOREIGN.contains(&first);
    let looks_like_code =
        |segment: &str| !segment.is_empty() && segment.chars().all(|c| c.is_alphanumeric() || c == '_');
    let segments: Vec<_> = segments.collect();
    if !is_item || !segments.iter().all(|segment| looks_like_code(segment)) {
        return None;
    }
    segments.into_iter().find(|segment| !items.contains(segment))
}

/// A path from the root of the project.
fn is_path(span: &str) -> bool {
    const TOP: [&str; 8] =
        ["crates/", "docs/", "editor-vault/", "schemas/", "sync-server/", "tests/", ".ci/", ".cargo/"];
    TOP.iter().any(|top| span.starts_with(top)) && !span.contains([' ', '*', '<', '{', '…'])
}

/// Names of everything that can be pointed at: items, variants, fields' types, modules, crates.
fn items(tree: &Tree) -> HashSet<&str> {
    let mut items = HashSet::new();
    for file in tree.rust() {
        items.extend(file.path.trim_end_matches(".rs").split('/'));
        for (_, line) in file.lines() {
            let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
            let mut words = words.peekable();
            while let Some(word) = words.next() {
                let introduces =
                    ["fn", "struct", "enum", "trait", "mod", "type", "const", "static", "union", "use"].contains(&word);
                if introduces {
                    items.extend(words.peek());
                }
                // Variants and associated types begin a line.
                if word.starts_with(char::is_uppercase) {
                    items.insert(word);
                }
            }
        }
    }
    for file in tree.files().filter(|file| file.path.ends_with("/Cargo.toml")) {
        items.extend(file.path.rsplit('/').nth(1));
    }
    let _ = items.insert("crate");
    items
}

fn life_of_an_edit(tree: &Tree) -> Vec<Fault> {
    let Some(file) = tree.get(LIFE) else { return vec![Fault::new(LIFE, 1, "is missing")] };
    let rows: Vec<_> = file.lines().filter_map(|(number, line)| Stop::parse(number, line)).collect();
    let mut faults = Vec::new();
    for (index, wanted) in STOPS.iter().enumerate() {
        match rows.get(index) {
            Some(stop) if stop.title.contains(wanted) => faults.extend(stop.unresolved(tree)),
            Some(stop) => faults.push(Fault::new(LIFE, stop.line, format!("stop {} should be `{wanted}`", index + 1))),
            None => faults.push(Fault::new(LIFE, 1, format!("stop {} (`{wanted}`) is missing", index + 1))),
        }
    }
    faults
}

/// A row `| 1 | title | `function` | `file` |`.
struct Stop<'a> {
    line: usize,
    title: &'a str,
    function: &'a str,
    file: &'a str,
}

impl<'a> Stop<'a> {
    fn parse(line: usize, text: &'a str) -> Option<Self> {
        let cells: Vec<_> =
            text.trim().trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [number, title, function, file] = cells[..] else { return None };
        number.parse::<usize>().ok()?;
        Some(Self { line, title, function, file })
    }

    fn unresolved(&self, tree: &Tree) -> Option<Fault> {
        let name = self.function.rsplit("::").next().unwrap_or_default();
        let found = tree.get(self.file).is_some_and(|file| {
            file.lines().any(|(_, line)| {
                let after = line.split_once(&format!("fn {name}")).map(|(_, after)| after);
                after.is_some_and(|after| after.starts_with(['(', '<']))
            })
        });
        (!found).then(|| Fault::new(LIFE, self.line, format!("no `fn {name}` in {}", self.file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: (&str, &str) =
        ("editor-vault/src/vault.rs", "//! x\npub struct Vault;\nimpl Vault { fn commit_local() {} }\n");

    fn faults_of(prose: &str) -> Vec<String> {
        let tree = Tree::of(&[LIB, ("docs/a.md", prose)]);
        let faults = check(&tree).into_iter().filter(|fault| fault.path == "docs/a.md");
        faults.map(|fault| fault.rule).collect()
    }

    #[test]
    fn what_the_docs_name_must_exist() {
        assert!(
            faults_of("`Vault::commit_local` in `editor-vault/src/vault.rs`, `std::fs::read`, `a :: b`").is_empty()
        );
        assert_eq!(faults_of("`Vault::commit_remote`").len(), 1);
        assert_eq!(faults_of("see `editor-vault/src/gone.rs`").len(), 1);
        assert!(faults_of("```\n`Vault::commit_remote`\n```").is_empty());
    }

    #[test]
    fn each_stop_of_an_edit_resolves() {
        let row = "| 1 | `Document::edit` | `Vault::commit_local` | `editor-vault/src/vault.rs` |\n";
        let faults = life_of_an_edit(&Tree::of(&[LIB, (LIFE, row)]));
        assert_eq!(faults.len(), 8, "the other eight are missing: {faults:?}");
        let renamed = row.replace("commit_local", "commit");
        let faults = life_of_an_edit(&Tree::of(&[LIB, (LIFE, &renamed)]));
        assert!(faults[0].rule.contains("no `fn commit`"), "a prefix is not enough: {faults:?}");
        let reordered = row.replace("Document::edit", "relay/append");
        assert!(life_of_an_edit(&Tree::of(&[LIB, (LIFE, &reordered)]))[0].rule.contains("should be `Document::edit`"));
        assert_eq!(life_of_an_edit(&Tree::of(&[LIB]))[0].rule, "is missing");
    }
}
