//! Documents as Rust types: the built-in ones, and the trait by which a host adds its own.
//!
//! A type says what its program knows. What other programs and newer versions write beside it survives: a value is
//! written as the smallest edit, and an edit never removes a field that its type does not name. A test holds the
//! built-in types against their schemas.

mod carry; // fields that a type does not have

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use carry::carry;

/// A Rust type of the plain form of a document type. A host derives it: `#[derive(editor_vault::Typed)]`.
///
/// ```
/// use schemas::Typed;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Task {
///     name: String,
///     #[serde(default)]
///     done: bool,
/// }
///
/// impl Typed for Task {
///     const TYPE: &'static str = "task";
/// }
/// ```
pub trait Typed: Serialize + DeserializeOwned {
    /// The name of the document type.
    const TYPE: &'static str;
}

/// Settings, by layers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What holds everywhere.
    pub base: Layer,
    /// What holds on one platform, by its name (linux, macos, windows).
    pub platforms: BTreeMap<String, Layer>,
    /// What holds on one machine, by the name its owner gave it.
    pub machines: BTreeMap<String, Layer>,
}

/// One settings file: a key such as `editor.tabSize`, or a language such as `[rust]` with keys of its own.
pub type Layer = Map<String, Value>;

/// Key bindings; of two that fit, the later one in the list runs, as in VS Code.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Keymap {
    /// The bindings.
    pub bindings: Vec<Binding>,
}

/// One key binding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The keys, as in `ctrl+k ctrl+c`.
    pub key: String,
    /// What to do; a leading `-` removes a default binding.
    pub command: String,
    /// Where it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Handed to the command as one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
    /// What newer programs say of it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A text with a name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Note {
    /// What it is called.
    pub name: String,
    /// The text.
    pub body: String,
}

/// Snippets, by language and name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Snippets {
    /// By the id of the language, then by name.
    pub languages: BTreeMap<String, BTreeMap<String, Snippet>>,
}

/// One snippet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snippet {
    /// What one types for it.
    pub prefix: Prefix,
    /// The text, with its places.
    pub body: String,
}

/// What one types for a snippet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Prefix {
    /// One word.
    One(String),
    /// Any of these.
    Any(Vec<String>),
}

/// How a person shows himself to others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// Whether everybody may see what of it is public.
    pub shown: bool,
    /// The name that others see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A short name that the person would like; the one that others see is in [`Identity`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// A few sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Where the picture is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// As in they/them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pronouns: Option<String>,
    /// As the person words it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// For nobody else; a person decides between two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Pages of the person, in order.
    pub links: Vec<Link>,
}

/// What the relay vouches for of a space; read only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The short name in addresses, which no other space has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

/// A page of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where it is.
    pub address: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Which extensions a person wants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Extensions {
    /// By id, as in `publisher.name`. What is not wanted any more stays here as uninstalled.
    pub wanted: BTreeMap<String, Wanted>,
}

/// What is wanted of one extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// On every device.
    pub state: ExtensionState,
    /// Stay at this version; the newest if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Take versions that are not finished.
    #[serde(default)]
    pub preview: bool,
    /// What holds on one machine instead.
    #[serde(default)]
    pub machines: BTreeMap<String, ExtensionState>,
}

/// Whether an extension is there, and runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExtensionState {
    /// There and running.
    Enabled,
    /// There and not running.
    Disabled,
    /// Not there.
    Uninstalled,
}

/// Which workspaces may run code of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trust {
    /// By what tells a workspace from others on every device, such as the address of its repository.
    pub workspaces: BTreeMap<String, Trusted>,
}

/// What was decided of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trusted {
    /// None, also while two decisions are open: the person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<TrustDecision>,
    /// Why, for the person himself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whether a workspace may run code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustDecision {
    /// It may.
    Trusted,
    /// It may not.
    Restricted,
}

/// Who publishes extensions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Publisher {
    /// The name that others see; a person decides between two, as of the next fields that say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A few sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// A page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// Where the picture is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Where users are helped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support: Option<String>,
    /// The domain that was shown to be the publisher's; a person decides between two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Who is asked about payments, for nobody else; a person decides between two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payout_contact: Option<String>,
}

/// What a person says of an extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Of which, by id.
    pub extension: String,
    /// From 1 to 5.
    pub rating: u8,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is said.
    #[serde(default)]
    pub text: String,
    /// The version that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Typed for Settings {
    const TYPE: &'static str = crate::settings::TYPE;
}

impl Typed for Keymap {
    const TYPE: &'static str = crate::keymap::TYPE;
}

impl Typed for Note {
    const TYPE: &'static str = "note";
}

impl Typed for Snippets {
    const TYPE: &'static str = "snippets";
}

impl Typed for Profile {
    const TYPE: &'static str = "profile";
}

impl Typed for Identity {
    const TYPE: &'static str = "identity";
}

impl Typed for Extensions {
    const TYPE: &'static str = "extensions";
}

impl Typed for Trust {
    const TYPE: &'static str = "trust";
}

impl Typed for Publisher {
    const TYPE: &'static str = "publisher";
}

impl Typed for Review {
    const TYPE: &'static str = "review";
}
