//! Damaging, seeing and repairing files in a directory of the test's own.

use super::*;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A directory that stands for the mount of a service.
struct Volume(TempDir);

impl Volume {
    fn new(files: &[(&str, &str)]) -> Volume {
        let volume = Volume(tempfile::tempdir().expect("a directory"));
        for (path, content) in files {
            let path = volume.path(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, content).expect("a file");
        }
        volume
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("mount").join(path)
    }

    fn ask(&self, path: &str, what: FileDeed) -> Result<FileAnswer, String> {
        self.ask_beside(path, what, &[])
    }

    /// With something else mounted in it.
    fn ask_beside(&self, path: &str, what: FileDeed, nested: &[PathBuf]) -> Result<FileAnswer, String> {
        let path = self.path(path).to_str().expect("UTF-8").trim_end_matches('/').to_string();
        let answer = carry_out_beside(&FileAsk { path, what }, &[self.0.path().join("mount")], nested);
        answer.map_err(|error| error.replace(self.0.path().to_str().expect("UTF-8"), ""))
    }

    fn measure(&self, path: &str, harm: Harm) -> Result<Damage, String> {
        match self.ask(path, FileDeed::Measure(harm))? {
            FileAnswer::Would(damage) => Ok(damage),
            other => panic!("{other:?}"),
        }
    }

    /// Measures and does it; on the way it is seen not to be there, and then to be there.
    fn damage(&self, path: &str, harm: Harm) -> Damage {
        let damage = self.measure(path, harm).expect("something to damage");
        assert!(!self.is_damaged(path, &damage), "{damage:?} before it was done");
        self.ask(path, FileDeed::Damage(damage.clone())).expect("done");
        assert!(self.is_damaged(path, &damage), "{damage:?}");
        damage
    }

    fn is_damaged(&self, path: &str, damage: &Damage) -> bool {
        match self.ask(path, FileDeed::Look(damage.clone())).expect("an answer") {
            FileAnswer::InPlace(_) => true,
            FileAnswer::Gone(_) => false,
            other => panic!("{other:?}"),
        }
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(path)).expect("a file")).into_owned()
    }
}

fn at(offset: u64) -> Harm {
    Harm::Flip { at: BytePosition::Offset(offset) }
}

#[test]
fn a_file_is_removed_until_somebody_brings_it_back() {
    let volume = Volume::new(&[("base.tar", "backup"), ("other", "x")]);
    let damage = volume.damage("base.tar", Harm::Remove);
    assert_eq!(damage, Damage::Removed { directory: false, files: 1, bytes: 6 });
    assert!(volume.path("other").exists());
    fs::write(volume.path("base.tar"), "another").expect("a file");
    assert!(!volume.is_damaged("base.tar", &damage));
    assert_eq!(volume.measure("nothing", Harm::Remove), Err("/mount/nothing is not there".into()));
}

#[test]
fn of_a_directory_the_content_goes_and_links_are_not_followed() {
    let volume = Volume::new(&[("data/PG_VERSION", "15"), ("data/base/1/1259", "12345"), ("kept/x", "x")]);
    symlink(volume.path("kept"), volume.path("data/pg_tblspc")).expect("a link");
    let damage = volume.damage("data", Harm::Remove);
    let Damage::Removed { directory: true, files: 3, .. } = damage else { panic!("{damage:?}") };
    assert_eq!(fs::read_dir(volume.path("data")).expect("the directory stays").count(), 0);
    assert_eq!(volume.text("kept/x"), "x");
    fs::create_dir(volume.path("data/base")).expect("a directory");
    assert!(volume.is_damaged("data", &damage), "an empty directory brings nothing back");
    fs::write(volume.path("data/base/1"), "1").expect("a file");
    assert!(!volume.is_damaged("data", &damage));
    volume.damage("", Harm::Remove);
    assert_eq!(volume.measure("", Harm::Remove), Err("/mount has no files, so nothing would be lost".into()));
}

#[test]
fn what_is_mounted_inside_keeps_its_content() {
    let volume = Volume::new(&[("data/1", "1"), ("data/a/host/x", "the host's"), ("data/a/2", "2")]);
    let nested = [volume.path("data/a/host")];
    let ask = |path: &str, what: FileDeed| volume.ask_beside(path, what, &nested);
    let Ok(FileAnswer::Would(damage)) = ask("data", FileDeed::Measure(Harm::Remove)) else { panic!("not measured") };
    assert_eq!(damage, Damage::Removed { directory: true, files: 2, bytes: 2 });
    ask("data", FileDeed::Damage(damage.clone())).expect("done");
    assert!(!volume.path("data/1").exists() && !volume.path("data/a/2").exists());
    assert_eq!(volume.text("data/a/host/x"), "the host's");
    let seen = ask("data", FileDeed::Look(damage)).expect("an answer");
    assert!(matches!(&seen, FileAnswer::InPlace(_)), "{seen:?}");
    symlink(volume.path("data/a/host"), volume.path("link")).expect("a link");
    for path in ["data/a/host/x", "data/a/host", "link/x"] {
        let told = ask(path, FileDeed::Measure(Harm::Remove)).unwrap_err();
        assert!(told.contains("leads out of the mounts"), "{path}: {told}");
    }
    let proc = FileAsk { path: "/proc/self/x".into(), what: FileDeed::Measure(at(0)) };
    let told = carry_out(&proc, &["/".into()]).unwrap_err();
    assert!(told.contains("leads out of the mounts"), "by the kernel's own table: {told}");
}

#[test]
fn a_file_is_cut_short() {
    let volume = Volume::new(&[("base.tar", "0123456789")]);
    let damage = volume.damage("base.tar", Harm::Truncate { to: Cut::Share(0.55) });
    let Damage::Truncated { from: 10, to: 5, .. } = damage else { panic!("{damage:?}") };
    assert_eq!(volume.text("base.tar"), "01234");
    for (content, is_damaged) in
        [("01234xxxxx", true), ("01234567", true), ("0123456789", false), ("0123456789a", false)]
    {
        fs::write(volume.path("base.tar"), content).expect("a file");
        assert_eq!(volume.is_damaged("base.tar", &damage), is_damaged, "{content}");
    }
    fs::write(volume.path("base.tar"), "abcde").expect("a file");
    assert!(!volume.is_damaged("base.tar", &damage), "a replaced file has other bytes");
    fs::remove_file(volume.path("base.tar")).expect("removed");
    assert!(!volume.is_damaged("base.tar", &damage));
    fs::write(volume.path("base.tar"), "0123456789").expect("a file");
    let damage = volume.damage("base.tar", Harm::Truncate { to: Cut::Bytes(0) });
    fs::write(volume.path("base.tar"), "9876543210").expect("a file");
    assert!(volume.is_damaged("base.tar", &damage), "as large as it was, with other content");
    fs::write(volume.path("base.tar"), "").expect("a file");
    assert!(volume.ask("base.tar", FileDeed::Repair(damage)).unwrap_err().contains("cannot be put back"));
    let all = volume.measure("base.tar", Harm::Truncate { to: Cut::Bytes(7) });
    assert_eq!(all, Err("/mount/base.tar has 0 bytes, so nothing is lost when 7 stay".into()));
}

#[test]
fn a_byte_is_inverted_and_put_right_as_often_as_asked() {
    let volume = Volume::new(&[("base.tar", "Grace Hopper, Ada Lovelace, Ada Lovelace")]);
    let before = volume.text("base.tar");
    let damage = volume.damage("base.tar", Harm::Flip { at: BytePosition::Text("Ada Lovelace".into()) });
    assert_eq!(damage, Damage::Flipped { offset: 14, original: b'A' });
    assert_eq!(fs::read(volume.path("base.tar")).expect("a file")[14], !b'A');
    // A second time it is not inverted back by accident.
    assert!(volume.ask("base.tar", FileDeed::Damage(damage.clone())).unwrap_err().contains("another one by now"));
    volume.ask("base.tar", FileDeed::Repair(damage.clone())).expect("repaired");
    assert_eq!(volume.text("base.tar"), before);
    let again = volume.ask("base.tar", FileDeed::Repair(damage.clone())).expect("nothing to do");
    assert!(matches!(&again, FileAnswer::Done(how) if how.contains("nothing to repair")), "{again:?}");

    let damage = volume.damage("base.tar", at(0));
    fs::write(volume.path("base.tar"), "x").expect("a file");
    assert!(!volume.is_damaged("base.tar", &damage));
    volume.ask("base.tar", FileDeed::Repair(damage)).expect("nothing to do");
    assert_eq!(volume.text("base.tar"), "x", "a replaced file is left alone");
    assert_eq!(volume.measure("base.tar", at(1)), Err("/mount/base.tar has only 1 bytes".into()));
    let text = Harm::Flip { at: BytePosition::Text("Ada".into()) };
    assert_eq!(volume.measure("base.tar", text), Err("/mount/base.tar does not have that text".into()));
}

#[test]
fn a_text_is_found_where_it_first_is() {
    let volume = Volume::new(&[]);
    let path = volume.0.path().join("x");
    let found = |content: &str, text: &str| {
        fs::write(&path, content).expect("a file");
        find(&File::open(&path).expect("a file"), &BytePosition::Text(text.into())).expect("readable")
    };
    assert_eq!(found("Grace Hopper, Ada Lovelace", "Ada Lovelace"), Some(14));
    assert_eq!(found("", "a"), None);
    assert_eq!(found("abc", "abcd"), None);
    assert_eq!(found("abc", ""), None);
    for border in [64 * 1024, 1024 * 1024] {
        let content = "a".repeat(border - 3) + "Ada Lovelace, Ada Lovelace";
        assert_eq!(found(&content, "Ada Lovelace"), Some(border as u64 - 3), "across the border of two pieces");
    }
    proptest!(|(content in "[ab]{0,60}", text in "[ab]{1,5}")| {
        prop_assert_eq!(found(&content, &text), content.find(&text).map(|at| at as u64));
    });
}

#[test]
fn nothing_outside_of_the_mounts_is_reached() {
    let volume = Volume::new(&[("in/x", "x")]);
    fs::create_dir(volume.0.path().join("out")).expect("a directory");
    fs::write(volume.0.path().join("out/secret"), "secret").expect("a file");
    symlink(volume.0.path().join("out"), volume.path("away")).expect("a link");
    symlink("in", volume.path("near")).expect("a link");
    symlink("x", volume.path("in/link")).expect("a link");
    let told = volume.measure("away/secret", Harm::Remove).unwrap_err();
    assert_eq!(told, "/mount/away/secret leads out of the mounts of the service, to /out/secret");
    assert!(volume.measure("away", Harm::Remove).unwrap_err().contains("is a symbolic link"));
    assert!(volume.measure("in/link", at(0)).unwrap_err().contains("is a symbolic link"));
    assert_eq!(volume.measure("in", at(0)), Err("/mount/in is not a file".into()));
    assert!(volume.measure("near/x", at(0)).is_ok(), "a link that stays inside is followed");
    let damage = Damage::Removed { directory: true, files: 1, bytes: 1 };
    assert!(volume.ask("away", FileDeed::Damage(damage)).is_err());
    assert_eq!(fs::read_to_string(volume.0.path().join("out/secret")).expect("a file"), "secret");
}
