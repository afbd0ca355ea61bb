//! `cargo xtask generate`: the documents that are made from code, so that they cannot rot.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, shown};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Writes nothing; fails if a file is not current
    #[arg(long)]
    check: bool,
}

/// A file and the command whose standard output it is.
struct Generated {
    path: &'static str,
    program: &'static str,
    args: &'static [&'static str],
}

const FILES: [Generated; 3] = [
    Generated { path: "docs/configuration.md", program: "sync-server", args: &["config", "reference"] },
    Generated { path: "docs/openapi.json", program: "sync-server", args: &["openapi"] },
    Generated { path: "schemas/types/documents.d.ts", program: "vault", args: &["schema", "typescript"] },
];

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    workspace.build_binaries()?;
    if args.check {
        return check(workspace);
    }
    for file in FILES {
        let text = file.make(workspace)?;
        std::fs::write(workspace.root().join(file.path), text)
            .with_context(|| format!("cannot write {}", file.path))?;
        println!("wrote {}", file.path);
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares, with binaries that are built already.
pub(crate) fn check(workspace: &Workspace) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for file in FILES {
        let current = std::fs::read_to_string(workspace.root().join(file.path)).unwrap_or_default();
        if current == file.make(workspace)? {
            println!("{} is current", file.path);
        } else {
            println!("{} is not current; run `cargo xtask generate` and look at the difference", file.path);
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

impl Generated {
    fn make(&self, workspace: &Workspace) -> Result<String> {
        let mut command = Command::new(workspace.binary(self.program));
        // Nothing of this machine may show in the file.
        command.args(self.args).current_dir(workspace.root()).env_clear();
        let output = command.output().with_context(|| format!("cannot start {}", shown(&command)))?;
        if !output.status.success() {
            bail!("{} failed: {}", shown(&command), String::from_utf8_lossy(&output.stderr));
        }
        let body = String::from_utf8(output.stdout).with_context(|| format!("{} is not UTF-8", self.path))?;
        Ok(format!("{}\n", body.trim_end()))
    }
}
