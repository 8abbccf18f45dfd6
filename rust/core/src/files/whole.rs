//! Files that are written whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use flate2::write::GzEncoder;
use flate2::Compression;

/// A temporary file that no one wrote to for so long has no writer any more.
const ABANDONED: Duration = Duration::from_secs(600);
/// Most characters of a file's name in that of its temporary file.
const MOST_NAME: usize = 100;
/// Digits that a temporary file's name ends in.
const DIGITS: usize = 16;
/// Names that are tried, where files that were left over have them.
const TRIES: usize = 100;

/// Writes to a new file in the same folder, which then takes the place of the old one; a link is followed, and an existing
/// file keeps its permissions. Temporary files that killed writers of this file left over are removed.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    // A link stays a link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = fs::metadata(&target).ok();
    if before.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return fs::OpenOptions::new().write(true).open(&target).and_then(|file| write_to(file, path, content));
    }
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let prefix = format!(".{}.", name.chars().take(MOST_NAME).collect::<String>());
    remove_left_over(&target, &prefix);
    let (file, temporary) = new_file(&target, &prefix)?;
    let write = || {
        let sync = file.try_clone()?;
        write_to(file, path, content)?;
        sync.sync_all()?;
        if let Some(metadata) = &before {
            fs::set_permissions(&temporary, metadata.permissions())?;
        }
        fs::rename(&temporary, &target)
    };
    write().inspect_err(|_| {
        // The error that counts is the first.
        let _ = fs::remove_file(&temporary);
    })
}

fn write_to(mut file: fs::File, path: &Path, content: &[u8]) -> io::Result<()> {
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut encoder = GzEncoder::new(&mut file, Compression::default());
        encoder.write_all(content)?;
        encoder.finish()?;
        return Ok(());
    }
    file.write_all(content)
}

fn new_file(target: &Path, prefix: &str) -> io::Result<(fs::File, PathBuf)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut tries = 0;
    loop {
        let number = (u64::from(std::process::id()) << 32) | u64::from(COUNT.fetch_add(1, Ordering::Relaxed));
        let temporary = target.with_file_name(format!("{prefix}{number:0DIGITS$x}"));
        tries += 1;
        match fs::File::create_new(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => {}
            made => return made.map(|file| (file, temporary)),
        }
    }
}

/// Removes temporary files of `target` whose writer was killed long ago; where that fails, they stay.
fn remove_left_over(target: &Path, prefix: &str) {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(folder) else { return };
    let is_ours = |name: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|end| end.len() == DIGITS && end.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_ours)) {
        let age =
            |metadata: fs::Metadata| SystemTime::now().duration_since(metadata.modified()?).map_err(io::Error::other);
        if entry.metadata().and_then(age).is_ok_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("servemix-whole-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_killed_writers_left_over_goes_and_what_others_write_stays() {
        let folder = folder("left-over");
        let old = SystemTime::now() - 2 * ABANDONED;
        for (name, is_old) in [
            (".plan.json.0123456789abcdef", true),
            (".plan.json.00000000deadbeef", false),
            (".plan.json.backup", true),
            (".other.json.0123456789abcdef", true),
        ] {
            let file = fs::File::create(folder.join(name)).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
        }
        write_whole(&folder.join("plan.json"), b"{}").unwrap();
        let left = [".other.json.0123456789abcdef", ".plan.json.00000000deadbeef", ".plan.json.backup", "plan.json"];
        assert_eq!(names(&folder), left);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_name_that_is_taken_is_not_written_over() {
        let folder = folder("taken");
        let target = folder.join("a");
        let (_first, first) = new_file(&target, ".a.").unwrap();
        let (_second, second) = new_file(&target, ".a.").unwrap();
        assert_ne!(first, second);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_permissions_and_a_link_stays_one() {
        use std::os::unix::fs::{symlink, PermissionsExt};
        let folder = folder("permissions");
        let (target, link) = (folder.join("plan.json"), folder.join("link.json"));
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&target, &link).unwrap();
        write_whole(&link, b"new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_dir_all(folder).unwrap();
    }
}
