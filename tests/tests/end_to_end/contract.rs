//! The HTTP interface is what its description says: Schemathesis (PyPI) reads the description that a relay serves, asks
//! for everything in it with values that fit and with values that do not, and holds each answer against it.
//!
//! `tests/contract` pins the program and says what a description cannot. It is installed there once, by `pip`; without
//! it this test fails. Streams and the WebSocket, which never end, are left to tests of their own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use system_tests::Answer;

use crate::quarantine::refuse_an_edit;
use crate::world::{World, eventually};

/// Requests of one operation that are drawn at random, beside those that go through every rule one by one.
const DRAWN: &str = "25";
/// Where the requests come from: another one is another set of them.
const SEED: &str = "20261201";

#[test]
fn every_answer_is_one_that_the_description_allows() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, _) = world.two_devices()?;
    let names = ["read", "written", "deleted"];
    for name in names {
        laptop.ok(&["new", "note", name])?;
    }
    laptop.sync()?;
    let mut notes = Vec::new();
    eventually("three notes are listed", || {
        notes = world.listed("note", names.len(), &ada.token)?;
        Ok(names.iter().all(|name| notes.iter().any(|note| note["title"] == *name)))
    })?;
    world.relay.admin(&["namespace", "grant", "acme", "ada"])?;
    world.relay.admin(&["account", "role", "ada", "operator"])?;
    let types = world.path().join("ext.acme.task");
    std::fs::create_dir(&types)?;
    let task = r#"{ "x-type": "ext.acme.task", "x-version": 1, "type": "object" }"#;
    std::fs::write(types.join("1.json"), task)?;
    world.relay.admin(&["type", "add", &types.join("1.json").display().to_string()])?;
    let refused = refuse_an_edit(&world, &laptop, "refused")?.hash;
    let described = world.relay.get("/api/v1/openapi.json", &ada.token)?.body;
    let folder = tempfile::tempdir()?;
    let (description, config) = (folder.path().join("openapi.json"), folder.path().join("schemathesis.toml"));
    std::fs::write(&description, described.to_string())?;
    std::fs::write(&config, configuration(&described, &notes, &refused)?)?;

    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("contract");
    let mut schemathesis = Command::new(installed(&contract)?);
    schemathesis.env("SCHEMATHESIS_HOOKS", contract.join("hooks.py")).current_dir(folder.path());
    schemathesis.arg("--config-file").arg(&config).arg("run").arg(&description);
    schemathesis.args(["--url", &world.relay.url(), "--no-color", "--seed", SEED]);
    schemathesis.args(["--header", &format!("Authorization: Bearer {}", ada.token)]);
    schemathesis.args(["--phases", "examples,coverage,fuzzing", "--max-examples", DRAWN]);
    let answer = Answer::of(&mut schemathesis)?;
    let summary = answer.out.rsplit_once("SUMMARY").map_or("", |(_, summary)| summary);
    ensure!(answer.code == Some(0), "the interface is not what its description says:\n{}\n{}", answer.out, answer.err);
    println!("{summary}");
    Ok(())
}

/// What exists, what is left out, and which answers are none of a rule that a description can hold: that there is no
/// such document or version, that another has come in between, that a value breaks a rule of its type, that a link is
/// nobody's.
fn configuration(described: &Value, notes: &[Value], refused: &str) -> Result<String> {
    let note = |name: &str| {
        let found = notes.iter().find(|note| note["title"] == name).and_then(|note| note["id"].as_str());
        found.with_context(|| format!("the note {name}"))
    };
    let space = notes[0]["space"].as_str().context("a space")?;
    let mut config = format!(
        "[checks]\n\
         positive_data_acceptance.expected-statuses = [\"2xx\", 404, 409, 410, 412, 415, 422]\n\
         negative_data_rejection.expected-statuses = [400, 401, 404, 405, 409, 410, 412, 415, 422, 428]\n\
         missing_required_header.expected-statuses = [400, 401, 428]\n\
         [parameters]\nspace = \"{space}\"\ndocument = \"{}\"\nname = \"ext.acme.task\"\nversion = 1\n\
         [[operations]]\ninclude-operation-id = \"patchDocument\"\nparameters = {{ document = \"{}\" }}\n\
         [[operations]]\ninclude-operation-id = [\"deleteDocument\", \"restoreDocument\"]\n\
         parameters = {{ document = \"{}\" }}\n\
         [[operations]]\ninclude-operation-id = [\"getRefused\", \"exportRefused\", \"resubmitRefused\"]\n\
         parameters = {{ hash = \"{refused}\" }}\n\
         [[operations]]\ninclude-operation-id = \"signIn\"\n\
         checks.positive_data_acceptance.expected-statuses = [\"2xx\", 401]\n",
        note("read")?,
        note("written")?,
        note("deleted")?,
    );
    for operation in
        described["paths"].as_object().into_iter().flatten().flat_map(|(_, path)| path.as_object()).flatten()
    {
        let answers = &operation.1["responses"];
        let is_endless = answers["200"]["content"].get("text/event-stream").is_some() || answers.get("101").is_some();
        if is_endless {
            let id = operation.1["operationId"].as_str().context("every operation has a name")?;
            writeln!(config, "[[operations]]\ninclude-operation-id = \"{id}\"\nenabled = false")?;
        }
    }
    Ok(config)
}

/// The program, installed as the list of requirements says.
fn installed(contract: &Path) -> Result<PathBuf> {
    let (wanted, home) = (contract.join("requirements.txt"), contract.join(".venv"));
    let (program, done) = (home.join("bin/schemathesis"), home.join("installed"));
    let age = |path: &Path| path.metadata().and_then(|known| known.modified());
    if age(&done).ok() <= age(&wanted).ok() {
        for (what, command) in [
            ("python3 -m venv", Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home)),
            (
                "pip install",
                Command::new(home.join("bin/pip"))
                    .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"])
                    .arg(&wanted),
            ),
        ] {
            let answer = Answer::of(command)?;
            ensure!(answer.code == Some(0), "`{what}` in tests/contract failed: {}{}", answer.out, answer.err);
        }
        std::fs::write(&done, "")?;
    }
    Ok(program)
}
