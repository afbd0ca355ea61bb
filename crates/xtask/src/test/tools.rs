//! What the tests need beside cargo: looked for first, installed where that is allowed, else named with one command.

use std::fmt;
use std::process::{Command, Stdio};

/// A program that must answer, and how it is got.
#[derive(Debug, Clone, Copy)]
struct Tool {
    noun: &'static str,
    probe: &'static [&'static str],
    source: Source,
}

/// Who provides a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// These Debian packages; installed only as root.
    Debian(&'static str),
    /// A component of the Rust toolchain.
    Rustup(&'static str),
    /// Nobody whom we could ask: releases of Debian have older ones.
    Node,
}

/// The oldest version that still runs what `tests/interop` and the website pin.
const NODE_PROBE: &str = "node -e 'process.exit(process.versions.node.split(\".\")[0] >= 20 ? 0 : 1)' && npm --version";

const TOOLS: [Tool; 7] = [
    Tool { noun: "a C compiler", probe: &["cc", "--version"], source: Source::Debian("gcc libc6-dev") },
    Tool { noun: "rustfmt", probe: &["cargo", "fmt", "--version"], source: Source::Rustup("rustfmt") },
    Tool { noun: "clippy", probe: &["cargo", "clippy", "--version"], source: Source::Rustup("clippy") },
    Tool { noun: "strace", probe: &["strace", "--version"], source: Source::Debian("strace") },
    Tool {
        noun: "Python 3 with venv",
        probe: &["python3", "-c", "import venv, ensurepip"],
        source: Source::Debian("python3 python3-venv"),
    },
    Tool { noun: "Chromium", probe: &["chromium", "--version"], source: Source::Debian("chromium") },
    Tool { noun: "Node.js 20 or newer with npm", probe: &["sh", "-c", NODE_PROBE], source: Source::Node },
];

/// Tools that are missing and that we may not, or could not, install. Shows the one command that does.
#[derive(Debug)]
pub(super) struct Missing {
    tools: Vec<Tool>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nouns: Vec<_> = self.tools.iter().map(|tool| tool.noun).collect();
        let commands: Vec<_> = self.tools.iter().map(|tool| tool.source.command(Rights::Other)).collect();
        write!(f, "missing: {}; install with:\n{}", nouns.join(", "), commands.join(" && "))
    }
}

/// What this account may do to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    Root,
    Other,
}

/// Looks for every tool, and installs what it may.
pub(super) fn check() -> Result<(), Missing> {
    let rights = if output(&["id", "-u"]).is_some_and(|id| id.trim() == "0") { Rights::Root } else { Rights::Other };
    let absent = TOOLS.into_iter().filter(|tool| !tool.is_there());
    let tools: Vec<Tool> = absent.filter(|tool| !(tool.source.try_install(rights) && tool.is_there())).collect();
    if tools.is_empty() { Ok(()) } else { Err(Missing { tools }) }
}

impl Tool {
    fn is_there(&self) -> bool {
        output(self.probe).is_some()
    }
}

impl Source {
    fn command(self, rights: Rights) -> String {
        match (self, rights) {
            (Self::Debian(packages), Rights::Root) => {
                format!("apt-get install -q -y --no-install-recommends {packages}")
            }
            (Self::Debian(packages), Rights::Other) => format!("sudo apt-get install -y {packages}"),
            (Self::Rustup(component), _) => format!("rustup component add {component}"),
            (Self::Node, _) => "fnm install 22".to_owned(), // or whatever else manages versions of Node.js
        }
    }

    fn try_install(self, rights: Rights) -> bool {
        let may = match self {
            Self::Debian(_) => rights == Rights::Root && output(&["apt-get", "--version"]).is_some(),
            Self::Rustup(_) => output(&["rustup", "--version"]).is_some(),
            Self::Node => false,
        };
        if !may {
            return false;
        }
        if matches!(self, Self::Debian(_)) {
            run("apt-get update -q");
        }
        run(&self.command(rights))
    }
}

fn run(command: &str) -> bool {
    println!("$ {command}");
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let status = Command::new(program).args(words).env("DEBIAN_FRONTEND", "noninteractive").status();
    status.is_ok_and(|status| status.success())
}

fn output(command: &[&str]) -> Option<String> {
    let (program, args) = command.split_first()?;
    let output = Command::new(program).args(args).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_one_command() {
        let shown = Missing { tools: vec![TOOLS[0], TOOLS[2]] }.to_string();
        assert!(shown.contains("a C compiler, clippy"), "{shown}");
        assert_eq!(
            shown.lines().last(),
            Some("sudo apt-get install -y gcc libc6-dev && rustup component add clippy"),
            "{shown}"
        );
    }

    #[test]
    fn a_tool_that_does_not_answer_is_absent() {
        let tool = Tool { noun: "nothing", probe: &["no-such-program-of-ours"], source: Source::Debian("nothing") };
        assert!(!tool.is_there());
    }
}
