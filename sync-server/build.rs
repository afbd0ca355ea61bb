//! Takes the built website into the relay, if it was built (`cargo xtask website --build`): a table of its files, each
//! with the compressed forms that lie beside it. Without it the table is empty, and the relay says so.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let directory = |variable| PathBuf::from(env::var_os(variable).unwrap_or_default());
    let (site, out) = (directory("CARGO_MANIFEST_DIR").join("website"), directory("OUT_DIR"));
    let (built, routes) = (site.join("dist"), site.join("routes.json"));
    watch(&site, &built, &routes);
    let mut names = Vec::new();
    if built.join("index.html").is_file() {
        collect(&built, &mut names)?;
    }
    names.sort();
    let copies = Copies::in_empty(out.join("website"))?;
    fs::write(out.join("website.rs"), table(&built, &names, &routes, &copies)?)
}

/// When this is to be done again. A path that is not there would be looked for by doing it every time, with all that is
/// compiled after it; so until the website was built, whatever happens in its directory is watched.
fn watch(site: &Path, built: &Path, routes: &Path) {
    println!("cargo::rerun-if-changed=build.rs");
    let watched = if built.exists() { [built, routes] } else { [site, site] };
    for path in watched.into_iter().filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// What the compiler reads: copies, because the website may be built anew meanwhile, under other names.
struct Copies {
    directory: PathBuf,
}

impl Copies {
    fn in_empty(directory: PathBuf) -> io::Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// The expression that includes a file under this name, if it is there.
    fn include(&self, file: &Path, name: &str) -> io::Result<Option<String>> {
        match fs::copy(file, self.directory.join(name)) {
            Ok(_) => Ok(Some(format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/website/{name}\"))"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn table(built: &Path, files: &[PathBuf], routes: &Path, copies: &Copies) -> io::Result<String> {
    let mut text = "const FILES: &[File] = &[\n".to_owned();
    for (number, file) in files.iter().enumerate() {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        // Compressed forms belong to their file, and what only debuggers read is no part of the relay.
        if matches!(extension, "br" | "gz" | "map") {
            continue;
        }
        let Ok(inside) = file.strip_prefix(built) else { continue };
        let path = inside.to_string_lossy().replace('\\', "/");
        let beside = |suffix: &str| {
            let mut compressed = OsString::from(file);
            compressed.push(format!(".{suffix}"));
            let found = copies.include(Path::new(&compressed), &format!("{number}.{suffix}"))?;
            Ok::<_, io::Error>(found.map_or("None".to_owned(), |included| format!("Some({included})")))
        };
        let Some(plain) = copies.include(file, &number.to_string())? else { continue };
        let (brotli, gzip) = (beside("br")?, beside("gz")?);
        // Writing to a string does not fail.
        let _ = writeln!(text, "    File {{ path: {path:?}, plain: {plain}, brotli: {brotli}, gzip: {gzip} }},");
    }
    let listed = if files.is_empty() { None } else { copies.include(routes, "routes.json")? };
    let listed = listed.map_or("None".to_owned(), |included| format!("Some({included})"));
    let _ = write!(text, "];\nconst ROUTES: Option<&[u8]> = {listed};\n");
    Ok(text)
}
