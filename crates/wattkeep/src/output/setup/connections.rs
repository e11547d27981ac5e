//! Who is connected, logged in and locked out.

use std::io::{self, Write};

use api::{Connections, Ended, Lifted, LockOut};
use owo_colors::OwoColorize;

use super::super::style;
use super::super::table::{Align, Cell, Table};
use super::super::text::{Precision, counted, heading, line, utc};

/// Stands where there is nothing to show.
const NOTHING: &str = "–";

/// Who is connected, who is logged in without a connection, who is locked out, and how many connections may be.
///
/// # Errors
/// Those of the stream.
pub fn connections(out: &mut dyn Write, connections: &Connections) -> io::Result<()> {
    let Connections { connections: held, limits, sessions, lockouts } = connections;
    if held.is_empty() {
        writeln!(out, "Nobody is connected.")?;
    } else {
        let mut table = Table::new([
            ("session", Align::Right),
            ("who", Align::Left),
            ("service", Align::Left),
            ("from", Align::Left),
            ("since (UTC)", Align::Left),
            ("idle", Align::Right),
        ]);
        for one in held {
            table.row([
                one.session.map_or_else(|| NOTHING.to_owned(), |session| session.to_string()).into(),
                one.user.as_str().into(),
                one.service.as_str().into(),
                one.peer.as_str().into(),
                utc(one.since_utc_ms, Precision::Seconds).into(),
                one.idle_s.map_or_else(|| NOTHING.to_owned(), idle).into(),
            ]);
        }
        table.write(out)?;
    }
    if sessions.iter().any(|session| session.connections == 0) {
        heading(out, "Logged in, without a connection at this moment")?;
        let mut table = Table::new([
            ("session", Align::Right),
            ("who", Align::Left),
            ("by", Align::Left),
            ("from", Align::Left),
            ("since (UTC)", Align::Left),
            ("idle", Align::Right),
        ]);
        for one in sessions.iter().filter(|session| session.connections == 0) {
            table.row([
                one.number.to_string().into(),
                one.user.as_str().into(),
                one.path.as_str().into(),
                one.peer.as_str().into(),
                utc(one.since_utc_ms, Precision::Seconds).into(),
                idle(one.idle_s).into(),
            ]);
        }
        table.write(out)?;
    }
    heading(out, "Connections in use, of those each service takes")?;
    let mut table = Table::new([("", Align::Left), ("", Align::Right)]);
    for (service, limit) in limits {
        let used = held.iter().filter(|one| one.service == *service).count();
        let full = if used >= *limit { style::WARNING } else { style::PLAIN };
        table.row([service.into(), Cell::styled(format!("{used} of {limit}"), full)]);
    }
    table.write(out)?;
    match lockouts {
        // Only for whoever may read security set-up.
        None => Ok(()),
        Some(held) if held.is_empty() => writeln!(out, "\nNobody is locked out."),
        Some(held) => {
            heading(out, "Locked out after too many wrong passwords")?;
            locked(out, held)
        }
    }
}

fn locked(out: &mut dyn Write, held: &[LockOut]) -> io::Result<()> {
    let columns = [("login", Align::Left), ("by", Align::Left), ("from", Align::Left), ("for another", Align::Right)];
    let mut table = Table::new(columns);
    for one in held {
        table.row([
            one.login.as_str().into(),
            one.path.as_str().into(),
            one.source.to_string().into(),
            Cell::styled(format!("{} min", one.minutes_left), style::WARNING),
        ]);
    }
    table.write(out)
}

/// Seconds in the largest unit that fits.
fn idle(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// What ending a session did.
///
/// # Errors
/// Those of the stream.
pub fn ended(out: &mut dyn Write, ended: &Ended) -> io::Result<()> {
    let Ended { number, user, path, peer } = ended;
    let done = format!("Session {number} of {user} is ended ({path} from {peer}).");
    line(out, style::GOOD, &done)
}

/// What lifting lock-outs did.
///
/// # Errors
/// Those of the stream.
pub fn lifted(out: &mut dyn Write, lifted: &Lifted) -> io::Result<()> {
    let done = format!("{} lifted", counted(lifted.lifted.len(), "lock-out"));
    writeln!(out, "{}", done.style(style::GOOD))?;
    locked(out, &lifted.lifted)
}

#[cfg(test)]
mod tests {
    use api::{Connection, Session};

    use super::*;
    use crate::screen::tests::{harmless, shown};

    /// 2026-11-22 15:00:00 UTC.
    const NOW: i64 = 1_795_359_600_000;

    fn lock_out(login: &str, source: &str, minutes_left: u64) -> LockOut {
        let (login, path) = (login.to_owned(), "ssh".to_owned());
        LockOut { login, path, source: source.parse().unwrap(), minutes_left }
    }

    #[test]
    fn connections_sessions_limits_and_lock_outs() {
        let one = |service: &str, peer: &str, user: &str, session, idle_s| Connection {
            service: service.to_owned(),
            peer: peer.to_owned(),
            user: user.to_owned(),
            since_utc_ms: NOW,
            session,
            idle_s,
        };
        let waiting = Session {
            number: 7,
            user: "USER2".to_owned(),
            path: "setup".to_owned(),
            peer: "192.0.2.9:50000".to_owned(),
            since_utc_ms: NOW,
            idle_s: 800,
            connections: 0,
            own: false,
        };
        let limits = [("modbus", 32), ("setup", 2), ("ssh", 8)];
        let mut sample = Connections {
            connections: vec![
                one("modbus", "192.0.2.7:50112", "-", None, Some(1)),
                one("setup", "127.0.0.1:41234", "USER1", Some(12), Some(0)),
                one("setup", "[2001:db8::7]:41234", "8650", Some(3), Some(100_000)),
                one("ssh", "192.0.2.8:4711", "-", None, None),
            ],
            limits: limits.map(|(service, limit)| (service.to_owned(), limit)).into(),
            sessions: vec![waiting.clone(), Session { connections: 1, number: 12, ..waiting }],
            lockouts: Some(vec![lock_out("USER1", "192.0.2.66", 15), lock_out("unknown", "2001:db8::/64", 1)]),
        };
        insta::assert_snapshot!("connections", shown(|out| connections(out, &sample)));
        harmless(&sample, |out, sample| connections(out, sample));
        sample = Connections { limits: sample.limits, lockouts: Some(Vec::new()), ..Connections::default() };
        insta::assert_snapshot!("no_connections", shown(|out| connections(out, &sample)));
        sample.lockouts = None;
        assert!(!shown(|out| connections(out, &sample)).contains("locked"), "not for whoever may not read security");
    }

    #[test]
    fn what_was_ended_and_lifted() {
        let sample =
            Ended { number: 12, user: "USER2".to_owned(), path: "ssh".to_owned(), peer: "192.0.2.9:50000".to_owned() };
        let said = shown(|out| ended(out, &sample));
        assert_eq!(said, "Session 12 of USER2 is ended (ssh from 192.0.2.9:50000).\n");
        harmless(&sample, |out, sample| ended(out, sample));
        let sample = Lifted { lifted: vec![lock_out("8650", "192.0.2.66", 15)] };
        insta::assert_snapshot!("lifted", shown(|out| lifted(out, &sample)));
    }
}
