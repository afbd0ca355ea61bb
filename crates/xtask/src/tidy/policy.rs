//! Licences, banned crates and sources, as `deny.toml` states them.
//!
//! The tool for that file takes minutes to install, a quarter of what a whole test run may take, so the part that needs
//! no network is checked here; `cargo deny check` reads the same file.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use super::Fault;
use super::tree::Tree;
use crate::workspace::Workspace;

/// What `deny.toml` allows and forbids.
#[derive(Debug, Default)]
struct Policy {
    licences: Vec<String>,
    banned: Vec<Ban>,
}

/// A crate that is compiled.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
    place: Place,
}

/// Where a crate comes from.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    RegistryOrOurs,
    Foreign,
}

/// A crate that must not be in the tree; below a version, if one is given.
#[derive(Debug, PartialEq, Eq)]
struct Ban {
    name: String,
    below: Option<(u64, u64)>,
    reason: String,
}

pub(super) fn check(workspace: &Workspace, tree: &Tree) -> Result<Vec<Fault>> {
    let policy = Policy::parse(&tree.get("deny.toml").context("deny.toml is missing")?.text)?;
    // For this platform only: other platforms' crates would have to be fetched first. `cargo tree` rather than the lock
    // file or `cargo metadata`, because those name optional crates that nobody compiles.
    let shape = ["--prefix", "none", "--format", "{p}|{l}", "--edges", "normal,build,dev"];
    let output = workspace.cargo(&["tree", "--workspace"]).args(shape).output()?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(policy.judge(&crates(&String::from_utf8_lossy(&output.stdout))))
}

/// Reads lines like `serde v1.0.229|MIT OR Apache-2.0`; a crate that is not from the registry has its place after the
/// version, in parentheses.
fn crates(tree: &str) -> BTreeSet<Crate> {
    let read = |line: &str| {
        let (package, licence) = line.trim_end_matches(" (*)").split_once('|')?;
        let mut words = package.splitn(3, ' ');
        let (name, version) = (words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned());
        let place = words.next().unwrap_or_default().replace("(proc-macro)", "");
        let place = if place.contains("://") { Place::Foreign } else { Place::RegistryOrOurs };
        Some(Crate { name, version, licence: licence.to_owned(), place })
    };
    tree.lines().filter_map(read).collect()
}

impl Policy {
    fn parse(text: &str) -> Result<Self> {
        let file: toml::Table = toml::from_str(text).context("deny.toml is not TOML")?;
        let list = |section: &str, key: &str| file.get(section)?.get(key)?.as_array().cloned();
        let licences = list("licenses", "allow").context("deny.toml has no licenses.allow")?;
        let banned = list("bans", "deny").context("deny.toml has no bans.deny")?;
        Ok(Self {
            licences: licences.iter().filter_map(|licence| licence.as_str().map(str::to_owned)).collect(),
            banned: banned.iter().filter_map(Ban::parse).collect(),
        })
    }

    fn judge(&self, crates: &BTreeSet<Crate>) -> Vec<Fault> {
        let mut faults = Vec::new();
        for Crate { name, version, licence, place } in crates {
            let mut fault = |rule: String| faults.push(Fault::new("Cargo.lock", 1, format!("{name} {version} {rule}")));
            for ban in self.banned.iter().filter(|ban| ban.applies(name, version)) {
                fault(format!("is banned: {}", ban.reason));
            }
            if *place == Place::Foreign {
                fault("comes neither from the registry nor from this workspace".to_owned());
            }
            if !self.allows(licence) {
                fault(format!("is licensed `{licence}`, which deny.toml does not allow"));
            }
        }
        faults
    }

    /// Whether an SPDX expression is satisfied by what is allowed. `/` is the old way of writing `OR`.
    fn allows(&self, expression: &str) -> bool {
        let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let mut words = spaced.split_whitespace().peekable();
        self.any_of(&mut words)
    }

    fn any_of<'a>(&self, words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> bool {
        let mut allowed = self.all_of(words);
        while words.next_if_eq(&"OR").is_some() {
            allowed |= self.all_of(words);
        }
        allowed
    }

    fn all_of<'a>(&self, words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> bool {
        let mut allowed = self.one(words);
        while words.next_if_eq(&"AND").is_some() {
            allowed &= self.one(words);
        }
        allowed
    }

    fn one<'a>(&self, words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> bool {
        let Some(word) = words.next() else { return false };
        if word == "(" {
            // A parenthesis around everything would otherwise need its own type to recurse through.
            let mut inside = Vec::new();
            let mut depth = 1;
            for word in words.by_ref() {
                depth += i32::from(word == "(") - i32::from(word == ")");
                if depth == 0 {
                    break;
                }
                inside.push(word);
            }
            return self.allows(&inside.join(" "));
        }
        let licence = match words.next_if_eq(&"WITH") {
            Some(_) => format!("{word} WITH {}", words.next().unwrap_or_default()),
            None => word.to_owned(),
        };
        self.licences.contains(&licence)
    }
}

impl Ban {
    /// Reads `{ crate = "name" }` or `{ crate = "name:<1.2" }`.
    fn parse(value: &toml::Value) -> Option<Self> {
        let text = value.get("crate")?.as_str()?;
        let reason = value.get("reason").and_then(toml::Value::as_str).unwrap_or("see deny.toml").to_owned();
        let (name, below) = match text.split_once(":<") {
            Some((name, version)) => (name, Some(major_minor(version))),
            None => (text, None),
        };
        Some(Self { name: name.to_owned(), below, reason })
    }

    fn applies(&self, name: &str, version: &str) -> bool {
        self.name == name && self.below.is_none_or(|below| major_minor(version) < below)
    }
}

fn major_minor(version: &str) -> (u64, u64) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        [bans]
        deny = [{ crate = "ring", reason = "one provider" }, { crate = "libsqlite3-sys:<0.37" }]
        [licenses]
        allow = ["MIT", "Apache-2.0 WITH LLVM-exception", "BSD-3-Clause"]
    "#;

    #[test]
    fn licence_expressions_are_weighed() {
        let policy = Policy::parse(POLICY).unwrap();
        for (expression, allowed) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT AND GPL-3.0", false),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("(GPL-3.0 OR MIT) AND BSD-3-Clause", true),
            ("BSD-3-Clause AND (GPL-3.0 OR (ISC AND MIT))", false),
            ("none", false),
        ] {
            assert_eq!(policy.allows(expression), allowed, "{expression}");
        }
    }

    #[test]
    fn banned_crates_foreign_sources_and_other_licences_are_found() {
        let tree = [
            "ours v0.1.0 (/somewhere/ours)|MIT",
            "ring v0.17.8|MIT",
            "ring v0.17.8|MIT (*)",
            "libsqlite3-sys v0.40.0|MIT",
            "libsqlite3-sys v0.36.9 (https://example.org/fork#1)|MIT",
            "closed v1.0.0|",
            "serde_derive v1.0.0 (proc-macro)|MIT",
        ];
        let faults = Policy::parse(POLICY).unwrap().judge(&crates(&tree.join("\n")));
        let rules: Vec<_> = faults.iter().map(|fault| fault.rule.as_str()).collect();
        assert_eq!(rules.len(), 4, "{rules:?}");
        assert_eq!(rules[0], "closed 1.0.0 is licensed ``, which deny.toml does not allow");
        assert!(rules[1].starts_with("libsqlite3-sys 0.36.9 is banned"));
        assert!(rules[2].starts_with("libsqlite3-sys 0.36.9 comes neither"));
        assert_eq!(rules[3], "ring 0.17.8 is banned: one provider");
    }
}
