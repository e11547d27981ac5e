//! What is on the pages, and that nothing but reading comes of them.

use super::super::answer::READINGS;
use super::super::forms::Form;
use super::super::quantities::OPERATION as GROUPS;
use super::*;

#[tokio::test]
async fn the_page_is_rows_of_label_and_number_space_unit_in_both_releases() {
    for release in ["4.0.9", "4.40.1"] {
        let bench = Bench::new(release);
        let mut client = Client::connect(bench.serve(face()).await).await;
        let before = rows(&client.get_as("8650", "0", OPERATION).await.body);
        assert!(before.contains(&("kW total".into(), "-- kW".into())), "{before:?}");
        measure(&bench);
        let answer = client.get_as("8650", "0", OPERATION).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"));
        let rows = rows(&answer.body);
        for (label, value) in [
            ("kW total", "143.64 kW"),
            ("kVAR total", "0.00 kVAR"),
            ("Vln a", "348.95 V"),
            ("Frequency", "59.97 Hz"),
            ("kWh del", "123.457 kWh"),
            ("kWh rec", "0.000 kWh"),
        ] {
            assert!(rows.contains(&(label.into(), value.into())), "{release}: {label} in {rows:?}");
        }
        assert_eq!(rows.len(), GROUPS.iter().map(|group| group.rows.len()).sum::<usize>());
        assert_eq!(answer.body.matches("<td").count(), 2 * rows.len(), "no other cell may be taken for one");
        for (label, value) in &rows {
            let (number, unit) = value.split_once(' ').unwrap();
            assert!(number.parse::<f64>().is_ok() && !unit.is_empty(), "{label}: {value}");
        }
        for shown in ["MW-2611A001-01", release, "2026-01-01 00:00:01", "a test"] {
            assert!(answer.body.contains(shown), "{release}: {shown}");
        }
    }
}

#[tokio::test]
async fn json_has_the_readings_of_the_page_and_null_where_there_is_none() {
    let bench = Bench::new("4.40.1");
    let mut client = Client::connect(bench.serve(face()).await).await;
    let document = |answer: &Answer| serde_json::from_str::<serde_json::Value>(&answer.body).unwrap();
    let before = document(&client.get(READINGS).await);
    assert_eq!(before["kW tot"], serde_json::json!({"value": null, "unit": "kW"}));
    assert_eq!(before["utc"], serde_json::Value::Null);
    measure(&bench);
    let answer = client.get(READINGS).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let found = document(&answer);
    assert_eq!(found["kW tot"], serde_json::json!({"value": 143.64, "unit": "kW"}));
    assert_eq!(found["serial"], "MW-2611A001-01");
    assert_eq!(found["release"], "4.40.1");
    assert_eq!(found["utc"], "2026-01-01T00:00:01Z");
    assert_eq!(found.as_object().unwrap().len(), 4 + GROUPS.iter().map(|group| group.rows.len()).sum::<usize>());
}

#[tokio::test]
async fn b13_the_pages_ask_for_no_password_in_either_mode_and_show_nothing_of_security_or_network() {
    let bench = Bench::new("4.40.1");
    bench.set(&[("Host Name", "netname"), ("Modbus Port", "50217")]);
    measure(&bench);
    let address = bench.serve(face()).await;
    let standard = Client::connect(address).await.get(OPERATION).await;
    advanced(&bench).await;
    for path in Page::ALL.map(Page::path).into_iter().chain([READINGS]) {
        let mut client = Client::connect(address).await;
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (200, None));
        let with_login = client.get_as("USER1", "wrong", path).await;
        assert_eq!((with_login.status, &with_login.body), (200, &answer.body), "a login is not even looked at");
        let body = answer.body.to_lowercase();
        for hidden in ["user1", "advanced", "netname", "50217", "password", "127.0.0.1", "factory password"] {
            assert!(!body.contains(hidden), "{path} shows {hidden}");
        }
    }
    assert_eq!(logins(&bench), 0);
    assert_eq!(Client::connect(address).await.get(OPERATION).await.body, standard.body);
    let home = Client::connect(address).await.get("/").await;
    assert_eq!((home.status, home.header("location")), (307, Some(OPERATION)));
}

/// Every path there is, with and without wishes behind it, and some that are not.
fn paths() -> Vec<String> {
    let known = Page::ALL.map(Page::path).into_iter().chain(Form::ALL.map(Form::path)).chain(["/", READINGS, "/none"]);
    known
        .flat_map(|path| [path.to_owned(), format!("{path}?Power+Meter+1%2FCT+Prim=1&Mode=none")])
        .chain(["*".into()])
        .collect()
}

#[tokio::test]
async fn b14_no_request_of_any_method_changes_anything() {
    const METHODS: [&str; 17] = [
        "POST",
        "PUT",
        "DELETE",
        "PATCH",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "LINK",
        "UNLINK",
        "PURGE",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "get",
        "SET",
    ];
    const BODIES: [&str; 2] = ["", "state=1.0&mark=AAAA&Power+Meter+1%2FCT+Prim=1&Mode=none"];
    const MORE: &str = "Origin: http://meter\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                        X-HTTP-Method-Override: PUT\r\nX-Forwarded-Host: meter\r\n";
    for (release, forms) in [("4.0.9", true), ("4.40.1", false)] {
        let bench = if forms { configurable() } else { Bench::new(release) };
        let address = bench.serve(face()).await;
        // One login first: what it logs on legacy is the last event there is.
        Client::connect(address).await.get_as("8650", "0", OPERATION).await;
        let before = untouched(&bench);
        let header = login("8650", &Password::new("0").unwrap());
        for method in METHODS {
            for path in paths() {
                for body in BODIES {
                    let request = format!(
                        "{method} {path} HTTP/1.1\r\nHost: meter\r\nAuthorization: {}\r\n{MORE}Content-Length: {}\r\n\r\n{body}",
                        *header,
                        body.len()
                    );
                    let form = forms && Form::at(path.split('?').next().unwrap()).is_some();
                    if form && method == "POST" {
                        continue;
                    }
                    let answer = Client::connect(address).await.send(request.as_bytes()).await.unwrap();
                    // CONNECT takes an authority, not a path: the request itself is malformed.
                    let malformed = method == "CONNECT" && answer.status == 400;
                    let allowed = if form { "GET, HEAD, POST" } else { "GET, HEAD" };
                    assert!(malformed || (answer.status, answer.header("allow")) == (405, Some(allowed)), "{request}");
                }
            }
        }
        let mut client = Client::connect(address).await;
        for path in paths().iter().filter(|path| *path != "*") {
            client.get(path).await;
            let head = format!("HEAD {path} HTTP/1.1\r\nHost: meter\r\nAuthorization: {}\r\n\r\n", *header);
            let head = client.send(head.as_bytes()).await.unwrap();
            assert!([200, 307, 404].contains(&head.status), "{path}: {}", head.status);
        }
        // The second connection has logged in as well; the log tells once a minute of those who do so for each page.
        assert_eq!(untouched(&bench), before, "{release}");
    }
}

#[tokio::test]
async fn b14_the_newest_release_has_no_forms() {
    let bench = Bench::new("4.40.1");
    let mut client = Client::connect(bench.serve(face()).await).await;
    let setup = client.get("/Setup.html").await.body;
    assert!(setup.contains("PT Prim") && !setup.contains("<form") && !setup.contains("Configuration"), "{setup}");
    for form in Form::ALL {
        assert_eq!(client.get(form.path()).await.status, 404, "{form:?}");
    }
}

#[tokio::test]
async fn every_page_has_one_bar_of_links_and_no_cell_that_is_not_a_label_or_its_value() {
    for release in ["4.0.9", "4.40.1"] {
        let bench = Bench::new(release);
        bench.set(&[("Owner", "Stadtwerke <Nord> & \"Söhne\""), ("CT Prim", "800")]);
        measure(&bench);
        let mut client = Client::connect(bench.serve(face()).await).await;
        let expected = [
            ("/Operation.html", ("kW total", "143.64 kW")),
            ("/PowerQuality.html", ("Frequency", "59.97 Hz")),
            ("/Consumption.html", ("kWh del", "123.457 kWh")),
            ("/Setup.html", ("CT Prim", "800 A")),
        ];
        for (page, (path, (label, number))) in Page::ALL.into_iter().zip(expected) {
            assert_eq!(page.path(), path);
            let answer = client.get_as("8650", "0", path).await;
            assert_eq!(answer.status, 200);
            let rows = rows(&answer.body);
            assert!(rows.contains(&(label.into(), number.into())), "{release} {path}: {rows:?}");
            assert_eq!(answer.body.matches("<td").count(), 2 * rows.len(), "{release} {path}");
            for (label, value) in &rows {
                let number = value.split(' ').next().unwrap();
                assert!(number == "--" || number.parse::<f64>().is_ok(), "{path} {label}: {value}");
            }
            for link in Page::ALL.map(Page::path) {
                let href = format!("href=\"{}\"", &link[1..]);
                assert_eq!(answer.body.matches(&href).count(), 1, "{release} {path}: {href}");
            }
            assert_eq!(answer.body.matches("aria-current=\"page\"").count(), 1);
        }
        let setup = client.get_as("8650", "0", "/Setup.html").await.body;
        assert!(setup.contains("Stadtwerke &lt;Nord&gt; &amp; &quot;Söhne&quot;"), "{setup}");
        assert!(setup.contains("Nom Volts is 0, so sags and swells are not recorded"), "{setup}");
        let consumption = client.get_as("8650", "0", "/Consumption.html").await.body;
        for label in ["kW sd", "kW sd predicted", "kW sd time left", "kW sd mx", "kW sd mx time", "Demand resets"] {
            assert!(consumption.contains(&format!(">{label}<")), "{release}: {label}");
        }
    }
}

#[tokio::test]
async fn every_answer_keeps_out_of_caches_and_foreign_pages() {
    let bench = Bench::new("4.40.1");
    let mut client = Client::connect(bench.serve(face()).await).await;
    for path in ["/", OPERATION, "/Setup.html", READINGS, "/none", "/SetupClock.html"] {
        let answer = client.get(path).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.ends_with("form-action 'none'; frame-ancestors 'none'"), "{policy}");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    }
    let head = client.send(format!("HEAD {OPERATION} HTTP/1.1\r\nHost: meter\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 1000);
}

#[tokio::test]
async fn fifty_clients_are_served_while_none_has_hung_up() {
    let bench = Bench::new("4.40.1");
    let address = bench.serve(face()).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = Client::connect(address).await;
        assert_eq!(client.get(OPERATION).await.status, 200);
        clients.push(client);
    }
    assert_eq!(bench.site.connections.list().len(), 50);
    for client in &mut clients {
        assert_eq!(client.get(READINGS).await.status, 200);
    }
}
