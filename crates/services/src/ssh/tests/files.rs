//! Files over the wire, asked by the library's own client and by packets made by hand: what is written, what is
//! refused and in which words, and that nothing outside the tree is ever reached.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const WRITE: OpenFlags = OpenFlags::WRITE;

fn fresh() -> OpenFlags {
    OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE
}

fn attrs() -> FileAttributes {
    FileAttributes::default()
}

async fn put(files: &RawSftpSession, path: &str, bytes: &[u8]) -> Result<(), SftpError> {
    let handle = files.open(path, fresh(), attrs()).await?.handle;
    let written = files.write(handle.as_str(), 0, bytes.to_vec()).await;
    files.close(handle).await?;
    written.map(drop)
}

async fn read(files: &RawSftpSession, path: &str) -> Vec<u8> {
    let handle = files.open(path, OpenFlags::READ, attrs()).await.unwrap().handle;
    let read = files.read(handle.as_str(), 0, 100_000).await.unwrap().data;
    files.close(handle).await.unwrap();
    read
}

async fn names(files: &RawSftpSession, path: &str) -> Vec<String> {
    let handle = files.opendir(path).await.unwrap().handle;
    let mut names = Vec::new();
    while let Ok(page) = files.readdir(handle.as_str()).await {
        names.extend(page.files.into_iter().map(|file| file.filename).filter(|name| !name.starts_with('.')));
    }
    files.close(handle).await.unwrap();
    names
}

fn shipped() -> Vec<u8> {
    firmware::shipped().unwrap().remove(0).bytes
}

#[tokio::test]
async fn what_is_read_only_is_refused_in_words_and_stays() {
    let (bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let files = raw_sftp(&connection).await;
    let generation = bench.site.view().generation;
    let path = "/config/template.dcf";
    put(&files, "/documents/mine.txt", b"x").await.unwrap();
    let refusals = [
        refusal(files.open(path, fresh(), attrs()).await),
        refusal(files.open("/config/new", OpenFlags::READ | OpenFlags::CREATE, attrs()).await),
        refusal(files.open("/COMTRADE/new", fresh(), attrs()).await),
        refusal(files.setstat(path, attrs()).await),
        refusal(files.remove(path).await),
        refusal(files.mkdir("/new", attrs()).await),
        refusal(files.rmdir("/config").await),
        refusal(files.rmdir("/upgrade").await),
        refusal(files.rename(path, "/new").await),
        refusal(files.rename("/documents/mine.txt", "/logs/mine.txt").await),
    ];
    for (at, (code, sentence)) in refusals.iter().enumerate() {
        assert_eq!(*code, StatusCode::PermissionDenied, "{at}");
        assert!(sentence.starts_with("this is read-only here: only documents/ takes files"), "{sentence}");
    }
    assert_eq!(refusal(files.symlink(path, "/documents/link").await).0, StatusCode::OpUnsupported);
    assert_eq!(refusal(files.readlink(path).await).0, StatusCode::Failure);
    assert_eq!(refusal(files.hardlink(path, "/documents/link").await).0, StatusCode::OpUnsupported);
    let handle = files.open(path, OpenFlags::READ, attrs()).await.unwrap().handle;
    assert_eq!(refusal(files.write(handle, 0, vec![1]).await).0, StatusCode::Failure);
    assert_eq!(bench.site.view().generation, generation);
}

#[tokio::test]
async fn documents_are_written_moved_dated_and_removed() {
    let (bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let files = raw_sftp(&connection).await;
    assert_eq!(names(&files, "/").await, ["COMTRADE", "config", "documents", "logs", "upgrade", "web"]);
    assert!(names(&files, "/COMTRADE").await.is_empty());
    files.mkdir("/documents/plans", attrs()).await.unwrap();
    put(&files, "/documents/plans/a.txt", b"first").await.unwrap();
    let open = files.open("/documents/plans/a.txt", OpenFlags::READ, attrs()).await.unwrap().handle;
    // In place, and at the end.
    let handle = files.open("/documents/plans/a.txt", WRITE, attrs()).await.unwrap().handle;
    files.write(handle.as_str(), 0, b"F".to_vec()).await.unwrap();
    files.fsync(handle.as_str()).await.unwrap();
    files.close(handle).await.unwrap();
    let handle = files.open("/documents/plans/a.txt", WRITE | OpenFlags::APPEND, attrs()).await.unwrap().handle;
    files.write(handle.as_str(), 0, b" and last".to_vec()).await.unwrap();
    let time = FileAttributes { mtime: Some(1_000_000_000), atime: Some(5), ..attrs() };
    files.fsetstat(handle.as_str(), time.clone()).await.unwrap();
    files.close(handle).await.unwrap();
    assert_eq!(read(&files, "/documents/plans/a.txt").await, b"First and last");
    assert_eq!(files.read(open, 0, 100).await.unwrap().data, b"first".as_slice(), "what is open stays as it was");
    let stat = files.stat("/documents/plans/a.txt").await.unwrap().attrs;
    assert_eq!((stat.size, stat.mtime), (Some(14), Some(1_000_000_000)));
    put(&files, "/documents/b.txt", b"second").await.unwrap();
    files.setstat("/documents/b.txt", time).await.unwrap();
    files.setstat("/documents/b.txt", FileAttributes { permissions: Some(0o600), ..attrs() }).await.unwrap();
    assert_eq!(files.stat("/documents/b.txt").await.unwrap().attrs.mtime, Some(1_000_000_000));
    files.setstat("/documents/b.txt", FileAttributes { size: Some(3), ..attrs() }).await.unwrap();
    assert_eq!(read(&files, "/documents/b.txt").await, b"sec");
    let exists = refusal(files.rename("/documents/b.txt", "/documents/plans/a.txt").await);
    assert_eq!(exists, (StatusCode::Failure, "there is a \"plans/a.txt\" among the documents already".to_owned()));
    let new = fresh() | OpenFlags::EXCLUDE;
    assert_eq!(refusal(files.open("/documents/b.txt", new, attrs()).await).0, StatusCode::Failure);
    assert_eq!(refusal(files.open("/documents/none.txt", WRITE, attrs()).await).0, StatusCode::NoSuchFile);
    assert_eq!(refusal(files.open("/documents/no/x.txt", fresh(), attrs()).await).0, StatusCode::NoSuchFile);
    assert_eq!(refusal(files.rmdir("/documents/plans").await).0, StatusCode::Failure);
    files.rename("/documents/b.txt", "/documents/plans/b.txt").await.unwrap();
    assert_eq!(names(&files, "/documents/plans").await, ["a.txt", "b.txt"]);
    for path in ["/documents/plans/a.txt", "/documents/plans/b.txt"] {
        files.remove(path).await.unwrap();
    }
    files.rmdir("/documents/plans").await.unwrap();
    let events = bench.site.gate.events(&Caller::meter(), 0, 100).unwrap();
    let told: Vec<_> =
        events.iter().filter(|event| event.cause.starts_with("documents")).map(|event| &event.effect).collect();
    assert_eq!(told.len(), 10, "{told:?}");
    assert!(events.iter().any(|event| event.effect == "wrote plans/a.txt (5 bytes)" && event.user == "8650"));
}

#[tokio::test]
async fn a_file_is_seen_by_others_when_it_is_closed_and_never_when_it_is_cut_off() {
    let (bench, address) = meter(&[]).await;
    let (writer, reader) = (login(address, "8650", "0").await, login(address, "8650", "0").await);
    let (writing, reading) = (raw_sftp(&writer).await, raw_sftp(&reader).await);
    for path in ["/documents/half.txt", "/upgrade/half.upg"] {
        let handle = writing.open(path, fresh(), attrs()).await.unwrap().handle;
        writing.write(handle, 0, b"half".to_vec()).await.unwrap();
        assert_eq!(writing.stat(path).await.unwrap().attrs.size, Some(4), "who writes it sees it");
        assert_eq!(refusal(reading.stat(path).await).0, StatusCode::NoSuchFile, "nobody else does");
    }
    assert_eq!(names(&writing, "/documents").await, ["half.txt"]);
    assert!(names(&reading, "/documents").await.is_empty());
    drop(writing);
    drop(writer);
    let incoming = [bench.state().join("incoming"), bench.state().join("packages")];
    // The meter ends a connection when it sees that it is gone; what was half written goes with it.
    while incoming.iter().any(|dir| std::fs::read_dir(dir).unwrap().next().is_some()) {
        tokio::task::yield_now().await;
    }
    assert!(names(&reading, "/documents").await.is_empty() && names(&reading, "/upgrade").await.is_empty());
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing_to_be_closed_into_a_file() {
    let bench = Bench::with_document_bytes("4.40.1", 1000);
    let address = bench.serve(&FACES[2]).await;
    let connection = login(address, "8650", "0").await;
    let files = raw_sftp(&connection).await;
    put(&files, "/documents/old.txt", b"old").await.unwrap();
    let handle = files.open("/documents/old.txt", fresh(), attrs()).await.unwrap().handle;
    files.write(handle.as_str(), 0, vec![1; 900]).await.unwrap();
    let (code, sentence) = refusal(files.write(handle.as_str(), 900, vec![1; 101]).await);
    assert_eq!(code, StatusCode::Failure);
    assert!(sentence.starts_with("the documents are full: together they take at most"), "{sentence}");
    let (code, sentence) = refusal(files.close(handle).await);
    assert_eq!(code, StatusCode::Failure);
    assert!(sentence.starts_with("nothing of this file was kept"), "{sentence}");
    assert_eq!(read(&files, "/documents/old.txt").await, b"old");
    let space = files.statvfs("/").await.unwrap();
    assert_eq!((space.inodes, space.inodes_free, space.name_max), (256, 255, 128));
}

#[tokio::test]
async fn b27_b31_a_package_is_verified_when_it_is_closed_and_only_staged() {
    let (bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let files = raw_sftp(&connection).await;
    let package = shipped();
    let mut altered = package.clone();
    altered[package.len() / 2] ^= 1;
    let (code, sentence) = refusal(put(&files, "/upgrade/bad.upg", &altered).await);
    assert_eq!(code, StatusCode::Failure);
    assert!(sentence.len() > 20, "{sentence}");
    assert!(names(&files, "/upgrade").await.is_empty());
    let release = bench.site.view().release().release.clone();
    put(&files, "/upgrade/good.upg", &package).await.unwrap();
    assert_eq!(bench.site.view().release().release, release, "nothing is applied");
    assert_eq!(names(&files, "/upgrade").await, ["good.upg"]);
    assert_eq!(files.stat("/upgrade/good.upg").await.unwrap().attrs.size, Some(package.len() as u64));
    assert!(read(&files, "/upgrade/good.upg").await == package[..package.len().min(100_000)]);
    // What clients do after a transfer.
    files.setstat("/upgrade/good.upg", FileAttributes { mtime: Some(5), ..attrs() }).await.unwrap();
    let one = files.open("/upgrade/one.upg", fresh(), attrs()).await.unwrap().handle;
    let (code, sentence) = refusal(files.open("/upgrade/two.upg", fresh(), attrs()).await);
    assert_eq!(code, StatusCode::Failure);
    assert!(sentence.contains("is sending a package over sftp"), "{sentence}");
    refusal(files.close(one).await);
    assert_eq!(refusal(files.open("/upgrade/good.upg", WRITE, attrs()).await).0, StatusCode::Failure, "not in pieces");
    files.rename("/upgrade/good.upg", "/upgrade/better.upg").await.unwrap();
    assert_eq!(names(&files, "/upgrade").await, ["better.upg"]);
    assert_eq!(refusal(files.rename("/upgrade/better.upg", "/documents/x").await).0, StatusCode::Failure);
    // The same package under another name is the same package.
    put(&files, "/upgrade/best.upg", &package).await.unwrap();
    assert_eq!(names(&files, "/upgrade").await, ["best.upg"]);
    files.remove("/upgrade/best.upg").await.unwrap();
    assert!(names(&files, "/upgrade").await.is_empty());
    assert_eq!(refusal(files.remove("/upgrade/best.upg").await).0, StatusCode::NoSuchFile);
    assert_eq!(refusal(files.mkdir("/upgrade/dir", attrs()).await).0, StatusCode::PermissionDenied);
}

#[tokio::test]
async fn a_reader_reads_documents_and_writes_none_and_knows_nothing_of_packages() {
    let (_bench, address) = advanced(&[]).await;
    let (editor, reader) = (login(address, "USER1", "abc").await, login(address, "USER2", "0").await);
    let (editor, reader) = (raw_sftp(&editor).await, raw_sftp(&reader).await);
    put(&editor, "/documents/a.txt", b"x").await.unwrap();
    put(&editor, "/upgrade/a.upg", &shipped()).await.unwrap();
    assert_eq!(names(&reader, "/").await, ["COMTRADE", "config", "documents", "logs", "web"]);
    assert_eq!(read(&reader, "/documents/a.txt").await, b"x");
    let full = "this takes the right \"Full Meter Config\": a user with Security Config can grant it";
    let security = full.replace("Full Meter Config", "Security Config");
    let refusals = [
        (refusal(put(&reader, "/documents/b.txt", b"x").await), full),
        (refusal(reader.remove("/documents/a.txt").await), full),
        (refusal(reader.mkdir("/documents/b", attrs()).await), full),
        (refusal(reader.rename("/documents/a.txt", "/documents/b.txt").await), full),
        (refusal(reader.setstat("/documents/a.txt", attrs()).await), full),
        (refusal(put(&reader, "/upgrade/b.upg", b"x").await), &security),
        (refusal(reader.stat("/upgrade/a.upg").await), &security),
        (refusal(reader.opendir("/upgrade").await), &security),
        (refusal(reader.remove("/upgrade/a.upg").await), &security),
        (refusal(reader.rename("/upgrade/a.upg", "/upgrade/b.upg").await), &security),
    ];
    for (at, ((code, sentence), expected)) in refusals.iter().enumerate() {
        assert_eq!((*code, sentence.as_str()), (StatusCode::PermissionDenied, *expected), "{at}");
    }
}

#[tokio::test]
async fn b12_pages_are_files_only_while_the_web_server_is_on() {
    let (bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let files = raw_sftp(&connection).await;
    assert!(names(&files, "/web").await.is_empty());
    let (code, sentence) = refusal(files.open("/web/Operation.html", OpenFlags::READ, attrs()).await);
    assert_eq!(code, StatusCode::PermissionDenied);
    assert!(sentence.contains("is off"), "{sentence}");
    bench.set(&[("Web Server", "yes")]);
    assert_eq!(
        names(&files, "/web").await,
        ["Consumption.html", "Operation.html", "PowerQuality.html", "Setup.html", "readings.json"]
    );
    assert!(String::from_utf8(read(&files, "/web/Operation.html").await).unwrap().contains("<td class=\"l\">kW total"));
    assert_eq!(refusal(files.remove("/web/readings.json").await).0, StatusCode::PermissionDenied);
}

#[tokio::test]
async fn openssh_s_extensions_answer() {
    let (_bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let files = RawSftpSession::new(channel.into_stream());
    let offered = files.init().await.unwrap().extensions;
    for (name, version) in [("limits", "1"), ("posix-rename", "1"), ("fsync", "1"), ("statvfs", "2"), ("fstatvfs", "2")]
    {
        assert_eq!(offered.get(&format!("{name}@openssh.com")).map(String::as_str), Some(version), "{name}");
    }
    let text = |text: &str| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    put(&files, "/documents/a", b"new").await.unwrap();
    put(&files, "/documents/b", b"old").await.unwrap();
    let both = [text("/documents/a"), text("/documents/b")].concat();
    files.extended("posix-rename@openssh.com", both).await.unwrap();
    assert_eq!(read(&files, "/documents/b").await, b"new");
    for (typed, expected) in [("~", "/"), ("~/logs", "/logs"), ("~root/../../etc", "/etc"), ("config", "/config")] {
        let answer = files.extended("expand-path@openssh.com", text(typed)).await.unwrap();
        let russh_sftp::protocol::Packet::Name(name) = answer else { panic!("{answer:?}") };
        assert_eq!(name.files[0].filename, expected);
    }
    let set =
        [text("/documents/b"), vec![0, 0, 0, 8], 7u32.to_be_bytes().to_vec(), 9u32.to_be_bytes().to_vec()].concat();
    files.extended("lsetstat@openssh.com", set).await.unwrap();
    assert_eq!(files.stat("/documents/b").await.unwrap().attrs.mtime, Some(9));
    for (name, code) in [
        ("posix-rename@openssh.com", StatusCode::Failure),
        ("fsync@openssh.com", StatusCode::Failure),
        ("fstatvfs@openssh.com", StatusCode::Failure),
        ("hardlink@openssh.com", StatusCode::OpUnsupported),
        ("copy-data", StatusCode::OpUnsupported),
    ] {
        let answer = files.extended(name, vec![0, 0, 0, 200, 1]).await.unwrap();
        let russh_sftp::protocol::Packet::Status(status) = answer else { panic!("{name}: {answer:?}") };
        assert_eq!(status.status_code, code, "{name}");
    }
}

/// Names as bytes that no library would send.
#[tokio::test]
async fn odd_bytes_in_names_reach_nothing_and_make_nothing() {
    let (bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let mut stream = channel.into_stream();
    let long = vec![b'n'; 5000];
    let deep = b"a/".repeat(1000);
    let names: [&[u8]; 14] = [
        b"../../../etc/passwd",
        b"/documents/../../etc/passwd",
        b"/documents/..\\..\\etc",
        b"//etc//passwd",
        b"/etc/passwd\0/documents/x",
        b"/documents/x\0y",
        b"/documents/\xff\xfe",
        b"/documents/\xc0\xaf..",
        b"/documents/new\nline",
        b"/documents/.",
        b"/documents/..",
        b"/documents/a/b/c/d/e",
        &long,
        &deep,
    ];
    for name in names {
        // OPEN to be written and created (3), MKDIR (14), OPEN to be read, STAT (17), REMOVE (13).
        for (kind, rest) in
            [(3u8, vec![0, 0, 0, 0x1a, 0, 0, 0, 0]), (14, vec![0; 4]), (3, vec![0, 0, 0, 1, 0, 0, 0, 0]), (13, vec![])]
        {
            let length = name.len() as u32;
            let packet = [&[kind][..], &[0, 0, 0, 9], &length.to_be_bytes(), name, &rest].concat();
            stream.write_all(&(packet.len() as u32).to_be_bytes()).await.unwrap();
            stream.write_all(&packet).await.unwrap();
            let length = stream.read_u32().await.unwrap();
            let mut answer = vec![0; length as usize];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer[0], 101, "a status for {kind} of {:?}", String::from_utf8_lossy(name));
            assert!(answer[8] >= 2, "refused: {kind} of {:?}", String::from_utf8_lossy(name));
        }
    }
    let tree = Arc::new(Files::new(Arc::clone(&bench.site))).tree(Caller::meter());
    assert!(tree.list("/documents").unwrap().is_empty());
    let incoming = bench.state().join("incoming");
    assert!(!incoming.exists() || std::fs::read_dir(incoming).unwrap().next().is_none());
}

#[tokio::test]
async fn files_are_the_same_bytes_at_any_offset_and_in_any_pieces() {
    let (bench, address) = meter(&[]).await;
    bench.set(&[("Owner", "Stadtwerke")]);
    let connection = login(address, "8650", "0").await;
    let files = raw_sftp(&connection).await;
    for path in ["/logs/events.csv", "/config/template.dcf", "config/security.scf"] {
        let whole = sftp(&connection).await.read(path).await.unwrap();
        let open = files.open(path, OpenFlags::READ, FileAttributes::empty()).await.unwrap().handle;
        // What happens meanwhile doesn't change what is open.
        bench.set(&[("Owner", path)]);
        assert_eq!(files.fstat(open.as_str()).await.unwrap().attrs.size, Some(whole.len() as u64), "{path}");
        for piece in [1usize, 7, 1000, 32 * 1024, 10_000_000] {
            for offset in [0, 1, whole.len() / 2, whole.len() - 1] {
                let data = files.read(open.as_str(), offset as u64, piece as u32).await.unwrap().data;
                let expected = &whole[offset..(offset + piece).min(whole.len())];
                assert_eq!(data, expected, "{path} at {offset}, {piece} bytes");
            }
        }
        for beyond in [whole.len() as u64, u64::MAX] {
            assert_eq!(refusal(files.read(open.as_str(), beyond, 1).await).0, StatusCode::Eof, "{path}");
        }
        files.close(open.as_str()).await.unwrap();
        assert_eq!(refusal(files.read(open, 0, 1).await).0, StatusCode::Failure, "closed");
    }
}

#[tokio::test]
async fn paths_never_leave_the_tree() {
    let (_bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let files = sftp(&connection).await;
    for (path, expected) in
        [(".", "/"), ("..", "/"), ("../../etc/./passwd", "/etc/passwd"), ("/logs/..//config", "/config")]
    {
        assert_eq!(files.canonicalize(path).await.unwrap(), expected);
    }
    for path in ["/etc/passwd", "/logs/../../../../../etc/passwd", "/proc/self/environ", "/logs/a\0b", "/logs/\u{fffd}"]
    {
        assert_eq!(refusal(files.metadata(path).await).0, StatusCode::NoSuchFile, "{path:?}");
        assert_eq!(refusal(files.open(path).await).0, StatusCode::NoSuchFile, "{path:?}");
    }
    let mut names: Vec<_> = files.read_dir("/config").await.unwrap().map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, ["security.scf", "template.dcf"]);
}

#[tokio::test]
async fn open_files_are_bounded_and_limits_are_told() {
    let (_bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let files = raw_sftp(&connection).await;
    let limits = files.limits().await.unwrap();
    assert_eq!(limits.max_open_handles, 16);
    for _ in 0..64 {
        files.opendir("/").await.unwrap();
    }
    assert_eq!(refusal(files.opendir("/").await).0, StatusCode::Failure);
    files.close("0").await.unwrap();
    files.opendir("/").await.unwrap();
}

#[tokio::test]
async fn a_packet_that_makes_no_sense_is_answered_and_one_too_long_ends_the_channel() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (_bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let mut stream = channel.into_stream();
    // READ (5) with the number 9 and a handle longer than the packet.
    stream.write_all(&[0, 0, 0, 9, 5, 0, 0, 0, 9, 255, 255, 255, 255]).await.unwrap();
    let length = stream.read_u32().await.unwrap();
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[..9], [101, 0, 0, 0, 9, 0, 0, 0, 5], "STATUS of request 9: BAD_MESSAGE");
    stream.write_all(&[255, 255, 255, 255, 5]).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn open_files_are_bounded_for_a_channel_and_for_the_face() {
    let (_bench, address) = meter(&[]).await;
    let mut connections = Vec::new();
    let mut channels = Vec::new();
    for _ in 0..2 {
        let connection = login(address, "8650", "0").await;
        for _ in 0..5 {
            channels.push(raw_sftp(&connection).await);
        }
        connections.push(connection);
    }
    put(&channels[0], "/documents/a", b"a").await.unwrap();
    let open = async |files: &RawSftpSession| files.open("/documents/a", OpenFlags::READ, attrs()).await;
    let mut handles = Vec::new();
    for _ in 0..16 {
        handles.push(open(&channels[0]).await.unwrap().handle);
    }
    let (_, sentence) = refusal(open(&channels[0]).await);
    assert_eq!(sentence, "at most 16 files can be open at once on one channel: close some");
    assert!(channels[0].opendir("/").await.is_ok(), "a directory is no file");
    let mut opened = handles.len();
    let refused = 'all: {
        for channel in &channels[1..] {
            for _ in 0..16 {
                match open(channel).await {
                    Ok(_) => opened += 1,
                    refused => break 'all refusal(refused),
                }
            }
        }
        panic!("{opened} files are open");
    };
    assert_eq!(opened, crate::files::OPEN_FILES);
    let sentence = "at most 128 files can be open on this face of the meter at once: close some and try again";
    assert_eq!(refused, (StatusCode::Failure, sentence.to_owned()));
    assert_eq!(refusal(channels[9].open("/documents/b", fresh(), attrs()).await).1, sentence, "to write as well");
    channels[0].close(handles.remove(0)).await.unwrap();
    put(&channels[9], "/documents/b", b"b").await.unwrap();
    // What a connection had open is closed with it.
    drop(connections.remove(0));
    while open(&channels[8]).await.is_err() {
        tokio::task::yield_now().await;
    }
}
