//! `#[derive(Typed)]`: names the document type that a Rust type of a host stands for.
//!
//! How a value is read and written is said by serde's derives, on the same type.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Attribute, DeriveInput, Error, LitStr, parse_macro_input};

/// Longest name of a document type, in bytes: `ext.`, a namespace, a dot and a name.
const NAME_BYTES_MAX: usize = 64;

/// Implements `editor_vault::Typed` for a type that derives serde's `Serialize` and `Deserialize`, and says which
/// document type it stands for: `#[typed("ext.acme.task")]`.
///
/// # Errors
/// The type does not compile without that attribute, or if what it says cannot be the name of a document type.
#[proc_macro_derive(Typed, attributes(typed))]
pub fn typed(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    match name(&input) {
        Ok(name) => {
            let (it, (generics, arguments, bounds)) = (&input.ident, input.generics.split_for_impl());
            quote! {
                impl #generics ::editor_vault::Typed for #it #arguments #bounds {
                    const TYPE: &'static str = #name;
                }
            }
        }
        Err(error) => error.to_compile_error(),
    }
    .into()
}

fn name(input: &DeriveInput) -> Result<LitStr, Error> {
    let is_ours = |attribute: &&Attribute| attribute.path().is_ident("typed");
    let mut ours = input.attrs.iter().filter(is_ours);
    let Some(attribute) = ours.next() else {
        let problem = "which document type is this? Say so: #[typed(\"ext.acme.task\")]";
        return Err(Error::new_spanned(&input.ident, problem));
    };
    if let Some(second) = ours.next() {
        return Err(Error::new_spanned(second, "a Rust type stands for one document type: remove one of the two"));
    }
    let name: LitStr = attribute.parse_args()?;
    if !may_be_called(&name.value()) {
        let problem = format!(
            "no document type is called {:?}: use a-z, 0-9, - and dots, a letter first, at most {NAME_BYTES_MAX} bytes",
            name.value()
        );
        return Err(Error::new_spanned(&name, problem));
    }
    Ok(name)
}

/// What may be the name of a type at all; which ones there are is known when a vault is opened.
fn may_be_called(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_word =
        |word: &str| word.as_bytes().first().is_some_and(u8::is_ascii_lowercase) && word.bytes().all(is_allowed);
    name.len() <= NAME_BYTES_MAX && name.split('.').all(is_word)
}
