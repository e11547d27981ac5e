//! Packages over links that break, and beside other operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use setup::{Bundle, HashCheck, Sending};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A link to a meter that breaks: each connection after so many bytes towards the meter, as long as there are breaks.
struct Link {
    at: Address,
    sent: Arc<AtomicUsize>,
}

/// What a broken link does.
#[derive(Clone, Copy)]
enum Break {
    HangUp,
    StandStill,
}

async fn link(meter: &Meter, breaks_after: Vec<usize>, how: Break) -> Link {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = Address::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    let (host, port) = (meter.at.host().to_owned(), meter.at.port());
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    tokio::spawn(async move {
        let mut breaks = breaks_after.into_iter();
        while let Ok((client, _)) = listener.accept().await {
            let meter = TcpStream::connect((host.as_str(), port)).await.unwrap();
            tokio::spawn(carry(client, meter, breaks.next().unwrap_or(usize::MAX), how, Arc::clone(&counted)));
        }
    });
    Link { at, sent }
}

async fn carry(client: TcpStream, meter: TcpStream, mut left: usize, how: Break, counted: Arc<AtomicUsize>) {
    let ((mut from_client, mut to_client), (mut from_meter, mut to_meter)) = (client.into_split(), meter.into_split());
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_meter, &mut to_client).await });
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
        let through = read.min(left);
        left -= through;
        counted.fetch_add(through, Ordering::Relaxed);
        if to_meter.write_all(&buffer[..through]).await.is_err() || left == 0 {
            match how {
                Break::HangUp => break,
                Break::StandStill => std::future::pending().await,
            }
        }
    }
    back.abort();
}

async fn logged_in(at: &Address, user: Option<&str>, typed: &str) -> Client {
    let mut known = KnownMeters::in_memory();
    let mut accept = |_: &Address, _: &Sha256Digest| Acceptance::Pin;
    let mut client = Client::connect(at.clone(), Trust::Known(&mut known, &mut accept)).await.unwrap();
    client.login(user, &password(typed)).await.unwrap();
    client
}

/// A package that takes more than one piece, signed with a key that the meter trusts from now on.
async fn big(meter: &Meter, user: Option<&str>, typed: &str) -> Bundle {
    let secret = zeroize::Zeroizing::new([7; 32]);
    let key = firmware::package::SigningKey::from_random(&secret, "release desk").unwrap();
    logged_in(&meter.at, user, typed).await.trust(&key.public().to_string()).await.unwrap();
    let toml = include_str!("../../../../releases/4.40.1/release.toml").replacen("4.40.1\"", "4.99.1\"", 1);
    let parts = firmware::package::PackageParts {
        target: firmware::package::Target::METER,
        release: &"4.99.1".parse().unwrap(),
        release_toml: &toml,
        template_dcf: include_str!("../../../../releases/4.40.1/template.dcf"),
        notes_md: &"- One of very many notes.\n".repeat(30_000),
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("8650_V4.99.1.upg");
    std::fs::write(&file, firmware::package::build_package(&parts, Some(&key)).unwrap()).unwrap();
    Bundle::open(file.to_str().unwrap(), HashCheck::Waived).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_breaks_again_and_again_costs_only_what_was_on_its_way() {
    let meter = Meter::new("4.0.9").await;
    let bundle = big(&meter, None, "0").await;
    let size = bundle.bytes().len();
    // The first connection shows its certificate, the second one logs in and sends.
    let link = link(&meter, vec![usize::MAX, size / 2, size / 3], Break::HangUp).await;
    let mut client = logged_in(&link.at, None, "0").await;
    let (told, heard) = mpsc::channel();
    let staged = client.stage(&bundle, move |sending| told.send(sending).unwrap()).await.unwrap();
    assert_eq!(staged.release.as_str(), "4.99.1");
    let told: Vec<_> = heard.iter().collect();
    let lost = told.iter().filter_map(|one| if let Sending::LinkLost(at, _) = one { Some(*at) } else { None });
    let lost: Vec<_> = lost.collect();
    assert_eq!(lost.len(), 2, "{told:?}");
    let went_on: Vec<_> = told
        .windows(2)
        .filter_map(|pair| if let [Sending::LinkLost(..), Sending::Bytes(at, _)] = pair { Some(*at) } else { None })
        .collect();
    assert!(went_on.len() == 2 && went_on[0] > 0 && went_on[1] > went_on[0], "{told:?}");
    assert!(link.sent.load(Ordering::Relaxed) < size + size / 2, "nothing was sent twice as a whole");
    let (told, heard) = mpsc::channel();
    client.stage(&bundle, move |sending| told.send(sending).unwrap()).await.unwrap();
    assert_eq!(heard.iter().collect::<Vec<_>>(), [Sending::There], "and what waits isn't sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_command_for_the_same_package_goes_on() {
    let meter = Meter::new("4.0.9").await;
    let bundle = big(&meter, None, "0").await;
    let half = bundle.bytes().len() / 2;
    let link = link(&meter, vec![usize::MAX, half], Break::HangUp).await;
    let mut client = logged_in(&link.at, None, "0").await;
    let (told, heard) = mpsc::channel();
    let one = bundle.clone();
    let sending = tokio::spawn(async move { client.stage(&one, move |sending| told.send(sending).unwrap()).await });
    // As ctrl-C does it, while the link is down.
    tokio::task::spawn_blocking(move || heard.iter().find(|one| matches!(one, Sending::LinkLost(..))).unwrap())
        .await
        .unwrap();
    sending.abort();
    let _ = sending.await;
    let mut next = logged_in(&meter.at, None, "0").await;
    let (told, heard) = mpsc::channel();
    next.stage(&bundle, move |sending| told.send(sending).unwrap()).await.unwrap();
    let Some(Sending::Bytes(began, _)) = heard.iter().next() else { panic!("it was not sent") };
    assert!(began > 0 && began <= half as u64, "{began}");
    assert!(next.packages().await.unwrap().partial.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_operator_sees_that_one_is_under_way() {
    let meter = Meter::advanced("4.40.1").await;
    let bytes = big(&meter, Some("USER1"), "abc1").await;
    let size = bytes.bytes().len() as u64;
    let link = link(&meter, vec![usize::MAX, size as usize / 2], Break::StandStill).await;
    let mut one = logged_in(&link.at, Some("USER1"), "abc1").await;
    let mut two = meter.login(Some("USER1"), "abc1").await;
    let sending = tokio::spawn(async move { one.stage(&bytes, |_| {}).await });
    let moving = loop {
        if let Some(moving) = two.packages().await.unwrap().moving {
            break moving;
        }
    };
    assert_eq!((moving.size, moving.user.as_str(), moving.path.as_str()), (Some(size), "USER1", "setup"));
    let other = Bundle::open("4.0.9", HashCheck::Beside).unwrap();
    let (status, said) = failed(two.stage(&other, |_| {}).await);
    assert_eq!(status, 1);
    assert!(said.starts_with("USER1 is sending a package over setup from 127.0.0.1 since 00:00:00 UTC"), "{said}");
    assert!(two.info().await.unwrap().remarks.iter().any(|remark| remark.contains("is sending a package")));
    let mut reader = meter.login(Some("USER2"), "abc2").await;
    assert!(!reader.info().await.unwrap().remarks.iter().any(|remark| remark.contains("sending")));
    assert_eq!(failed(reader.packages().await).0, 4);
    // Longer than an upload may stand still.
    meter.bench.clock.advance_ms(31_000);
    two.stage(&other, |_| {}).await.unwrap();
    two.stage(&Bundle::open("4.40.1", HashCheck::Beside).unwrap(), |_| {}).await.unwrap();
    sending.abort();
    let listed = two.packages().await.unwrap();
    let mut names: Vec<_> = listed.packages.iter().map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["8650_V4.0.9.upg", "8650_V4.40.1.upg"]);
    assert_eq!(two.drop_package("8650_V4.0.9.upg").await.unwrap().dropped, "8650_V4.0.9.upg");
    assert!(failed(two.drop_package("8650_V4.0.9.upg").await).1.contains("no staged package"));
}
