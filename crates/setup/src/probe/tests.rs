use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A face of few words: says each line after something was heard, the first at once, and closes.
async fn face(lines: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            for (at, line) in lines.iter().enumerate() {
                if at > 0 && stream.read(&mut [0; 1024]).await.unwrap_or(0) == 0 {
                    break;
                }
                let _ = stream.write_all(line).await;
            }
        }
    });
    address
}

async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_closed_port_is_not_listening_at_every_face() {
    let password = Password::new("0").unwrap();
    let login = Login { name: "8650", password: &password };
    let address = closed().await;
    assert_eq!(telnet(address, login).await, Outcome::NotListening);
    assert_eq!(ftp(address, login).await, Outcome::NotListening);
    assert_eq!(web(address, Some(login)).await, Outcome::NotListening);
    assert_eq!(modbus(address).await, Outcome::NotListening);
    assert_eq!(ssh(address, Channel::Files, login).await, Outcome::NotListening);
    let meter = crate::Address::new("127.0.0.1", address.port()).unwrap();
    let mut known = crate::KnownMeters::in_memory();
    let mut accept = |_: &crate::Address, _: &_| crate::Acceptance::Pin;
    assert_eq!(setup(meter, crate::Trust::Known(&mut known, &mut accept), None).await, Outcome::NotListening);
}

#[tokio::test]
async fn a_terminal_lets_in_asks_again_or_shows_out() {
    let password = Password::new("0").unwrap();
    let login = Login { name: "8650", password: &password };
    let lets_in =
        face(&[b"\xff\xfb\x01\xff\xfb\x03wattkeep 8650V409\r\nlogin: ", b"8650\r\nPassword: ", b"\r\n1  Network\r\n"])
            .await;
    assert_eq!(telnet(lets_in, login).await, Outcome::LoggedIn);
    let asks_again = face(&[b"login: ", b"password: ", b"\r\nthe user name or the password is wrong\r\nlogin: "]).await;
    assert_eq!(telnet(asks_again, login).await, Outcome::Refused("the user name or the password is wrong".to_owned()));
    let shows_out = face(&[b"login: ", b"password: ", b"\r\n"]).await;
    assert_eq!(telnet(shows_out, login).await, Outcome::Refused("the connection was closed".to_owned()));
}

#[tokio::test]
async fn file_transfer_lets_in_or_says_why_not() {
    let password = Password::new("0").unwrap();
    let login = Login { name: "8650", password: &password };
    let lets_in = face(&[b"220-hello\r\n220 8650V409\r\n", b"331 and the password\r\n", b"230 logged in\r\n"]).await;
    assert_eq!(ftp(lets_in, login).await, Outcome::LoggedIn);
    let asks_no_password = face(&[b"220 x\r\n", b"230 logged in\r\n"]).await;
    assert_eq!(ftp(asks_no_password, login).await, Outcome::LoggedIn);
    let refuses = face(&[b"220 x\r\n", b"331 x\r\n", b"530 the user name or the password is wrong\r\n"]).await;
    assert_eq!(ftp(refuses, login).await, Outcome::Refused("the user name or the password is wrong".to_owned()));
    let shows_out = face(&[b"220 x\r\n", b"331 x\r\n"]).await;
    assert_eq!(ftp(shows_out, login).await, Outcome::Refused("the connection was closed".to_owned()));
    for foreign in [face(&[b"SSH-2.0-x\r\n"]).await, face(&[b"\xff\n\xc3\x28\r\n220\r\n"]).await] {
        assert_eq!(ftp(foreign, login).await, Outcome::Failed("it does not speak FTP".to_owned()));
    }
}

#[tokio::test]
async fn a_page_is_read_freely_or_with_a_login_or_not_at_all() {
    let password = Password::new("0").unwrap();
    let login = Some(Login { name: "8650", password: &password });
    let free = face(&[b"", b"HTTP/1.1 200 OK\r\n\r\n"]).await;
    assert_eq!(web(free, login).await, Outcome::Reads);
    let shut = face(&[b"", b"HTTP/1.1 401 Unauthorized\r\n\r\n"]).await;
    assert_eq!(web(shut, login).await, Outcome::Refused("401 Unauthorized".to_owned()));
    let foreign = face(&[b"SSH-2.0-x\r\n", b"HTTP"]).await;
    assert_eq!(web(foreign, login).await, Outcome::Failed("it does not speak HTTP".to_owned()));
}

#[tokio::test]
async fn garbage_is_a_failure_and_no_more() {
    let password = Password::new("0").unwrap();
    let login = Login { name: "8650", password: &password };
    let modbus_like = face(&[b"", b"\0\x01\0\0\xff\xff\x01\x03"]).await;
    assert_eq!(modbus(modbus_like).await, Outcome::Failed("it does not speak Modbus TCP".to_owned()));
    let garbage = face(&[b"SSH-1.0-x\r\n\xff\xff\xff\0"]).await;
    assert!(matches!(telnet(garbage, login).await, Outcome::Failed(_)));
    assert!(matches!(ssh(garbage, Channel::Terminal, login).await, Outcome::Failed(_)));
}
