//! The web pages with clients nobody here wrote, curl and a browser; and with a program in the manner of those for real
//! 8650 meters.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use system_tests::{Meter, Said, has, run, run_with_input};

const FACTORY: Option<(&str, &str)> = Some(("8650", "0"));
const FORM: &str = "SetupPowerMeter.html";

fn curl(args: &[&str]) -> String {
    run(Command::new("curl").args(["-sS", "-m", "30", "-i"]).args(args)).ok().out
}

fn program(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name).to_str().unwrap().to_owned()
}

/// Where the pages are, and of what machine and port.
fn pages(meter: &Meter) -> (String, String) {
    let host = format!("127.0.0.1:{}", meter.port(FACTORY, "web"));
    (format!("http://{host}"), host)
}

fn value(meter: &Meter, register: &str) -> Value {
    meter.setup(FACTORY, &["read", register, "--json"]).ok().json()[register]["value"].clone()
}

/// What a form sends besides what was typed.
fn hidden(page: &str, name: &str) -> String {
    let (_, field) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
    format!("{name}={}", field.split('"').next().unwrap())
}

/// Loads the form of the Power Meter, types a CT ratio and sends it back.
fn set_ct_prim(url: &str, ct_prim: &str, more: &[&str]) -> String {
    let form = format!("{url}/{FORM}");
    let page = curl(&["-u", "8650:0", &form]);
    let typed = format!("Power Meter 1/CT Prim={ct_prim}");
    let (state, mark) = (hidden(&page, "state"), hidden(&page, "mark"));
    let mut args = vec!["-u", "8650:0", "--data-urlencode", &typed, "--data", &state, "--data", &mark, &form];
    args.extend(more);
    curl(&args)
}

#[test]
fn b24_after_a_downgrade_the_pages_want_a_login_and_configure_nothing_until_setup_says_so() {
    if !has("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--ports", "auto"]);
    assert_eq!(meter.info(FACTORY)["services"]["web"]["enabled"], false);
    meter.setup(FACTORY, &["downgrade", "--to", "4.0.9", "--yes"]).ok();
    let web = &meter.info(FACTORY)["services"]["web"];
    let expected = json!({"enabled": true, "listening": true, "read": true, "login": true, "configure": false});
    for (name, fact) in expected.as_object().unwrap() {
        assert_eq!(web[name], *fact, "{name}: {web}");
    }
    let (url, _) = pages(&meter);
    for page in ["Operation.html", "PowerQuality.html", "Consumption.html", "Setup.html", FORM] {
        let page = format!("{url}/{page}");
        assert!(curl(&[&page]).contains(" 401 "), "{page}");
        assert!(curl(&["-u", "8650:1", &page]).contains(" 401 "), "{page}");
        let got = curl(&["-u", "8650:0", &page]);
        let status = if page.ends_with(FORM) { " 403 " } else { " 200 " };
        assert!(got.contains(status), "{page}: {got}");
    }
    let refused = curl(&["-u", "8650:0", &format!("{url}/{FORM}")]);
    assert!(refused.contains("Web Server Configuration Access&quot; is off"), "{refused}");

    meter.setup(FACTORY, &["set", "Web Server Configuration Access", "yes"]).ok();
    let done = set_ct_prim(&url, "800", &[]);
    assert!(done.contains("Power Meter 1/CT Prim: 5 → 800"), "{done}");
    assert_eq!(value(&meter, "CT Prim"), 800.0);

    meter.setup(FACTORY, &["set", "Web Access Read", "no"]).ok();
    assert!(curl(&["-u", "8650:0", &format!("{url}/Operation.html")]).contains(" 403 "));
}

#[test]
fn what_another_page_makes_a_browser_send_is_refused_whatever_way_it_is_sent() {
    if !has("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    meter.setup(FACTORY, &["set", "Web Server Configuration Access", "yes"]).ok();
    let (url, host) = pages(&meter);
    let own = format!("Origin: http://{host}");
    let foreign: [&[&str]; 6] = [
        &["-H", "Origin: http://evil.example"],
        &["-H", "Origin: null"],
        &["-H", "Referer: http://evil.example/page"],
        &["-H", &own, "-H", "Sec-Fetch-Site: cross-site"],
        &["-H", &own, "-H", "Content-Type: text/plain"],
        &["-H", &own, "-H", "X-HTTP-Method-Override: PUT", "-X", "PUT"],
    ];
    for headers in foreign {
        let answer = set_ct_prim(&url, "800", headers);
        assert!([" 403 ", " 415 ", " 405 "].iter().any(|status| answer.contains(status)), "{headers:?}: {answer}");
        assert_eq!(value(&meter, "CT Prim"), 5.0, "{headers:?}");
    }
    let events = meter.setup(FACTORY, &["events", "--json"]).ok().out;
    assert!(events.contains("refused: this change comes from a page that is not this meter's"), "{events}");
    assert!(set_ct_prim(&url, "800", &["-H", &own]).contains(" 200 "));
}

fn reader(args: &[&str]) -> Said {
    run(Command::new("python3").arg(program("operation_reader.py")).args(args))
}

#[test]
fn a_program_in_the_manner_of_those_for_real_meters_reads_kw_total_before_between_and_after() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    let read = |login: &[&str]| {
        let (_, host) = pages(&meter);
        let said = reader(&[&[host.as_str(), "kW total"], login].concat()).ok();
        let number: f64 = said.out.trim().parse().unwrap_or_else(|_| panic!("{said:?}"));
        assert!(number > 0.0, "{said:?}");
    };
    meter.setup(FACTORY, &["read", "kW tot"]).ok();
    read(&["8650", "0"]);
    assert_ne!(reader(&[&pages(&meter).1]).status, 0, "without a login there is nothing to read");
    meter.setup(FACTORY, &["upgrade", "--to", "4.40.1", "--yes"]).ok();
    meter.setup(FACTORY, &["set", "Web Server", "yes"]).ok();
    read(&[]);
    read(&["8650", "0"]);
    meter.setup(FACTORY, &["downgrade", "--to", "4.0.9", "--yes"]).ok();
    read(&["8650", "0"]);
}

/// What a browser shows after these steps.
fn browse(home: &Path, steps: &Value) -> String {
    let profile = home.join("profile");
    let mut command = Command::new("python3");
    command.arg(program("browser.py")).arg(profile).args(["1000", "900"]).env("HOME", home);
    run_with_input(&mut command, &steps.to_string()).ok().out
}

/// Serves one page, of an origin of its own, until the test ends. Gives its address.
fn foreign_page(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", page.len());
            let _ = stream.write_all(format!("{head}{page}").as_bytes());
        }
    });
    address
}

#[test]
fn a_browser_configures_from_the_meters_own_pages_and_from_no_other() {
    if !has("chromium") || !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let meter = Meter::start(dir.path(), &["--release", "4.0.9", "--ports", "auto"]);
    meter.setup(FACTORY, &["set", "Web Server Configuration Access", "yes"]).ok();
    let (url, host) = pages(&meter);
    let with_login = format!("http://8650:0@{host}/Operation.html");

    let attack = |kind: &str| {
        let field = "<input name=\"Power Meter 1/CT Prim\" value=\"666\"><input name=state value=1.0>";
        // After it has been loaded itself, so that the browser loads two pages, one after the other.
        let script = "<script>onload = () => setTimeout(() => f.submit())</script>";
        let form = format!("<form id=f method=post enctype=\"{kind}\" action=\"{url}/{FORM}\">{field}</form>");
        foreign_page(form + script)
    };
    for kind in ["application/x-www-form-urlencoded", "text/plain"] {
        // The page sends its form by itself: the third step only waits for what it leads to.
        let steps = json!([["open", with_login], ["open", attack(kind)], ["do", "0"], ["see", ""]]);
        let seen = browse(dir.path(), &steps);
        assert!(seen.contains("from a page that is not this meter's"), "{kind}: {seen}");
        assert_eq!(value(&meter, "CT Prim"), 5.0);
    }
    let events = meter.setup(FACTORY, &["events", "--json"]).ok().json();
    let refused = |event: &&Value| event["effect"].as_str().is_some_and(|effect| effect.contains("a page that is not"));
    let refused = events["events"].as_array().unwrap().iter().find(refused).expect("an event");
    assert_eq!((&refused["user"], &refused["path"]), (&json!("8650"), &json!("web")), "it had the visitor's login");

    let type_it = "document.querySelector('[name=\"Power Meter 1/CT Prim\"]').value = '800'; \
                   document.querySelector('button').click()";
    let steps = json!([["open", with_login], ["open", format!("{url}/{FORM}")], ["do", type_it], ["see", ""]]);
    let seen = browse(dir.path(), &steps);
    assert!(seen.contains("Power Meter 1/CT Prim: 5 → 800"), "{seen}");
    assert_eq!(value(&meter, "CT Prim"), 800.0);
}
