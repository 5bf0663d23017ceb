//! The running executable with everything that it needs to start anywhere: its C library, its other libraries and
//! the loader. An image may have another C library, an older one, or none at all.

use super::containers;
use super::errors::{environment, hinted, words_of};
use crate::process;
use crate::record::{HashWriter, PrivateDir};
use crate::stack::StackResult;
use bollard::Docker;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where the bundle is, in every image and container that has it.
pub const HOME: &str = "/firedrill";
/// Executables of at least this size are stripped before they are packed: a debug build is ten times its own code.
const STRIP_FROM: u64 = 20 * 1024 * 1024;
/// Linkers put the program headers and the loader's name right behind the file's header.
const START_OF_FILE: u64 = 1024 * 1024;

/// What the root of the agent's image has beside the bundle: path, mode, content.
const SKELETON: [(&str, u32, &str); 10] = [
    ("etc/", 0o755, ""),
    ("firedrill/", 0o755, ""),
    ("firedrill/lib/", 0o755, ""),
    ("proc/", 0o755, ""),
    ("sys/", 0o755, ""),
    ("dev/", 0o755, ""),
    ("tmp/", 0o1777, ""),
    // What getaddrinfo reads; Docker mounts hosts and resolv.conf itself.
    ("etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("etc/passwd", 0o644, "root:x:0:0:root:/:/firedrill/firedrill\n"),
    ("etc/group", 0o644, "root:x:0:\n"),
];

/// An executable that can be packed.
#[derive(Debug, Clone)]
pub struct Bundle {
    executable: PathBuf,
    /// Machine that it runs on, as Docker names it: `amd64`, `arm64`.
    pub architecture: &'static str,
    /// The loader, when it is linked dynamically.
    loader: Option<PathBuf>,
    libraries: Vec<PathBuf>,
    /// First half of the SHA-256 of all of it, in hex.
    pub hash: String,
}

impl Bundle {
    /// Looks at an executable; without a path, at the one that runs now.
    ///
    /// # Errors
    /// `Environment` when it is no 64-bit Linux executable or one of its libraries is not found.
    pub async fn of(executable: Option<&Path>) -> StackResult<Bundle> {
        // By process id, so that a loader started on it reads this file too; a replaced file is still the one that runs.
        let own = || PathBuf::from(format!("/proc/{}/exe", std::process::id()));
        let executable = executable.map_or_else(own, Path::to_path_buf);
        let operation = format!("packing {} for the agent", executable.display());
        let reading = executable.clone();
        let Some(elf) = blocking(&operation, move || Elf::read(&reading)).await? else {
            let hint = "build Firedrill's Linux image elsewhere and name it in FIREDRILL_AGENT_IMAGE";
            return Err(hinted(operation, "it is not a 64-bit Linux executable", hint));
        };
        let loader = elf.interpreter.map(PathBuf::from);
        let libraries = match &loader {
            Some(loader) => list_libraries(loader, &executable, &operation).await?,
            None => Vec::new(),
        };
        let files: Vec<PathBuf> = std::iter::once(&executable).chain(&loader).chain(&libraries).cloned().collect();
        let hash = blocking(&operation, move || {
            let mut hash = Sha256::new();
            // Piece by piece: the runner's memory is counted, and this is the largest file that it reads.
            for file in &files {
                hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
                io::copy(&mut File::open(file)?, &mut HashWriter(&mut hash))?;
            }
            Ok(hex::encode(&hash.finalize()[..16]))
        })
        .await?;
        Ok(Bundle { executable, architecture: elf.architecture, loader, libraries, hash })
    }

    /// The command that starts it: `/firedrill/lib/ld-linux-x86-64.so.2 --library-path /firedrill/lib /firedrill/firedrill`.
    pub fn launch(&self) -> Vec<String> {
        launch(self.loader.as_deref().and_then(Path::file_name))
    }

    /// The root file system of the agent's image as a tar archive.
    pub async fn root(&self) -> StackResult<Vec<u8>> {
        let (executable, _dir) = self.stripped().await;
        let (loader, libraries) = (self.loader.clone(), self.libraries.clone());
        blocking("packing the agent", move || {
            let mut tar = tar::Builder::new(Vec::new());
            for (path, mode, content) in SKELETON {
                tar.append_data(&mut header(path, content.len() as u64, mode), path, content.as_bytes())?;
            }
            let name = |library: &PathBuf| library.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let libraries = loader.iter().chain(&libraries);
            let libraries = libraries.map(|library| (format!("firedrill/lib/{}", name(library)), library));
            for (path, from) in std::iter::once(("firedrill/firedrill".to_string(), &executable)).chain(libraries) {
                let file = File::open(from)?;
                tar.append_data(&mut header(&path, file.metadata()?.len(), 0o755), &path, file)?;
            }
            tar.into_inner()
        })
        .await
    }

    /// The executable, without its debug information when it has much and `strip` is there; then with the directory in which it is as long
    /// as that is kept.
    async fn stripped(&self) -> (PathBuf, Option<PrivateDir>) {
        let executable = self.executable.clone();
        if std::fs::metadata(&executable).map_or(0, |m| m.len()) >= STRIP_FROM
            && let Ok(dir) = PrivateDir::new("strip")
        {
            let target = dir.path().join("firedrill");
            let mut strip = process::command("strip");
            strip.arg("-o").arg(&target).arg(&executable);
            let strip = process::output(strip, process::TELLS_WITHIN).await;
            if strip.is_ok_and(|output| output.status.success()) && Elf::read(&target).is_ok_and(|elf| elf.is_some()) {
                return (target, Some(dir));
            }
        }
        (executable, None)
    }
}

/// The same with a loader of this name.
pub(in crate::stack) fn launch(loader: Option<&OsStr>) -> Vec<String> {
    let executable = format!("{HOME}/firedrill");
    match loader {
        Some(loader) => {
            let loader = format!("{HOME}/lib/{}", loader.to_string_lossy());
            vec![loader, "--library-path".into(), format!("{HOME}/lib"), executable]
        }
        None => vec![executable],
    }
}

/// Copies the bundle from the container `from` into the running container of `service`.
pub async fn carry_bundle(docker: &Docker, from: &str, container: &str, service: &str) -> StackResult<()> {
    let operation = format!("copying the shell into `{service}`");
    // From container to container, without ever holding all of it.
    let carried = containers::unpack(docker, container, "/", containers::archive(docker, from, HOME)).await;
    let hint = "where its root file system is read-only, let its steps run in the toolbox";
    carried.map_err(|error| hinted(operation, words_of(error), hint))
}

async fn blocking<T: Send + 'static>(
    operation: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> StackResult<T> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.into()));
    done.map_err(|error| environment(operation, error))
}

/// The files that the loader would map, by asking it; `ldd` does the same.
async fn list_libraries(loader: &Path, executable: &Path, operation: &str) -> StackResult<Vec<PathBuf>> {
    let mut command = process::command(loader);
    command.arg("--list").arg(executable);
    let output = process::output(command, process::TELLS_WITHIN).await;
    let output = output.map_err(|error| environment(operation, format!("{}: {error}", loader.display())))?;
    let listed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(environment(operation, format!("{listed}{}", String::from_utf8_lossy(&output.stderr)).trim()));
    }
    read_listing(&listed).map_err(|missing| environment(operation, format!("library {missing} is not found")))
}

/// Reads `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`; lines without a file (the vDSO, the loader) are left out.
fn read_listing(listed: &str) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for line in listed.lines() {
        let Some((name, file)) = line.trim().split_once(" => ") else { continue };
        let file = file.rsplit_once(" (0x").map_or(file, |(file, _)| file).trim();
        if file == "not found" {
            return Err(name.to_string());
        }
        // On musl, the loader lists itself as the C library.
        if file.starts_with('/') && !name.starts_with('/') {
            files.push(PathBuf::from(file));
        }
    }
    Ok(files)
}

fn header(path: &str, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(if path.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular });
    header
}

/// The machines that Docker images are made for, by their numbers in ELF.
const MACHINES: [(usize, &str); 4] = [(62, "amd64"), (183, "arm64"), (243, "riscv64"), (258, "loong64")];

/// What must be known of an executable: System V ABI, chapters 4 and 5 (ELF header, program header, PT_INTERP).
#[derive(Debug, PartialEq, Eq)]
struct Elf {
    architecture: &'static str,
    interpreter: Option<String>,
}

impl Elf {
    /// Reads the first part of a file, in which all of it is; `None` when it is something else.
    fn read(path: &Path) -> io::Result<Option<Elf>> {
        let mut start = Vec::new();
        File::open(path)?.take(START_OF_FILE).read_to_end(&mut start)?;
        Ok(Elf::parse(&start))
    }

    /// `None` for anything but a little-endian 64-bit ELF file of a machine that Docker images are made for.
    fn parse(bytes: &[u8]) -> Option<Elf> {
        const PT_INTERP: usize = 3;
        if bytes.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let machine = number(bytes, 18, 2)?;
        let (_, architecture) = *MACHINES.iter().find(|(number, _)| *number == machine)?;
        let (table, size, count) = (number(bytes, 32, 8)?, number(bytes, 54, 2)?, number(bytes, 56, 2)?);
        let mut headers = bytes.get(table..)?.chunks(size.max(1)).take(count);
        let mut interpreter = None;
        if let Some(header) = headers.find(|header| number(header, 0, 4) == Some(PT_INTERP)) {
            let (start, length) = (number(header, 8, 8)?, number(header, 32, 8)?);
            let text = bytes.get(start..start.checked_add(length)?)?;
            interpreter = Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_string());
        }
        Some(Elf { architecture, interpreter })
    }
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::StackError;
    use proptest::prelude::*;

    #[test]
    fn a_listing_of_the_loader_is_read() {
        let listed = "\tlinux-vdso.so.1 (0x00007fff)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)\n\
                      \t/lib64/ld-linux-x86-64.so.2 => /lib/ld.so (0x1)\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        assert_eq!(read_listing(listed), Ok(vec![PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6")]));
        assert_eq!(read_listing("libpq.so.5 => not found\n"), Err("libpq.so.5".into()));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_running_executable_can_be_packed_and_started_from_the_bundle_alone() {
        let bundle = Bundle::of(None).await.unwrap();
        let root = bundle.root().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        tar::Archive::new(&root[..]).unpack(dir.path()).unwrap();
        let launch: Vec<String> = bundle
            .launch()
            .iter()
            .map(|part| part.replace("/firedrill", &format!("{}/firedrill", dir.path().display())))
            .collect();
        // The second half of a path like /firedrill/firedrill is replaced as well; put it back.
        let fix = |part: &String| {
            part.replace(&format!("/firedrill{}/firedrill", dir.path().display()), "/firedrill/firedrill")
        };
        let launch: Vec<String> = launch.iter().map(fix).collect();
        // The test binary lists its tests without running them.
        let output =
            std::process::Command::new(&launch[0]).args(&launch[1..]).args(["--list", "bundle"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("started_from_the_bundle_alone"));
        assert_eq!(Bundle::of(None).await.unwrap().hash, bundle.hash);
    }

    #[tokio::test]
    async fn what_is_no_linux_executable_is_refused_with_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\xcf\xfa\xed\xfe a Mach-O file").unwrap();
        let error = Bundle::of(Some(file.path())).await.unwrap_err();
        let StackError::Environment { hint: Some(hint), .. } = error else { panic!("{error:?}") };
        assert!(hint.contains("FIREDRILL_AGENT_IMAGE"));
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = b"\x7fELF\x02\x01".to_vec();
            bytes.extend(tail);
            let _ = Elf::parse(&bytes);
        }
    }
}
