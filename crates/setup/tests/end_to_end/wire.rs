use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use services::Keys;
use setup::probe::{Login, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A handshake of TLS 1.2 with nothing of 1.3 in it (RFC 5246, 7.4.1.2).
fn hello_of_tls12() -> Vec<u8> {
    let extensions: [&[u8]; 2] = [
        // signature_algorithms: ecdsa_secp256r1_sha256; supported_groups: secp256r1.
        &[0, 13, 0, 4, 0, 2, 4, 3],
        &[0, 10, 0, 4, 0, 2, 0, 23],
    ];
    let extensions = extensions.concat();
    let mut hello = vec![3, 3];
    hello.extend([9; 32]);
    // No session; TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; no compression.
    hello.extend([0, 0, 2, 0xC0, 0x2B, 1, 0, 0, extensions.len() as u8]);
    hello.extend(extensions);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
    record.extend(hello);
    record
}

async fn answer_to(meter: &Meter, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect((meter.at.host(), meter.at.port())).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn b30_tls_12_is_refused_with_the_alert_that_says_so() {
    let meter = Meter::new("4.40.1").await;
    // alert, fatal, protocol_version (RFC 8446, 6.2).
    assert_eq!(answer_to(&meter, &hello_of_tls12()).await[5..], [2, 70]);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_shown_out_and_the_meter_goes_on() {
    let meter = Meter::new("4.40.1").await;
    let request: &[u8] = b"GET /v1/info HTTP/1.1\r\nhost: meter\r\n\r\n";
    for garbage in [request, &[0; 64], &[0xFF; 5000], b"\x16\x03\x01\xFF\xFF", b"SSH-2.0-x\r\n"] {
        let mut stream = TcpStream::connect((meter.at.host(), meter.at.port())).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "nothing is said outside TLS");
    }
    meter.client().await.info().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_its_limit_is_refused_with_the_limit() {
    let meter = Meter::new("4.40.1").await;
    let mut client = meter.login(None, "0").await;
    let (status, message) = failed(client.set(&set(&[("PT Prim", &"1".repeat(70_000))], false)).await);
    assert_eq!((status, message.contains("at most 65536 bytes")), (1, true), "{message}");
    let file = "#".repeat(framework::dcf::LONGEST_FILE + 1);
    assert!(failed(client.load_template(&file, setup::Load::Apply).await).1.contains("at most 1048576 bytes"));
    client.info().await.expect("the next request goes through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_contact_is_asked_about_once_and_kept() {
    let meter = Meter::new("4.40.1").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_meters");
    let mut asked = 0;
    let mut refuse = |_: &Address, _: &Sha256Digest| Acceptance::Refuse;
    let mut known = KnownMeters::open(&file).unwrap();
    let refused = failed(Client::connect(meter.at.clone(), Trust::Known(&mut known, &mut refuse)).await.map(drop));
    assert_eq!((refused.0, known.iter().count()), (3, 0));
    let mut accept = |_: &Address, _: &Sha256Digest| {
        asked += 1;
        Acceptance::Pin
    };
    for _ in 0..2 {
        let mut known = KnownMeters::open(&file).unwrap();
        let client = Client::connect(meter.at.clone(), Trust::Known(&mut known, &mut accept)).await.unwrap();
        let certificate = Sha256Digest::of(&meter.bench.site.keys.tls_certificate);
        assert_eq!((client.certificate(), known.get(&meter.at)), (certificate, Some(certificate)));
    }
    assert_eq!(asked, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_is_refused_in_plain_words_until_it_is_forgotten() {
    let meter = Meter::new("4.40.1").await;
    let old = Sha256Digest::of(b"the certificate of before");
    let mut known = KnownMeters::in_memory();
    known.remember(&meter.at, old).unwrap();
    let mut accept = |_: &Address, _: &Sha256Digest| Acceptance::Pin;
    let (status, message) =
        failed(Client::connect(meter.at.clone(), Trust::Known(&mut known, &mut accept)).await.map(drop));
    let found = Sha256Digest::of(&meter.bench.site.keys.tls_certificate);
    assert_eq!(status, 3);
    for words in [&old.to_string(), &found.to_string(), "forget", "nothing was sent"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert_eq!(known.forget(&meter.at).unwrap(), Some(old));
    Client::connect(meter.at.clone(), Trust::Known(&mut known, &mut accept)).await.unwrap();
    let (status, message) = failed(Client::connect(meter.at.clone(), Trust::Pin(old)).await.map(drop));
    assert_eq!((status, message.contains("demanded")), (3, true), "{message}");
    Client::connect(meter.at.clone(), Trust::Pin(found)).await.unwrap();
}

/// TLS as a meter speaks it, which shows one certificate and signs with the key of another.
pub fn tls(shown: &Keys, holds: &Keys) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(holds.tls_key.to_vec()));
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certificate = CertificateDer::from(shown.tls_certificate.clone());
    let certified = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certified));
    Arc::new(config).into()
}

async fn impostor(shown: &Keys, holds: &Keys) -> Address {
    let acceptor = tls(shown, holds);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    Address::new("127.0.0.1", port).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_certificate_is_worth_nothing_without_its_key() {
    let (meter, thief) = (Keys::new("MW-1").unwrap(), Keys::new("MW-2").unwrap());
    let pin = Sha256Digest::of(&meter.tls_certificate);
    let honest = impostor(&meter, &meter).await;
    Client::connect(honest, Trust::Pin(pin)).await.expect("the same server with the right key is believed");
    let posing = impostor(&meter, &thief).await;
    let error = Client::connect(posing, Trust::Pin(pin)).await.map(drop).unwrap_err();
    assert!(matches!(error, SetupError::NotAMeter { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let address = Address::new("127.0.0.1", free).unwrap();
    let pin = Trust::Pin(Sha256Digest::of(b""));
    assert_eq!(failed(Client::connect(address, pin).await.map(drop)).0, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_say_how_the_faces_of_a_meter_receive_a_login() {
    let meter = Meter::new("4.40.1").await;
    meter.bench.set_password("8650", "4711").await;
    let mut accept = |_: &Address, _: &Sha256Digest| Acceptance::Pin;
    let mut known = KnownMeters::in_memory();
    let (right, wrong) = (password("4711"), password("0"));
    for (typed, outcome) in [
        (Some(&right), Outcome::LoggedIn),
        (Some(&wrong), Outcome::Refused("the user name or the password is wrong".to_owned())),
        (None, Outcome::Reads),
    ] {
        let login = typed.map(|password| Login { name: "8650", password });
        let trust = Trust::Known(&mut known, &mut accept);
        assert_eq!(setup::probe::setup(meter.at.clone(), trust, login).await, outcome);
    }
    let modbus = meter.bench.serve(&FACES[1]).await;
    assert_eq!(setup::probe::modbus(modbus).await, Outcome::Reads);
    meter.bench.set(&[("Allow Modbus Programming", "yes")]);
    assert_eq!(setup::probe::modbus(modbus).await, Outcome::Writes);
}
