//! `#[derive(Typed)]`: names the document type that a Rust type of a host stands for.
//!
//! How a value is read and written is said by serde's derives, on the same type.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Attribute, DeriveInput, Error, LitStr, parse_macro_input};

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
                const _: () = ::core::assert!(
                    ::editor_vault::is_type_name(#name),
                    "no document type is called so: use one word of a-z, 0-9 and -, a letter first, or ext.PUBLISHER.NAME",
                );
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
    attribute.parse_args()
}
