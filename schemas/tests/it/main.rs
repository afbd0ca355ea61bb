//! What document types promise, module by module. `flat` is the model against which plans are checked; `replicas`
//! runs the same plans through real documents.

mod fixtures;
mod flat;
mod foreign;
mod jsonc;
mod keymap;
mod layout;
mod hostile;
mod layout_damage;
mod layout_merge;
mod lint;
mod lint_hostile;
mod lint_versions;
mod machine_local;
mod page;
mod manual;
mod plan;
mod publication;
mod random_values;
mod real_files;
mod registry;
mod replicas;
mod settings;
mod versions;
mod typed;
mod types;
