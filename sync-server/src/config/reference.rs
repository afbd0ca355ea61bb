//! The generated page about every field, and the effective values as a file that could be used as it is.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Config, FILE_NAME};

/// A value as it stands in a TOML file.
pub(super) fn toml_value(value: &impl Serialize) -> String {
    match toml::Value::try_from(value) {
        Ok(value) => value.to_string(),
        Err(error) => unreachable!("every field has a TOML form: {error}"),
    }
}

impl Config {
    /// The text of `docs/configuration.md`.
    #[must_use]
    pub fn reference() -> String {
        let mut page = format!(
            "# Configuration of sync-server\n\n\
             Generated from `sync-server/src/config.rs`. Strongest first: flags, variables, `{FILE_NAME}` in the data \
             directory, defaults. A key or variable that is not listed here is an error.\n"
        );
        for (section, description) in Self::sections() {
            let _ = write!(page, "\n## [{section}]\n\n{description}\n\n");
            for field in Self::fields().into_iter().filter(|field| field.section == section) {
                let description = field.description.replace('\n', "\n  ");
                let (name, default, variable) = (field.name, &field.default, field.variable());
                let _ = writeln!(page, "- **{name}** (`{variable}`, default `{default}`)\n  {description}");
            }
        }
        page
    }

    /// The effective values, each with its variable, as a file that could be used as it is.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let values = match toml::Table::try_from(self) {
            Ok(values) => values,
            Err(error) => unreachable!("the configuration has a TOML form: {error}"),
        };
        let mut text = String::new();
        for (section, _) in Self::sections() {
            let _ = writeln!(text, "{}[{section}]", if text.is_empty() { "" } else { "\n" });
            for field in Self::fields().into_iter().filter(|field| field.section == section) {
                let value = values.get(section).and_then(|table| table.get(field.name));
                let value = value.map_or_else(|| field.default.clone(), ToString::to_string);
                let _ = writeln!(text, "{} = {value}  # {}", field.name, field.variable());
            }
        }
        text
    }
}
