//! Who gets in over FTP and what they may, how sessions and transfers end, and what the meter keeps to itself.

use std::process::Command;

use system_tests::ftp::{Bed, Client, FACTORY, HALF, SIZE, clients};
use system_tests::{Meter, run, secret_file};

#[test]
fn b9_advanced_logs_in_users_and_each_may_what_its_rights_say() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    bed.advanced();
    for (login, config, write, security) in
        [("USER1:271828", true, true, true), ("user02:314159", true, false, false), ("USER3:161803", true, true, false)]
    {
        assert_eq!(bed.curl_as(login, &["METER/config/template.dcf"]).status == 0, config, "{login}");
        assert_eq!(bed.curl_as(login, &["-T", "half.bin", "METER/documents/x"]).status == 0, write, "{login}");
        assert_eq!(bed.curl_as(login, &["METER/config/security.scf"]).status == 0, security, "{login}");
        let listed = bed.curl_as(login, &["-l", "METER/config/"]).ok().out;
        assert_eq!(listed.contains("security.scf"), security, "{login}: {listed}");
    }
    let said = bed.python("USER2", "314159", "refused(ftp.storbinary, 'STOR documents/y', io.BytesIO(b'y'))").ok();
    assert!(said.out.contains("550 ") && said.out.contains("Full Meter Config"), "{said:?}");
    for nobody in ["8650:0", "USER1:314159", "USER9:0", "anonymous:a@b", "root:root"] {
        let said = bed.curl_as(nobody, &["METER/logs/events.csv"]);
        assert!(said.status == 67 && said.out.is_empty(), "{nobody}: {said:?}");
    }
    let anonymous = bed.curl(&["METER/logs/events.csv"]);
    assert!(anonymous.status == 67 && anonymous.out.is_empty(), "{anonymous:?}");
}

#[test]
fn b9_standard_is_8650_with_the_front_panel_password_and_five_wrong_ones_lock_out() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    assert_eq!(bed.curl_as("8650:0", &["-l", "METER/logs/"]).ok().out, "data-recorder-1.csv\nevents.csv\n");
    assert_eq!(bed.curl_as("USER1:0", &["METER/"]).status, 67);
    for _ in 0..5 {
        assert_eq!(bed.curl_as("8650:1", &["METER/"]).status, 67);
    }
    let said = bed.python("", "", "ftp.sendcmd('USER 8650')\nrefused(ftp.sendcmd, 'PASS 0')").ok();
    assert!(said.out.contains("refused: 530 ") && said.out.contains("locked"), "{said:?}");
    let held = bed.meter.setup(FACTORY, &["connections", "--json"]).ok().json()["lockouts"].to_string();
    assert!(held.contains("\"path\":\"ftp\""), "{held}");
}

#[test]
fn b9_no_security_takes_8650_with_any_password() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    bed.meter.setup(FACTORY, &["security", "set", "mode", "none"]).ok();
    for password in ["0", "whatever", "12345678901234567890"] {
        bed.curl_as(&format!("8650:{password}"), &["-T", "half.bin", "METER/documents/x"]).ok();
    }
    assert!(bed.curl_as("8650:x", &["METER/config/security.scf"]).ok().out.contains("mode"));
}

#[test]
fn b23_ftp_is_off_after_a_downgrade_and_works_again_when_setup_turns_it_on() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    meter.setup(FACTORY, &["downgrade", "--to", "4.0.9", "--yes"]).ok();
    let service = meter.info(FACTORY)["services"]["ftp"].clone();
    assert_eq!((&service["enabled"], &service["listening"]), (&false.into(), &false.into()), "{service}");
    meter.setup(FACTORY, &["set", "FTP", "yes"]).ok();
    let service = meter.info(FACTORY)["services"]["ftp"].clone();
    assert_eq!((&service["listening"], &service["why"]), (&true.into(), &serde_json::Value::Null), "{service}");
    let address = format!("ftp://127.0.0.1:{}/logs/", service["port"]);
    assert_eq!(
        run(Command::new("curl").args(["-sS", "-l", "-u", "8650:0", &address])).ok().out,
        "data-recorder-1.csv\nevents.csv\n"
    );
    meter.setup(FACTORY, &["upgrade", "--to", "4.40.1", "--yes"]).ok();
    assert!(run(Command::new("curl").args(["-sS", "-u", "8650:0", &address])).status == 7, "FTP is not part of it");
}

#[test]
fn a_session_that_ends_takes_its_connection_and_the_transfer_under_way_along() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    let new = secret_file(&bed.home, "new", "58317462");
    let begin = r#"
ftp.voidcmd("TYPE I")
data = ftp.transfercmd("STOR documents/half")
data.sendall(whole[:300000])
print("begun", flush=True)
sys.stdin.readline()
try:
    for _ in range(600):
        data.sendall(whole[:300000])
        import time; time.sleep(0.05)
    print("STILL GOING")
except OSError:
    print("ended")
try:
    ftp.sock.settimeout(30)
    print("said:", ftp.getline())
except (EOFError, OSError):
    print("said nothing")
"#;
    // Ended by its number; then by another password.
    for end in [true, false] {
        let mut client = Client::start(&bed, begin);
        client.hears("begun");
        if end {
            let sessions = bed.meter.setup(FACTORY, &["connections", "--json"]).ok().json();
            let listed = sessions["connections"].as_array().unwrap();
            let ours = listed.iter().find(|one| one["service"] == "ftp").unwrap_or_else(|| panic!("{sessions}"));
            assert_eq!(ours["user"], "8650", "{ours}");
            bed.meter.setup(FACTORY, &["connections", "end", &ours["session"].to_string()]).ok();
        } else {
            let set = ["security", "set", "front-panel-password", "--new-password-file", &new];
            bed.meter.setup(FACTORY, &set).ok();
        }
        let said = client.goes_on();
        assert!(said.contains("ended") && !said.contains("STILL GOING"), "{said}");
        let owner = if end { "8650:0" } else { "8650:58317462" };
        assert_eq!(bed.curl_as(owner, &["-l", "METER/documents/"]).ok().out, "", "nothing of it is kept");
    }
}

#[test]
fn an_upload_that_breaks_off_replaces_nothing_and_is_taken_up_where_nothing_was() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    bed.curl_as("8650:0", &["-T", "sent.bin", "METER/documents/old.bin"]).ok();
    let size = |name: &str| {
        let said = bed.curl_as("8650:0", &["-I", &format!("METER/documents/{name}")]);
        said.out
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .and_then(|size| size.trim().parse().ok())
    };
    for name in ["old.bin", "new.bin"] {
        let mut client = Client::start(
            &bed,
            &format!(
                "ftp.voidcmd('TYPE I')\ndata = ftp.transfercmd('STOR documents/{name}')\ndata.sendall(whole[:500000])\n\
                 print('begun', flush=True)\nsys.stdin.readline()"
            ),
        );
        client.hears("begun");
        client.kill();
    }
    // What was sent before the plug was pulled comes in by and by.
    let came = (0..1000).any(|_| size("new.bin") == Some(HALF));
    assert!(came, "{:?}", size("new.bin"));
    assert_eq!(size("old.bin"), Some(SIZE), "a whole file is replaced by a whole file alone");
    bed.lftp("8650,0", "put -c sent.bin -o documents/new.bin; get documents/new.bin -o new.bin").ok();
    bed.same("new.bin");
}

#[test]
fn what_a_client_takes_back_ends_at_once_and_the_connection_goes_on() {
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
for _ in range(3):
    data = ftp.transfercmd("STOR documents/aborted")
    data.sendall(whole[:300000])
    print(ftp.abort())
    data.close()
    print(ftp.voidresp())
ftp.storbinary("STOR documents/f", io.BytesIO(whole))
data = ftp.transfercmd("RETR documents/f")
data.recv(1000)
data.close()
try:
    print(ftp.voidresp())
except ftplib.all_errors as error:
    print(error)
got = io.BytesIO()
ftp.retrbinary("RETR documents/f", got.write)
assert got.getvalue() == whole
# One after the other, each with a port of its own.
for _ in range(200):
    ftp.sendcmd("PASV")
    ftp.sendcmd("EPSV")
assert ftp.nlst("documents") == ["aborted", "f"] or ftp.nlst("documents") == ["f"], ftp.nlst("documents")
"#,
    );
    let said = said.ok();
    assert_eq!(said.out.matches("426 the transfer was taken back").count(), 3, "{said:?}");
    assert_eq!(said.out.matches("226 it is over").count(), 3, "{said:?}");
}

#[test]
fn data_ports_come_from_the_range_that_is_set() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    // Somewhere among ports that nothing here uses.
    let set = ["set", "FTP Passive First Port", "33500", "FTP Passive Ports", "20"];
    bed.meter.setup(FACTORY, &set).ok();
    let said = bed.python(
        "8650",
        "0",
        r#"
for _ in range(30):
    host, port = ftp.makepasv()
    assert host == "127.0.0.1" and 33500 <= port < 33520, (host, port)
assert ftp.nlst("logs")
"#,
    );
    said.ok();
}

#[test]
fn no_password_is_in_anything_that_the_meter_says_of_itself() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let meter = Meter::start_talking(dir.path(), &["--release", "4.0.9", "--ports", "auto"], &log);
    let file = secret_file(dir.path(), "new", "58317462");
    meter.setup(FACTORY, &["security", "set", "front-panel-password", "--new-password-file", &file]).ok();
    let port = meter.port(Some(("8650", "58317462")), "ftp");
    let address = format!("ftp://127.0.0.1:{port}/logs/");
    run(Command::new("curl").args(["-sS", "-l", "-u", "8650:58317462", &address])).ok();
    run(Command::new("curl").args(["-sS", "-l", "-u", "8650:90909090", &address]));
    meter.stop();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("FTP connection ended"), "it talks");
    assert!(!said.contains("58317462") && !said.contains("90909090"));
}

#[test]
fn a_document_goes_there_and_back_at_the_speed_of_a_disk() {
    if !clients() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path());
    std::fs::write(bed.at("large.bin"), vec![7; 15 << 20]).unwrap();
    for (what, args) in [
        ("put", ["-T", "large.bin", "METER/documents/large.bin"]),
        ("get", ["METER/documents/large.bin", "-o", "large.got"]),
    ] {
        let args = [&args[..], &["-w", "%{speed_upload} %{speed_download}"]].concat();
        let said = bed.curl_as("8650:0", &args).ok();
        println!("{what}: {} bytes a second", said.out);
    }
    assert!(std::fs::read(bed.at("large.got")).unwrap() == vec![7; 15 << 20]);
}
