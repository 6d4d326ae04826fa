//! Generated files of an exercise, out of the way of people: in the folder
//! `exercises/.kept`, compressed, so that no search finds copies. They
//! are not in the exercise's own folder, because a learner may delete that.
//!
//! | file | what it holds |
//! |---|---|
//! | `EXERCISE.given` | the exercise's files as they were given, see [`originals`](super::originals) |
//! | `EXERCISE.mistakes` | what the tests say of each known mistake, see [`signatures`](crate::signatures) |
//!
//! `cargo course verify --bless` writes both. Each is JSON in a zlib stream
//! (RFC 1950).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::exercise::catalogue::Exercise;
use crate::files;
use crate::trouble::Trouble;

/// The folder, within `exercises/`.
pub const FOLDER: &str = ".kept";

/// More bytes than any of these files has, decompressed.
const LIMIT: usize = 64 << 20;

/// The exercise's file of this kind.
pub fn path(exercise: &Exercise, name: &str) -> PathBuf {
    let house = exercise.root().join("exercises").join(FOLDER);
    house.join(format!("{}.{name}", exercise.id))
}

/// What a file holds; `None` if there is no such file.
///
/// # Errors
/// It cannot be read, or is damaged.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Trouble> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Trouble::reading(path)(error)),
    };
    let damaged = |why: &dyn std::fmt::Display| Trouble::Malformed {
        path: path.to_owned(),
        why: format!("{why}: get this file from the course's repository again"),
    };
    let text = decompress_to_vec_zlib_with_limit(&bytes, LIMIT).map_err(|error| damaged(&error))?;
    let value = serde_json::from_slice(&text).map_err(|error| damaged(&error))?;
    Ok(Some(value))
}

/// Writes a file, whole or not at all, unless it holds this already: another
/// version of the compressor is no reason for a change.
///
/// # Errors
/// Those of writing a file.
pub fn write(
    path: &Path,
    value: &(impl Serialize + DeserializeOwned + PartialEq),
) -> Result<(), Trouble> {
    if read(path).is_ok_and(|old| old.as_ref() == Some(value)) {
        return Ok(());
    }
    let text = serde_json::to_vec(value).unwrap_or_default();
    files::write(path, compress_to_vec_zlib(&text, 9))
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn what_was_written_is_read_back_and_damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("given");
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), None);
        let numbers: Vec<u32> = (0..1000).collect();
        write(&path, &numbers).unwrap();
        assert_eq!(read(&path).unwrap(), Some(numbers));
        std::fs::write(&path, "[1, 2]").unwrap();
        let said = read::<Vec<u32>>(&path).unwrap_err().to_string();
        assert!(
            said.contains("get this file from the course's repository again"),
            "{said}"
        );
    }
}
