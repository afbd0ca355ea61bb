//! What document types promise, module by module. `flat` is the model against which plans are checked; `replicas`
//! runs the same plans through real documents.

mod flat;
mod jsonc;
mod keymap;
mod layout;
mod layout_damage;
mod layout_merge;
mod manual;
mod plan;
mod random_values;
mod real_files;
mod registry;
mod replicas;
mod settings;
