//! Reading and writing files so that nothing is lost or half written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::trouble::Trouble;

/// Reads a file as text.
///
/// # Errors
/// The file cannot be read, or is not UTF-8.
pub fn text(path: &Path) -> Result<String, Trouble> {
    let bytes = fs::read(path).map_err(Trouble::reading(path))?;
    String::from_utf8(bytes).map_err(|error| Trouble::NotUtf8 {
        path: path.to_owned(),
        valid: error.utf8_error().valid_up_to(),
    })
}

/// Writes a file as a whole or not at all, even if the power fails: it writes a
/// new file in the same folder, syncs it, and renames it over the old one.
/// Missing folders are made.
///
/// # Errors
/// Those of the file system. The file then stays as it was.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Trouble> {
    write_whole(path, content.as_ref()).map_err(Trouble::writing(path))
}

fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut partial = tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(permissions_of(path))
        .tempfile_in(folder)?;
    partial.write_all(content)?;
    partial.as_file().sync_all()?;
    partial.persist(path)?;
    File::open(folder)?.sync_all()
}

/// The permissions of the file that is replaced, or else the usual ones.
/// (Without this, only the owner could read the file, because it was a
/// temporary file.)
fn permissions_of(path: &Path) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).map_or_else(
        |_| fs::Permissions::from_mode(0o644),
        |old| old.permissions(),
    )
}

/// Writes a file only if its text differs, so that cargo does not see a change
/// where there is none.
///
/// # Errors
/// Those of [`write()`].
pub fn write_if_changed(path: &Path, text: &str) -> Result<(), Trouble> {
    match fs::read(path) {
        Ok(old) if old == text.as_bytes() => Ok(()),
        _ => write(path, text),
    }
}

/// All files below a folder, sorted. Hidden files and the backups of editors
/// (`x~`) are left out.
///
/// # Errors
/// A folder cannot be listed.
pub fn below(folder: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Trouble::reading(folder))? {
        let path = entry.map_err(Trouble::reading(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if path.is_dir() {
            found.extend(below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The 64-bit FNV-1a hash in hexadecimal. It tells versions of a text apart,
/// and is good for nothing else: it is easy to find two texts with the same
/// hash.
pub fn fingerprint(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_fingerprint_is_the_published_one() {
        assert_eq!(super::fingerprint(""), "cbf29ce484222325");
        assert_eq!(super::fingerprint("foobar"), "85944171f73967e8");
    }
}
