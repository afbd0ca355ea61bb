//! `vault bridge`: a file and the vault follow each other.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::run::{Desk, Run, real_data};

const FILE: &str = "// Mine.\n{\n  // Wide.\n  \"editor.tabSize\": 4, // four\n\n  \"[rust]\": { \"x\": true },\n}\n";

/// A running `vault bridge`; killed when dropped.
struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    /// Starts it, and returns when both sides are equal.
    fn start(desk: &Desk, arguments: &[&str]) -> Self {
        let running = Self::begin(desk, arguments);
        running.says("follow each other");
        running
    }

    /// Starts it, and returns at once.
    fn begin(desk: &Desk, arguments: &[&str]) -> Self {
        let mut command = desk.command();
        command.arg("--vault").arg(desk.vault()).arg("bridge").args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let said = Arc::new(Mutex::new(String::new()));
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        for lines in [Box::new(BufReader::new(out)) as Box<dyn BufRead + Send>, Box::new(BufReader::new(err))] {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in lines.lines().map_while(Result::ok) {
                    said.lock().expect("nobody panics with it").push_str(&(line + "\n"));
                }
            });
        }
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().expect("nobody panics with it").clone()
    }

    fn says(&self, part: &str) {
        eventually(&format!("it says {part:?}"), || self.said(), |said| said.contains(part));
    }

    /// Ends it as a person would; it must end well.
    fn interrupt(mut self) -> String {
        let pid = self.child.id().to_string();
        Run::of(Command::new("kill").args(["-INT", &pid]));
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", self.said());
        self.said()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until what is there is as wanted.
fn eventually<T: std::fmt::Debug>(what: &str, look: impl Fn() -> T, is_wanted: impl Fn(&T) -> bool) -> T {
    let began = Instant::now();
    loop {
        let found = look();
        if is_wanted(&found) {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "never so: {what}; it is {found:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn file_becomes(path: &Path, expected: &str) {
    eventually(&format!("{} is {expected:?}", path.display()), || text(path), |text| text == expected);
}

fn vault_becomes(desk: &Desk, key: &str, expected: &str) {
    let look = || desk.run(&["get", "settings", key]).stdout;
    eventually(&format!("{key} is {expected}"), look, |value| value.trim_end() == expected);
}

/// Saves as editors do: a new file takes the place of the old one.
fn save_by_rename(path: &Path, content: &str) {
    let beside = path.with_extension("swp");
    fs::write(&beside, content).expect("it can be written");
    fs::rename(&beside, path).expect("it can be renamed");
}

/// A vault without values, and a settings file.
fn desk_with_file(content: &str) -> (Desk, PathBuf) {
    let desk = Desk::new();
    let file = desk.write("settings.jsonc", content);
    (desk, PathBuf::from(file))
}

#[test]
fn an_edit_of_either_side_reaches_the_other_and_comments_stay() {
    let (desk, file) = desk_with_file(FILE);
    let running = Running::start(&desk, &["settings.jsonc"]);
    assert_eq!(text(&file), FILE, "nothing was changed by looking");
    let edited = FILE.replace("4, // four", "8, // eight");
    save_by_rename(&file, &edited);
    vault_becomes(&desk, "editor.tabSize", "8");
    desk.ok(&["set", "settings", "/[rust]/x", "false"]);
    let both = edited.replace("true", "false");
    file_becomes(&file, &both);
    fs::write(&file, both.replace("// Mine.", "// Yours.")).expect("saved in place");
    let look = || desk.ok(&["export", "settings"]);
    eventually("the comment is in the vault", look, |text| text.starts_with("// Yours."));
    let said = running.interrupt();
    assert!(said.contains("imported") && said.contains("wrote") && said.contains("ended"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_written_and_an_empty_vault_is_filled() {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "a", "1"]);
    drop(Running::start(&desk, &["new.jsonc"]));
    assert_eq!(text(&desk.path("new.jsonc")), desk.ok(&["export", "settings"]));
    let desk = Desk::new();
    desk.write("settings.json", FILE);
    drop(Running::start(&desk, &["settings.json"]));
    assert_eq!(desk.ok(&["export", "settings"]), FILE);
}

#[test]
fn two_full_sides_that_never_met_need_a_choice() {
    let full = || {
        let (desk, file) = desk_with_file("{\n  // File.\n  \"a\": 1,\n  \"f\": 1\n}\n");
        desk.ok(&["set", "settings", "a", "2"]);
        desk.ok(&["set", "settings", "v", "2"]);
        (desk, file)
    };
    let (desk, file) = full();
    let before = (desk.ok(&["export", "settings"]), text(&file));
    desk.fails(&["bridge", "settings.jsonc"], 4, "file_and_vault_differ", &["--prefer file", "settings.jsonc"]);
    assert_eq!((desk.ok(&["export", "settings"]), text(&file)), before, "nothing is touched");

    drop(Running::start(&desk, &["settings.jsonc", "--prefer", "file"]));
    assert_eq!(desk.json(&["export", "settings"]), json!({"a": 1, "f": 1}));
    let (desk, file) = full();
    drop(Running::start(&desk, &["settings.jsonc", "--prefer", "vault"]));
    assert_eq!(desk.json(&["export", "settings"]), json!({"a": 2, "v": 2}));
    assert_eq!(text(&file), desk.ok(&["export", "settings"]));
    assert!(text(&desk.path("settings.jsonc.before-bridge-1")).contains("// File."), "a copy is kept");
    let (desk, file) = full();
    drop(Running::start(&desk, &["settings.jsonc", "--prefer", "both"]));
    assert_eq!(desk.json(&["export", "settings"]), json!({"a": 1, "f": 1, "v": 2}));
    assert!(text(&file).contains("// File.") && text(&file).contains("\"v\": 2"), "{}", text(&file));
}

#[test]
fn what_was_edited_on_both_sides_while_no_bridge_ran_is_merged() {
    let (desk, file) = desk_with_file(FILE);
    drop(Running::start(&desk, &["settings.jsonc"])); // kill -9
    save_by_rename(&file, &FILE.replace("  \"[rust]\"", "  // Rust.\n  \"[rust]\"").replace("  // Wide.\n", ""));
    desk.ok(&["set", "settings", "editor.tabSize", "2"]);
    desk.ok(&["unset", "settings", "/[rust]/x"]);
    desk.ok(&["set", "settings", "/[rust]/y", "1"]);
    let running = Running::start(&desk, &["settings.jsonc"]);
    let expected = "// Mine.\n{\n  \"editor.tabSize\": 2, // four\n\n  // Rust.\n  \"[rust]\": { \"y\": 1 },\n}\n";
    file_becomes(&file, expected);
    assert_eq!(desk.ok(&["export", "settings"]), expected);
    running.interrupt();
}

/// Adds a key to the file, as a person who sees what is in it.
fn type_key(file: &Path, key: &str) {
    save_by_rename(file, &text(file).replacen('{', &format!("{{\n  \"{key}\": 1, // typed"), 1));
}

#[test]
fn edits_of_both_sides_at_the_same_time_are_all_there() {
    let (desk, file) = desk_with_file("{\n}\n");
    let _running = Running::start(&desk, &["settings.jsonc"]);
    for round in 0..10 {
        type_key(&file, &format!("f{round}"));
        desk.ok(&["set", "settings", &format!("v{round}"), "1"]); // before the bridge has looked at the file
        let (typed, set) = (format!("\"f{round}\": 1"), format!("\"v{round}\": 1"));
        let look = || (text(&file), desk.ok(&["export", "settings"]));
        eventually("both sides have both", look, |(file, vault)| {
            file == vault && file.contains(&typed) && file.contains(&set)
        });
    }
}

#[test]
fn a_bridge_killed_at_any_instant_loses_no_edit_of_either_side() {
    let (desk, file) = desk_with_file("{\n}\n");
    drop(Running::start(&desk, &["settings.jsonc"]));
    for round in 0..20 {
        type_key(&file, &format!("f{round}"));
        desk.ok(&["set", "settings", &format!("v{round}"), "1"]);
        let bridge = Running::begin(&desk, &["settings.jsonc"]);
        std::thread::sleep(Duration::from_millis(3 * round)); // another instant each time
        drop(bridge);
    }
    drop(Running::start(&desk, &["settings.jsonc"]));
    let exported = desk.ok(&["export", "settings"]);
    assert_eq!(text(&file), exported);
    for round in 0..20 {
        let lines = [format!("\"f{round}\": 1, // typed"), format!("\"v{round}\": 1")];
        assert!(lines.iter().all(|line| exported.matches(line).count() == 1), "round {round}: {exported}");
    }
}

#[test]
fn a_file_that_is_no_json_is_left_alone_and_said_once_until_it_is() {
    let (desk, file) = desk_with_file(FILE);
    let running = Running::start(&desk, &["settings.jsonc"]);
    let broken = FILE.replace("\"[rust]\": {", "\"[rust]\" {");
    fs::write(&file, &broken).expect("it can be written");
    running.says("error[not_json]: ");
    running.says("line 6, column");
    desk.ok(&["set", "settings", "editor.tabSize", "2"]);
    // Another broken content: once it is said, the bridge has looked at least twice since the first.
    let worse = format!("{broken}[");
    fs::write(&file, &worse).expect("it can be written");
    let count = |said: &String| said.matches("error[not_json]: ").count();
    eventually("the second is said too", || running.said(), |said| count(said) == 2);
    assert_eq!(text(&file), worse);
    save_by_rename(&file, &FILE.replace("true", "1"));
    file_becomes(&file, &FILE.replace("true", "1").replace("4, // four", "2, // four"));
    assert_eq!(desk.ok(&["get", "settings", "/[rust]/x"]), "1\n");
    assert_eq!(count(&running.interrupt()), 2);
}

#[test]
fn a_deleted_file_deletes_nothing_and_an_empty_one_in_its_place_is_filled() {
    let (desk, file) = desk_with_file(FILE);
    let running = Running::start(&desk, &["settings.jsonc"]);
    fs::remove_file(&file).expect("it can be removed");
    running.says("is gone");
    desk.ok(&["set", "settings", "editor.tabSize", "2"]);
    fs::write(&file, "{}").expect("it can be written");
    let expected = FILE.replace("4, // four", "2, // four");
    file_becomes(&file, &expected);
    running.interrupt();
    fs::remove_file(&file).expect("it can be removed");
    drop(Running::start(&desk, &["settings.jsonc"]));
    file_becomes(&file, &expected);
}

#[test]
fn a_file_that_says_what_the_vault_says_is_not_written() {
    let (desk, file) = desk_with_file(FILE);
    drop(Running::start(&desk, &["settings.jsonc"]));
    let before = fs::metadata(&file).expect("it is there");
    let running = Running::start(&desk, &["settings.jsonc"]);
    desk.ok(&["set", "settings", "other", "1", "--layer", "machines/elsewhere"]);
    let note = desk.json(&["new", "note", "no setting"]);
    assert!(note.is_object());
    // Something that it does hear of, so that it has seen everything before.
    let edited = FILE.replace("true", "false");
    let metadata = fs::metadata(&file).expect("it is there");
    assert_eq!((metadata.ino(), metadata.mtime_nsec()), (before.ino(), before.mtime_nsec()));
    save_by_rename(&file, &edited);
    let saved = fs::metadata(&file).expect("it is there");
    vault_becomes(&desk, "/[rust]/x", "false");
    let said = running.interrupt();
    let after = fs::metadata(&file).expect("it is there");
    assert_eq!((after.ino(), after.mtime_nsec()), (saved.ino(), saved.mtime_nsec()), "an import is no reason to write");
    assert!(!said.contains("wrote"), "{said}");
}

#[test]
fn a_link_is_followed_and_the_file_keeps_its_mode() {
    let (desk, link) = (Desk::new(), "link.jsonc");
    fs::create_dir(desk.path("dotfiles")).expect("a directory");
    let file = PathBuf::from(desk.write("dotfiles/real.jsonc", FILE));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
    symlink("dotfiles/real.jsonc", desk.path(link)).expect("a link");
    let running = Running::start(&desk, &[link]);
    desk.ok(&["set", "settings", "editor.tabSize", "2"]);
    file_becomes(&file, &FILE.replace("4, // four", "2, // four"));
    assert!(desk.path(link).is_symlink());
    assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o640);
    save_by_rename(&file, FILE);
    vault_becomes(&desk, "editor.tabSize", "4");
    running.interrupt();
    let left: Vec<_> = fs::read_dir(desk.path("dotfiles")).expect("listed").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn layers_and_keymaps_have_files_of_their_own() {
    let desk = Desk::new();
    desk.write("keybindings.json", "[\n  // Save.\n  { \"key\": \"ctrl+s\", \"command\": \"save\" }\n]\n");
    drop(Running::start(&desk, &["keybindings.json"]));
    assert_eq!(desk.json(&["export", "keymap"]), json!([{"key": "ctrl+s", "command": "save"}]));
    let keymap = desk.path("keybindings.json");
    let _running = Running::start(&desk, &["keybindings.json"]);
    let two = text(&keymap).replace("\"save\" }\n", "\"save\" },\n  { \"key\": \"q\", \"command\": \"quit\" }\n");
    save_by_rename(&keymap, &two);
    let look = || desk.json(&["export", "keymap"]);
    eventually("both bindings", look, |value| value.as_array().is_some_and(|all| all.len() == 2));

    desk.write("mac.json", "{\"font\": 14}\n");
    drop(Running::start(&desk, &["mac.json", "--layer", "platforms/macos"]));
    assert_eq!(desk.ok(&["get", "settings", "font", "--layer", "platforms/macos"]), "14\n");
    desk.fails(&["bridge", "keybindings.json", "--layer", "platforms/macos"], 2, "no_layers", &["platforms/macos"]);
}

#[test]
fn a_second_bridge_of_the_same_file_and_a_place_that_is_none_are_refused() {
    let (desk, _) = desk_with_file(FILE);
    let _running = Running::start(&desk, &["settings.jsonc"]);
    desk.fails(&["bridge", "settings.jsonc"], 1, "bridged_already", &["settings.jsonc"]);
    desk.fails(&["bridge", "no/such/place.json"], 1, "no_such_file", &["no/such"]);
    desk.fails(&["bridge", "."], 1, "io", &["directory"]);
    let desk = Desk::new();
    desk.write("broken.json", "{\n  \"a\" 1\n}");
    desk.fails(&["bridge", "broken.json"], 1, "not_json", &["line 2, column 7", "broken.json"]);
}

#[test]
fn what_a_bridge_remembers_is_for_its_owner_only() {
    let (desk, _) = desk_with_file(FILE);
    drop(Running::start(&desk, &["settings.jsonc"]));
    let bridges = desk.vault().join("bridges");
    for path in fs::read_dir(&bridges).expect("listed").flatten().map(|entry| entry.path()).chain([bridges.clone()]) {
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

#[test]
fn files_of_real_people_stay_byte_for_byte_but_for_the_edited_line() {
    let Some(folder) = real_data() else { return };
    for name in ["vscode-settings-large", "vscode-settings-with-comments", "zed-settings"] {
        let original = text(&folder.join("settings").join(format!("{name}.jsonc")));
        let (desk, file) = desk_with_file(&original);
        let running = Running::start(&desk, &["settings.jsonc"]);
        assert_eq!(text(&file), original, "{name}");
        desk.ok(&["set", "settings", "bridge.test", "1"]);
        let look = || text(&file);
        let written = eventually("the new key is there", look, |text| text.contains("\"bridge.test\": 1"));
        let kept = original.lines().filter(|line| written.lines().any(|other| other == *line)).count();
        assert!(kept + 1 >= original.lines().count(), "{name}: only a comma may have come");
        desk.ok(&["unset", "settings", "bridge.test"]);
        file_becomes(&file, &original);
        running.interrupt();
    }
}

#[test]
fn keys_that_stay_on_their_machine_stay_in_the_file_and_out_of_the_vault() {
    let content = "{\n  \"vault.machineLocal\": [\"http.*\"],\n  // here only\n  \"http.proxy\": \"p\", // secret\n  \"a\": 1\n}\n";
    let (desk, file) = desk_with_file(content);
    let running = Running::start(&desk, &["settings.jsonc"]);
    running.says("/http.proxy stays on this machine");
    assert_eq!(text(&file), content);
    let document = desk.ok(&["show", "settings"]);
    assert!(document.contains("\"a\": 1") && !document.contains("proxy") && !document.contains("secret"), "{document}");
    // Edits of both sides go on; the key stays where it was typed.
    desk.ok(&["set", "settings", "a", "2"]);
    file_becomes(&file, &content.replace("\"a\": 1", "\"a\": 2"));
    save_by_rename(&file, &content.replace("\"a\": 1", "\"a\": 3").replace("\"p\"", "\"q\""));
    vault_becomes(&desk, "a", "3");
    assert!(text(&file).contains("\"q\", // secret"), "{}", text(&file));
    assert!(!desk.ok(&["show", "settings"]).contains("proxy"));
    // Once it is taken off the list it goes into the vault, looks and all.
    let released = text(&file).replace("[\"http.*\"]", "[]");
    save_by_rename(&file, &released);
    vault_becomes(&desk, "http.proxy", "q");
    assert_eq!(text(&file), released);
    // And once it is put on it, by whomever, the file keeps it while the vault's is no longer touched.
    desk.ok(&["set", "settings", "vault.machineLocal", "[\"http.proxy\"]"]);
    eventually("the file has the list", || text(&file), |text| text.contains("[\"http.proxy\"]"));
    save_by_rename(&file, &text(&file).replace("\"q\"", "\"r\"").replace("\"a\": 3", "\"a\": 4"));
    vault_becomes(&desk, "a", "4");
    vault_becomes(&desk, "http.proxy", "q");
    assert!(text(&file).contains("\"r\", // secret"), "{}", text(&file));
    running.interrupt();
    // It is remembered while no bridge runs.
    desk.ok(&["set", "settings", "a", "5"]);
    let running = Running::start(&desk, &["settings.jsonc"]);
    file_becomes(&file, &text(&file).replace("\"a\": 4", "\"a\": 5"));
    assert!(text(&file).contains("\"r\", // secret"), "{}", text(&file));
    running.interrupt();
}

#[test]
fn keys_that_stay_on_their_machine_outlive_a_preferred_vault_and_a_deleted_file() {
    let (desk, file) = desk_with_file("{ \"path\": \"/home\", \"a\": 2 }\n");
    desk.ok(&["set", "settings", "vault.machineLocal", "[\"path\"]"]);
    desk.ok(&["set", "settings", "a", "1"]);
    let running = Running::start(&desk, &["settings.jsonc", "--prefer", "vault"]);
    let has = |part: &'static str| move |text: &String| text.contains("\"path\": \"/home\"") && text.contains(part);
    eventually("the file has both", || text(&file), has("\"a\": 1"));
    assert!(!desk.ok(&["show", "settings"]).contains("/home"));
    fs::remove_file(&file).expect("it can be removed");
    desk.ok(&["set", "settings", "a", "3"]);
    running.says("is gone");
    fs::write(&file, "{}").expect("it can be written");
    eventually("the file has both again", || text(&file), has("\"a\": 3"));
}
