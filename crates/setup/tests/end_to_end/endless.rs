//! A meter that never comes to an end: what it sends fills neither disk nor memory.

use firmware::backup::MAX_BACKUP_BYTES;
use services::Keys;
use setup::Part;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;

/// Answers each request with a head and then with the same piece, so many times or until nobody takes it any more.
async fn meter(head: &'static str, piece: Vec<u8>, pieces: usize) -> Client {
    let keys = Keys::new("MW-1").unwrap();
    let pin = Sha256Digest::of(&keys.tls_certificate);
    let acceptor = wire::tls(&keys, &keys);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = Address::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(acceptor.accept(stream).await.unwrap());
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                if line == "\r\n" {
                    let _ = stream.write_all(head.as_bytes()).await;
                    for _ in 0..pieces {
                        if stream.write_all(&piece).await.is_err() {
                            break;
                        }
                    }
                    let _ = stream.flush().await;
                }
                line.clear();
            }
        }
    });
    Client::connect(at, Trust::Pin(pin)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_without_end_stops_where_no_backup_can_be_longer() {
    const PIECE: usize = 1 << 20;
    let mut piece = format!("{PIECE:x}\r\n").into_bytes();
    piece.extend(vec![b' '; PIECE]);
    piece.extend(b"\r\n");
    let endless = MAX_BACKUP_BYTES as usize / PIECE + 100;
    let mut client = meter("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", piece, endless).await;
    let mut kept = 0;
    let taken = client.take_backup(None, |piece| {
        kept += piece.len() as u64;
        Ok(())
    });
    let (status, message) = failed(taken.await);
    assert_eq!((status, message.contains("more than the 134217728 bytes")), (1, true), "{message}");
    assert!(kept <= MAX_BACKUP_BYTES, "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_lead_back_to_themselves_are_not_followed() {
    let event = r#"{"number":5,"utc_ms":0,"priority":0,"user":"-","path":"-","cause":"","effect":""}"#;
    let page = format!(r#"{{"events":[{event}],"next":5}}"#);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{page}", page.len());
    let mut client = meter("", answer.into_bytes(), 1).await;
    let (status, message) = failed(client.log(Part::From(5, usize::MAX)).await);
    assert_eq!((status, message.contains("those before")), (1, true), "{message}");
}
