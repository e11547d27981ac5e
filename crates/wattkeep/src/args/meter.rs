//! `wattkeep meter`, and the ports of a meter's faces.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use firmware::Version;
use framework::modules::security_options::Service;

/// One meter, in the foreground.
#[derive(Debug, Args)]
pub struct MeterArgs {
    /// Where the meter's state lies; a new directory is a factory-new meter
    #[arg(long, value_name = "DIR", default_value = "wattkeep-meter")]
    pub state: PathBuf,
    /// The release of a new meter [default: the newest]; of an existing one,
    /// what is expected
    #[arg(long, value_name = "VERSION")]
    pub release: Option<Version>,
    /// What is measured: the simulated grid, or a COMTRADE recording in a loop
    #[arg(long, value_name = "grid|FILE.cfg", default_value = "grid")]
    pub source: Source,
    /// The address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// The file of the device key, if it doesn't lie with the state
    #[arg(long, value_name = "FILE")]
    pub device_key: Option<PathBuf>,
    /// A key that may sign releases for a new meter; may be repeated
    #[arg(long, value_name = "KEY.pub")]
    pub trust: Vec<PathBuf>,
    /// Ports: user (2222, 8080, 5020, …), standard (22, 80, 502, …), auto (free
    /// ones), or NAME=PORT, NAME=0 taking a free one [default: user, or
    /// standard for root]
    #[arg(long, value_name = "user|standard|auto|NAME=PORT,…")]
    pub ports: Option<Ports>,
    /// The serial number of a new meter
    #[arg(long, value_name = "SERIAL")]
    pub serial: Option<String>,
}

/// What a meter measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The simulated grid.
    Grid,
    /// A COMTRADE recording.
    Recording(PathBuf),
}

impl FromStr for Source {
    type Err = NotASource;

    fn from_str(text: &str) -> Result<Self, NotASource> {
        match text {
            "grid" => Ok(Self::Grid),
            _ if text.to_lowercase().ends_with(".cfg") => Ok(Self::Recording(text.into())),
            _ => Err(NotASource),
        }
    }
}

/// A text that names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a source is \"grid\", or the .cfg file of a COMTRADE recording (its .dat lies beside it)")]
pub struct NotASource;

/// Ports for faces that aren't named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortSet {
    /// Above 1023, for whoever isn't root.
    User,
    /// As the trade knows them.
    Standard,
    /// Whatever is free.
    Auto,
}

/// A port for one face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// This one.
    Fixed(u16),
    /// Whatever is free.
    Free,
}

/// Which ports a meter's faces take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// For the faces that aren't named; left out, it goes by who starts the meter.
    pub set: Option<PortSet>,
    /// For those that are. SFTP is never among them: it has SSH's.
    pub named: BTreeMap<Service, Port>,
}

impl Ports {
    /// The port of a face, where `default` holds when no set was named.
    pub fn of(&self, service: Service, default: PortSet) -> Port {
        let service = if service == Service::Sftp { Service::Ssh } else { service };
        self.named.get(&service).copied().unwrap_or_else(|| self.set.unwrap_or(default).port(service))
    }
}

impl PortSet {
    /// The port that this set has for a face (spec of the meter, section 4).
    pub fn port(self, service: Service) -> Port {
        let (user, standard) = match service {
            Service::Ssh | Service::Sftp => (2222, 22),
            Service::Web => (8080, 80),
            Service::Telnet => (2323, 23),
            Service::Ftp => (2121, 21),
            Service::Modbus => (5020, 502),
            Service::Setup => (7700, 7700),
        };
        match self {
            Self::User => Port::Fixed(user),
            Self::Standard => Port::Fixed(standard),
            Self::Auto => Port::Free,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "user" => Some(Self::User),
            "standard" => Some(Self::Standard),
            "auto" => Some(Self::Auto),
            _ => None,
        }
    }
}

/// Why a text is no choice of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPorts {
    /// Neither a set nor NAME=PORT.
    #[error("\"{0}\" is neither user, standard, auto nor NAME=PORT")]
    Word(String),
    /// Not a face.
    #[error("there is no face \"{0}\"; ports have ssh, web, telnet, ftp, modbus and setup")]
    Face(String),
    /// SFTP.
    #[error("SFTP has no port of its own: it is on SSH's, so say ssh=PORT")]
    Sftp,
    /// Not a port.
    #[error("\"{0}\" is no port: 1 to 65535, or 0 for a free one")]
    Port(String),
    /// A face or a set named twice, or two faces on one port.
    #[error("\"{0}\" is there twice")]
    Twice(String),
}

impl FromStr for Ports {
    type Err = NotPorts;

    fn from_str(text: &str) -> Result<Self, NotPorts> {
        let mut ports = Self { set: None, named: BTreeMap::new() };
        for word in text.split(',').map(str::trim) {
            let twice = || NotPorts::Twice(word.to_owned());
            let Some((name, number)) = word.split_once('=') else {
                let set = PortSet::from_name(word).ok_or_else(|| NotPorts::Word(word.to_owned()))?;
                if ports.set.replace(set).is_some() {
                    return Err(twice());
                }
                continue;
            };
            let service = Service::from_name(name.trim()).ok_or_else(|| NotPorts::Face(name.trim().to_owned()))?;
            if service == Service::Sftp {
                return Err(NotPorts::Sftp);
            }
            let port = match number.trim().parse::<u16>() {
                Ok(0) => Port::Free,
                Ok(port) => Port::Fixed(port),
                Err(_) => return Err(NotPorts::Port(number.trim().to_owned())),
            };
            let taken = port != Port::Free && ports.named.values().any(|other| *other == port);
            if taken || ports.named.insert(service, port).is_some() {
                return Err(twice());
            }
        }
        Ok(ports)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ports(text: &str) -> Ports {
        text.parse().unwrap()
    }

    #[test]
    fn faces_not_named_keep_the_sets_port() {
        use PortSet::{Standard, User};
        for (text, default, service, port) in [
            ("user", Standard, Service::Modbus, Port::Fixed(5020)),
            ("standard", User, Service::Modbus, Port::Fixed(502)),
            ("auto", User, Service::Setup, Port::Free),
            ("modbus=1502", User, Service::Modbus, Port::Fixed(1502)),
            ("modbus=1502", User, Service::Web, Port::Fixed(8080)),
            ("modbus=1502", Standard, Service::Web, Port::Fixed(80)),
            ("web=0,ssh=2022", User, Service::Web, Port::Free),
            ("web=0,ssh=2022", User, Service::Sftp, Port::Fixed(2022)),
            ("auto,setup=7700", User, Service::Setup, Port::Fixed(7700)),
            (" auto , setup = 7700 ", User, Service::Ftp, Port::Free),
        ] {
            assert_eq!(ports(text).of(service, default), port, "{text} {service:?}");
        }
    }

    #[test]
    fn what_is_no_choice_of_ports_is_refused() {
        for (text, error) in [
            ("", NotPorts::Word(String::new())),
            ("root", NotPorts::Word("root".to_owned())),
            ("5020", NotPorts::Word("5020".to_owned())),
            ("dnp3=20000", NotPorts::Face("dnp3".to_owned())),
            ("sftp=2222", NotPorts::Sftp),
            ("web=65536", NotPorts::Port("65536".to_owned())),
            ("web=-1", NotPorts::Port("-1".to_owned())),
            ("web=", NotPorts::Port(String::new())),
            ("web=1,web=2", NotPorts::Twice("web=2".to_owned())),
            ("web=99,ssh=99", NotPorts::Twice("ssh=99".to_owned())),
            ("user,auto", NotPorts::Twice("auto".to_owned())),
        ] {
            assert_eq!(text.parse::<Ports>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_source_is_the_grid_or_a_recording() {
        assert_eq!("grid".parse(), Ok(Source::Grid));
        assert_eq!("a/b.CFG".parse(), Ok(Source::Recording("a/b.CFG".into())));
        assert_eq!("b.dat".parse::<Source>(), Err(NotASource));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[a-z0-9=, ]{0,30}|.{0,40}") {
            let _: Result<Ports, NotPorts> = text.parse();
        }
    }
}
