//! The faces of a meter: Modbus, SSH and SFTP, web, Setup, Telnet.

pub mod modbus;
