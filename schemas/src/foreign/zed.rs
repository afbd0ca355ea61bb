//! Zed: nested settings with names of their own, and bindings in blocks by context.

use serde_json::{Map, Value, json};

use super::convert::Convert::{self, Either, Flag, Not, Number, Numbers, Patterns, Text, With, Word};
use super::{About, ForeignError, Report, Translated, actions, convert, keys, language_id};
use crate::jsonc;
use crate::violation::shown;

/// By the path of the setting.
#[rustfmt::skip]
const SETTINGS: &[(&str, Convert)] = &[
    ("tab_size", Number("editor.tabSize")),
    ("hard_tabs", Not("editor.insertSpaces")),
    ("auto_indent", Word("editor.autoIndent", &[("true", r#""full""#), ("false", r#""none""#)])),
    ("use_autoclose", Word("editor.autoClosingBrackets", &[("true", r#""languageDefined""#), ("false", r#""never""#)])),
    ("soft_wrap", Word("editor.wordWrap", &[
        ("none", r#""off""#), ("prefer_line", r#""off""#), ("editor_width", r#""on""#),
        ("preferred_line_length", r#""wordWrapColumn""#), ("bounded", r#""bounded""#),
    ])),
    ("preferred_line_length", Number("editor.wordWrapColumn")),
    ("wrap_guides", Numbers("editor.rulers")),
    ("format_on_save", Word("editor.formatOnSave", &[
        ("on", "true"), ("off", "false"), ("true", "true"), ("false", "false"),
    ])),
    ("remove_trailing_whitespace_on_save", Flag("files.trimTrailingWhitespace")),
    ("ensure_final_newline_on_save", Flag("files.insertFinalNewline")),
    ("autosave", With(autosave)),
    ("show_whitespaces", Word("editor.renderWhitespace", &[
        ("none", r#""none""#), ("selection", r#""selection""#), ("all", r#""all""#),
        ("boundary", r#""boundary""#), ("trailing", r#""trailing""#),
    ])),
    ("buffer_font_family", Text("editor.fontFamily")),
    ("buffer_font_size", Number("editor.fontSize")),
    ("buffer_font_weight", With(|value| Some(vec![("editor.fontWeight", json!(value.as_u64()?.to_string()))]))),
    ("buffer_line_height", With(line_height)),
    ("buffer_font_features.calt", Flag("editor.fontLigatures")),
    ("theme", With(theme)),
    ("icon_theme", Text("workbench.iconTheme")),
    ("cursor_blink", Either("editor.cursorBlinking", "blink", "solid")),
    ("cursor_shape", Word("editor.cursorStyle", &[
        ("bar", r#""line""#), ("block", r#""block""#), ("underline", r#""underline""#), ("hollow", r#""block-outline""#),
    ])),
    ("relative_line_numbers", Either("editor.lineNumbers", "relative", "on")),
    ("gutter.line_numbers", Either("editor.lineNumbers", "on", "off")),
    ("gutter.folds", Flag("editor.folding")),
    ("minimap.show", Word("editor.minimap.enabled", &[("always", "true"), ("auto", "true"), ("never", "false")])),
    ("scrollbar.show", Word("editor.scrollbar.vertical", &[
        ("auto", r#""auto""#), ("system", r#""auto""#), ("always", r#""visible""#), ("never", r#""hidden""#),
    ])),
    ("scroll_beyond_last_line", Word("editor.scrollBeyondLastLine", &[("one_page", "true"), ("off", "false")])),
    ("vertical_scroll_margin", Number("editor.cursorSurroundingLines")),
    ("sticky_scroll.enabled", Flag("editor.stickyScroll.enabled")),
    ("indent_guides.enabled", Flag("editor.guides.indentation")),
    ("inlay_hints.enabled", Either("editor.inlayHints.enabled", "on", "off")),
    ("hover_popover_enabled", Flag("editor.hover.enabled")),
    ("hover_popover_delay", Number("editor.hover.delay")),
    ("show_completions_on_input", Flag("editor.suggestOnTriggerCharacters")),
    ("auto_signature_help", Flag("editor.parameterHints.enabled")),
    ("linked_edits", Flag("editor.linkedEditing")),
    ("multi_cursor_modifier", Word("editor.multiCursorModifier", &[
        ("alt", r#""alt""#), ("cmd_or_ctrl", r#""ctrlCmd""#), ("cmd", r#""ctrlCmd""#), ("ctrl", r#""ctrlCmd""#),
    ])),
    ("drag_and_drop_selection.enabled", Flag("editor.dragAndDrop")),
    ("file_scan_exclusions", Patterns("files.exclude")),
    ("file_types", With(file_types)),
    ("toolbar.breadcrumbs", Flag("breadcrumbs.enabled")),
    ("tab_bar.show", Word("workbench.editor.showTabs", &[("true", r#""multiple""#), ("false", r#""none""#)])),
    ("preview_tabs.enabled", Flag("workbench.editor.enablePreview")),
    ("project_panel.dock", Word("workbench.sideBar.location", &[("left", r#""left""#), ("right", r#""right""#)])),
    ("project_panel.auto_reveal_entries", Flag("explorer.autoReveal")),
    ("confirm_quit", Word("window.confirmBeforeClose", &[("true", r#""always""#), ("false", r#""never""#)])),
    ("restore_on_startup", Word("window.restoreWindows", &[
        ("last_session", r#""all""#), ("last_workspace", r#""one""#), ("none", r#""none""#),
    ])),
    ("git.inline_blame.enabled", Flag("git.blame.editorDecoration.enabled")),
    ("git.git_gutter", Word("scm.diffDecorations", &[("tracked_files", r#""all""#), ("hide", r#""none""#)])),
    ("terminal.font_family", Text("terminal.integrated.fontFamily")),
    ("terminal.font_size", Number("terminal.integrated.fontSize")),
    ("terminal.copy_on_select", Flag("terminal.integrated.copyOnSelection")),
    ("terminal.max_scroll_history_lines", Number("terminal.integrated.scrollback")),
    ("terminal.cursor_shape", Word("terminal.integrated.cursorStyle", &[
        ("bar", r#""line""#), ("block", r#""block""#), ("underline", r#""underline""#),
    ])),
];

/// Of the program itself.
const PROGRAM: [&str; 6] =
    ["telemetry", "auto_update", "server_url", "base_keymap", "auto_install_extensions", "proxy"];

/// Languages whose ids are not simply their names in small letters.
const LANGUAGES: &[(&str, &str)] = &[
    ("C++", "cpp"),
    ("C#", "csharp"),
    ("F#", "fsharp"),
    ("JSX", "javascriptreact"),
    ("TSX", "typescriptreact"),
    ("JSONC", "jsonc"),
    ("Markdown-Inline", "markdown"),
    ("Objective-C", "objective-c"),
    ("Plain Text", "plaintext"),
    ("Shell Script", "shellscript"),
    ("Vue.js", "vue"),
];

/// Where bindings hold.
const CONTEXTS: &[(&str, Option<&str>)] = &[
    ("", None),
    ("Workspace", None),
    ("Editor", Some("editorTextFocus")),
    ("Editor && mode == full", Some("editorTextFocus")),
    ("Editor && showing_completions", Some("suggestWidgetVisible")),
    ("Terminal", Some("terminalFocus")),
    ("ProjectPanel", Some("filesExplorerFocus")),
    ("Pane", Some("editorIsOpen")),
    ("BufferSearchBar", Some("findWidgetVisible")),
    ("Picker", Some("inQuickOpen")),
];

pub(super) fn settings(text: &str) -> Result<Translated<Map<String, Value>>, ForeignError> {
    let Value::Object(fields) = jsonc::parse(text)? else {
        let remedy = "it is settings.json of zed's configuration directory, an object";
        return Err(ForeignError::OtherFile { expected: "settings file of Zed", remedy });
    };
    let mut report = Report::new();
    section(&mut report, None, "", "", &fields);
    Ok(report.done())
}

/// `prefix` is the path within the section, `place` that of the section in the file. The depth is that of the table.
fn section(
    report: &mut Report<Map<String, Value>>,
    language: Option<&str>,
    place: &str,
    prefix: &str,
    fields: &Map<String, Value>,
) {
    for (key, value) in fields {
        let path = format!("{prefix}{key}");
        let is_deeper =
            || SETTINGS.iter().any(|(known, _)| known.strip_prefix(&path).is_some_and(|r| r.starts_with('.')));
        let said = format!("{place}{path}");
        match (SETTINGS.iter().find(|(known, _)| *known == path), value) {
            (Some((_, convert)), _) => match convert.apply(value) {
                Some(settings) => report.take(language, settings),
                None => report.remark(said, shown(value), About::OtherValue),
            },
            (None, Value::Object(languages)) if path == "languages" && language.is_none() => {
                sections(report, languages);
            }
            (None, Value::Object(deeper)) if is_deeper() => {
                section(report, language, place, &format!("{path}."), deeper);
            }
            _ if PROGRAM.contains(&path.as_str()) => report.remark(said, shown(value), About::OfTheProgram),
            _ => report.remark(said, shown(value), About::NoCounterpart),
        }
    }
}

fn sections(report: &mut Report<Map<String, Value>>, languages: &Map<String, Value>) {
    for (name, value) in languages {
        let place = format!("languages.{name}");
        match value {
            Value::Object(fields) => {
                section(report, Some(&language_id(LANGUAGES, name)), &format!("{place}."), "", fields)
            }
            other => report.remark(place, shown(other), About::OtherValue),
        }
    }
}

fn autosave(value: &Value) -> Option<convert::Settings> {
    let mode = |mode: &str| vec![("files.autoSave", Value::from(mode))];
    match value.as_str() {
        Some("off") => Some(mode("off")),
        Some("on_focus_change") => Some(mode("onFocusChange")),
        Some("on_window_change") => Some(mode("onWindowChange")),
        Some(_) => None,
        None => {
            let delay = value.pointer("/after_delay/milliseconds")?.as_u64()?;
            Some(vec![("files.autoSave", "afterDelay".into()), ("files.autoSaveDelay", delay.into())])
        }
    }
}

/// Zed says it in parts of the font's size, or by a name for such a part; so do we where it is below 8.
fn line_height(value: &Value) -> Option<convert::Settings> {
    let height = match value.as_str() {
        Some("comfortable") => json!(1.618),
        Some("standard") => json!(1.3),
        Some(_) => return None,
        None => value.get("custom").filter(|custom| custom.is_number())?.clone(),
    };
    Some(vec![("editor.lineHeight", height)])
}

fn theme(value: &Value) -> Option<convert::Settings> {
    if value.is_string() {
        return Some(vec![("workbench.colorTheme", value.clone())]);
    }
    let name = |key: &str| value.get(key).filter(|name| name.is_string()).cloned();
    let (light, dark) = (name("light")?, name("dark")?);
    let mode = value.get("mode").and_then(Value::as_str).unwrap_or("system");
    Some(vec![
        ("workbench.colorTheme", if mode == "light" { light.clone() } else { dark.clone() }),
        ("workbench.preferredLightColorTheme", light),
        ("workbench.preferredDarkColorTheme", dark),
        ("window.autoDetectColorScheme", (mode == "system").into()),
    ])
}

/// By language there, by pattern here.
fn file_types(value: &Value) -> Option<convert::Settings> {
    let mut associations = Map::new();
    for (language, patterns) in value.as_object()? {
        for pattern in patterns.as_array()? {
            let pattern = pattern.as_str()?;
            let is_ending = !pattern.contains(['*', '.', '/']);
            let pattern = if is_ending { format!("*.{pattern}") } else { pattern.to_owned() };
            associations.insert(pattern, language_id(LANGUAGES, language).into());
        }
    }
    Some(vec![("files.associations", Value::Object(associations))])
}

pub(super) fn bindings(text: &str) -> Result<Translated<Vec<Value>>, ForeignError> {
    let Value::Array(blocks) = jsonc::parse(text)? else {
        let remedy = "it is keymap.json of zed's configuration directory, an array of blocks";
        return Err(ForeignError::OtherFile { expected: "keymap of Zed", remedy });
    };
    let mut report = Report::new();
    for block in &blocks {
        let context = block.get("context").and_then(Value::as_str).unwrap_or_default();
        for (keystrokes, action) in block.get("bindings").and_then(Value::as_object).into_iter().flatten() {
            binding(&mut report, context, keystrokes, action);
        }
    }
    Ok(report.done())
}

fn binding(report: &mut Report<Vec<Value>>, context: &str, keystrokes: &str, action: &Value) {
    let place = if context.is_empty() { keystrokes.to_owned() } else { format!("{keystrokes} in {context}") };
    let Some((_, when)) = CONTEXTS.iter().find(|(theirs, _)| *theirs == context.trim()) else {
        return report.remark(place, shown(action), About::OtherContext);
    };
    let Some(key) = keys::zed(keystrokes) else { return report.remark(place, shown(action), About::NoKeystroke) };
    let (name, arguments) = match action {
        Value::String(name) => (Some(name.as_str()), None),
        // Nothing is to happen.
        Value::Null => return report.bind(key, "", *when, None),
        Value::Array(parts) => (parts.first().and_then(Value::as_str), parts.get(1).cloned()),
        _ => (None, None),
    };
    match name.and_then(actions::of_zed) {
        // Arguments mean what they mean to that editor's action.
        Some(command) if arguments.is_none() => report.bind(key, command, *when, None),
        _ => report.remark(place, shown(action), About::NoCounterpart),
    }
}
