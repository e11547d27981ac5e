//! Modbus TCP, which carries no user: whether it reads, and whether it would write. What is written is what
//! was just read, so nothing changes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Broken, Outcome, at};

/// Vln a, the first register that head-ends poll.
const READING: u16 = 40_011;
/// CT Prim, two registers.
const SETUP: u16 = 46_005;
/// The first register's number; its address on the wire is 0.
const FIRST: u16 = 40_001;
/// The longest frame (MODBUS Messaging on TCP/IP, 4.1), less the header's six bytes.
const LONGEST: usize = 254;

/// Reads a measurement, and tries to write a set-up register with its own value.
pub async fn modbus(address: SocketAddr) -> Outcome {
    at(address, async |mut stream| {
        if let Err(exception) = read(&mut stream, READING, 1).await? {
            return Ok(Outcome::Refused(format!("exception {exception:02}")));
        }
        let Ok(words) = read(&mut stream, SETUP, 2).await? else { return Ok(Outcome::Reads) };
        let [high, low] = (SETUP - FIRST).to_be_bytes();
        let mut request = vec![16, high, low, 0, 2, 4];
        request.extend(&words);
        Ok(if ask(&mut stream, &request).await?.is_ok() { Outcome::Writes } else { Outcome::Reads })
    })
    .await
}

/// The bytes of registers, or the exception's number.
async fn read(stream: &mut TcpStream, register: u16, count: u8) -> Result<Result<Vec<u8>, u8>, Broken> {
    let [high, low] = (register - FIRST).to_be_bytes();
    let answer = match ask(stream, &[3, high, low, 0, count]).await? {
        Ok(answer) => answer,
        Err(exception) => return Ok(Err(exception)),
    };
    match answer.split_first() {
        Some((bytes, words)) if *bytes == 2 * count && words.len() == usize::from(*bytes) => Ok(Ok(words.to_vec())),
        _ => Err(Broken::Foreign("Modbus TCP")),
    }
}

/// One request to unit 1; what comes after the function code, or the exception's number.
async fn ask(stream: &mut TcpStream, request: &[u8]) -> Result<Result<Vec<u8>, u8>, Broken> {
    let mut frame = vec![0, 1, 0, 0, 0, request.len() as u8 + 1, 1];
    frame.extend(request);
    stream.write_all(&frame).await?;
    let mut head = [0; 8];
    stream.read_exact(&mut head).await?;
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    if head[..4] != [0, 1, 0, 0] || !(3..=LONGEST).contains(&length) || head[7] & 0x7F != request[0] {
        return Err(Broken::Foreign("Modbus TCP"));
    }
    let mut rest = vec![0; length - 2];
    stream.read_exact(&mut rest).await?;
    Ok(if head[7] == request[0] { Ok(rest) } else { Err(rest[0]) })
}
