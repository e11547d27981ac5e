//! The FTP face of legacy releases with clients nobody here wrote: lftp, curl, ncftp and Python's ftplib, passive and
//! active. Each puts, gets, resumes and lists in `documents/`, reads the log whole, and is refused what it may not.

use std::process::Command;

use system_tests::ftp::{Bed, HALF, SIZE, clients, content};
use system_tests::run;

#[test]
fn lftp_lists_gets_puts_resumes_and_mirrors_passive_and_active() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    for mode in ["on", "off"] {
        let said = bed.lftp(
            "8650,0",
            &format!(
                "set ftp:passive-mode {mode}; ls; cls -l logs; get -O . logs/events.csv; cd documents; mkdir -p d/e; put sent.bin; \
                 get sent.bin -o got.bin; put half.bin -o part.bin; put -c sent.bin -o part.bin; get part.bin -o part.bin; \
                 mv part.bin d/e/moved.bin; mirror . mirrored-{mode}; rm sent.bin; rm -r d; ls"
            ),
        );
        let said = said.ok();
        for shown in ["config", "documents", "logs", "web", "events.csv"] {
            assert!(said.out.contains(shown), "{said:?}");
        }
        assert!(!said.out.contains("upgrade"), "packages are staged with Setup: {said:?}");
        bed.whole_log("events.csv");
        for got in
            ["got.bin", "part.bin", &format!("mirrored-{mode}/sent.bin"), &format!("mirrored-{mode}/d/e/moved.bin")]
        {
            bed.same(got);
        }
        for got in ["events.csv", "got.bin", "part.bin"] {
            std::fs::remove_file(bed.at(got)).unwrap();
        }
    }
    // The other way round, and a download that is resumed.
    std::fs::create_dir_all(bed.at("tree/sub")).unwrap();
    std::fs::copy(&bed.file, bed.at("tree/sub/sent.bin")).unwrap();
    std::fs::copy(bed.at("half.bin"), bed.at("resumed.bin")).unwrap();
    bed.lftp("8650,0", "mirror -R tree documents/tree; get -c documents/tree/sub/sent.bin -o resumed.bin").ok();
    bed.same("resumed.bin");
}

#[test]
fn curl_gets_puts_and_resumes_passive_and_active() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    for (turn, mode) in
        [vec![], vec!["--disable-epsv"], vec!["-P", "-"], vec!["-P", "-", "--disable-eprt"]].iter().enumerate()
    {
        let name = format!("METER/documents/c{turn}.bin");
        let with = |args: &[&str]| bed.curl_as("8650:0", &[&mode[..], args].concat()).ok();
        with(&["-T", "sent.bin", &name]);
        with(&[&name, "-o", "got.bin"]);
        bed.same("got.bin");
        std::fs::copy(bed.at("half.bin"), bed.at("got.bin")).unwrap();
        with(&["-C", "-", &name, "-o", "got.bin"]);
        bed.same("got.bin");
        with(&["-T", "half.bin", &name]);
        with(&["-C", "-", "-T", "sent.bin", &name]);
        with(&["-a", "-T", "half.bin", &name]);
        with(&[&name, "-o", "long.bin"]);
        assert!(std::fs::read(bed.at("long.bin")).unwrap() == [&content()[..], &content()[..HALF]].concat());
        with(&["METER/logs/events.csv", "-o", "events.csv"]);
        bed.whole_log("events.csv");
        let head = with(&["-I", &name]);
        assert!(head.out.contains(&format!("Content-Length: {}", SIZE + HALF)), "{head:?}");
        assert!(with(&["METER/"]).out.contains("documents"));
        assert_eq!(with(&["-l", "METER/config/"]).out, "security.scf\ntemplate.dcf\n");
        with(&["-Q", &format!("DELE /documents/c{turn}.bin"), "METER/"]);
    }
    // A file that is made as it is read has the size that was told, and can be taken up anywhere in it.
    let whole = bed.curl_as("8650:0", &["METER/config/template.dcf"]).ok().out;
    let tail = bed.curl_as("8650:0", &["-r", "1000-", "METER/config/template.dcf"]).ok().out;
    assert_eq!(whole.as_bytes()[1000..], *tail.as_bytes());
    // Six levels of URL, escaped: none leaves the tree.
    let said = bed.curl_as("8650:0", &["--path-as-is", "METER/%2e%2e/%2e%2e/..%2f..%2fetc/passwd"]);
    assert!(said.status != 0 && said.out.is_empty(), "{said:?}");
}

#[test]
fn ncftp_lists_gets_puts_and_resumes_passive_and_active() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    let ncftp = |tool: &str, mode: &str, args: &[&str]| {
        let mut command = Command::new(tool);
        command.args(["-u", "8650", "-p", "0", "-P", &bed.port.to_string(), "-t", "60", "-r", "1", mode]);
        run(command.args(args).current_dir(&bed.home).env("HOME", &bed.home))
    };
    for mode in ["-F", "-E"] {
        ncftp("ncftpput", mode, &["127.0.0.1", "/documents", "sent.bin"]).ok();
        let listed = ncftp("ncftpls", mode, &["-l", "ftp://127.0.0.1/documents/"]).ok();
        assert!(listed.out.contains("sent.bin") && listed.out.contains(&SIZE.to_string()), "{listed:?}");
        std::fs::create_dir_all(bed.at("got")).unwrap();
        ncftp("ncftpget", mode, &["127.0.0.1", "got", "/documents/sent.bin", "/logs/events.csv"]).ok();
        bed.same("got/sent.bin");
        bed.whole_log("got/events.csv");
        // From the half that is there already. Up it can't: after its REST 3.2.6 sends the file from the beginning.
        std::fs::copy(bed.at("half.bin"), bed.at("got/sent.bin")).unwrap();
        ncftp("ncftpget", mode, &["-z", "127.0.0.1", "got", "/documents/sent.bin"]).ok();
        bed.same("got/sent.bin");
        std::fs::remove_dir_all(bed.at("got")).unwrap();
    }
    let refused = ncftp("ncftpput", "-F", &["127.0.0.1", "/logs", "sent.bin"]);
    assert!(refused.status != 0, "{refused:?}");
}

#[test]
fn ftplib_lists_with_facts_and_gets_puts_and_resumes_passive_and_active() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    let said = bed.python(
        "8650",
        "0",
        r#"
assert ftp.getwelcome().startswith("220 8650V409 "), ftp.getwelcome()
for passive in (True, False):
    ftp.set_pasv(passive)
    facts = dict(ftp.mlsd("/", ["type", "size", "modify"]))
    assert sorted(facts) == ["COMTRADE", "config", "documents", "logs", "web"], facts
    assert all(entry["type"] == "dir" and len(entry["modify"]) == 14 for entry in facts.values()), facts
    ftp.cwd("documents")
    assert ftp.pwd() == "/documents"
    assert ftp.mkd('a "b" c') == '/documents/a "b" c'
    ftp.cwd('a "b" c')
    assert ftp.pwd() == '/documents/a "b" c'
    ftp.cwd("..")
    assert ftp.pwd() == "/documents"
    ftp.rmd('a "b" c')
    ftp.storbinary("STOR f.bin", io.BytesIO(whole))
    assert ftp.size("f.bin") == len(whole)
    got = io.BytesIO()
    ftp.retrbinary("RETR f.bin", got.write)
    assert got.getvalue() == whole
    rest = io.BytesIO()
    ftp.retrbinary("RETR f.bin", rest.write, rest=1000000)
    assert rest.getvalue() == whole[1000000:]
    # REST counts for one transfer, and for none after a refusal.
    refused(ftp.retrbinary, "RETR nothing", print, 8192, 7)
    again = io.BytesIO()
    ftp.retrbinary("RETR f.bin", again.write)
    assert again.getvalue() == whole
    ftp.storbinary("STOR f.bin", io.BytesIO(whole[500000:]), rest=500000)
    assert ftp.size("f.bin") == len(whole)
    refused(ftp.storbinary, "STOR f.bin", io.BytesIO(b"x"), 8192, None, 99999999)
    ftp.rename("f.bin", "g.bin")
    assert ftp.nlst() == ["g.bin"]
    (name, entry), = ftp.mlsd()
    assert (name, entry["type"], entry["size"]) == ("g.bin", "file", str(len(whole))), entry
    lines = []
    ftp.retrlines("LIST", lines.append)
    assert len(lines) == 1 and lines[0].startswith("-rw-r--r--") and lines[0].endswith("g.bin"), lines
    refused(ftp.retrlines, "RETR g.bin")
    ftp.voidcmd("TYPE I")
    assert len(ftp.sendcmd("MDTM g.bin")) == 18
    ftp.delete("g.bin")
    assert ftp.nlst() == []
    ftp.cwd("/")
size = ftp.size("logs/events.csv")
log = io.BytesIO()
ftp.retrbinary("RETR logs/events.csv", log.write)
assert len(log.getvalue()) == size, (len(log.getvalue()), size)
lines = []
ftp.retrlines("RETR logs/events.csv", lines.append)
assert lines[0].startswith("Number,") and len(lines) > 3, lines
print(ftp.sendcmd("FEAT"))
print(ftp.quit())
"#,
    );
    let said = said.ok();
    for sentence in [
        "refused: 550 there is no \"nothing\" among the documents",
        "refused: 554 there are only 1234567 bytes of this file: begin there, or at its beginning",
        "refused: 550 only logs are sent as text: say TYPE I (binary) first",
        "MLST type*;size*;modify*;",
        "221 goodbye",
    ] {
        assert!(said.out.contains(sentence), "{sentence}: {said:?}");
    }
}

#[test]
fn every_refusal_says_why() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    let said = bed.python(
        "8650",
        "0",
        r#"
ftp.voidcmd("TYPE I")
def store(path, content):
    data = ftp.transfercmd("STOR " + path)
    try:
        data.sendall(content)
    except OSError:
        pass  # The meter hangs up on what it can't take, and then says why.
    data.close()
    return ftp.voidresp()
refused(ftp.cwd, "upgrade")
refused(ftp.storbinary, "STOR upgrade/4.40.1.upg", io.BytesIO(b"x"))
refused(ftp.storbinary, "STOR logs/events.csv", io.BytesIO(b"x"))
refused(ftp.delete, "config/template.dcf")
refused(ftp.mkd, "logs/new")
refused(ftp.cwd, "logs/events.csv")
refused(ftp.rename, "nothing", "documents/x")
refused(ftp.storbinary, "STOR documents/" + "n" * 200, io.BytesIO(b"x"))
refused(ftp.storbinary, "STOR documents/a/b/c/d/e/f", io.BytesIO(b"x"))
refused(store, "documents/large", bytes(17 << 20))
refused(ftp.voidcmd, "STOU")
refused(ftp.voidcmd, "SITE CHMOD 777 documents")
refused(ftp.voidcmd, "TYPE E")
refused(ftp.voidcmd, "DELE " + "n" * 5000)
refused(ftp.size, "../../../etc/passwd")
ftp.sock.sendall(b"DELE documents/\xff\xfe\r\nDELE a\0b\r\nDELE a\rDELE b\r\n")
for _ in range(3):
    print("said:", ftp.getline())
ftp.sock.sendall(b"\xff\xf4\xff\xf2ABOR\r\n")
print("said:", ftp.getline())
for target in ("127,0,0,2,200,1", "192,0,2,1,200,1", "127,0,0,1,0,22", "127,0,0,1,0,0"):
    refused(ftp.voidcmd, "PORT " + target)
refused(ftp.voidcmd, "EPRT |1|127.0.0.2|51201|")
refused(ftp.voidcmd, "EPRT |2|::1|51201|")
refused(ftp.retrbinary, "RETR documents", print)
print("documents:", ftp.nlst("documents"))
"#,
    );
    let said = said.ok();
    assert!(!said.out.contains("NOT REFUSED"), "{}", said.out);
    for sentence in [
        "550 there is no \"/upgrade\" on this meter",
        "550 this is read-only here: only documents/ takes files",
        "550 \"/logs/events.csv\" is not a directory",
        "553 a document can't be called that",
        "553 documents lie at most 4 deep",
        "552 the documents are full",
        "500 a line has at most 1024 bytes: this one was thrown away",
        "said: 501 a name is UTF-8 text without control characters",
        "said: 226 nothing was under way",
        "504 data goes only to the address that you are connected from: use passive mode",
        "504 data goes only to ports from 1024 on",
        "550 \"/documents\" is a directory",
        "documents: []",
    ] {
        assert!(said.out.contains(sentence), "{sentence}: {}", said.out);
    }
}
