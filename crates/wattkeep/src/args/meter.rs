//! `wattkeep meter`, and the ports of a meter's faces.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use firmware::Version;
use framework::modules::security_options::Service;
use host::{PortChoice, PortSet};

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

/// Which ports a meter's faces take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports(pub PortChoice);

fn set_from_name(name: &str) -> Option<PortSet> {
    match name {
        "user" => Some(PortSet::User),
        "standard" => Some(PortSet::Standard),
        "auto" => Some(PortSet::Auto),
        _ => None,
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
        let mut ports = PortChoice::default();
        for word in text.split(',').map(str::trim) {
            let twice = || NotPorts::Twice(word.to_owned());
            let Some((name, number)) = word.split_once('=') else {
                let set = set_from_name(word).ok_or_else(|| NotPorts::Word(word.to_owned()))?;
                if ports.set.replace(set).is_some() {
                    return Err(twice());
                }
                continue;
            };
            let service = Service::from_name(name.trim()).ok_or_else(|| NotPorts::Face(name.trim().to_owned()))?;
            if service == Service::Sftp {
                return Err(NotPorts::Sftp);
            }
            // 0 is a free one.
            let port: u16 = number.trim().parse().map_err(|_| NotPorts::Port(number.trim().to_owned()))?;
            let taken = port != 0 && ports.single.values().any(|other| *other == port);
            if taken || ports.single.insert(service, port).is_some() {
                return Err(twice());
            }
        }
        Ok(Self(ports))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sets_and_single_ports_are_understood() {
        for (text, set, single) in [
            ("user", Some(PortSet::User), None),
            ("modbus=1502", None, Some((Service::Modbus, 1502))),
            (" auto , setup = 7700 ", Some(PortSet::Auto), Some((Service::Setup, 7700))),
            ("standard,web=0", Some(PortSet::Standard), Some((Service::Web, 0))),
        ] {
            let Ports(choice) = text.parse().unwrap();
            assert_eq!((choice.set, choice.single), (set, single.into_iter().collect()), "{text}");
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
