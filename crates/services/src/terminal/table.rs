//! Every command once: its name, how it is typed, what it is for and which right it takes. Help, completion
//! and the sentences about wrong commands come from this table; what may be done is the gate's decision.

use super::plain;

/// A command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command {
    /// The word it begins with.
    pub name: &'static str,
    /// How it is typed.
    pub usage: &'static [&'static str],
    /// What it is for, in a line.
    pub help: &'static str,
    /// What it takes, in words.
    pub right: &'static str,
    /// What there is to say beyond it.
    pub more: &'static str,
}

/// Every command, in the order of the help.
pub(super) static COMMANDS: &[Command] = &[
    Command {
        name: "info",
        usage: &["info"],
        help: "what this meter is, its services and users",
        right: "Read; users and the factory password with Security Config",
        more: "",
    },
    Command {
        name: "show",
        usage: &["show [REGISTER...]"],
        help: "readings and set-up registers, all without a name",
        right: "Read; security's registers with Security Config",
        more: "A register is its label, its name or Module/Register, with or without quotation marks: \
               show kW tot \"kWh del\" CT Prim",
    },
    Command {
        name: "set",
        usage: &["set REGISTER VALUE [REGISTER VALUE...] [--force]"],
        help: "change set-up registers, all of them or none",
        right: "the register's own: Full Meter Config or Security Config",
        more: "A value with blanks stands in quotation marks, unless it is the only one: set Owner Stadtwerke Nord. \
               --force does it even if nobody could edit security afterwards.",
    },
    Command {
        name: "users",
        usage: &["users", "users USERn active|inactive [--force]"],
        help: "list the users; let one in or keep one out",
        right: "Security Config",
        more: "A user is activated with a password other than 0: give one first with passwd.",
    },
    Command {
        name: "rights",
        usage: &["rights USERn RIGHT,...|all|none [--force]"],
        help: "give a user these rights and no others",
        right: "Security Config",
        more: "Rights: read, time-sync, demand-reset, test-mode, full-config, security-config, which brings full-config \
               with it. Your own may be changed too. --force does it even if nobody could edit security afterwards.",
    },
    Command {
        name: "passwd",
        usage: &["passwd [USERn|8650]"],
        help: "new password, yours if nobody is named",
        right: "Security Config",
        more: "It is asked for twice and shown nowhere; without a terminal it is the next line of standard input. \
               8650 is the front panel. Every session of that account ends.",
    },
    Command {
        name: "events",
        usage: &["events [N]", "events --follow"],
        help: "the last N events, 20 if left out; or as they come",
        right: "Read; security's events with Security Config",
        more: "ctrl-C ends --follow.",
    },
    Command {
        name: "log",
        usage: &["log", "log N [last COUNT] [epoch NUMBER]"],
        help: "the data recorders; the records of one",
        right: "Read",
        more: "N is of Data Recorder N: 1 is the Revenue Log. Without COUNT the last 12 are shown. An epoch is what was \
               recorded until the recorder was changed. All records are in logs/, as CSV.",
    },
    Command {
        name: "connections",
        usage: &["connections", "connections end NUMBER", "connections lift LOGIN [SOURCE]"],
        help: "who is connected or locked out; end one, lift one",
        right: "Read; lock-outs, and to end or lift one, Security Config",
        more: "NUMBER is a session's. LOGIN is 8650, USER1 to USER16, or unknown; without SOURCE, an address, it is \
               lifted wherever it holds.",
    },
    Command {
        name: "clock",
        usage: &["clock", "clock set TIME|machine"],
        help: "the meter's time and where it comes from; set it",
        right: "Read; to set it, Time Sync",
        more: "TIME is UTC, as in 2026-01-31 12:00:00, or has its offset with it, as in 2026-01-31T12:00:00+01:00. \
               \"machine\" goes back to the clock of the machine that the meter runs on.",
    },
    Command {
        name: "demand",
        usage: &["demand", "demand reset"],
        help: "demand, its maxima and when they were; reset it",
        right: "Read; to reset it, Peak Demand Reset",
        more: "A demand is the average over complete sub-intervals, of the seconds that were measured. A reset begins the \
               maxima anew and is counted; the log keeps what they were.",
    },
    Command {
        name: "upgrade",
        usage: &["upgrade list", "upgrade stage VERSION", "upgrade plan VERSION", "upgrade accept DIGEST [--yes]"],
        help: "change the release: list, stage, plan, accept",
        right: "Security Config",
        more: "Nothing is done before a plan is accepted by its digest. stage takes a release that this program was \
               built with; others are sent with Setup or SFTP. Over Telnet there is no change of release.",
    },
    Command {
        name: "help",
        usage: &["help [COMMAND]"],
        help: "this list, or more about one command",
        right: "none",
        more: "",
    },
    Command { name: "exit", usage: &["exit"], help: "end the session, as ctrl-D does", right: "none", more: "" },
];

/// The command of this name.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name.eq_ignore_ascii_case(name))
}

/// The names, for sentences.
pub(super) fn names() -> String {
    let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    names.join(", ")
}

/// All commands, on one screen of 80 by 24.
pub(super) fn help(columns: usize) -> String {
    let rows: Vec<_> =
        COMMANDS.iter().map(|command| [format!("  {}", command.name), command.help.to_owned()]).collect();
    let mut text = plain::table(&rows, columns);
    text.push('\n');
    let keys = "\"help COMMAND\" tells more about one. Tab completes, up and down look back, ctrl-C gives a line up, \
                ctrl-D ends the session.";
    text.push_str(&plain::hanging("", keys, columns));
    text
}

/// One command.
pub(super) fn help_on(command: &Command, columns: usize) -> String {
    let mut text = String::new();
    for usage in command.usage {
        text.push_str(&format!("{usage}\n"));
    }
    text.push_str(&plain::hanging("  ", &format!("{}.", capitalised(command.help)), columns));
    if !command.more.is_empty() {
        text.push_str(&plain::hanging("  ", command.more, columns));
    }
    text.push_str(&plain::hanging("  ", &format!("Takes: {}.", command.right), columns));
    text
}

/// The sentence about a command that was typed wrongly.
pub(super) fn usage(name: &str) -> String {
    match find(name) {
        Some(command) => format!("type {}", command.usage.join(" or ")),
        None => format!("the commands are {}", names()),
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
