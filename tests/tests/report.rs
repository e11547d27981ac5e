//! The verification report, with the real binary: written, kept, and there after a broken link and after a cut in the
//! middle of a trial.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use serde_json::Value;
use system_tests::{Meter, Said, has, run, wattkeep};

const PANEL: (&str, &str) = ("8650", "0");
/// The longest that something may take on a machine under load.
const PATIENCE_S: u64 = 60;

fn utc_s() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Asks anonymously until a meter is what is wanted.
fn until(meter: &Meter, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = utc_s() + PATIENCE_S;
    loop {
        let info = meter.info(None);
        if wanted(&info) {
            return info;
        }
        assert!(utc_s() < end, "{info:#}");
    }
}

/// An upgrade that runs beside the test.
fn begin(home: &std::path::Path, address: &str, more: &[&str]) -> Child {
    let mut command = wattkeep(home);
    command.args(["setup", address, "upgrade", "--to", "4.40.1", "--yes"]).args(more);
    command.env("WATTKEEP_PASSWORD", PANEL.1).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn end(child: Child) -> Said {
    child.wait_with_output().unwrap().into()
}

#[test]
fn b25_a_report_is_written_kept_and_never_written_over_anything() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    assert!(meter.setup(Some(PANEL), &["report"]).ok().out.contains("has not been changed"));
    let upgrade = |file: &str| meter.setup(Some(PANEL), &["upgrade", "--to", "4.40.1", "--yes", "--report", file]);
    std::fs::write(path("there.html"), "mine").unwrap();
    for (file, status) in [("there.html", 1), ("nowhere/r.html", 1), ("report.pdf", 2)] {
        assert_eq!(upgrade(&path(file)).status, status, "{file}");
        assert_eq!(meter.info(None)["release"], "4.0.9", "nothing was done");
    }
    assert_eq!(std::fs::read_to_string(path("there.html")).unwrap(), "mine");
    upgrade(&path("r.html")).ok();
    let html = std::fs::read_to_string(path("r.html")).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("4.0.9 → 4.40.1") && !html.contains("<script"));
    let mode = |name: &str| std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("r.html"), 0o600, "it says who may do what");
    let saved = meter.setup(Some(PANEL), &["report", "--last", "--text", &path("r.txt")]).ok();
    assert_eq!(saved.out, format!("The report is saved in {}.\n", path("r.txt")));
    assert_eq!(mode("r.txt"), 0o600);

    let last = meter.setup(Some(PANEL), &["report", "--last", "--json"]).ok().json();
    assert_eq!(
        (&last["outcome"], &last["as_planned"], &last["peer"]),
        (&"confirmed".into(), &true.into(), &"127.0.0.1".into())
    );
    let (begun, committed) = (last["begun_utc_ms"].as_i64().unwrap(), last["committed_utc_ms"].as_i64().unwrap());
    let confirmed = last["utc_ms"].as_i64().unwrap();
    assert!(begun <= committed && confirmed - committed >= 500, "two measured seconds were waited for: {last:#}");
    // The template's hash is that of the file that `save` writes.
    meter.setup(Some(PANEL), &["save", &path("t.dcf")]).ok();
    let sum = run(Command::new("sha256sum").arg(path("t.dcf"))).ok();
    assert!(sum.out.starts_with(last["template"].as_str().unwrap()), "{sum:?}");

    // Only who may read security sees it.
    assert_eq!(meter.setup(None, &["report"]).status, 4);
    meter.setup(Some(PANEL), &["downgrade", "--to", "4.0.9", "--yes", "--report", &path("back.txt")]).ok();
    let text = std::fs::read_to_string(path("back.txt")).unwrap();
    assert!(!text.contains('\u{1b}') && text.contains("4.40.1 → 4.0.9"), "{text}");
    meter.kill();
    let meter = Meter::start(dir.path(), &[]);
    let kept = meter.setup(Some(PANEL), &["report", "--json"]).ok().json();
    assert_eq!((kept["reports"].as_array().unwrap().len(), &kept["reports"][1]), (2, &last));
    let third = meter.setup(Some(PANEL), &["report", "3"]);
    assert!(third.status == 1 && third.err.contains("keeps 2 reports: there is no number 3"), "{third:?}");
}

/// Tries to meet a trial in one go.
const ATTEMPTS: usize = 10;

/// A meter that was killed on trial and runs again, and what the one who waited was told; none if the trial was over
/// before it was met.
fn cut_on_trial(home: &std::path::Path) -> Option<(Meter, Said)> {
    std::fs::create_dir(home).unwrap();
    let meter = Meter::start(home, &["--release", "4.0.9", "--ports", "auto"]);
    let waiting = begin(home, &meter.address(), &[]);
    until(&meter, |info| info["release"] == "4.40.1");
    // Until it is confirmed, nothing else changes.
    let set = meter.setup(Some(PANEL), &["set", "CT Prim", "800"]);
    meter.kill();
    let meter = Meter::start(home, &[]);
    let said = end(waiting);
    if set.status == 0 || said.status == 0 {
        return None;
    }
    assert!(set.status == 1 && set.err.contains("change of release is under way"), "{set:#?}");
    assert_eq!(said.status, 1, "{said:#?}");
    Some((meter, said))
}

#[test]
fn b26_a_cut_on_trial_goes_back_says_so_and_the_one_who_waits_is_told() {
    let dir = tempfile::tempdir().unwrap();
    // A trial takes two seconds, which a busy machine may miss.
    let caught = |attempt: usize| cut_on_trial(&dir.path().join(attempt.to_string()));
    let (meter, said) = (0..ATTEMPTS).find_map(caught).expect("no trial was met while it ran");
    assert!(said.out.contains("TAKEN BACK") && said.out.contains("power failed"), "{said:#?}");
    let info = meter.info(Some(PANEL));
    assert_eq!(info["release"], "4.0.9");
    let told = |remark: &Value| remark.as_str().unwrap().contains("4.40.1 was taken back: power failed");
    assert!(info["remarks"].as_array().unwrap().iter().any(told), "{info:#}");
    let last = meter.setup(Some(PANEL), &["report", "--last", "--json"]).ok().json();
    assert_eq!((&last["outcome"], &last["user"]), (&"taken-back".into(), &"8650".into()));
    let events = meter.setup(Some(PANEL), &["events", "--json"]).ok().json();
    let told = |event: &Value| event["effect"].as_str().unwrap().contains("the meter is back on 4.0.9");
    assert!(events["events"].as_array().unwrap().iter().any(told), "{events:#}");
}

/// Passes connections on, until they are all broken; new ones are passed on again.
struct Proxy {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    fn new(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let held = Arc::clone(&open);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(meter)) = (client, TcpStream::connect(&to)) else { continue };
                held.lock().unwrap().extend([client.try_clone().unwrap(), meter.try_clone().unwrap()]);
                let (one, other) = (client.try_clone().unwrap(), meter.try_clone().unwrap());
                std::thread::spawn(move || pass(client, meter));
                std::thread::spawn(move || pass(other, one));
            }
        });
        Self { port, open }
    }

    fn break_all(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut piece = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_link_that_breaks_in_the_middle_costs_nobody_the_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let proxy = Proxy::new(meter.address());
    let waiting = begin(dir.path(), &format!("127.0.0.1:{}", proxy.port), &["--json"]);
    until(&meter, |info| info["release"] == "4.40.1");
    proxy.break_all();
    let said = end(waiting);
    assert_eq!(said.status, 0, "{said:#?}");
    let done = said.json();
    assert_eq!((&done["accepted"], &done["report"]["as_planned"]), (&true.into(), &true.into()), "{done:#}");
    assert_eq!(meter.info(None)["release"], "4.40.1");
}

/// Holds a port that the meter listens on, too, until it stops: bound before, it lets others bind there, and then no more.
const GRAB: &str = r#"
import socket, sys
grab = socket.socket()
grab.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
grab.bind(("127.0.0.1", 0))
print(grab.getsockname()[1], flush=True)
sys.stdin.readline()
grab.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
print("mine", flush=True)
sys.stdin.readline()
"#;

#[test]
fn b26_a_port_that_another_program_grabs_takes_the_change_back_with_the_reason() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut grab = Command::new("python3");
    let mut grab = grab.args(["-c", GRAB]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut tell, mut said) = (grab.stdin.take().unwrap(), BufReader::new(grab.stdout.take().unwrap()).lines());
    let port = said.next().unwrap().unwrap();
    // The port that SFTP will come on; until then Telnet has it.
    let ports = format!("auto,ssh={port}");
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", &ports]);
    meter.setup(Some(PANEL), &["set", "Telnet Port", &port]).ok();
    until(&meter, |info| info["services"]["telnet"]["listening"] == true);
    tell.write_all(b"now\n").unwrap();
    assert_eq!(said.next().unwrap().unwrap(), "mine");
    let done = meter.setup(Some(PANEL), &["upgrade", "--to", "4.40.1", "--yes", "--json"]);
    assert_eq!(done.status, 1, "{done:#?}");
    let report = &done.json()["report"];
    assert_eq!(report["outcome"], "taken-back", "{report:#}");
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("port {port} is taken")), "{reason}");
    assert_eq!(meter.info(Some(PANEL))["release"], "4.0.9");
    // Once the port is free, the old release has it again.
    drop(tell);
    assert!(grab.wait().unwrap().success());
    until(&meter, |info| info["services"]["telnet"]["listening"] == true);
}

/// Stands between Setup and a meter whose keys it has, and tells one fact of a report otherwise: a service that is on
/// doesn't listen. That everything is as planned it leaves as it was.
const OTHERWISE: &str = r#"
import asyncio, base64, pathlib, re, ssl, sys, tempfile

state, port, alpn = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
PLANNED, FOUND = b'"planned":"enabled","found":"enabled', b', but not listening'

def meter():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key = base64.encodebytes((state / "tls.key").read_bytes()).decode()
    with tempfile.NamedTemporaryFile("w") as pem:
        pem.write(f"-----BEGIN PRIVATE KEY-----\n{key}-----END PRIVATE KEY-----\n")
        pem.write(ssl.DER_cert_to_PEM_cert((state / "tls.crt").read_bytes()))
        pem.flush()
        context.load_cert_chain(pem.name)
    context.set_alpn_protocols([alpn])
    return context

def setup():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context

async def pass_on(reader, writer):
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()

async def tell(reader, writer):
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        said = body.replace(PLANNED, PLANNED + FOUND, 1)
        if length:
            head = head[:length.start(1)] + str(len(said)).encode() + head[length.end(1):]
        writer.write(head + said)
        await writer.drain()

async def between(reader, writer):
    try:
        there, back = await asyncio.open_connection("127.0.0.1", port, ssl=setup())
        await asyncio.gather(pass_on(reader, back), tell(there, writer))
    except (asyncio.IncompleteReadError, OSError):
        writer.close()

async def main():
    server = await asyncio.start_server(between, "127.0.0.1", 0, ssl=meter())
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    server.close()

asyncio.run(main())
"#;

#[test]
fn b25_a_meter_that_is_not_as_planned_ends_the_command_with_7_whatever_it_says_of_itself() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let state = dir.path().join("state");
    let mut between = Command::new("python3");
    between.args(["-c", OTHERWISE, state.to_str().unwrap(), &meter.ports["setup"].to_string()]);
    between.arg(std::str::from_utf8(api::routes::ALPN).unwrap());
    let mut between = between.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let port = BufReader::new(between.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let setup = |args: &[&str]| {
        let mut command = wattkeep(dir.path());
        command.args(["setup", &format!("127.0.0.1:{port}")]).args(args);
        run(command.env("WATTKEEP_PASSWORD", PANEL.1))
    };
    let path = dir.path().join("report.txt");
    let done = setup(&["upgrade", "--to", "4.40.1", "--yes", "--no-backup", "--report", path.to_str().unwrap()]);
    assert_eq!(done.status, 7, "{done:#?}");
    let written = std::fs::read_to_string(path).unwrap();
    for text in [&done.out, &written] {
        assert!(text.contains("enabled, but not listening") && text.contains("NOT what the plan said"), "{text}");
    }
    // It really is on the new release, and what the meter keeps is the fact.
    assert_eq!(meter.info(None)["release"], "4.40.1");
    drop(between.stdin.take());
    assert!(between.wait().unwrap().success());
    let kept = meter.setup(Some(PANEL), &["report", "--last", "--json"]).ok().json();
    assert_eq!(kept["as_planned"], true);
}
