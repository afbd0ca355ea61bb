//! Which space a name or an id means.

use editor_vault::{SpaceId, SpaceInfo, Vault};

use crate::failure::Failure;

/// By id, else by its only name.
pub(crate) fn find(vault: &Vault, name_or_id: &str) -> Result<SpaceId, Failure> {
    let spaces = vault.spaces()?;
    if let Ok(id) = name_or_id.parse::<SpaceId>() {
        let id = vault.resolve(id);
        if spaces.iter().any(|space| space.id == id) {
            return Ok(id);
        }
    }
    let named: Vec<&SpaceInfo> = spaces.iter().filter(|space| space.name == name_or_id).collect();
    match named[..] {
        [space] => Ok(space.id),
        [] => Err(Failure::failed(
            "no_such_space",
            format!("there is no space {name_or_id:?} in this vault: see `vault spaces`, and sync if it is new"),
        )),
        _ => Err(Failure::failed(
            "ambiguous",
            format!("{} spaces are called {name_or_id:?}: use the id that `vault spaces` shows", named.len()),
        )),
    }
}
