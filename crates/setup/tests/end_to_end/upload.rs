//! Packages over links that break, and beside other operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use setup::{Bundle, HashCheck, Sending};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

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

/// A link that brings so many bytes towards the meter in all, and more when it is told to.
struct SlowLink {
    at: Address,
    brought: Arc<AtomicUsize>,
    brings: watch::Sender<usize>,
}

impl SlowLink {
    async fn to(meter: &Meter) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = Address::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        let (host, port) = (meter.at.host().to_owned(), meter.at.port());
        let (brings, told) = watch::channel(usize::MAX);
        let brought = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&brought);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let meter = TcpStream::connect((host.as_str(), port)).await.unwrap();
                tokio::spawn(carry_slowly(client, meter, told.clone(), Arc::clone(&counted)));
            }
        });
        Self { at, brought, brings }
    }

    /// From now on it brings so much more, and no more.
    fn bring(&self, more: usize) {
        self.brings.send_replace(self.brought.load(Ordering::Relaxed) + more);
    }
}

async fn carry_slowly(
    client: TcpStream,
    meter: TcpStream,
    mut brings: watch::Receiver<usize>,
    brought: Arc<AtomicUsize>,
) {
    let ((mut from_client, mut to_client), (mut from_meter, mut to_meter)) = (client.into_split(), meter.into_split());
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_meter, &mut to_client).await });
    let mut buffer = [0; 1024];
    loop {
        let Ok(most) = brings.wait_for(|most| brought.load(Ordering::Relaxed) < *most).await.map(|most| *most) else {
            break;
        };
        let most = buffer.len().min(most - brought.load(Ordering::Relaxed));
        let Ok(read @ 1..) = from_client.read(&mut buffer[..most]).await else { break };
        brought.fetch_add(read, Ordering::Relaxed);
        if to_meter.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    back.abort();
}

/// The upload that is under way, as soon as the meter has more of it than so many bytes.
async fn moves_beyond(watching: &mut Client, bytes: u64) -> api::Moving {
    let moves = async {
        loop {
            let moving = watching.packages().await.unwrap().moving;
            if let Some(moving) = moving.filter(|moving| moving.bytes > bytes) {
                return moving;
            }
        }
    };
    timeout(Duration::from_secs(60), moves).await.expect("it moves")
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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_link_brings_counts_is_kept_and_is_all_that_is_told() {
    const STEP: usize = 20_000;
    let meter = Meter::advanced("4.40.1").await;
    let bundle = big(&meter, Some("USER1"), "abc1").await;
    let link = SlowLink::to(&meter).await;
    let mut one = logged_in(&link.at, Some("USER1"), "abc1").await;
    let mut two = meter.login(Some("USER1"), "abc1").await;
    let before = link.brought.load(Ordering::Relaxed);
    link.bring(STEP);
    let (told, heard) = mpsc::channel();
    let (package, brought) = (bundle.clone(), Arc::clone(&link.brought));
    let sending = tokio::spawn(async move {
        let tell = move |sending| told.send((sending, brought.load(Ordering::Relaxed) - before)).unwrap();
        one.stage(&package, tell).await
    });
    // A link that stands still in the middle of a piece: what has come is there, and on the disk.
    let moving = moves_beyond(&mut two, 0).await;
    let listed = two.packages().await.unwrap();
    assert!(moving.bytes < STEP as u64 && listed.partial[0].bytes == moving.bytes, "{listed:?}");
    meter.bench.clock.advance_ms(29_000);
    link.bring(STEP);
    let moving = moves_beyond(&mut two, moving.bytes).await;
    assert_eq!(moving.still_s, 0, "it moves");
    meter.bench.clock.advance_ms(29_000);
    let other = Bundle::open("4.0.9", HashCheck::Beside).unwrap();
    assert!(failed(two.stage(&other, |_| {}).await).1.contains("is sending a package"), "so its place is its own");
    // Nothing for more than 30 s: its place is the other's, and it is told so, not that its link broke.
    meter.bench.clock.advance_ms(2_000);
    two.stage(&other, |_| {}).await.unwrap();
    link.bring(usize::MAX / 2);
    sending.await.unwrap().unwrap();
    let told: Vec<_> = heard.iter().collect();
    for (sending, brought) in &told {
        let (Sending::Bytes(here, _) | Sending::LinkLost(here, _) | Sending::TurnedAway(here, _)) = sending else {
            panic!("{told:?}");
        };
        assert!(*here <= *brought as u64, "{sending:?} when {brought} bytes had gone through");
    }
    let [(Sending::TurnedAway(..), _), (Sending::Bytes(went_on, _), _)] = told
        .windows(2)
        .find_map(|pair| <&[_; 2]>::try_from(pair).ok().filter(|pair| matches!(pair[0].0, Sending::TurnedAway(..))))
        .unwrap()
    else {
        panic!("{told:?}");
    };
    assert!(*went_on >= moving.bytes, "and it goes on where it was: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b28_a_package_that_is_refused_by_its_front_is_not_sent_again_and_again() {
    let meter = Meter::new("4.40.1").await;
    let mut client = meter.login(None, "0").await;
    client.raise_floor(None).await.unwrap();
    let (told, heard) = mpsc::channel();
    let older = Bundle::open("4.0.9", HashCheck::Beside).unwrap();
    let (status, said) = failed(client.stage(&older, move |sending| told.send(sending).unwrap()).await);
    assert!(status == 1 && said.contains("below this meter's floor"), "{said}");
    let told: Vec<_> = heard.iter().collect();
    assert!(told.len() == 2 && told.iter().all(|one| matches!(one, Sending::Bytes(0, _))), "tried twice: {told:?}");
}
