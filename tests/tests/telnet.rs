//! The legacy terminal with clients nobody here wrote: those that send keys (inetutils' telnet, PuTTY's plink, busybox)
//! on a real pseudo-terminal, and those that send lines (netcat, Python's telnetlib, sockets of scripts).

use std::num::NonZero;
use std::path::Path;
use std::process::Command;

use system_tests::keyboard::at_a_keyboard;
use system_tests::{Meter, has, run, run_with_input, secret_file};

const OWN: &str = "47114711";
const OWNER: Option<(&str, &str)> = Some(("8650", OWN));
const SEEN: &str = "What is typed next is shown";

/// A legacy meter with a password of its own, and its terminal's port.
fn meter(dir: &Path) -> (Meter, String) {
    let meter = Meter::start(dir, &["--release", "4.0.9", "--ports", "auto"]);
    let password = secret_file(dir, "new", OWN);
    let set = ["security", "set", "front-panel-password", "--new-password-file", &password];
    meter.setup(Some(("8650", "0")), &set).ok();
    let port = meter.port(OWNER, "telnet").to_string();
    (meter, port)
}

/// What stands in a window of 80 by 24 after all that.
fn screen(shown: &str) -> String {
    let size = |number| NonZero::new(number).unwrap();
    let mut window = vt100::Parser::new(size(24), size(80), 0);
    window.process(shown.as_bytes());
    window.screen().contents()
}

const KEYS: &str = r#"
must "login: "
send "865x\1770\r"
must "password: "
send "47114711\r"
must "8  Command line"
must "choice: "
send "3"
must "PF sign tot"
must "kVARh rec"
must "choice: "
puts "<<<PAGE"
send "8"
must "> "
send "sho\tCT P\t\r"
must "CT Prim  5  A"
must "> "
send "set CT Prim 400\r"
must "5 -> 400"
must "> "
send "\033\[A\001\033\[C\005\177\177\1775\r"
must "400 -> 5"
must "> "
send "nonsense\003"
must "^C"
must "> "
send "events --follow\r"
must "as they come."
send "\003"
must "> "
send "\004"
must "choice: "
send "x"
must "goodbye"
leaves
"#;

fn keys(name: &str, client: &[&str]) {
    if !has("expect") || !has(client[0]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_meter, port) = meter(dir.path());
    let client: Vec<&str> = client.iter().map(|word| if *word == "PORT" { &port } else { *word }).collect();
    let said = at_a_keyboard(dir.path(), KEYS, &client).out;
    assert!(!said.contains(OWN) && !said.contains(SEEN), "{name} hides the password: {said}");
    let shown = screen(said.split("<<<PAGE").next().unwrap());
    // The page has a window to itself: nothing of the menu or of the login stands above it.
    assert!(shown.trim_start().starts_with("Readings\n\nReadings of 20"), "{name}:\n{shown}");
    assert!(shown.trim_end().ends_with("Enter shows the menu again.\nchoice:"), "{name}:\n{shown}");
    assert!(shown.lines().any(|line| line.starts_with("  kWh del ") && line.ends_with(" kWh")), "{name}:\n{shown}");
}

#[test]
fn inetutils_telnet_sends_keys() {
    keys("telnet", &["telnet", "127.0.0.1", "PORT"]);
}

#[test]
fn plink_sends_keys() {
    keys("plink", &["plink", "-telnet", "-P", "PORT", "127.0.0.1"]);
}

#[test]
fn busybox_telnet_sends_keys() {
    keys("busybox", &["busybox", "telnet", "127.0.0.1", "PORT"]);
}

/// A client told to send lines, in the middle of a session, and what its own keys send then: interrupt with a timing
/// mark that it waits for, a SYNCH with its mark as urgent data, the other commands.
const LINES: &str = r#"
proc tell {what} {
    send "\035"
    must "telnet> "
    send "$what\r"
}
must "login: "
send "8650\r"
must "password: "
send "47114711\r"
must "choice: "
tell "mode line"
send "\r8\r"
must "> "
send "events --follow\r"
must "as they come."
tell "send ip"
must "> "
send "show CT Prim\r"
must "CT Prim  5  A"
must "> "
tell "send synch"
send "show CT Sec\r"
must "CT Sec  5  A"
must "> "
tell "send ayt"
must "yes"
foreach command {ao brk ec el ga nop} {
    send "\r"
    must "> "
    tell "send $command"
}
send "\r"
must "> "
send "show PT Prim\r"
must "PT Prim  "
must "> "
tell "mode character"
send "\r"
must "> "
send "\025sho\tPT S\t\r"
must "PT Sec  "
must "> "
send "exit\r"
must "choice: "
send "x"
must "goodbye"
leaves
"#;

#[test]
fn inetutils_telnet_changes_between_keys_and_lines_and_its_commands_do_no_harm() {
    if !has("expect") || !has("telnet") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_meter, port) = meter(dir.path());
    at_a_keyboard(dir.path(), LINES, &["telnet", "127.0.0.1", &port]);
}

#[test]
fn netcat_sends_a_script_in_lines_and_hangs_up() {
    if !has("nc") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_meter, port) = meter(dir.path());
    for end in ["\n", "\r\n", "\r"] {
        let script = ["8650", OWN, "1", "8", "set CT Prim 800", "show CT Prim", "set CT Prim 5", ""].join(end);
        let said = run_with_input(Command::new("nc").args(["-N", "127.0.0.1", &port]), &script).ok().out;
        for part in [SEEN, "Open connections", "5 -> 800", "CT Prim  800  A\r\n", "800 -> 5", "goodbye"] {
            assert!(said.contains(part), "{end:?} {part}: {said}");
        }
        assert!(!said.contains('\u{1b}'), "nothing is drawn: {said}");
    }
}

/// telnetlib refuses every option; a socket answers nothing at all.
const PYTHON: &str = r#"
import socket, sys, warnings
warnings.simplefilter("ignore")
port, password = int(sys.argv[1]), sys.argv[2].encode()
try:
    import telnetlib
except ImportError:
    telnetlib = None
if telnetlib:
    client = telnetlib.Telnet("127.0.0.1", port, 30)
    for prompt, answer in [(b"login: ", b"8650"), (b"password: ", password), (b"choice: ", b"1")]:
        assert client.read_until(prompt, 30).endswith(prompt), prompt
        client.write(answer + b"\n")
    page = client.read_until(b"choice: ", 30)
    assert b"Host Name" in page and b"Telnet   8650" in page and b"\x1b" not in page, page
    client.write(b"x\n")
    assert client.read_all().endswith(b"goodbye\r\n")
sock = socket.create_connection(("127.0.0.1", port), 30)
said = b""
for prompt, answer in [(b"login: ", b"8650"), (b"password: ", password), (b"choice: ", b"7"), (b"choice: ", b"1")]:
    while not said.endswith(prompt):
        piece = sock.recv(4096)
        assert piece, said
        said += piece
    said = b""
    # Byte by byte, as old programs write.
    for byte in answer + b"\r\n":
        sock.send(bytes([byte]))
while not said.endswith(b"x: back: "):
    said += sock.recv(4096)
assert b"newest first" in said and b"valid" in said, said
print("well")
"#;

#[test]
fn telnetlib_and_a_bare_socket_log_in_and_read() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_meter, port) = meter(dir.path());
    let said = run(Command::new("python3").args(["-c", PYTHON, &port, OWN])).ok();
    assert_eq!(said.out, "well\n");
}

#[test]
fn b23_telnet_is_off_after_a_downgrade_and_serves_a_real_client_once_it_is_enabled() {
    if !has("expect") || !has("telnet") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.40.1", "--ports", "auto"]);
    let factory = Some(("8650", "0"));
    meter.setup(factory, &["downgrade", "--to", "4.0.9", "--yes"]).ok();
    let port = meter.port(None, "telnet").to_string();
    let refused = run(Command::new("telnet").args(["127.0.0.1", &port]));
    assert!(refused.status != 0 && refused.err.contains("refused"), "{refused:?}");
    meter.setup(factory, &["set", "Telnet", "yes"]).ok();
    let script = "must \"login: \"\nsend \"8650\\r\"\nmust \"password: \"\nsend \"0\\r\"\nmust \"choice: \"\nsend \"1\"\n\
                  must \"Telnet   8650\"\nmust \"choice: \"\nsend \"x\"\nleaves\n";
    at_a_keyboard(dir.path(), script, &["telnet", "127.0.0.1", &port]);
}
