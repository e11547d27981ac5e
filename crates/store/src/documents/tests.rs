use std::fs;

use super::*;
use crate::OpenOptions;
use crate::testbed::{METER, Testbed};

fn path(text: &str) -> DocumentPath {
    DocumentPath::parse(text).unwrap()
}

fn put(documents: &Arc<Documents>, name: &str, bytes: &[u8]) -> Result<(), DocumentError> {
    let mut writer = documents.write(&path(name), Beginning::Empty)?;
    writer.write_at(0, bytes)?;
    documents.keep(writer, 1_767_225_600_000)
}

fn names(documents: &Documents, dir: &str) -> Vec<String> {
    documents.list(&path(dir)).unwrap().into_iter().map(|(name, _)| name).collect()
}

fn text(documents: &Documents, name: &str) -> String {
    String::from_utf8(documents.read(&path(name)).unwrap().read_at(0, 1000).unwrap()).unwrap()
}

#[test]
fn a_document_is_whole_or_not_there() {
    let bed = Testbed::new();
    let documents = bed.born(&[]).documents(METER);
    assert!(names(&documents, "").is_empty());
    put(&documents, "plan.txt", b"old").unwrap();
    let mut writer = documents.write(&path("plan.txt"), Beginning::AsItIs).unwrap();
    writer.write_at(3, b"er").unwrap();
    assert_eq!(text(&documents, "plan.txt"), "old", "nobody sees what isn't whole");
    let open = documents.read(&path("plan.txt")).unwrap();
    documents.keep(writer, 5).unwrap();
    assert_eq!(text(&documents, "plan.txt"), "older");
    assert_eq!(open.read_at(0, 9).unwrap(), b"old", "what is open stays as it was");
    drop(documents.write(&path("cut.txt"), Beginning::Empty).unwrap());
    assert_eq!(names(&documents, ""), ["plan.txt"]);
    assert!(files::names(&bed.path.join(INCOMING)).unwrap().is_empty());
}

#[test]
fn what_a_power_cut_left_half_written_is_gone_at_the_next_start() {
    let bed = Testbed::new();
    let documents = bed.born(&[]).documents(METER);
    let mut writer = documents.write(&path("cut.txt"), Beginning::Empty).unwrap();
    writer.write_at(0, b"half").unwrap();
    std::mem::forget(writer);
    let store = bed.again();
    assert!(names(&store.documents(METER), "").is_empty());
    assert!(files::names(&bed.path.join(INCOMING)).unwrap().is_empty());
}

#[test]
fn names_reach_nothing_outside_and_go_only_so_deep() {
    let long = "n".repeat(MAX_DOCUMENT_NAME + 1);
    for bad in ["..", ".", "a/../b", "/etc", "a//b", "a/", "a\\b", "a\0b", "a\nb", "\u{fffd}", &long] {
        assert!(matches!(DocumentPath::parse(bad), Err(DocumentError::Name)), "{bad:?}");
    }
    assert!(matches!(DocumentPath::parse("a/b/c/d/e"), Err(DocumentError::TooDeep)));
    assert_eq!(path("a/b/c/ä b.txt").to_string(), "a/b/c/ä b.txt");
}

#[test]
fn links_and_devices_are_not_there() {
    let bed = Testbed::new();
    let documents = bed.born(&[]).documents(METER);
    put(&documents, "real.txt", b"x").unwrap();
    let dir = bed.path.join(DOCUMENTS).join("1");
    fs::write(bed.path.join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(bed.path.join("secret"), dir.join("file")).unwrap();
    std::os::unix::fs::symlink(&bed.path, dir.join("dir")).unwrap();
    assert_eq!(names(&documents, ""), ["real.txt"]);
    for name in ["file", "dir", "dir/secret", "dir/lock"] {
        assert!(matches!(documents.read(&path(name)), Err(DocumentError::NotThere(_))), "{name}");
    }
    let through = documents.write(&path("dir/new"), Beginning::Empty);
    assert!(matches!(through.err(), Some(DocumentError::NotThere(_))));
    put(&documents, "file", b"mine").unwrap();
    assert_eq!(fs::read_to_string(bed.path.join("secret")).unwrap(), "secret", "the link gave way");
    assert!(matches!(documents.make_dir(&path("dir/new")), Err(DocumentError::NotThere(_))));
}

#[test]
fn directories_are_made_moved_and_removed_within_the_bounds() {
    let bed = Testbed::new();
    let documents = bed.born(&[]).documents(METER);
    for dir in ["a", "a/b", "a/b/c", "z"] {
        documents.make_dir(&path(dir)).unwrap();
    }
    put(&documents, "a/b/c/deep.txt", b"x").unwrap();
    put(&documents, "top.txt", b"y").unwrap();
    let rename = |from, to, replace| documents.rename(&path(from), &path(to), replace);
    assert!(matches!(rename("a", "z/a", false), Err(DocumentError::TooDeep)));
    assert!(matches!(rename("a", "a/b/x", false), Err(DocumentError::Misplaced(_))));
    assert!(matches!(rename("top.txt", "a/b/c/deep.txt", false), Err(DocumentError::Exists(_))));
    assert!(matches!(rename("top.txt", "a", true), Err(DocumentError::Exists(_))));
    assert!(matches!(rename("top.txt", "no/x", true), Err(DocumentError::NotThere(_))));
    rename("top.txt", "a/b/c/deep.txt", true).unwrap();
    assert_eq!(text(&documents, "a/b/c/deep.txt"), "y");
    rename("a/b", "z/b", false).unwrap();
    assert_eq!(text(&documents, "z/b/c/deep.txt"), "y");
    assert!(matches!(documents.remove_dir(&path("z")), Err(DocumentError::NotEmpty(_))));
    assert!(matches!(documents.remove_dir(&path("")), Err(DocumentError::NotEmpty(_))));
    assert!(matches!(documents.remove_dir(&path("z/b/c/deep.txt")), Err(DocumentError::NotDirectory(_))));
    assert!(matches!(documents.remove(&path("a")), Err(DocumentError::IsDirectory(_))));
    assert!(matches!(documents.make_dir(&path("a")), Err(DocumentError::Exists(_))));
    documents.remove_dir(&path("a")).unwrap();
    documents.set_modified(&path("z/b/c/deep.txt"), 1_000_000).unwrap();
    assert_eq!(documents.stat(&path("z/b/c/deep.txt")).unwrap().utc_ms, 1_000_000);
    documents.remove(&path("z/b/c/deep.txt")).unwrap();
    assert_eq!(names(&documents, "z/b/c"), Vec::<String>::new());
}

#[test]
fn quotas_hold_over_what_is_kept_and_what_is_being_written() {
    let bed = Testbed::new();
    drop(bed.born(&[]));
    let options = OpenOptions { document_bytes: Some(1000), ..OpenOptions::default() };
    let crate::Opened::Existing(store) = Store::open(&bed.path, &options).unwrap() else { panic!("no meter") };
    let documents = store.documents(METER);
    put(&documents, "one", &[1; 600]).unwrap();
    assert!(matches!(put(&documents, "two", &[2; 401]), Err(DocumentError::Full(1000))));
    put(&documents, "one", &[3; 1000]).unwrap();
    let space = documents.space().unwrap();
    assert_eq!((space.used_bytes, space.used_entries), (1000, 1));
    documents.remove(&path("one")).unwrap();
    let mut first = documents.write(&path("first"), Beginning::Empty).unwrap();
    let mut second = documents.write(&path("second"), Beginning::Empty).unwrap();
    first.write_at(0, &[1; 700]).unwrap();
    assert!(matches!(second.write_at(0, &[2; 301]), Err(DocumentError::Full(_))));
    assert!(matches!(second.write_at(u64::MAX, &[2]), Err(DocumentError::Full(_))), "nor far away");
    assert!(matches!(second.set_size(u64::MAX), Err(DocumentError::Full(_))));
    first.set_size(10).unwrap();
    second.write_at(0, &[2; 990]).unwrap();
    drop((first, second));
    for n in 0..MAX_DOCUMENT_WRITERS {
        std::mem::forget(documents.write(&path(&n.to_string()), Beginning::Empty).unwrap());
    }
    assert!(matches!(documents.write(&path("x"), Beginning::Empty).err(), Some(DocumentError::Busy)));
}

#[test]
fn so_many_and_no_more() {
    let bed = Testbed::new();
    let documents = bed.born(&[]).documents(METER);
    for n in 0..MAX_DOCUMENTS {
        documents.make_dir(&path(&n.to_string())).unwrap();
    }
    assert!(matches!(documents.make_dir(&path("more")), Err(DocumentError::TooMany)));
    assert!(matches!(put(&documents, "more", b"x"), Err(DocumentError::TooMany)));
    put(&documents, "0/more", b"x").unwrap_err();
    documents.remove_dir(&path("7")).unwrap();
    put(&documents, "0/more", b"x").unwrap();
}
