//! The Modbus face: function codes 03, 04 (as 03), 06, 16 and 43/14 over TCP, or RTU frames over TCP.
//!
//! Bytes become requests in [`framing`] and [`codec`], requests become answers in [`answer`], all of it
//! without I/O; [`map`] turns Modbus Slave modules into registers; [`server`] alone owns sockets. The face
//! holds no rule about rights: it sees the meter through [`RegisterSpace`], and the gate behind it decides.

pub mod answer;
pub mod codec;
pub mod fixed;
pub mod format;
pub mod framing;
pub mod map;
mod profile;
pub mod server;
mod space;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::{Site, Stop};

/// Connections this face takes at once.
pub const CONNECTIONS: usize = server::MAX_CONNECTIONS;

/// Serves Modbus TCP until told to stop.
pub async fn run(site: Arc<Site>, listener: TcpListener, stop: Stop) {
    let space = Arc::new(space::GateSpace::new(site));
    server::serve(listener, framing::Framing::Tcp, space, server::Limits::default(), stop).await;
}

/// What a connection from there sees of a meter, for a conversation without I/O.
#[cfg(any(test, feature = "testbed"))]
pub(crate) fn registers(site: &Arc<Site>, peer: SocketAddr) -> Box<dyn Registers> {
    space::GateSpace::new(Arc::clone(site)).connect(peer)
}

/// The meter as the Modbus face sees it.
pub trait RegisterSpace: Send + Sync + 'static {
    /// A connection was accepted. What this returns lives exactly as long as the connection does, so it is
    /// the place for what belongs to one: its entry in the list of connections (gone on drop), its view of
    /// the newest readings, its choice of a recorder and record.
    fn connect(&self, peer: SocketAddr) -> Box<dyn Registers>;
}

/// What one Modbus connection may see and do; the gate behind it decides and logs.
///
/// Calls of one connection come one at a time and in order, on a thread that serves other connections too.
/// A read must therefore not wait for anything; a write may take as long as one commit.
pub trait Registers: Send {
    /// Puts exactly `count` words into `out`, which comes empty, from wire address `first` on (0 is
    /// register 40001). `1 <= count <= 125` and `first + count <= 65536` hold.
    fn read(&mut self, first: u16, count: u16, out: &mut Vec<u16>) -> Result<(), Exception>;

    /// Writes all of `values` (1 to 123 words, within the address range) or nothing.
    fn write(&mut self, first: u16, values: &[u16]) -> Result<(), Exception>;

    /// Who this is, for function 43/14.
    fn identity(&self) -> Identity;
}

/// The three basic objects of function 43/14. Each is cut at [`codec::MAX_OBJECT`] bytes on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Object 0, VendorName.
    pub vendor: String,
    /// Object 1, ProductCode.
    pub product: String,
    /// Object 2, MajorMinorRevision: the active release.
    pub revision: String,
}

/// Why a request is refused. The numbers go over the wire (Modbus Application Protocol V1.1b3, clause 7):
/// do not reorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum Exception {
    /// The function is not served.
    #[error("this meter serves Modbus functions 3, 4, 6, 16 and 43/14 only")]
    IllegalFunction = 1,
    /// No such register, one that can't be written, or one that security protects.
    #[error("the registers can't be reached: they don't exist, are read-only, or security protects them")]
    IllegalDataAddress = 2,
    /// A count or value out of range, a frame whose parts contradict each other, or half of a two-word register.
    #[error("the count or value is out of range, or the write covers only half of a two-word register")]
    IllegalDataValue = 3,
    /// The meter could not do it, for example store the change.
    #[error("the meter could not carry out the request")]
    DeviceFailure = 4,
}
