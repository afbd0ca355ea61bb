//! Settings and keymaps of other editors, in our words.

use schemas::foreign::{self, Editor, ForeignError};
use schemas::{keymap, settings};
use serde_json::{Value, json};

use crate::replicas::Replica;

/// What a settings file becomes, and the codes and places of what is said of it.
#[track_caller]
fn check_settings(editor: Editor, text: &str, becomes: &Value, remarks: &[(&str, &str)]) {
    let read = foreign::settings(editor, text).unwrap();
    assert_eq!(Value::Object(read.content), *becomes, "{text}");
    let said: Vec<(&str, &str)> = read.remarks.iter().map(|it| (it.place.as_str(), it.about.code())).collect();
    assert_eq!(said, remarks, "{text}");
}

#[track_caller]
fn check_bindings(editor: Editor, text: &str, becomes: &Value, remarks: &[(&str, &str)]) {
    let read = foreign::bindings(editor, text).unwrap();
    assert_eq!(Value::Array(read.content), *becomes, "{text}");
    let said: Vec<(&str, &str)> = read.remarks.iter().map(|it| (it.place.as_str(), it.about.code())).collect();
    assert_eq!(said, remarks, "{text}");
}

#[test]
fn settings_of_vs_code_keep_their_names() {
    check_settings(
        Editor::VsCode,
        r#"{
            // as people write it
            "editor.tabSize": 2,
            "rust-analyzer.check.command": "clippy",
            "settingsSync.ignoredExtensions": [],
            "[javascript][typescript]": { "editor.tabSize": 4 },
            "[typescript]": { "editor.rulers": [80] },
        }"#,
        &json!({
            "editor.tabSize": 2,
            "rust-analyzer.check.command": "clippy",
            "[javascript]": { "editor.tabSize": 4 },
            "[typescript]": { "editor.tabSize": 4, "editor.rulers": [80] },
        }),
        &[("rust-analyzer.check.command", "kept_for_extension"), ("settingsSync.ignoredExtensions", "of_the_program")],
    );
}

#[test]
fn settings_of_zed_get_our_names_and_values() {
    check_settings(
        Editor::Zed,
        r#"{
            "tab_size": 4, "hard_tabs": true, "soft_wrap": "editor_width", "autosave": { "after_delay": { "milliseconds": 500 } },
            "theme": { "mode": "system", "light": "One Light", "dark": "One Dark" },
            "terminal": { "font_size": 13, "shell": "system" },
            "buffer_line_height": "comfortable",
            "file_types": { "C++": ["c", "*.inl"] },
            "languages": { "C++": { "tab_size": 2, "formatter": "auto" }, "Rust": 3 },
            "telemetry": { "metrics": false }, "agent": { "version": "2" }, "show_whitespaces": "sometimes"
        }"#,
        &json!({
            "editor.tabSize": 4, "editor.insertSpaces": false, "editor.wordWrap": "on",
            "files.autoSave": "afterDelay", "files.autoSaveDelay": 500,
            "workbench.colorTheme": "One Dark", "workbench.preferredLightColorTheme": "One Light",
            "workbench.preferredDarkColorTheme": "One Dark", "window.autoDetectColorScheme": true,
            "terminal.integrated.fontSize": 13, "editor.lineHeight": 1.618,
            "files.associations": { "*.c": "cpp", "*.inl": "cpp" },
            "[cpp]": { "editor.tabSize": 2 },
        }),
        &[
            ("agent", "no_counterpart"),
            ("languages.C++.formatter", "no_counterpart"),
            ("languages.Rust", "other_value"),
            ("show_whitespaces", "other_value"),
            ("telemetry", "of_the_program"),
            ("terminal.shell", "no_counterpart"),
        ],
    );
}

#[test]
fn settings_of_jetbrains_are_read_from_each_of_their_files() {
    let editor = r#"<application>
      <component name="EditorSettings">
        <option name="IS_WHITESPACES_SHOWN" value="true" />
        <option name="STRIP_TRAILING_SPACES" value="None" />
        <option name="USE_SOFT_WRAPS" value="MAIN_EDITOR; CONSOLE" />
        <option name="IS_VIRTUAL_SPACE" value="true" />
      </component>
      <component name="DefaultFont"><option name="FONT_SIZE_2D" value="13.5" /></component>
      <component name="LafManager"><laf themeId="Darcula" /></component>
    </application>"#;
    check_settings(
        Editor::JetBrains,
        editor,
        &json!({
            "editor.renderWhitespace": "all", "files.trimTrailingWhitespace": false, "editor.wordWrap": "on",
            "editor.fontSize": 13.5, "workbench.colorTheme": "Darcula",
        }),
        &[("EditorSettings IS_VIRTUAL_SPACE", "no_counterpart")],
    );
    let style = r#"<code_scheme name="Project" version="173">
      <option name="RIGHT_MARGIN" value="100" />
      <option name="OTHER_INDENT_OPTIONS"><value><option name="INDENT_SIZE" value="2" /></value></option>
      <codeStyleSettings language="JAVA">
        <option name="RIGHT_MARGIN" value="120" />
        <indentOptions><option name="INDENT_SIZE" value="3" /><option name="TAB_SIZE" value="8" />
          <option name="USE_TAB_CHARACTER" value="true" /></indentOptions>
      </codeStyleSettings>
      <JavaCodeStyleSettings />
    </code_scheme>"#;
    check_settings(
        Editor::JetBrains,
        style,
        &json!({
            "editor.wordWrapColumn": 100, "editor.tabSize": 2,
            "[java]": { "editor.wordWrapColumn": 120, "editor.tabSize": 3, "editor.insertSpaces": false },
        }),
        &[("style JavaCodeStyleSettings", "no_counterpart")],
    );
}

#[test]
fn bindings_get_our_keys_commands_and_places() {
    check_bindings(
        Editor::VsCode,
        r#"[{ "key": "ctrl+d", "command": "editor.action.deleteLines", "when": "x", "args": 1 }, { "command": "y" }, {"key": "a"}]"#,
        &json!([{ "key": "ctrl+d", "command": "editor.action.deleteLines", "when": "x", "args": 1 }]),
        &[("binding 2", "no_keystroke"), ("binding 3", "no_counterpart")],
    );
    check_bindings(
        Editor::Zed,
        r#"[
            { "context": "Editor", "bindings": {
                "ctrl-shift-k": "editor::DeleteLine", "ctrl-x ctrl-y": null, "fn-a": "editor::Cut",
                "ctrl-j": ["editor::MoveUp", { "count": 2 }], "ctrl-q": "vim::Nonsense" } },
            { "bindings": { "ctrl-p": ["file_finder::Toggle"] } },
            { "context": "vim_mode == normal", "bindings": { "j": "editor::MoveDown" } }
        ]"#,
        &json!([
            { "key": "ctrl+shift+k", "command": "editor.action.deleteLines", "when": "editorTextFocus" },
            { "key": "ctrl+x ctrl+y", "command": "", "when": "editorTextFocus" },
            { "key": "ctrl+p", "command": "workbench.action.quickOpen" },
        ]),
        &[
            ("ctrl-j in Editor", "no_counterpart"),
            ("ctrl-q in Editor", "no_counterpart"),
            ("fn-a in Editor", "no_keystroke"),
            ("j in vim_mode == normal", "other_context"),
        ],
    );
    check_bindings(
        Editor::JetBrains,
        r#"<keymap version="1" name="Mine" parent="$default">
            <action id="EditorDuplicate"><keyboard-shortcut first-keystroke="ctrl D" /></action>
            <action id="CommentByLineComment"><keyboard-shortcut first-keystroke="ctrl K" second-keystroke="ctrl C" /></action>
            <action id="GotoFile"><mouse-shortcut keystroke="button1 doubleClick" /></action>
            <action id="Vcs.Push"><keyboard-shortcut first-keystroke="ctrl shift K" /></action>
            <action id="Find" />
        </keymap>"#,
        &json!([
            { "key": "ctrl+d", "command": "editor.action.copyLinesDownAction" },
            { "key": "ctrl+k ctrl+c", "command": "editor.action.commentLine" },
        ]),
        &[("action GotoFile", "no_keystroke"), ("action Vcs.Push", "no_counterpart"), ("action Find", "no_default")],
    );
}

#[test]
fn what_is_imported_is_added_to_what_is_there() {
    let current = json!({ "base": { "editor.tabSize": 8, "editor.rulers": [80], "[cpp]": { "editor.tabSize": 3 } } });
    let read = foreign::settings(Editor::Zed, r#"{ "tab_size": 2, "languages": { "C++": { "hard_tabs": false } } }"#);
    let (intents, _) = foreign::add_settings(&settings::Layer::BASE, &current, &read.unwrap().content).unwrap();
    let paths: Vec<&str> = intents.iter().map(schemas::Intent::path).collect();
    assert_eq!(paths, ["/base/[cpp]/editor.insertSpaces", "/base/editor.tabSize"]);

    let added = [json!({ "key": "ctrl+d", "command": "a" }), json!({ "key": "ctrl+e", "command": "b" })];
    let intents = foreign::add_bindings(&json!({}), &added).unwrap();
    assert!(!intents.is_empty());
    let mut replica = Replica::new(keymap::TYPE, 1);
    replica.apply(intents);
    let stored = replica.document.value();
    assert_eq!(keymap::export(&stored), json!(added));
    assert_eq!(foreign::add_bindings(&stored, &added).unwrap(), [], "a second import changes nothing");
}

#[test]
fn a_file_of_another_kind_is_refused_with_the_place_of_the_right_one() {
    let other = |outcome: Result<_, ForeignError>| matches!(outcome, Err(ForeignError::OtherFile { .. }));
    assert!(other(foreign::settings(Editor::VsCode, "[]").map(drop)));
    assert!(other(foreign::bindings(Editor::Zed, "{}").map(drop)));
    assert!(other(foreign::settings(Editor::JetBrains, "<keymap/>").map(drop)));
    assert!(other(foreign::bindings(Editor::JetBrains, "<application/>").map(drop)));
    let says = |text: &str| foreign::settings(Editor::JetBrains, text).unwrap_err().to_string();
    assert!(says("<application>\n  <component></application>").starts_with("line 2"), "{}", says("<a>\n<b></a>"));
    assert!(foreign::settings(Editor::Zed, "{").is_err());
}

#[test]
fn hostile_xml_is_refused_and_expands_nothing() {
    let bomb = r#"<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><application>&c;</application>"#;
    assert!(matches!(foreign::settings(Editor::JetBrains, bomb), Err(ForeignError::Xml { .. })));
    let nodes = format!("<application>{}</application>", "<a/>".repeat(200_000));
    assert!(matches!(foreign::settings(Editor::JetBrains, &nodes), Err(ForeignError::Xml { .. })));
    let deep = format!("{}{}", "<a>".repeat(90_000), "</a>".repeat(90_000));
    assert!(foreign::settings(Editor::JetBrains, &deep).is_err());
    let long = format!("<application>{}", " ".repeat(9 << 20));
    assert!(foreign::settings(Editor::JetBrains, &long).unwrap_err().to_string().contains("allowed"));
}

#[test]
fn a_report_has_an_end() {
    let many: serde_json::Map<String, Value> = (0..1500).map(|n| (format!("unknown_{n}"), n.into())).collect();
    let read = foreign::settings(Editor::Zed, &Value::Object(many).to_string()).unwrap();
    assert_eq!((read.remarks.len(), read.unlisted), (1000, 500));
}

/// Real files, if there are any (`VAULT_REAL_DATA`).
#[test]
fn real_files_of_other_editors_are_understood_for_the_most_part() {
    let Some(directory) = std::env::var_os("VAULT_REAL_DATA") else {
        return println!("skipped: real files of other editors (set VAULT_REAL_DATA)");
    };
    let read = |name: &str| {
        let path = std::path::Path::new(&directory).join("settings").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    for (editor, name, taken_min) in [
        (Editor::VsCode, "vscode-settings-large.jsonc", 50),
        (Editor::VsCode, "vscode-settings-with-comments.jsonc", 5),
        (Editor::Zed, "zed-settings.jsonc", 5),
    ] {
        let translated = foreign::settings(editor, &read(name)).unwrap();
        assert!(translated.taken >= taken_min, "{name}: {} taken", translated.taken);
        let intents = foreign::add_settings(&settings::Layer::BASE, &json!({}), &translated.content);
        assert!(intents.is_ok(), "{name}: {intents:?}");
    }
    let translated = foreign::bindings(Editor::VsCode, &read("vscode-keybindings.jsonc")).unwrap();
    assert!(translated.taken >= 10 && foreign::add_bindings(&json!({}), &translated.content).is_ok());
}

#[test]
fn what_stays_on_its_machine_does_not_come_with_an_import() {
    let file = r#"{ "settingsSync.ignoredSettings": ["http.proxy"], "http.proxy": "x", "editor.tabSize": 2 }"#;
    let read = foreign::settings(Editor::VsCode, file).unwrap();
    let (intents, local) = foreign::add_settings(&settings::Layer::BASE, &json!({}), &read.content).unwrap();
    assert_eq!(local, ["/http.proxy"]);
    assert!(intents.iter().all(|intent| intent.path() != "/base/http.proxy") && intents.len() == 2, "{intents:?}");
}
