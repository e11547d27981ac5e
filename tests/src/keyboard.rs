//! Clients that want a keyboard and a window, on a pseudo-terminal that expect holds.

use std::path::Path;
use std::process::Command;

use crate::{Said, run};

/// What somebody at a keyboard sees: the words of a script between the client's and the end.
const KEYBOARD: &str = r#"
set timeout 30
log_user 1
proc must {what} {
    expect {
        -ex $what {}
        timeout { puts "NOT SEEN: $what"; exit 9 }
        eof { puts "ENDED BEFORE: $what"; exit 8 }
    }
}
proc leaves {} {
    expect {
        eof {}
        timeout { puts "STILL THERE"; exit 7 }
    }
}
set stty_init "rows 24 columns 80"
spawn -noecho {*}$argv
"#;

/// Runs a client on a pseudo-terminal under a script of expect's; with another status than 0 if it saw something else.
pub fn typed(dir: &Path, script: &str, client: &[&str]) -> Said {
    let file = dir.join("keys.exp");
    std::fs::write(&file, [KEYBOARD, script].concat()).unwrap();
    let mut command = Command::new("expect");
    command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env("HOME", dir).arg(&file).args(client);
    run(&mut command)
}

/// The same, which must see what the script says.
pub fn at_a_keyboard(dir: &Path, script: &str, client: &[&str]) -> Said {
    let said = typed(dir, script, client);
    assert_eq!(said.status, 0, "{client:?}: {}\n{}", said.out, said.err);
    said
}
