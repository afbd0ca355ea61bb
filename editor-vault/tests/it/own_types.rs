//! Document types of the host's own, as `docs/schemas.md` teaches them: what stands there is what runs here.

use std::error::Error;
use std::path::Path;

use editor_vault::{EditError, VaultOptions};
use schemas::Registry;
use serde_json::json;

const PAGE: &str = include_str!("../../../docs/schemas.md");
const BEGIN: &str = "// On the page, word for word:\n";
const END: &str = "    // Until here.";

/// The text of the first fenced block that is `kind`.
fn block(kind: &str) -> String {
    let after = PAGE.split_once(&format!("\n```{kind}\n")).expect("the page has such a block").1;
    format!("{}\n", after.split("\n```").next().unwrap_or_default())
}

#[test]
fn the_page_on_schemas_can_be_followed_from_rust() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(folder.path().join("ext.acme.task")).expect("a directory can be made");
    let schema = block("json ext.acme.task/1.json");
    std::fs::write(folder.path().join("ext.acme.task/1.json"), schema).expect("the file can be written");
    follow(folder.path()).expect("what the page says works");
}

#[test]
fn the_page_on_schemas_says_what_is_followed_here() {
    let source = include_str!("own_types.rs");
    let followed = source.rsplit_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).expect("the marks").0;
    let dedented: Vec<&str> = followed.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    assert_eq!(block("rust").trim(), dedented.join("\n").trim());
}

fn follow(folder: &Path) -> Result<(), Box<dyn Error>> {
    // On the page, word for word:
    let file = "ext.acme.task/1.json";
    let types = Registry::with_files([(file, std::fs::read_to_string(folder.join(file))?)])?;
    let vault = VaultOptions::new(folder.join("vault")).schemas(Box::leak(Box::new(types))).open()?;

    let task = vault.create("ext.acme.task", Some("Buy tea"), None)?;
    let mut wanted = task.plain()?; // the defaults are there
    wanted["tags"] = json!(["shop", "home"]);
    wanted["notes"] = json!("Green or black?");
    task.apply(task.plan(&wanted)?)?; // the smallest edit that makes it so
    assert_eq!(task.plain()?["state"], "open");

    wanted["title"] = json!(7);
    wanted["votes"] = json!("many");
    let Err(EditError::Violations(broken)) = task.plan(&wanted) else { panic!("both rules are broken") };
    assert_eq!(broken.len(), 2); // each with path, code and remedy, and nothing was written
    // Until here.
    Ok(())
}

fn types(files: &[(&str, &str)]) -> &'static Registry {
    Box::leak(Box::new(Registry::with_files(files.iter().copied()).expect("nothing is wrong with them")))
}

#[test]
fn what_the_relay_alone_writes_is_read_and_not_edited() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let vault = VaultOptions::new(folder.path().join("vault")).open()?;
    let identity = vault.well_known("identity")?;
    let drafted = identity.edit(|draft| draft.put("/handle", "queen".into()));
    let planned = identity.plan(&json!({ "handle": "queen" })).map(|_| ());
    for refused in [drafted, planned, identity.check_editable()] {
        let Err(EditError::Violation(violation)) = refused else { panic!("{refused:?}") };
        assert_eq!(violation.code(), "authority");
    }
    assert_eq!(identity.plain()?, json!({}), "nothing of that was kept");
    Ok(())
}

#[test]
fn what_a_newer_major_version_has_written_is_read_and_not_edited() -> Result<(), Box<dyn Error>> {
    const OLD: &str = r#"{ "x-type": "ext.acme.plan", "x-version": 1, "type": "object",
        "properties": { "step": { "type": ["string", "integer"] } }, "additionalProperties": false }"#;
    const NEW: &str = r#"{ "x-type": "ext.acme.plan", "x-version": 2, "x-major": 2, "type": "object",
        "properties": { "step": { "type": "integer" } }, "additionalProperties": false }"#;
    let folder = tempfile::tempdir()?;
    let old = types(&[("ext.acme.plan/1.json", OLD)]);
    let new = types(&[("ext.acme.plan/1.json", OLD), ("ext.acme.plan/2.json", NEW)]);
    let open = |types| VaultOptions::new(folder.path().join("vault")).schemas(types).open();
    let (space, ids) = {
        let vault = open(old)?;
        let untouched = vault.create("ext.acme.plan", None, None)?.id();
        assert_eq!(vault.document(vault.home(), untouched)?.plain()?, json!({}), "it is there with nothing in it");
        let [first, second] = [(); 2].map(|()| vault.create("ext.acme.plan", None, None).expect("created"));
        for plan in [&first, &second] {
            plan.apply(plan.plan(&json!({ "step": "one" }))?)?;
        }
        (first.space(), [first.id(), second.id()])
    };
    {
        let vault = open(new)?;
        let plan = vault.document(space, ids[0])?;
        assert_eq!(plan.plain()?, json!({ "step": "one" }), "what an older one wrote is read");
        plan.apply(plan.plan(&json!({ "step": 2 }))?)?;
        assert_eq!(plan.plain()?, json!({ "step": 2 }), "and nobody sees how it is marked");
        let refused = plan.plan(&json!({ "step": 2, "$major": 1 }));
        assert!(matches!(refused, Err(EditError::Violations(broken)) if broken[0].code() == "key"));
    }
    let vault = open(old)?;
    let plan = vault.document(space, ids[0])?;
    assert_eq!(plan.plain()?, json!({ "step": 2 }));
    let planned = plan.plan(&json!({ "step": "three" })).map(|_| ());
    let drafted = plan.edit(|draft| draft.put("/step", "three".into()));
    let before = plan.version("~1")?;
    for refused in [planned, drafted, plan.restore(&before).map(|_| ()), plan.undo().map(|_| ()), plan.check_editable()]
    {
        let Err(EditError::Violation(violation)) = refused else { panic!("{refused:?}") };
        assert_eq!(violation.code(), "newer_major");
        assert!(violation.to_string().contains("version 2 of ext.acme.plan"), "{violation}");
    }
    assert_eq!(plan.plain()?, json!({ "step": 2 }), "nothing of that was kept");
    let other = vault.document(space, ids[1])?;
    other.apply(other.plan(&json!({ "step": "two" }))?)?; // nobody has touched it with the newer one
    vault.delete(&plan)?;
    Ok(())
}
