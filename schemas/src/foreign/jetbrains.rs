//! JetBrains: XML by components, one file for each concern. Any of them is read; what concerns keys is a keymap.

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value, json};

use super::convert::Convert::{self, Either, Flag, Not, Number, Seconds, Text, With, Word};
use super::{About, ForeignError, Report, Translated, actions, convert, keys, language_id};
use crate::jsonc::TEXT_BYTES_MAX;

/// Most nodes of a file.
const NODES_MAX: u32 = 100_000;

/// By component and option.
#[rustfmt::skip]
const SETTINGS: &[(&str, &str, Convert)] = &[
    ("EditorSettings", "IS_WHITESPACES_SHOWN", Either("editor.renderWhitespace", "all", "none")),
    ("EditorSettings", "ARE_LINE_NUMBERS_SHOWN", Either("editor.lineNumbers", "on", "off")),
    ("EditorSettings", "LINE_NUMERATION", Word("editor.lineNumbers", &[
        ("ABSOLUTE", r#""on""#), ("RELATIVE", r#""relative""#), ("HYBRID", r#""relative""#),
    ])),
    ("EditorSettings", "STRIP_TRAILING_SPACES", Word("files.trimTrailingWhitespace", &[
        ("None", "false"), ("Changed", "true"), ("Whole", "true"), ("Modified", "true"),
    ])),
    ("EditorSettings", "IS_ENSURE_NEWLINE_AT_EOF", Flag("files.insertFinalNewline")),
    ("EditorSettings", "IS_CARET_BLINKING", Either("editor.cursorBlinking", "blink", "solid")),
    ("EditorSettings", "IS_BLOCK_CURSOR", Either("editor.cursorStyle", "block", "line")),
    ("EditorSettings", "IS_DND_ENABLED", Flag("editor.dragAndDrop")),
    ("EditorSettings", "IS_WHEEL_FONTCHANGE_ENABLED", Flag("editor.mouseWheelZoom")),
    ("EditorSettings", "IS_FOLDING_OUTLINE_SHOWN", Flag("editor.folding")),
    ("EditorSettings", "IS_INDENT_GUIDES_SHOWN", Flag("editor.guides.indentation")),
    ("EditorSettings", "SHOW_STICKY_LINES", Flag("editor.stickyScroll.enabled")),
    ("EditorSettings", "SHOW_BREADCRUMBS", Flag("breadcrumbs.enabled")),
    ("EditorSettings", "ADDITIONAL_PAGE_AT_BOTTOM", Flag("editor.scrollBeyondLastLine")),
    ("EditorSettings", "TOOLTIPS_DELAY", Number("editor.hover.delay")),
    ("EditorSettings", "USE_SOFT_WRAPS", With(soft_wraps)),
    ("DefaultFont", "FONT_FAMILY", Text("editor.fontFamily")),
    ("DefaultFont", "FONT_SIZE", Number("editor.fontSize")),
    ("DefaultFont", "FONT_SIZE_2D", Number("editor.fontSize")),
    ("DefaultFont", "LINE_SPACING", Number("editor.lineHeight")),
    ("DefaultFont", "USE_LIGATURES", Flag("editor.fontLigatures")),
    ("ConsoleFont", "FONT_FAMILY", Text("terminal.integrated.fontFamily")),
    ("ConsoleFont", "FONT_SIZE", Number("terminal.integrated.fontSize")),
    ("GeneralSettings", "autoSaveIfInactive", Either("files.autoSave", "afterDelay", "off")),
    ("GeneralSettings", "inactiveTimeout", Seconds("files.autoSaveDelay")),
    ("GeneralSettings", "confirmExit", Either("window.confirmBeforeClose", "always", "never")),
    ("GeneralSettings", "reopenLastProject", Either("window.restoreWindows", "all", "none")),
    ("code_scheme", "RIGHT_MARGIN", Number("editor.wordWrapColumn")),
    ("indentOptions", "TAB_SIZE", Number("editor.tabSize")),
    ("indentOptions", "INDENT_SIZE", Number("editor.tabSize")),
    ("indentOptions", "USE_TAB_CHARACTER", Not("editor.insertSpaces")),
];

/// Languages whose ids are not simply their names in small letters.
const LANGUAGES: &[(&str, &str)] =
    &[("ObjectiveC", "cpp"), ("kotlin", "kotlin"), ("Shell Script", "shellscript"), ("Sass", "scss"), ("PHP", "php")];

type Found = Report<Map<String, Value>>;

pub(super) fn settings(text: &str) -> Result<Translated<Map<String, Value>>, ForeignError> {
    let document = parse(text)?;
    let root = document.root_element();
    let mut report = Report::new();
    match root.tag_name().name() {
        "application" | "project" => children(root, "component").for_each(|component| {
            let name = component.attribute("name").unwrap_or_default();
            match name {
                "LafManager" => look(&mut report, component),
                _ => options(&mut report, name, name, None, component),
            }
        }),
        "code_scheme" => code_style(&mut report, root),
        _ => {
            let remedy = "it is one of options/*.xml or codestyles/*.xml of the configuration directory";
            return Err(ForeignError::OtherFile { expected: "settings file of a JetBrains program", remedy });
        }
    }
    Ok(report.done())
}

/// All options of an element; what is in the table under `component` is taken.
fn options(report: &mut Found, component: &str, place: &str, language: Option<&str>, element: Node<'_, '_>) {
    let mut options: Vec<Node<'_, '_>> = children(element, "option").collect();
    // Indents may be wider or narrower than tabs; here one number says both, and indents are what one sees.
    options.sort_by_key(|option| option.attribute("name") == Some("INDENT_SIZE"));
    for option in options {
        let (name, text) =
            (option.attribute("name").unwrap_or_default(), option.attribute("value").unwrap_or_default());
        let said = format!("{place} {name}");
        match SETTINGS.iter().find(|(owner, known, _)| *owner == component && *known == name) {
            Some((.., convert)) => match convert.apply(&value(text)) {
                Some(settings) => report.take(language, settings),
                None => report.remark(said, cut(text), About::OtherValue),
            },
            None => report.remark(said, cut(text), About::NoCounterpart),
        }
    }
}

/// The margin and indents of every language, and of single ones.
fn code_style(report: &mut Found, scheme: Node<'_, '_>) {
    for element in scheme.children().filter(Node::is_element) {
        let language = element.attribute("language").map(|name| language_id(LANGUAGES, name));
        let language = language.as_deref();
        match element.tag_name().name() {
            "option" if element.attribute("name") == Some("OTHER_INDENT_OPTIONS") => {
                children(element, "value").for_each(|value| options(report, "indentOptions", "indents", None, value));
            }
            "option" => {} // below, with the others
            "codeStyleSettings" => {
                let place = format!("style of {}", language.unwrap_or_default());
                options(report, "code_scheme", &place, language, element);
                children(element, "indentOptions")
                    .for_each(|indents| options(report, "indentOptions", &place, language, indents));
            }
            other => report.remark(format!("style {other}"), "", About::NoCounterpart),
        }
    }
    options_of_all(report, scheme);
}

fn options_of_all(report: &mut Found, scheme: Node<'_, '_>) {
    for option in children(scheme, "option").filter(|option| option.attribute("value").is_some()) {
        let (name, text) =
            (option.attribute("name").unwrap_or_default(), option.attribute("value").unwrap_or_default());
        let known = SETTINGS.iter().find(|(owner, known, _)| *owner == "code_scheme" && *known == name);
        match known.and_then(|(.., convert)| convert.apply(&value(text))) {
            Some(settings) => report.take(None, settings),
            None => report.remark(format!("style {name}"), cut(text), About::NoCounterpart),
        }
    }
}

/// The places where long lines are wrapped.
fn soft_wraps(value: &Value) -> Option<convert::Settings> {
    let wraps = value.as_str()?.split([',', ';']).any(|place| place.trim() == "MAIN_EDITOR");
    Some(vec![("editor.wordWrap", json!(if wraps { "on" } else { "off" }))])
}

/// The theme.
fn look(report: &mut Found, component: Node<'_, '_>) {
    let theme = children(component, "laf").find_map(|laf| laf.attribute("themeId"));
    if let Some(theme) = theme {
        report.take(None, vec![("workbench.colorTheme", theme.into())]);
    }
}

/// Attributes are texts; what they mean shows in how they are written.
fn value(text: &str) -> Value {
    match text {
        "true" | "false" => Value::Bool(text == "true"),
        _ => match text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => text.parse::<f64>().ok().filter(|n| n.is_finite()).map_or_else(|| text.into(), Value::from),
        },
    }
}

pub(super) fn bindings(text: &str) -> Result<Translated<Vec<Value>>, ForeignError> {
    let document = parse(text)?;
    let root = document.root_element();
    if !root.has_tag_name("keymap") {
        let remedy = "it is one of keymaps/*.xml of the configuration directory";
        return Err(ForeignError::OtherFile { expected: "keymap of a JetBrains program", remedy });
    }
    let mut report = Report::new();
    for action in children(root, "action") {
        let id = action.attribute("id").unwrap_or_default();
        let mut shortcuts = action.children().filter(Node::is_element).peekable();
        if shortcuts.peek().is_none() {
            report.remark(format!("action {id}"), "", About::NoDefault);
        }
        shortcuts.for_each(|shortcut| bind(&mut report, id, shortcut));
    }
    Ok(report.done())
}

fn bind(report: &mut Report<Vec<Value>>, id: &str, shortcut: Node<'_, '_>) {
    let (first, second) = (shortcut.attribute("first-keystroke"), shortcut.attribute("second-keystroke"));
    let written = [first, second, shortcut.attribute("keystroke")].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let key =
        first.filter(|_| shortcut.has_tag_name("keyboard-shortcut")).and_then(|first| keys::jetbrains(first, second));
    match (key, actions::of_jetbrains(id)) {
        (Some(key), Some(command)) => report.bind(key, command, None, None),
        (None, _) => report.remark(format!("action {id}"), cut(&written), About::NoKeystroke),
        (Some(_), None) => report.remark(format!("action {id}"), cut(&written), About::NoCounterpart),
    }
}

fn parse(text: &str) -> Result<Document<'_>, ForeignError> {
    if text.len() > TEXT_BYTES_MAX {
        let rule = format!("{} bytes are more than the {TEXT_BYTES_MAX} allowed", text.len());
        return Err(ForeignError::Xml { line: 1, column: 1, rule });
    }
    // Without a DTD no entity can be expanded.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| {
        let place = error.pos();
        ForeignError::Xml { line: place.row, column: place.col, rule: error.to_string() }
    })
}

fn children<'a, 'i>(element: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    element.children().filter(move |child| child.has_tag_name(name))
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}
