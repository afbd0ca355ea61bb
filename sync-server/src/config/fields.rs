//! Keeps a field, its default and its description in one place, so that the reference page cannot drift from the code.

/// One configurable value.
#[derive(Debug, Clone)]
pub struct Field {
    /// Table in the file.
    pub section: &'static str,
    /// Key in the table.
    pub name: &'static str,
    /// Rust type, as a person reads it.
    pub type_name: &'static str,
    /// Default, as TOML.
    pub default: String,
    /// What it means, with unit and reason.
    pub description: String,
}

impl Field {
    /// The variable that sets it.
    #[must_use]
    pub fn variable(&self) -> String {
        variable(self.section, self.name)
    }
}

/// The variable for a field.
pub(super) fn variable(section: &str, name: &str) -> String {
    format!("{}{}_{}", super::VARIABLE_PREFIX, section.to_uppercase(), name.to_uppercase())
}

macro_rules! sections {
    (
        $(#[$config_doc:meta])*
        pub struct $config:ident {
            $(
                $(#[doc = $section_doc:literal])*
                $section:ident: $Section:ident {
                    $(
                        $(#[doc = $doc:literal])*
                        $field:ident: $type:ty = $default:expr,
                    )*
                }
            )*
        }
    ) => {
        $(#[$config_doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $config {
            $(
                $(#[doc = $section_doc])*
                pub $section: $Section,
            )*
        }

        $(
            $(#[doc = $section_doc])*
            #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub struct $Section {
                $(
                    $(#[doc = $doc])*
                    pub $field: $type,
                )*
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($field: $default,)* }
                }
            }
        )*

        impl $config {
            /// Every section with its description, in order.
            #[must_use]
            pub fn sections() -> Vec<(&'static str, String)> {
                vec![$((stringify!($section), concat!($($section_doc, "\n",)*).trim().replace("\n ", "\n")),)*]
            }

            /// Every field, in order.
            #[must_use]
            pub fn fields() -> Vec<$crate::config::fields::Field> {
                let defaults = Self::default();
                vec![$($(
                    $crate::config::fields::Field {
                        section: stringify!($section),
                        name: stringify!($field),
                        type_name: stringify!($type),
                        default: $crate::config::reference::toml_value(&defaults.$section.$field),
                        description: concat!($($doc, "\n",)*).trim().replace("\n ", "\n"),
                    },
                )*)*]
            }

            fn set_variable(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
                $($(
                    if name == $crate::config::fields::variable(stringify!($section), stringify!($field)) {
                        self.$section.$field = value.parse().map_err(|_| ConfigError::Value {
                            name: name.to_owned(),
                            value: value.to_owned(),
                            expected: format!("a value of type {}", stringify!($type)),
                        })?;
                        return Ok(());
                    }
                )*)*
                Err(ConfigError::UnknownVariable { name: name.to_owned() })
            }
        }
    };
}
pub(super) use sections;
