//! Documents found by what is in them: over HTTP as in a vault, and live while a vault writes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use editor_vault::{Connection, Query, Snippet, Vault};
use serde_json::{Value, json};
use system_tests::Chance;

use crate::world::{World, eventually};

const SOON: Duration = Duration::from_secs(60);
const WORDS: [&str; 6] = ["milk", "eggs", "Müsli", "shopping", "文字", "shop"];

/// The text of a query string: what is not a letter or digit is escaped.
fn escaped(text: &str) -> String {
    let one =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

/// `curl -N`, ended when dropped.
struct Stream {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Stream {
    fn open(url: &str, token: &str) -> Result<Self> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--no-buffer", "--max-time", "60"]);
        command.args(["--header", &format!("Authorization: Bearer {token}"), url]);
        let mut child = command.stdout(Stdio::piped()).spawn().context("curl")?;
        let lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        Ok(Self { child, lines })
    }

    /// The next event: its kind and its data.
    fn event(&mut self) -> Result<(String, Value)> {
        let mut kind = String::new();
        for line in &mut self.lines {
            let line = line?;
            if let Some(said) = line.strip_prefix("event: ") {
                said.clone_into(&mut kind);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Ok((kind, serde_json::from_str(data)?));
            }
        }
        anyhow::bail!("the stream has ended")
    }

    /// Reads differences until one is as it should be.
    fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Result<()> {
        loop {
            let (kind, difference) = self.event()?;
            ensure!(kind == "difference", "{kind}: {difference}");
            if is_it(&difference) {
                return Ok(());
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_page_sees_at_once_what_a_vault_writes() -> Result<()> {
    let world = World::new()?;
    let (ada, laptop, _) = world.two_devices()?;
    laptop.ok(&["new", "note", "shopping"])?;
    laptop.sync()?;
    let has_title = |notes: &[Value]| notes.iter().any(|note| note["title"] == "shopping");
    eventually("the note has its name", || Ok(has_title(&world.relay.documents(&ada.token)?)))?;
    let mut stream = Stream::open(&format!("{}/api/v1/find/live?type=note", world.relay.url()), &ada.token)?;
    let (kind, page) = stream.event()?;
    ensure!(kind == "page" && page["found"][0]["title"] == "shopping", "{kind}: {page}");
    laptop.ok(&["new", "note", "plan"])?;
    laptop.sync()?;
    // What a vault pushes as several changes may be several differences.
    let is_plan = |difference: &Value| {
        let now =
            ["added", "moved", "changed"].iter().flat_map(|what| difference[*what].as_array().into_iter().flatten());
        now.into_iter().any(|one| one["title"] == "plan" && one["place"] == 0)
    };
    stream.until(is_plan)?;
    laptop.ok(&["delete", "shopping"])?;
    laptop.sync()?;
    stream.until(|difference| difference["removed"][0]["id"] == page["found"][0]["id"])
}

/// What a query says, and how a vault and an URL say it.
struct Asked {
    query: Query,
    url: String,
    is_by_rank: bool,
}

fn asked(chance: &mut Chance) -> Asked {
    let mut asked =
        Asked { query: Query::of("note").limit(1000), url: "type=note&limit=1000".into(), is_by_rank: false };
    let mut one_of = |words: &[&str]| words[usize::try_from(chance.below(words.len() as u64)).unwrap_or(0)].to_owned();
    for _ in 0..one_of(&["", "x", "xx"]).len() {
        let condition = format!("name{}{}", one_of(&["=", "<", "<=", ">", ">=", "^="]), one_of(&WORDS));
        asked.query = asked.query.filter(&condition).unwrap_or_else(|error| unreachable!("{error}"));
        asked.url += &format!("&where={}", escaped(&condition));
    }
    let words = one_of(&["", "milk", "mil*", "shop*", "\"milk eggs\"", "文", "musli", "shop eggs", "none"]);
    if !words.is_empty() {
        asked.query = asked.query.matching(&words);
        asked.url += &format!("&words={}", escaped(&words));
    }
    let sort = one_of(&["", "name", "-name"]);
    asked.is_by_rank = sort.is_empty() && !words.is_empty();
    if !sort.is_empty() {
        asked.query = asked.query.sorted(&sort);
        asked.url += &format!("&sort={sort}");
    }
    asked
}

/// The answer of a vault, as HTTP has it.
fn of_vault(vault: &Vault, asked: &Asked) -> Result<Vec<Value>> {
    let found = vault.query(&asked.query)?.found.into_iter().map(|found| {
        let mut json = json!({ "space": found.space.to_string(), "id": found.id.to_string(), "title": found.title,
            "fields": found.fields });
        if let Some(Snippet { text, hits }) = found.snippet {
            let hits: Vec<[usize; 2]> = hits.iter().map(|hit| [hit.start, hit.end]).collect();
            json["snippet"] = json!({ "text": text, "hits": hits });
        }
        json
    });
    Ok(found.collect())
}

fn of_relay(world: &World, token: &str, asked: &Asked) -> Result<Vec<Value>> {
    let answer = world.relay.get(&format!("/api/v1/find?{}", asked.url), token)?;
    ensure!(answer.status == 200, "{}: {}", asked.url, answer.body);
    let mut found = answer.body["found"].as_array().cloned().context("what is found")?;
    for one in &mut found {
        one.as_object_mut().context("a document")?.remove("position");
    }
    Ok(found)
}

/// How well words fit is each one's own: both know other documents.
fn in_any_order(mut found: Vec<Value>) -> Vec<Value> {
    found.sort_by_key(|one| (one["id"].to_string(), one["space"].to_string()));
    found
}

#[test]
fn a_vault_and_a_relay_find_the_same() -> Result<()> {
    let world = World::new()?;
    let ada = world.relay.account("ada")?;
    let team = world.relay.space("The band")?;
    world.relay.grant(&team, &ada, "owner")?;
    let vault = Vault::open(world.path().join("hers"))?;
    vault.connect(Connection::new(world.relay.url()).token(&ada.token))?;
    vault.wait_until_settled(SOON)?;
    let mut chance = Chance::of_environment("VAULT_FINDING_SEED")?;
    let seed = chance.seed();
    let mut notes = Vec::new();
    let text = |chance: &mut Chance| {
        let mut word = || WORDS[usize::try_from(chance.below(6)).unwrap_or(0)];
        format!("{} {}, {}", word(), word(), word())
    };
    for _ in 0..6 {
        for _ in 0..6 {
            let name = text(&mut chance);
            let space = if chance.below(2) == 0 { None } else { Some(team.parse()?) };
            let note = vault.create("note", Some(&name), space)?;
            let body = text(&mut chance);
            note.edit(|draft| draft.splice("/body", 0, 0, &body))?;
            notes.push(note);
        }
        let at = usize::try_from(chance.below(notes.len() as u64))?;
        let name = text(&mut chance);
        notes[at].edit(|draft| draft.put("/name", name.as_str().into()))?;
        vault.delete(&notes.swap_remove(0))?;
        vault.wait_until_settled(SOON)?;
        for _ in 0..12 {
            let asked = asked(&mut chance);
            let order: fn(Vec<Value>) -> Vec<Value> =
                if asked.is_by_rank { in_any_order } else { std::convert::identity };
            let (ours, mut theirs) = (order(of_vault(&vault, &asked)?), Vec::new());
            let what = format!("seed {seed}: {} finds {ours:?}", asked.url);
            let same = eventually(&what, || {
                theirs = order(of_relay(&world, &ada.token, &asked)?);
                Ok(theirs == ours)
            });
            same.with_context(|| format!("the relay finds {theirs:?}"))?;
        }
    }
    Ok(())
}
