//! The face over real sockets: asked by the library's own client, which can be told to do anything, and
//! in [`foreign`] by clients that nobody here wrote.

mod files;
mod foreign;
mod keys;

use std::net::SocketAddr;
use std::sync::Arc;

use meter::Caller;
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::{ChannelMsg, ChannelReadHalf, keys as russh_keys};
use russh_sftp::client::{RawSftpSession, SftpSession, error::Error as SftpError};
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use tokio::net::TcpStream;

use super::*;
use crate::faces::FACES;
use crate::testbed::Bench;

struct Anything;

impl client::Handler for Anything {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &russh_keys::PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

async fn connect(address: SocketAddr) -> Handle<Anything> {
    client::connect(Arc::default(), address, Anything).await.unwrap()
}

async fn try_login(address: SocketAddr, name: &str, password: &str) -> Option<Handle<Anything>> {
    let mut connection = connect(address).await;
    connection.authenticate_password(name, password).await.unwrap().success().then_some(connection)
}

async fn login(address: SocketAddr, name: &str, password: &str) -> Handle<Anything> {
    try_login(address, name, password).await.unwrap()
}

/// What a command says: standard output, standard error, exit status.
async fn exec(connection: &Handle<Anything>, command: &str) -> (String, String, u32) {
    let channel = connection.channel_open_session().await.unwrap();
    channel.exec(true, command).await.unwrap();
    said(channel).await
}

async fn said(channel: russh::Channel<client::Msg>) -> (String, String, u32) {
    said_on(channel.split().0).await
}

async fn said_on(mut channel: ChannelReadHalf) -> (String, String, u32) {
    let (mut out, mut err, mut status) = (Vec::new(), Vec::new(), None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => out.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, ext: 1 } => err.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), status.unwrap())
}

async fn raw_sftp(connection: &Handle<Anything>) -> RawSftpSession {
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let sftp = RawSftpSession::new(channel.into_stream());
    sftp.init().await.unwrap();
    sftp
}

async fn sftp(connection: &Handle<Anything>) -> SftpSession {
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    SftpSession::new(channel.into_stream()).await.unwrap()
}

fn refusal<T>(result: Result<T, SftpError>) -> (StatusCode, String) {
    match result {
        Err(SftpError::Status(status)) => (status.status_code, status.error_message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("this should have been refused"),
    }
}

/// Port of the shared listener.
async fn meter(registers: &[(&str, &str)]) -> (Bench, SocketAddr) {
    let bench = Bench::new("4.40.1");
    bench.set(registers);
    let address = bench.serve(&FACES[2]).await;
    (bench, address)
}

async fn advanced(registers: &[(&str, &str)]) -> (Bench, SocketAddr) {
    let (bench, address) = meter(registers).await;
    bench.set_password("USER1", "abc").await;
    bench.set_password("8650", "4711").await;
    bench.set(&[("Mode", "advanced")]);
    (bench, address)
}

#[tokio::test]
async fn a_session_ended_from_elsewhere_ends_its_connection_at_once() {
    let (bench, address) = meter(&[("SSH", "yes")]).await;
    let connection = login(address, "8650", "0").await;
    let files = sftp(&connection).await;
    let other = login(address, "8650", "0").await;
    let session = bench.site.connections.list()[0].session.unwrap();
    bench.site.end_session(&Caller::meter(), session, None).unwrap();
    assert!(files.read_dir("/").await.is_err());
    assert!(connection.channel_open_session().await.is_err());
    assert_eq!(exec(&other, "show kW tot").await.2, 0, "another session of the same login goes on");
    assert_eq!(bench.site.connections.list().len(), 1);
}

#[test]
fn a_host_key_is_new_each_time_and_readable() {
    let (one, two) = (new_host_key().unwrap(), new_host_key().unwrap());
    assert_ne!(one, two);
    assert!(one.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----"));
    let config_of_one = config(&one).unwrap();
    // The library's own second for every refusal, the first empty try included, would be each login's.
    assert_eq!(config_of_one.auth_rejection_time, Duration::ZERO);
    assert_eq!(config_of_one.auth_rejection_time_initial, Some(Duration::ZERO));
    assert!(config(b"no key").is_err());
}

#[tokio::test]
async fn b18_under_standard_8650_logs_in_with_the_front_panel_password_and_nobody_else() {
    let (bench, address) = meter(&[("Invalid Attempts", "0")]).await;
    assert!(try_login(address, "8650", "0").await.is_some(), "factory password");
    bench.set_password("8650", "4711").await;
    assert!(try_login(address, "8650", "4711").await.is_some());
    for (name, password) in
        [("8650", "0"), ("8650", ""), ("USER1", "0"), ("root", "4711"), ("", "4711"), ("8650", &"4".repeat(5000))]
    {
        assert!(try_login(address, name, password).await.is_none(), "{name}");
    }
    let events = bench.site.gate.events(&Caller::meter(), 0, 100).unwrap();
    assert!(events.iter().any(|event| event.path == "sftp" && event.user == "8650" && event.effect == "valid"));
    assert!(events.iter().any(|event| event.path == "sftp" && event.user == "-" && event.effect == "invalid"));
}

#[tokio::test]
async fn b18_under_advanced_users_log_in_in_every_spelling_and_8650_is_refused() {
    let (_bench, address) = advanced(&[]).await;
    for name in ["User1", "User01", "USER1", "user1"] {
        assert!(try_login(address, name, "abc").await.is_some(), "{name}");
    }
    for name in ["8650", "user001", "User 1", "USER3"] {
        assert!(try_login(address, name, "abc").await.is_none(), "{name}");
        assert!(try_login(address, name, "4711").await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn the_password_can_be_asked_for_as_well_and_other_methods_are_not_offered() {
    let (_bench, address) = meter(&[]).await;
    let mut connection = connect(address).await;
    let offered = connection.authenticate_none("8650").await.unwrap();
    assert_eq!(offered, AuthResult::Failure { remaining_methods: methods(), partial_success: false });
    for (typed, succeeds) in [("1", false), ("0", true)] {
        let asked = connection.authenticate_keyboard_interactive_start("8650", None).await.unwrap();
        let KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } = asked else { panic!("{asked:?}") };
        assert_eq!((prompts[0].prompt.as_str(), prompts[0].echo), ("Password: ", false));
        let answer = connection.authenticate_keyboard_interactive_respond(vec![typed.to_owned()]).await.unwrap();
        assert_eq!(matches!(answer, KeyboardInteractiveAuthResponse::Success), succeeds, "{answer:?}");
    }
}

#[tokio::test]
async fn five_bad_tries_lock_out_even_the_right_password_until_the_time_is_over() {
    let (bench, address) = meter(&[]).await;
    for _ in 0..5 {
        assert!(try_login(address, "8650", "1").await.is_none());
    }
    assert!(try_login(address, "8650", "0").await.is_none(), "locked out");
    let events = bench.site.gate.events(&Caller::meter(), 0, 100).unwrap();
    assert!(events.iter().any(|event| event.priority == 255 && event.effect == "locked out for 15 min"), "{events:?}");
    bench.clock.advance_ms(15 * 60_000);
    assert!(try_login(address, "8650", "0").await.is_some());
}

#[tokio::test]
async fn tries_on_one_connection_have_an_end() {
    let (bench, address) = meter(&[("Invalid Attempts", "0")]).await;
    let mut connection = connect(address).await;
    // More than enough; once it is over, the connection answers nothing any more.
    for _ in 0..3 * AUTH_TRIES {
        let answer = connection.authenticate_password("8650", "1").await;
        assert!(!answer.is_ok_and(|answer| answer.success()));
    }
    let events = bench.site.gate.events(&Caller::meter(), 0, 100).unwrap();
    assert_eq!(events.iter().filter(|event| event.effect == "invalid").count(), AUTH_TRIES);
}

#[tokio::test]
async fn b11_as_shipped_sftp_works_and_commands_are_refused_in_words() {
    let (bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let (out, err, status) = exec(&connection, "info").await;
    let sentence = "\"SSH\" is off: it can be turned on with Setup, by whoever has Security Config\n";
    assert_eq!((out.as_str(), err.as_str(), status), ("", sentence, 1));
    let files = sftp(&connection).await;
    assert!(files.read("/logs/events.csv").await.unwrap().starts_with(b"Number,Time (UTC),"));
    let connections = bench.site.connections.list();
    assert_eq!(connections.len(), 1);
    assert_eq!((connections[0].service.name(), connections[0].who.to_string().as_str()), ("sftp", "8650"));
}

#[tokio::test]
async fn b18_with_ssh_alone_commands_work_and_sftp_is_refused_in_words() {
    let (bench, address) = meter(&[("SSH", "yes"), ("SFTP", "no")]).await;
    let connection = login(address, "8650", "0").await;
    let (out, err, status) = exec(&connection, "info").await;
    assert!(out.contains("Serial number     MW-2611A001-01"), "{out}");
    assert_eq!((err.as_str(), status), ("", 0));
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let sentence = "\"SFTP\" is off: it can be turned on with Setup, by whoever has Security Config\n";
    assert_eq!(said(channel).await, (String::new(), sentence.to_owned(), 1));
    assert_eq!(bench.site.connections.list()[0].service.name(), "ssh");
}

#[tokio::test]
async fn a_service_turned_off_is_off_for_open_connections_too() {
    let (bench, address) = meter(&[("SSH", "yes")]).await;
    let connection = login(address, "8650", "0").await;
    let files = raw_sftp(&connection).await;
    let open = files.open("/logs/events.csv", OpenFlags::READ, FileAttributes::empty()).await.unwrap();
    bench.set(&[("SFTP", "no")]);
    assert_eq!(refusal(files.read(open.handle, 0, 10).await).0, StatusCode::PermissionDenied);
    assert_eq!(exec(&connection, "show CT Prim").await.2, 0);
    bench.set(&[("SSH", "no")]);
    assert_eq!(exec(&connection, "show CT Prim").await.2, 1);
}

#[tokio::test]
async fn a_new_password_and_idle_minutes_end_the_session() {
    let (bench, address) = meter(&[("SSH", "yes")]).await;
    let connection = login(address, "8650", "0").await;
    bench.set_password("8650", "4711").await;
    let (_, err, status) = exec(&connection, "info").await;
    assert_eq!((err.as_str(), status), ("this session has ended: log in again\n", 1));
    let connection = login(address, "8650", "4711").await;
    bench.clock.advance_ms(14 * 60_000);
    assert_eq!(exec(&connection, "info").await.2, 0, "used in time");
    bench.clock.advance_ms(14 * 60_000);
    assert_eq!(exec(&connection, "info").await.2, 0, "used in time");
    bench.clock.advance_ms(15 * 60_000);
    assert_eq!(exec(&connection, "info").await.2, 1, "too late");
}

#[tokio::test]
async fn a_connection_whose_session_has_ended_is_closed_though_nobody_asks_anything_of_it() {
    let (bench, address) = meter(&[]).await;
    let connection = login(address, "8650", "0").await;
    let files = sftp(&connection).await;
    bench.set_password("8650", "4711").await;
    // From here on, time passes as soon as nothing else happens.
    tokio::time::pause();
    let _ = connection.await;
    assert!(files.read("/logs/events.csv").await.is_err());
}

/// A channel with a window, and what has come on it.
struct Window {
    channel: russh::Channel<client::Msg>,
    heard: String,
}

impl Window {
    async fn open(connection: &Handle<Anything>, columns: u32, rows: u32) -> Self {
        let channel = connection.channel_open_session().await.unwrap();
        channel.request_pty(true, "xterm", columns, rows, 0, 0, &[]).await.unwrap();
        channel.request_shell(true).await.unwrap();
        let mut window = Self { channel, heard: String::new() };
        window.until("> ").await;
        window
    }

    async fn send(&self, typed: &str) {
        self.channel.data_bytes(typed.as_bytes().to_vec()).await.unwrap();
    }

    /// What comes up to `end`.
    async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(end) {
                return self.heard.drain(..at + end.len()).collect();
            }
            match self.channel.wait().await {
                Some(ChannelMsg::Data { data }) => self.heard.push_str(std::str::from_utf8(&data).unwrap()),
                Some(_) => {}
                None => panic!("closed; before that: {:?}", self.heard),
            }
        }
    }

    async fn ask(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r")).await;
        self.until("MW-2611A001-01> ").await
    }
}

#[tokio::test]
async fn a_window_gets_a_banner_a_prompt_and_lines_that_can_be_edited() {
    let (_bench, address) = meter(&[("SSH", "yes")]).await;
    let connection = login(address, "8650", "0").await;
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.request_shell(true).await.unwrap();
    let mut window = Window { channel, heard: String::new() };
    let banner = window.until("8650@MW-2611A001-01> ").await;
    assert!(banner.starts_with("wattkeep 8650 MW-2611A001-01, release 4.40.1, standard security\r\n"), "{banner}");
    assert!(banner.contains("WARNING: The front-panel password is still 0"), "{banner}");
    let shown = window.ask("show CT Prin\x7fm").await;
    assert!(shown.contains("CT Prim  5  A\r\n"), "{shown:?}");
    // Typed together, done one after the other.
    window.send("set CT Prim 7\rshow CT Prim\r").await;
    assert!(window.until("CT Prim  7").await.contains("5 -> 7"));
    window.send("\x1b[A\x1b[A\x17\x1b[200~8\x1b[201~\r").await;
    window.until("7 -> 8").await;
    window.send("nonsense\x03exit\r").await;
    let (rest, _, status) = said(window.channel).await;
    assert!(rest.contains("nonsense^C"), "{rest}");
    assert_eq!(status, 130, "the last command was given up");
}

#[tokio::test]
async fn passwords_are_asked_for_unseen_and_a_session_ends_with_its_password() {
    let (bench, address) = meter(&[("SSH", "yes")]).await;
    let connection = login(address, "8650", "0").await;
    let mut window = Window::open(&connection, 80, 24).await;
    window.send("passwd\r").await;
    window.until("New password of 8650: ").await;
    window.send("94758316\r").await;
    let heard = window.until("The same again: ").await;
    window.send("94758316\r").await;
    let (rest, _, status) = said(window.channel).await;
    assert!(rest.contains("8650 has a new password. Strength: fair"), "{rest}");
    assert!(rest.ends_with("this session has ended: log in again\r\n"), "{rest}");
    assert!(!heard.contains("9475") && !rest.contains("9475"));
    assert_eq!(status, 0);
    assert!(try_login(address, "8650", "94758316").await.is_some());
    assert!(
        bench.site.gate.events(&Caller::meter(), 0, 100).unwrap().iter().any(|event| event.effect == "new password")
    );
}

#[tokio::test]
async fn a_window_may_change_and_a_command_that_goes_on_is_stopped_with_ctrl_c() {
    let (bench, address) = meter(&[("SSH", "yes")]).await;
    let connection = login(address, "8650", "0").await;
    let mut window = Window::open(&connection, 80, 24).await;
    window.channel.window_change(40, 24, 0, 0).await.unwrap();
    let narrow = window.ask("help").await;
    assert!(narrow.split("\r\n").skip(1).all(|line| line.chars().count() <= 42), "{narrow}");
    window.send("events --follow\r").await;
    window.until("Events follow as they come.\r\n").await;
    bench.set(&[("CT Prim", "9")]);
    window.until("-> 9").await;
    window.send("lost\x03").await;
    window.until("> ").await;
    window.send("\x04").await;
    let (rest, _, status) = said(window.channel).await;
    assert_eq!((rest.as_str(), status), ("\x1b[?2004l\r\n", 0));
}

#[tokio::test]
async fn without_a_window_lines_are_read_plainly_and_the_last_one_says_how_it_ended() {
    let (bench, address) = meter(&[("SSH", "yes")]).await;
    let connection = login(address, "8650", "0").await;
    let script = |lines: &'static str| async {
        let channel = connection.channel_open_session().await.unwrap();
        channel.request_shell(true).await.unwrap();
        channel.data_bytes(lines.as_bytes().to_vec()).await.unwrap();
        channel.eof().await.unwrap();
        said(channel).await
    };
    let (out, err, status) = script("# a script\n\nset CT Prim 8\r\nnonsense\nshow CT Prim").await;
    assert_eq!(out, "Power Meter 1/CT Prim: 5 -> 8\nPower Meter 1/CT Prim  8  A\n");
    assert!(err.starts_with("there is no command \"nonsense\""), "{err}");
    assert_eq!(status, 0);
    assert_eq!(script("show CT Prim\nnonsense\n").await.2, 1);
    assert_eq!(script("nonsense\nexit\nshow\n").await.2, 1);
    assert_eq!(script("").await, (String::new(), String::new(), 0));
    let (_, err, status) = script("passwd USER3\nkF3$xy\nusers USER3 active\n").await;
    assert_eq!((err.as_str(), status), ("", 0));
    assert!(bench.site.view().settings.user(security::UserId::new(3).unwrap()).active);
}

#[tokio::test(flavor = "current_thread")]
async fn a_million_empty_lines_in_four_shells_keep_nobody_waiting() {
    let (bench, address) = meter(&[("SSH", "yes")]).await;
    let flooding = login(address, "8650", "0").await;
    let other = login(address, "8650", "0").await;
    let mut shells = Vec::new();
    for _ in 0..4 {
        let channel = flooding.channel_open_session().await.unwrap();
        channel.request_shell(true).await.unwrap();
        channel.data_bytes(vec![b'\n'; 250_000]).await.unwrap();
        shells.push(channel);
    }
    for _ in 0..20 {
        assert_eq!(exec(&other, "show CT Prim").await.2, 0);
    }
    // A shell that is told nothing but empty lines is told all the same when the service is off.
    bench.set(&[("SSH", "no")]);
    let shell = shells.remove(0);
    shell.data_bytes(b"\n# more\n".to_vec()).await.unwrap();
    let (_, err, status) = said(shell).await;
    assert!(err.starts_with("\"SSH\" is off") && err.lines().count() == 1, "{err}");
    assert_eq!(status, shell::FAILED);
}

#[tokio::test]
async fn ten_megabytes_without_a_line_end_are_one_line_too_long() {
    let (_bench, address) = meter(&[("SSH", "yes")]).await;
    let connection = login(address, "8650", "0").await;
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_shell(true).await.unwrap();
    // What the meter says is heard meanwhile: the library's client holds but a hundred messages, and stands
    // still when nobody takes them.
    let (hears, says) = channel.split();
    let talk = async {
        let piece = vec![b'x'; 32 << 10];
        for _ in 0..320 {
            says.data_bytes(piece.clone()).await.unwrap();
        }
        says.data_bytes(b"\nshow CT Prim\n".to_vec()).await.unwrap();
        says.eof().await.unwrap();
    };
    let ((), (out, err, status)) = tokio::join!(talk, said_on(hears));
    assert_eq!(err, "a command has at most 1024 bytes: this one was not run\n");
    assert_eq!((out.as_str(), status), ("Power Meter 1/CT Prim  5  A\n", 0));
}

#[tokio::test]
async fn channels_are_bounded_and_closed_ones_make_room() {
    let (_bench, address) = meter(&[("SSH", "yes")]).await;
    let connection = login(address, "8650", "0").await;
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        channels.push(connection.channel_open_session().await.unwrap());
    }
    assert!(connection.channel_open_session().await.is_err());
    let channel = channels.pop().unwrap();
    channel.exec(true, "info").await.unwrap();
    assert_eq!(said(channel).await.2, 0);
    assert!(connection.channel_open_session().await.is_ok());
}

#[tokio::test]
async fn stopping_the_face_ends_its_connections_and_their_sessions() {
    let bench = Bench::new("4.40.1");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let face = tokio::spawn(run(Arc::clone(&bench.site), listener, stopped));
    let connection = login(address, "8650", "0").await;
    let silent = TcpStream::connect(address).await.unwrap();
    let files = sftp(&connection).await;
    stop.send(true).unwrap();
    face.await.unwrap();
    assert!(files.read("/logs/events.csv").await.is_err());
    drop(silent);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_log_in_in_time_is_closed() {
    use tokio::io::AsyncReadExt;
    let (bench, address) = meter(&[]).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut heard = Vec::new();
    silent.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"SSH-2.0-wattkeep\r\n");
    assert!(bench.site.connections.list().is_empty());
}
