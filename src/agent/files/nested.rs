//! What is mounted inside of what: a volume may hold another volume, or a directory of the host. The device of a file does not
//! tell, as a directory of the host and a volume often lie on one file system; the kernel's table of mounts does.

use std::path::{Path, PathBuf};

/// The kernel's table for this process.
const TABLE: &str = "/proc/self/mountinfo";

/// Every mount point of this process.
pub(super) fn all() -> Result<Vec<PathBuf>, String> {
    let table = std::fs::read(TABLE).map_err(|error| format!("{TABLE} cannot be read: {error}"))?;
    Ok(read(&table))
}

/// What is mounted below a path, without the path itself. The path may lead there by links.
pub(super) fn below(path: &Path, everything: &[PathBuf]) -> Vec<PathBuf> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let inside = everything.iter().filter_map(|mount| mount.strip_prefix(&real).ok());
    // As the caller reaches it, who starts at the path as it was given.
    inside.filter(|rest| !rest.as_os_str().is_empty()).map(|rest| path.join(rest)).collect()
}

/// The fifth field of each line, in which a blank is `\\040`.
fn read(table: &[u8]) -> Vec<PathBuf> {
    let lines = table.split(|byte| *byte == b'\n');
    let fields = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    fields.map(|field| PathBuf::from(plain(field))).collect()
}

fn plain(field: &[u8]) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    let octal = |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 8).ok());
    let (mut bytes, mut rest) = (Vec::new(), field);
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'\\').then(|| after.get(..3).and_then(octal)).flatten();
        bytes.push(escaped.unwrap_or(*first));
        rest = escaped.and_then(|_| after.get(3..)).unwrap_or(after);
    }
    std::ffi::OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_from_the_table_of_the_kernel() {
        let table = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 8:1 /x /data rw shared:1 - ext4 /dev/sda1 rw\n\
            24 23 8:1 /y /data/a\\040b\\134c rw - ext4 /dev/sda1 rw\n";
        let all = read(table);
        assert_eq!(all, [Path::new("/"), Path::new("/data"), Path::new("/data/a b\\c")]);
        assert_eq!(below(Path::new("/data"), &all), [Path::new("/data/a b\\c")]);
        assert_eq!(below(Path::new("/dat"), &all), Vec::<PathBuf>::new());
        assert!(super::all().expect("a table").contains(&PathBuf::from("/proc")));
    }
}
