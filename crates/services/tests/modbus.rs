//! The Modbus face over real sockets, asked by a client that nobody here wrote and by bare bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use services::modbus::fixed::{self, Fixed};
use services::modbus::format::Format;
use services::modbus::framing::{Framing, crc16};
use services::modbus::map::{Block, Map};
use services::modbus::server::{Limits, serve};
use services::modbus::{Exception, Identity, RegisterSpace, Registers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_modbus::client::Context;
use tokio_modbus::prelude::{ExceptionCode, ReadCode, Reader, Slave, Writer, tcp};

/// A meter with two blocks, of whose set-up only PT Prim and Volts Mode can be written and CT Sec not even read.
struct Meter {
    map: Map<usize>,
    values: Vec<f64>,
}

struct Connection(Arc<Meter>, u32);

struct Space(Arc<Meter>);

impl RegisterSpace for Space {
    fn connect(&self, _peer: SocketAddr) -> Box<dyn Registers> {
        Box::new(Connection(self.0.clone(), 600))
    }
}

impl Registers for Connection {
    fn read(&mut self, first: u16, count: u16, out: &mut Vec<u16>) -> Result<(), Exception> {
        let Connection(meter, pt_prim) = self;
        let value_of = |source: usize| meter.values.get(source).copied();
        meter.map.read(first, count, out, value_of, |fixed| match fixed {
            Fixed::PtPrim => Ok(Some(*pt_prim)),
            Fixed::CtSec => Err(Exception::IllegalDataAddress),
            _ => Ok(None),
        })
    }

    fn write(&mut self, first: u16, values: &[u16]) -> Result<(), Exception> {
        for (register, value) in fixed::decode_write(first, values)? {
            match register {
                Fixed::PtPrim => self.1 = value,
                Fixed::VoltsMode => {}
                _ => return Err(Exception::IllegalDataAddress),
            }
        }
        Ok(())
    }

    fn identity(&self) -> Identity {
        Identity { vendor: "wattkeep".into(), product: "8650".into(), revision: "4.40.1".into() }
    }
}

fn meter() -> Arc<Meter> {
    let sources = |list: &[usize]| std::array::from_fn(|place| list.get(place).copied());
    let map = Map::new([
        Block { base: 40_011, format: Format::U16, scaling: 10.0, sources: sources(&[0, 1, 2, 99]) },
        Block { base: 40_091, format: Format::S32M10K, scaling: 1.0, sources: sources(&[3, 4, 5, 6]) },
    ])
    .expect("the blocks lie apart");
    // Vln a, b, c; kWh del, rec, del+rec, del-rec.
    Arc::new(Meter { map, values: vec![348.951, 352.224, 345.953, 123_456_789.0, 1.0, 123_456_790.0, -250_000.0] })
}

async fn start(framing: Framing) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(serve(listener, framing, Arc::new(Space(meter())), Limits::default(), stopped));
    (address, stop)
}

async fn foreign_client(address: SocketAddr) -> Context {
    tcp::connect_slave(address, Slave(1)).await.expect("the server listens")
}

/// Wire address of a register.
fn at(register: u16) -> u16 {
    register - 40_001
}

#[tokio::test]
async fn a_foreign_client_reads_blocks_and_gaps() {
    let (address, _stop) = start(Framing::Tcp).await;
    let mut client = foreign_client(address).await;
    let volts = client.read_holding_registers(at(40_010), 5).await.unwrap().unwrap();
    assert_eq!(volts, [0xFFFF, 3490, 3522, 3460, 0xFFFF]);
    let energy = client.read_holding_registers(at(40_091), 8).await.unwrap().unwrap();
    assert_eq!(energy, [12_345, 6_789, 0, 1, 12_345, 6_790, 0x8000 | 25, 0]);
    let by_04 = client.read_input_registers(at(40_011), 3).await.unwrap().unwrap();
    assert_eq!(by_04, [3490, 3522, 3460]);
    assert_eq!(client.read_holding_registers(at(40_001), 125).await.unwrap().unwrap().len(), 125);
}

#[tokio::test]
async fn a_foreign_client_gets_exact_exceptions_and_keeps_its_connection() {
    let (address, _stop) = start(Framing::Tcp).await;
    let mut client = foreign_client(address).await;
    assert_eq!(client.read_holding_registers(0, 126).await.unwrap(), Err(ExceptionCode::IllegalDataValue));
    assert_eq!(client.read_holding_registers(0, 0).await.unwrap(), Err(ExceptionCode::IllegalDataValue));
    assert_eq!(client.read_holding_registers(65_535, 2).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
    assert_eq!(client.read_holding_registers(at(46_007), 2).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
    assert_eq!(client.read_coils(0, 1).await.unwrap(), Err(ExceptionCode::IllegalFunction));
    assert_eq!(client.write_single_register(at(46_001), 1).await.unwrap(), Err(ExceptionCode::IllegalDataValue));
    assert_eq!(client.write_single_register(at(40_011), 1).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
    assert_eq!(client.read_holding_registers(at(40_011), 1).await.unwrap(), Ok(vec![3490]));
}

#[tokio::test]
async fn a_foreign_client_writes_and_identifies() {
    let (address, _stop) = start(Framing::Tcp).await;
    let mut client = foreign_client(address).await;
    client.write_multiple_registers(at(46_001), &[1, 4464]).await.unwrap().unwrap();
    assert_eq!(client.read_holding_registers(at(46_001), 2).await.unwrap(), Ok(vec![1, 4464]));
    client.write_single_register(at(44_001), 4).await.unwrap().unwrap();
    assert_eq!(client.write_single_register(at(44_001), 5).await.unwrap(), Err(ExceptionCode::IllegalDataValue));
    let identity = client.read_device_identification(ReadCode::Basic, 0).await.unwrap().unwrap();
    let texts: Vec<_> = identity.device_id_objects.iter().map(|object| object.value_as_str().unwrap()).collect();
    assert_eq!(texts, ["wattkeep", "8650", "4.40.1"]);
}

#[tokio::test]
async fn polls_sent_together_and_chopped_are_answered_in_order() {
    let (address, _stop) = start(Framing::Tcp).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let polls: Vec<u8> = (0..200u8).flat_map(|n| [0, n, 0, 0, 0, 6, 1, 3, 0, 10, 0, 1]).collect();
    let (mut answers, mut sender) = client.split();
    let send = async {
        for piece in polls.chunks(7) {
            sender.write_all(piece).await.unwrap();
        }
    };
    let receive = async {
        for n in 0..200u8 {
            let mut answer = [0; 11];
            answers.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, [0, n, 0, 0, 0, 5, 1, 3, 2, 0x0D, 0xA2]);
        }
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn half_a_frame_and_a_close_get_no_answer_but_what_came_before_does() {
    let (address, _stop) = start(Framing::Tcp).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&[0, 1, 0, 0, 0, 6, 1, 3, 0, 10, 0, 1, 0, 2, 0, 0, 0, 6, 1, 3]).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).await.unwrap();
    assert_eq!(answers, [0, 1, 0, 0, 0, 5, 1, 3, 2, 0x0D, 0xA2]);
    let mut next = foreign_client(address).await;
    assert_eq!(next.read_holding_registers(at(40_011), 1).await.unwrap(), Ok(vec![3490]));
}

#[tokio::test]
async fn what_is_not_modbus_is_closed_without_an_answer() {
    let (address, _stop) = start(Framing::Tcp).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The close may reach us as an end or as a reset, but never as an answer.
    let _ = client.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}

#[tokio::test]
async fn rtu_frames_over_tcp_are_answered_with_their_crc() {
    let (address, _stop) = start(Framing::RtuOverTcp).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let framed = |bytes: &[u8]| [bytes, &crc16(bytes).to_le_bytes()].concat();
    client.write_all(&framed(&[1, 3, 0, 10, 0, 2])).await.unwrap();
    let mut answer = [0; 9];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[..], framed(&[1, 3, 4, 0x0D, 0xA2, 0x0D, 0xC2]));
}
