//! A change is made for whoever wished for it: pages of other origins get nowhere with their visitors' logins.

use super::*;

const CLOCK: &str = "/SetupClock.html";
const ZONE: (&str, &str) = ("Clock 1/TZ Offset", "5");

/// A meter, a client that has logged in, and the fields of a form that was shown to it.
async fn shown() -> (Bench, Client, Vec<(String, String)>) {
    let bench = configurable();
    let mut client = Client::connect(bench.serve(face()).await).await;
    let fields = hidden(&client.get_as("8650", "0", CLOCK).await.body);
    assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["state", "mark"]);
    (bench, client, fields)
}

fn with_zone(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain([ZONE]).collect()
}

#[tokio::test]
async fn a_change_from_another_origin_is_refused_even_with_the_forms_mark() {
    let (bench, mut client, fields) = shown().await;
    for origin in ["http://evil.example", "null", "https://meter", "http://meter:8080", "http://meter.evil.example"] {
        let answer = client.post(FACTORY, CLOCK, origin, &with_zone(&fields)).await;
        assert_eq!(answer.status, 403, "{origin}");
        assert!(answer.body.contains("from a page that is not this meter's"), "{}", answer.body);
        assert_eq!(value(&bench, "TZ Offset"), "0", "{origin}");
    }
    let [(user, asked, why)] = refused_writes(&bench).try_into().unwrap();
    assert_eq!((user.as_str(), asked.as_str()), ("8650", "full-config from 127.0.0.1"));
    assert!(why.starts_with("refused: this change comes from a page that is not this meter's"), "{why}");
    bench.clock.advance_ms(60_000);
    client.post(FACTORY, CLOCK, "null", &with_zone(&fields)).await;
    assert!(refused_writes(&bench)[1].2.ends_with("(4 more since the last entry)"), "counted, not forgotten");
    // It was nothing else that stood in the way.
    assert_eq!(client.post(FACTORY, CLOCK, OWN, &with_zone(&fields)).await.status, 200);
    assert_eq!(value(&bench, "TZ Offset"), "5");
}

#[tokio::test]
async fn a_change_without_the_forms_own_mark_is_refused_from_wherever_it_comes() {
    let (bench, mut client, fields) = shown().await;
    let (state, mark) = (fields[0].1.as_str(), fields[1].1.as_str());
    let other = hidden(&client.get_as("8650", "0", "/SetupDemand.html").await.body)[1].1.clone();
    let shorter = &mark[1..];
    let rows: [&[(&str, &str)]; 6] = [
        &[ZONE],
        &[("state", state), ZONE],
        &[("mark", mark), ZONE],
        &[("state", state), ("mark", ""), ZONE],
        &[("state", state), ("mark", shorter), ZONE],
        &[("state", state), ("mark", &other), ZONE],
    ];
    for fields in rows {
        let answer = client.post(FACTORY, CLOCK, OWN, fields).await;
        assert!(answer.status == 403 && answer.body.contains("load the form again"), "{fields:?}: {}", answer.body);
    }
    // A mark for a state that isn't the present one is out of date, whatever state it claims.
    assert_eq!(client.post(FACTORY, CLOCK, OWN, &[("state", "99.0"), ("mark", mark), ZONE]).await.status, 403);
    assert_eq!(value(&bench, "TZ Offset"), "0");
    assert_eq!(refused_writes(&bench).len(), 1);
}

#[tokio::test]
async fn nobody_elses_request_logs_in_or_is_told_anything_without_a_login() {
    let (bench, _, fields) = shown().await;
    let address = bench.serve(face()).await;
    let before = untouched(&bench);
    let mut client = Client::connect(address).await;
    let answer = client.post(("8650", "1"), CLOCK, OWN, &with_zone(&fields)).await;
    assert_eq!(answer.status, 401);
    assert_eq!((bench.site.view().generation, value(&bench, "TZ Offset").as_str()), (before.0, "0"));
}
