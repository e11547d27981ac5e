//! The SSH terminal with clients nobody here wrote: OpenSSH with a real pseudo-terminal, PuTTY's plink and
//! asyncssh, with a window and without.

use std::process::Command;

use system_tests::keyboard::at_a_keyboard;
use system_tests::{Meter, Said, has, run, run_with_input};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));

/// A meter with SSH on, and its port.
fn meter(dir: &std::path::Path) -> (Meter, u16) {
    let meter = Meter::start(dir, &["--ports", "auto"]);
    meter.setup(FACTORY, &["set", "SSH", "yes"]).ok();
    let port = meter.port(None, "ssh");
    (meter, port)
}

const OPTIONS: [&str; 12] = [
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "PubkeyAuthentication=no",
    "-o",
    "NumberOfPasswordPrompts=1",
    "-o",
    "LogLevel=ERROR",
    "-F",
    "/dev/null",
];

fn ssh(port: u16, user: &str, password: &str, before: &[&str]) -> Command {
    let mut command = Command::new("sshpass");
    command.env("SSHPASS", password).args(["-e", "ssh", "-p", &port.to_string()]).args(OPTIONS).args(before);
    command.arg(format!("{user}@127.0.0.1"));
    command
}

fn python(program: &str, needs: &str, args: &[&str]) -> Option<Said> {
    let said = run(Command::new("python3").args(["-c", &format!("import {needs}")]));
    if said.status != 0 {
        assert!(std::env::var_os("CI").is_none(), "{needs} is missing: scripts/test installs it");
        eprintln!("skipped: {needs} is not installed (scripts/test installs it)");
        return None;
    }
    Some(run(Command::new("python3").args(["-c", program]).args(args)))
}

#[test]
fn b18_openssh_runs_a_script_without_a_terminal_and_the_last_command_says_how_it_ended() {
    if !has("sshpass") || !has("ssh") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_meter, port) = meter(dir.path());
    let script = "# a script\nset CT Prim 800\nnonsense\nshow CT Prim\n";
    let said = run_with_input(&mut ssh(port, "8650", "0", &["-T"]), script);
    assert_eq!(said.out, "Power Meter 1/CT Prim: 5 -> 800\nPower Meter 1/CT Prim  800  A\n", "{said:?}");
    assert!(said.err.starts_with("there is no command \"nonsense\""), "{said:?}");
    assert_eq!(said.status, 0);
    let said = run_with_input(&mut ssh(port, "8650", "0", &["-T"]), "show CT Prim\nnonsense\n");
    assert_eq!(said.status, 1, "{said:?}");
    // A password on standard input, and never a command's argument.
    let said = run_with_input(ssh(port, "8650", "0", &[]).args(["passwd", "USER3"]), "kF3$xy\n").ok();
    assert!(said.out.contains("USER3 has a new password") && !said.out.contains("kF3"), "{said:?}");
}

#[test]
fn openssh_pastes_two_hundred_lines_into_a_terminal_and_each_is_run() {
    if !has("sshpass") || !has("ssh") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_meter, port) = meter(dir.path());
    let mut lines: String = (0..199).map(|_| "show CT Prim\n").collect();
    lines.push_str("set Owner \"Zähler 漢字\"\nshow Owner\nexit\n");
    let said = run_with_input(&mut ssh(port, "8650", "0", &["-tt"]), &lines).ok();
    assert_eq!(said.out.matches("Power Meter 1/CT Prim  5  A").count(), 199, "{said:?}");
    assert!(said.out.contains("Factory 1/Owner  Zähler 漢字"), "{said:?}");
    assert!(said.out.contains("Type help for the commands."), "{said:?}");
}

/// What somebody at a keyboard does: keys, a window that is made smaller.
const KEYS: &str = r#"
must "8650@MW-"
must "> "
send "sho\tCT P\t\r"
must "CT Prim  5  A"
send "nonsense\003"
must "^C"
send "set owner Zähler\r"
must "-> Zähler"
send "\033\[A\001\033\[C\005 Nord\r"
must "Zähler -> Zähler Nord"
stty rows 20 columns 40 < $spawn_out(slave,name)
send "help\r"
must "readings and set-up"
send "show kW\t\t"
must "kW tot"
send "\025events --follow\r"
after 500
send "\003"
must "> "
send "\004"
leaves
catch wait result
exit [lindex $result 3]
"#;

#[test]
fn openssh_with_a_keyboard_edits_completes_looks_back_and_leaves() {
    if !has("sshpass") || !has("ssh") || !has("expect") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_meter, port) = meter(dir.path());
    let port = port.to_string();
    let client = [&["sshpass", "-p", "0", "ssh", "-tt", "-p", &port], &OPTIONS[..], &["8650@127.0.0.1"]].concat();
    let said = at_a_keyboard(dir.path(), KEYS, &client);
    // The terminal is asked for nothing: neither where its cursor is nor what it is.
    assert!(!said.out.contains("\u{1b}[6n") && !said.out.contains("\u{1b}[c"), "{}", said.out);
}

#[test]
fn plink_runs_commands_and_a_script() {
    if !has("plink") || !has("ssh-keyscan") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_meter, port) = meter(dir.path());
    let port = port.to_string();
    let scan = run(Command::new("ssh-keyscan").args(["-p", &port, "-t", "ed25519", "127.0.0.1"])).ok();
    let print = run_with_input(Command::new("ssh-keygen").args(["-lf", "-"]), &scan.out).ok();
    let fingerprint = print.out.split_whitespace().nth(1).unwrap().to_owned();
    let plink = |extra: &[&str]| {
        let mut command = Command::new("plink");
        command.env("HOME", dir.path()).args(["-ssh", "-batch", "-P", &port, "-pw", "0", "-hostkey", &fingerprint]);
        command.args(extra);
        command
    };
    let said = run(plink(&["8650@127.0.0.1"]).arg("show kW tot")).ok();
    assert!(said.out.starts_with("kW tot  "), "{said:?}");
    assert_eq!(run(plink(&["8650@127.0.0.1"]).arg("nonsense")).status, 1);
    let said = run_with_input(&mut plink(&["-T", "8650@127.0.0.1"]), "show CT Prim\n").ok();
    assert_eq!(said.out, "Power Meter 1/CT Prim  5  A\n", "{said:?}");
    let said = run_with_input(&mut plink(&["-t", "8650@127.0.0.1"]), "show CT Prim\nexit\n").ok();
    assert!(said.out.contains("8650@MW-") && said.out.contains("CT Prim  5  A\r\n"), "{said:?}");
}

const ASYNCSSH: &str = r##"
import asyncio, sys, asyncssh

async def until(process, text):
    heard = ''
    while text not in heard:
        piece = await asyncio.wait_for(process.stdout.read(4096), 20)
        assert piece, f'ended before {text!r}: {heard!r}'
        heard += piece
    return heard

async def main(port):
    async with asyncssh.connect('127.0.0.1', port, username='8650', password='0', known_hosts=None, config=None) as connection:
        done = await connection.run('show "kW tot"')
        assert done.exit_status == 0 and done.stdout.startswith('kW tot'), done
        failed = await connection.run('nonsense')
        assert failed.exit_status == 1 and failed.stdout == '' and 'there is no command' in failed.stderr, failed
        script = await connection.run(input='set Owner Zähler 漢字\nshow Owner\n')
        assert script.stdout.endswith('Factory 1/Owner  Zähler 漢字\n') and script.exit_status == 0, script
        async with connection.create_process(term_type='xterm', term_size=(80, 24)) as process:
            await until(process, '> ')
            process.stdin.write('show Ow\t\r')
            assert 'Zähler 漢字' in await until(process, 'Zähler 漢字')
            process.change_terminal_size(30, 24)
            process.stdin.write('help\r')
            narrow = await until(process, 'session.\r\n')
            rows = narrow[narrow.rindex('help') :].split('\r\n')[1:]
            assert all(len(row) <= 34 for row in rows), rows
            process.stdin.write('events --follow\r')
            await until(process, '\r\n')
            process.stdin.write('\x03')
            await until(process, '> ')
            process.stdin.write('exit\r')
            await asyncio.wait_for(process.wait_closed(), 20)
            assert process.exit_status == 0, process.exit_status
        # A line without an end, and somebody who takes no answers: others are served all the same.
        hog = await connection.create_process()
        hog.stdin.write('x' * 10_000_000)
        slow = await connection.create_process(term_type='xterm')
        slow.stdout.channel.pause_reading()
        for _ in range(50):
            slow.stdin.write('show\r')
        done = await asyncio.wait_for(connection.run('show "kW tot"'), 20)
        assert done.exit_status == 0, done
    print('well')

asyncio.run(main(int(sys.argv[1])))
"##;

#[test]
fn asyncssh_works_with_a_terminal_and_without() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (meter, port) = meter(dir.path());
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", meter.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = resident();
    let Some(said) = python(ASYNCSSH, "asyncssh", &[&port.to_string()]) else { return };
    assert_eq!(said.ok().out, "well\n");
    // Ten megabytes of a line and fifty answers that nobody takes, in KiB.
    let grown = resident().saturating_sub(before);
    assert!(grown < 48 << 10, "{grown} KiB");
}

#[test]
fn b31_a_release_is_changed_on_the_terminal_and_the_meter_comes_up_with_it() {
    if !has("sshpass") || !has("ssh") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (meter, port) = meter(dir.path());
    let at = |words: &[&str]| run(ssh(port, "8650", "0", &[]).args(words));
    at(&["upgrade", "stage", "4.0.9"]).ok();
    let plan = at(&["upgrade", "plan", "4.0.9"]).ok();
    let digest = plan.out.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert!(plan.out.contains("DANGER"), "{plan:?}");
    let asked = at(&["upgrade", "accept", &digest]);
    assert!(asked.status == 6 && asked.err.contains("add --yes"), "as Setup says it: {asked:?}");
    // The connection ends with the release, so what it says last isn't promised; what it says first is.
    let done = at(&["upgrade", "accept", &digest, "--yes"]);
    assert!(done.out.contains("Every session ends, and this connection with it"), "{done:?}");
    // The meter answers with the old release or the new one; when it is over, with the new one.
    let over = (0..200).any(|_| meter.info(None)["release"] == "4.0.9");
    assert!(over, "{}", meter.info(None));
}
