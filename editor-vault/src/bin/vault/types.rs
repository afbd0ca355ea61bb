//! Document types of third parties: schema files of a directory, beside those that are built in.

use std::path::{Path, PathBuf};

use schemas::Registry;

use crate::failure::Failure;

/// Most files that are read.
const FILES_MAX: usize = 4096;

/// The built-in types, and `NAME/VERSION.json` of the directory. They stay until the program ends.
pub(crate) fn load(directory: &Path) -> Result<&'static Registry, Failure> {
    let mut files = Vec::new();
    for folder in sorted(directory)?.into_iter().filter(|path| path.is_dir()) {
        let is_schema = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        for file in sorted(&folder)?.into_iter().filter(is_schema) {
            let text = std::fs::read_to_string(&file).map_err(|error| Failure::file("read", &file, &error))?;
            files.push((file.display().to_string(), text));
        }
        if files.len() > FILES_MAX {
            let shown = directory.display();
            let sentence = format!("{shown} holds more than {FILES_MAX} schema files: give a directory of its own");
            return Err(Failure::failed("too_many_types", sentence));
        }
    }
    let registry = Registry::with_files(files).map_err(|error| Failure::failed("schema", error))?;
    Ok(Box::leak(Box::new(registry)))
}

fn sorted(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::file("read", directory, &error);
    let entries: Result<Vec<_>, _> = std::fs::read_dir(directory).map_err(failed)?.collect();
    let mut paths: Vec<_> = entries.map_err(failed)?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
