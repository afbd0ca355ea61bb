//! `cargo xtask tidy`: the rules that no compiler knows. Each rule is a function from what it reads to its faults, and
//! has a test that shows it can fail.

mod absence; // who must not know what
mod crates; // which crate may use which
mod limits; // the table of limits says what the code says
mod policy; // licences, banned crates, sources
mod prose; // what the documents name exists
mod tree; // the files that all of them read
mod words; // how files begin, what they must not contain

use std::fmt;
use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;
use tree::Tree;

/// A rule that does not hold.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    path: String,
    line: usize,
    rule: String,
}

impl Fault {
    fn new(path: &str, line: usize, rule: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule: rule.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let tree = Tree::read(workspace.root())?;
    let mut faults = Vec::new();
    faults.extend(words::check(&tree));
    faults.extend(absence::check(&tree));
    faults.extend(prose::check(&tree));
    faults.extend(limits::check(&tree));
    faults.extend(crates::check(workspace)?);
    faults.extend(policy::check(workspace, &tree)?);
    for warning in words::long_files(&tree) {
        println!("warning: {warning}");
    }
    for fault in &faults {
        println!("{fault}");
    }
    println!("tidy: {} files, {} faults", tree.len(), faults.len());
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
