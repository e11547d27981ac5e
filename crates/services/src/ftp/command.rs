//! What a line asks for (RFC 959, 2389, 2428, 3659), and the answers that need nothing of the meter. Pure: what a client
//! says becomes one of a few things, or a refusal; nothing of it goes further as it came.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An answer on the control connection: its code, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer(pub u16, pub String);

impl Answer {
    pub(super) fn new(code: u16, sentence: impl Into<String>) -> Self {
        Self(code, sentence.into())
    }
}

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Who wants to log in.
    User(String),
    /// The password; it stays in the line, from here on.
    Pass(usize),
    Quit,
    /// Something that is the same for everybody, logged in or not.
    Say(Answer),
    /// What this server can do.
    Features,
    /// Something about the conversation itself.
    Status,
    WorkingDirectory,
    /// A level up.
    Up,
    /// How files are sent from now on.
    Type(Sent),
    /// Where the next transfer begins.
    Restart(u64),
    /// The meter is to wait for a data connection.
    Passive(Passive),
    /// The client waits for one, there.
    Active(SocketAddr),
    Abort,
    /// Something that is done to one path, and answered at once.
    Path(Deed, String),
    /// Something that takes a data connection.
    Transfer(Transfer, Option<String>),
}

/// How files are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// As they are.
    Binary,
    /// With line ends as Telnet's. This server has none that it could change.
    Text,
}

/// How a client asks for a data connection that it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passive {
    /// `PASV`: an IPv4 address and a port.
    Address,
    /// `EPSV`: a port; for a family of addresses, if it says so.
    Port(Option<Family>),
    /// `EPSV ALL`: nothing else from now on.
    Only,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of(address: IpAddr) -> Self {
        if address.to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What is done to one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Enter,
    Remove,
    RemoveDirectory,
    MakeDirectory,
    RenameFrom,
    RenameTo,
    Size,
    Time,
    Facts,
    List,
}

impl Deed {
    /// What the library calls it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Enter => "CWD",
            Self::Remove => "DELE",
            Self::RemoveDirectory => "RMD",
            Self::MakeDirectory => "MKD",
            Self::RenameFrom => "RNFR",
            Self::RenameTo => "RNTO",
            Self::Size => "SIZE",
            Self::Time => "MDTM",
            Self::Facts => "MLST",
            Self::List => "STAT",
        }
    }
}

/// What takes a data connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    Get,
    Put,
    Append,
    List,
    Names,
    Facts,
}

impl Transfer {
    /// What the library calls it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Get => "RETR",
            Self::Put => "STOR",
            Self::Append => "APPE",
            Self::List => "LIST",
            Self::Names => "NLST",
            Self::Facts => "MLSD",
        }
    }

    /// Whether it moves a file, not a listing.
    pub(super) fn is_file(self) -> bool {
        matches!(self, Self::Get | Self::Put | Self::Append)
    }

    /// Whether the client sends.
    pub(super) fn is_upload(self) -> bool {
        matches!(self, Self::Put | Self::Append)
    }
}

/// The longest command has four letters; longer words are shown back no further than this.
const LONGEST_WORD: usize = 12;
/// What else there is, for `FEAT` (RFC 2389).
pub(super) const FEATURES: &[&str] =
    &["EPRT", "EPSV", "MDTM", "MLST type*;size*;modify*;", "REST STREAM", "SIZE", "UTF8"];
const SYSTEM: &str = "UNIX Type: L8";

/// What a line asks for, or why it can't be done.
pub(super) fn parse(line: &[u8]) -> Result<Command, Answer> {
    let (word, argument) = match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &line[line.len()..]),
    };
    let word = String::from_utf8_lossy(&word[..word.len().min(LONGEST_WORD)]).to_ascii_uppercase();
    if word == "PASS" {
        return Ok(Command::Pass(line.len() - argument.len()));
    }
    let text = std::str::from_utf8(argument)
        .ok()
        .filter(|text| !text.chars().any(char::is_control))
        .ok_or_else(|| Answer::new(501, "a name is UTF-8 text without control characters"))?;
    let path = || match text {
        "" => Err(Answer::new(501, format!("{word} needs a name"))),
        path => Ok(path.to_owned()),
    };
    let deed = |deed| Ok(Command::Path(deed, path()?));
    let moves = |transfer| Ok(Command::Transfer(transfer, Some(path()?)));
    let lists =
        |transfer, path: &str| Ok(Command::Transfer(transfer, Some(path).filter(|p| !p.is_empty()).map(Into::into)));
    let say = |code, sentence: &str| Ok(Command::Say(Answer::new(code, sentence)));
    match word.as_str() {
        "USER" => Ok(Command::User(text.trim().to_owned())),
        "ACCT" => say(202, "there are no accounts within accounts"),
        "QUIT" | "BYE" => Ok(Command::Quit),
        "NOOP" => say(200, "fine"),
        "SYST" => say(215, SYSTEM),
        "ALLO" => say(202, "room is made as it is needed"),
        "HELP" => say(214, "this is FTP as in RFC 959, 2428 and 3659; FEAT says what else there is"),
        "FEAT" => Ok(Command::Features),
        "OPTS" => options(text),
        "MODE" => only(text, "S", "stream mode is the only one"),
        "STRU" => only(text, "F", "files have no structure here"),
        "TYPE" => sent(text),
        "REST" => text.parse().map(Command::Restart).map_err(|_| Answer::new(501, "REST takes a number of bytes")),
        "PASV" => Ok(Command::Passive(Passive::Address)),
        "EPSV" => extended_passive(text).map(Command::Passive),
        "PORT" => address(text).map(Command::Active).ok_or_else(|| Answer::new(501, "PORT takes h1,h2,h3,h4,p1,p2")),
        "EPRT" => extended_address(text),
        "ABOR" => Ok(Command::Abort),
        "PWD" | "XPWD" => Ok(Command::WorkingDirectory),
        "CDUP" | "XCUP" => Ok(Command::Up),
        "CWD" | "XCWD" => deed(Deed::Enter),
        "DELE" => deed(Deed::Remove),
        "RMD" | "XRMD" => deed(Deed::RemoveDirectory),
        "MKD" | "XMKD" => deed(Deed::MakeDirectory),
        "RNFR" => deed(Deed::RenameFrom),
        "RNTO" => deed(Deed::RenameTo),
        "SIZE" => deed(Deed::Size),
        "MDTM" => deed(Deed::Time),
        "MLST" => Ok(Command::Path(Deed::Facts, text.to_owned())),
        "STAT" if text.is_empty() => Ok(Command::Status),
        "STAT" => Ok(Command::Path(Deed::List, without_options(text).to_owned())),
        "RETR" => moves(Transfer::Get),
        "STOR" => moves(Transfer::Put),
        "APPE" => moves(Transfer::Append),
        "LIST" => lists(Transfer::List, without_options(text)),
        "NLST" => lists(Transfer::Names, without_options(text)),
        "MLSD" => lists(Transfer::Facts, text),
        "STOU" => Err(Answer::new(502, "say what the file is to be called: STOR")),
        "AUTH" | "PBSZ" | "PROT" => Err(Answer::new(502, "there is no encryption here: a newer release has SFTP")),
        "SITE" => Err(Answer::new(502, "this meter has no commands of its own over FTP")),
        _ => {
            let shown: String = word.chars().filter(char::is_ascii_graphic).collect();
            Err(Answer::new(502, format!("this meter's FTP doesn't know \"{shown}\"")))
        }
    }
}

/// `OPTS` (RFC 2389): names are always UTF-8, and the facts of a listing always the same.
fn options(text: &str) -> Result<Command, Answer> {
    let upper = text.to_ascii_uppercase();
    match upper.split_whitespace().next() {
        Some("UTF8") if upper != "UTF8 OFF" => Ok(Command::Say(Answer::new(200, "names are always UTF-8"))),
        Some("MLST") => Ok(Command::Say(Answer::new(200, "MLST OPTS type;size;modify;"))),
        _ => Err(Answer::new(501, "there is no such option")),
    }
}

fn only(text: &str, one: &str, sentence: &str) -> Result<Command, Answer> {
    let (code, sentence) = if text.eq_ignore_ascii_case(one) { (200, "fine") } else { (504, sentence) };
    Ok(Command::Say(Answer::new(code, sentence)))
}

fn sent(text: &str) -> Result<Command, Answer> {
    match text.to_ascii_uppercase().as_str() {
        "I" | "L 8" | "L8" => Ok(Command::Type(Sent::Binary)),
        "A" | "A N" => Ok(Command::Type(Sent::Text)),
        _ => Err(Answer::new(504, "files are sent as they are: TYPE I")),
    }
}

fn extended_passive(text: &str) -> Result<Passive, Answer> {
    match text.to_ascii_uppercase().as_str() {
        "" => Ok(Passive::Port(None)),
        "1" => Ok(Passive::Port(Some(Family::V4))),
        "2" => Ok(Passive::Port(Some(Family::V6))),
        "ALL" => Ok(Passive::Only),
        _ => Err(no_such_family()),
    }
}

fn no_such_family() -> Answer {
    Answer::new(522, "network protocol not supported, use (1,2)")
}

/// `h1,h2,h3,h4,p1,p2` (RFC 959): six numbers of one byte each, and nothing else.
fn address(text: &str) -> Option<SocketAddr> {
    let numbers: Option<Vec<u8>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let [a, b, c, d, high, low] = numbers?.try_into().ok()?;
    Some(SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]))))
}

/// `|1|132.235.1.2|6275|` (RFC 2428); whatever the first character is, it parts the fields.
fn extended_address(text: &str) -> Result<Command, Answer> {
    let wrong = || Answer::new(501, "EPRT takes |1|ADDRESS|PORT|, or 2 for IPv6");
    let bar = text.chars().next().filter(char::is_ascii_graphic).ok_or_else(wrong)?;
    let fields: Vec<&str> = text.split(bar).collect();
    let ["", family, ip, port, ""] = fields[..] else { return Err(wrong()) };
    let ip = match family {
        "1" => ip.parse().map(IpAddr::V4).map_err(|_| wrong())?,
        "2" => ip.parse().map(IpAddr::V6).map_err(|_| wrong())?,
        _ => return Err(no_such_family()),
    };
    Ok(Command::Active(SocketAddr::new(ip, port.parse().map_err(|_| wrong())?)))
}

/// The path of a listing without `ls`'s options, which some clients send along.
fn without_options(text: &str) -> &str {
    let mut rest = text;
    while let Some(option) = rest.strip_prefix('-') {
        rest = option.split_once(' ').map_or("", |(_, rest)| rest);
    }
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(line: &str) -> u16 {
        match parse(line.as_bytes()) {
            Ok(Command::Say(Answer(code, _))) | Err(Answer(code, _)) => code,
            Ok(other) => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_line_asks_for_one_thing() {
        let path = |deed, path: &str| Command::Path(deed, path.to_owned());
        let moves = |transfer, path: &str| Command::Transfer(transfer, Some(path.to_owned()));
        let cases = [
            ("user USER1", Command::User("USER1".to_owned())),
            ("PASS  a b", Command::Pass(5)),
            ("Cwd  two  blanks ", path(Deed::Enter, " two  blanks ")),
            ("RETR a b", moves(Transfer::Get, "a b")),
            ("STOR -l", moves(Transfer::Put, "-l")),
            ("LIST", Command::Transfer(Transfer::List, None)),
            ("LIST -la", Command::Transfer(Transfer::List, None)),
            ("LIST -a -l logs", moves(Transfer::List, "logs")),
            ("MLSD -a", moves(Transfer::Facts, "-a")),
            ("REST 4294967297", Command::Restart(1 << 32 | 1)),
            ("TYPE L 8", Command::Type(Sent::Binary)),
            ("TYPE a n", Command::Type(Sent::Text)),
            ("EPSV all", Command::Passive(Passive::Only)),
            ("PORT 127,0,0,1,4,1", Command::Active("127.0.0.1:1025".parse().unwrap())),
            ("EPRT |1|192.0.2.1|6275|", Command::Active("192.0.2.1:6275".parse().unwrap())),
            ("EPRT |2|2001:db8::1|6275|", Command::Active("[2001:db8::1]:6275".parse().unwrap())),
            ("STAT", Command::Status),
            ("STAT logs", path(Deed::List, "logs")),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_can_t_be_done_is_refused_in_the_code_that_clients_know() {
        for (line, expected) in [
            ("", 502),
            ("FROB x", 502),
            ("STOU", 502),
            ("AUTH TLS", 502),
            ("SITE CHMOD 777 a", 502),
            ("RETR", 501),
            ("RETR ", 501),
            ("CWD a\0b", 501),
            ("RNTO a\rDELE b", 501),
            ("REST -1", 501),
            ("REST 18446744073709551616", 501),
            ("PORT 127,0,0,1,4", 501),
            ("PORT 127,0,0,1,4,1,2", 501),
            ("PORT 127,0,0,256,4,1", 501),
            ("PORT 127,0,0,1,x,1", 501),
            ("EPRT", 501),
            ("EPRT |1|2001:db8::1|6275|", 501),
            ("EPRT |1|192.0.2.1|65536|", 501),
            ("EPRT |3|192.0.2.1|1|", 522),
            ("EPSV 3", 522),
            ("MODE Z", 504),
            ("MODE S", 200),
            ("STRU R", 504),
            ("TYPE E", 504),
            ("OPTS UTF8 ON", 200),
            ("OPTS UTF8 OFF", 501),
        ] {
            assert_eq!(code(line), expected, "{line}");
        }
        assert_eq!(parse(b"DELE \xff\xfe").unwrap_err().0, 501);
        assert_eq!(parse(b"\xff\xfe\r\xc3").unwrap_err().0, 502);
    }

    proptest! {
        #[test]
        fn any_line_is_understood_or_refused_in_one_line(line in prop::collection::vec(any::<u8>(), 0..200)) {
            match parse(&line) {
                Ok(Command::Pass(from)) => prop_assert!(from <= line.len()),
                Ok(Command::Path(_, path) | Command::Transfer(_, Some(path))) => {
                    prop_assert!(!path.chars().any(char::is_control));
                }
                Err(Answer(code, sentence)) => {
                    prop_assert!((500..600).contains(&code) && !sentence.chars().any(char::is_control));
                }
                Ok(_) => {}
            }
        }
    }
}
