//! Clients that send nonsense, or nothing.

use super::*;

#[tokio::test]
async fn bad_input_is_a_4xx_or_the_end_of_that_connection_and_of_nothing_else() {
    let get = |path: &[u8], headers: &[u8]| [b"GET ", path, b" HTTP/1.1\r\nHost: m\r\n", headers, b"\r\n"].concat();
    let many: String = (0..HEADERS + 1).map(|n| format!("X-{n}: y\r\n")).collect();
    let long_header = format!("X: {}\r\n", "y".repeat(HEAD_BYTES));
    let long_login = format!("Authorization: Basic {}\r\n", "QUFB".repeat(1000));
    let operation = OPERATION.as_bytes();
    let sent: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("header", get(operation, long_header.as_bytes()), &[431]),
        ("headers", get(operation, many.as_bytes()), &[431]),
        ("target", get(&[b'/'; 70_000], b""), &[431]),
        ("utf-8", get(b"/\xff\xfe\xc3\x28", b""), &[400]),
        ("dots", get(b"/../../../etc/passwd", b""), &[404]),
        ("escapes", get(b"/%00%2e%2e/%ff", b""), &[404]),
        ("junk", b"\r\n\r\nnonsense\r\n\r\n".to_vec(), &[400]),
        ("split", get(operation, b"A: b\rc\nd\r\n"), &[400]),
        ("nul", get(operation, b"A: \0\r\n"), &[400]),
        ("smuggle", get(operation, b"Content-Length: 5\r\nContent-Length: 6\r\n"), &[400]),
        ("version", b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400]),
        ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
        // Closed without a word: whoever speaks HTTP/2 couldn't read one.
        ("http 2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[]),
        ("login", get(operation, long_login.as_bytes()), &[401]),
        ("base64", get(operation, b"Authorization: Basic ????\r\n"), &[401]),
        ("token", get(operation, b"Authorization: Bearer QUFB\r\n"), &[401]),
        ("latin", get(operation, b"Authorization: Basic \xe9\r\n"), &[401]),
    ];
    let bench = Bench::new("4.0.9");
    let address = bench.serve(face()).await;
    for (what, bytes, expected) in sent {
        let answer = Client::connect(address).await.send(&bytes).await;
        let status = answer.map(|answer| answer.status);
        // Closing before all was read may reset the connection before the answer is seen.
        let unseen = status.is_none() && (expected.is_empty() || bytes.len() > HEAD_BYTES);
        assert!(unseen || status.is_some_and(|status| expected.contains(&status)), "{what}: {status:?}");
    }
    assert_eq!(logins(&bench), 0, "none of these was a login");
    assert_eq!(Client::connect(address).await.get_as("8650", "0", OPERATION).await.status, 200);
}

#[tokio::test]
async fn a_client_that_is_silent_stops_in_a_head_or_takes_no_answer_is_let_go() {
    let bench = Bench::new("4.40.1");
    let soon = Duration::from_millis(20);
    let request = format!("GET {OPERATION} HTTP/1.1\r\nHost: meter\r\n\r\n");
    for (sent, limits) in [
        ("", Limits { head: soon, ..Limits::METER }),
        (&request[..20], Limits { head: soon, ..Limits::METER }),
        (&request, Limits { request: soon, ..Limits::METER }),
    ] {
        let (mut client, end) = pipe(&bench, limits);
        client.write_all(sent.as_bytes()).await.unwrap();
        timeout(PATIENCE, end).await.unwrap_or_else(|_| panic!("still served after {sent:?}")).unwrap();
        assert!(bench.site.connections.list().is_empty());
    }
}

/// A request to a form, all of it as it stands here.
fn to_form(headers: &str, body: &[u8]) -> Vec<u8> {
    let login = login("8650", &Password::new("0").unwrap());
    let head = format!(
        "POST /SetupClock.html HTTP/1.1\r\nHost: meter\r\nOrigin: http://meter\r\nAuthorization: {}\r\n{headers}\r\n",
        *login
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_body_that_is_no_form_is_a_sentence_and_changes_nothing() {
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
    let sized = |kind: &str, body: &[u8]| to_form(&format!("{kind}Content-Length: {}\r\n", body.len()), body);
    let many: String = (0..5000).map(|n| format!("f{n}=&")).collect();
    let huge = vec![b'a'; 200_000];
    let chunked = format!("{FORM}Transfer-Encoding: chunked\r\n");
    let zone = b"Clock+1%2FTZ+Offset=5";
    let rows: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("plain text", sized("Content-Type: text/plain\r\n", zone), &[415]),
        ("multipart", sized("Content-Type: multipart/form-data; boundary=x\r\n", zone), &[415]),
        ("json", sized("Content-Type: application/json\r\n", b"{}"), &[415]),
        ("no type", sized("", zone), &[415]),
        ("two types", sized(&format!("{FORM}Content-Type: text/plain\r\n"), zone), &[415]),
        ("a trick", sized("Content-Type: text/plain; application/x-www-form-urlencoded\r\n", zone), &[415]),
        ("packed", sized(&format!("{FORM}Content-Encoding: gzip\r\n"), zone), &[415]),
        ("huge", sized(FORM, &huge), &[413]),
        ("huge in chunks", to_form(&chunked, &[b"30d40\r\n".as_slice(), &huge, b"\r\n0\r\n\r\n"].concat()), &[413]),
        ("fields", sized(FORM, many.as_bytes()), &[400, 413]),
        ("seventy fields", sized(FORM, &many.as_bytes()[..700]), &[400]),
        ("twice", sized(FORM, b"a=1&a=2"), &[400]),
        ("percent", sized(FORM, b"a=%zz"), &[400]),
        ("utf-8", sized(FORM, b"a=%ff"), &[400]),
        ("bytes", sized(FORM, b"\x00\xff\xfe"), &[400]),
        ("in chunks", to_form(&chunked, b"3\r\na=1\r\n0\r\n\r\n"), &[403]),
        ("a chunk without an end", to_form(&chunked, b"zz\r\n"), &[400]),
        ("nothing", sized(FORM, b""), &[403]),
        ("smuggled length", to_form(&format!("{FORM}Content-Length: 5\r\nContent-Length: 6\r\n"), b"a=1&b="), &[400]),
        ("length below zero", to_form(&format!("{FORM}Content-Length: -1\r\n"), b""), &[400]),
    ];
    let bench = configurable();
    let address = bench.serve(face()).await;
    let generation = bench.site.view().generation;
    for (what, bytes, expected) in rows {
        let answer = Client::connect(address).await.send(&bytes).await;
        let answer = answer.unwrap_or_else(|| panic!("{what}: no answer"));
        assert!(expected.contains(&answer.status), "{what}: {} {}", answer.status, answer.body);
    }
    assert_eq!(bench.site.view().generation, generation);
    // What comes after a length and chunks at once must not be a request of its own.
    let both = to_form(
        &format!("{FORM}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
        b"0\r\n\r\nGET /Smuggled HTTP/1.1\r\nHost: m\r\n\r\n",
    );
    let mut client = Client::connect(address).await;
    let first = client.send(&both).await.unwrap().status;
    assert!([400, 403].contains(&first), "{first}");
}

#[tokio::test]
async fn a_field_that_the_form_does_not_have_is_refused_and_nothing_of_the_rest_done() {
    let bench = configurable();
    let mut client = Client::connect(bench.serve(face()).await).await;
    for other in ["Mode", "Security Options 1/Mode", "Power Meter 1/CT Prim", "TZ Offset", "_method"] {
        let answer =
            client.send_form(FACTORY, "/SetupClock.html", &[("Clock 1/TZ Offset", "5"), (other, "none")]).await;
        assert_eq!(answer.status, 400, "{other}");
        assert!(answer.body.contains("this form has no field"), "{}", answer.body);
    }
    assert_eq!(value(&bench, "TZ Offset"), "0");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_in_the_middle_is_waited_for_no_longer_than_a_form_takes() {
    let bench = configurable();
    let (mut client, _end) = pipe(&bench, Limits::METER);
    let headers = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n";
    client.write_all(&to_form(headers, b"state=")).await.unwrap();
    let begun = tokio::time::Instant::now();
    let mut answer = vec![0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    assert!(begun.elapsed() <= super::super::fields::PATIENCE + Duration::from_secs(1));
}
