//! Configuration in the browser, on releases whose pages ask for a login.

use super::super::forms::Form;
use super::*;

const POWER_METER: &str = "/SetupPowerMeter.html";
const RESET: &str = "/DemandReset.html";
const CT_PRIM: &str = "Power Meter 1/CT Prim";
const PT_PRIM: &str = "Power Meter 1/PT Prim";

#[tokio::test]
async fn b24_with_configuration_access_off_there_is_a_sentence_and_no_form() {
    let bench = Bench::new("4.0.9");
    let mut client = Client::connect(bench.serve(face()).await).await;
    let sentence = "Web Server Configuration Access&quot; is off: it can be turned on with Setup";
    for form in Form::ALL {
        assert_eq!(client.get(form.path()).await.status, 401, "the switch is told to nobody");
        let answer = client.get_as("8650", "0", form.path()).await;
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains(sentence) && !answer.body.contains("<form"), "{}", answer.body);
        let answer = client.post(FACTORY, form.path(), OWN, &[(CT_PRIM, "1")]).await;
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains(sentence), "{}", answer.body);
    }
    let setup = client.get_as("8650", "0", "/Setup.html").await.body;
    assert!(setup.contains(sentence) && !setup.contains(&POWER_METER[1..]), "{setup}");
    assert_eq!(value(&bench, "CT Prim"), "5");
    let causes: Vec<_> = refused_writes(&bench).into_iter().map(|(user, cause, _)| (user, cause)).collect();
    let refused = |cause: &str| ("8650".to_owned(), format!("{cause} from 127.0.0.1"));
    assert_eq!(causes, [refused("full-config"), refused("security-config"), refused("demand-reset")]);
}

#[tokio::test]
async fn a_form_shows_what_is_there_and_changes_it() {
    let bench = configurable();
    let mut client = Client::connect(bench.serve(face()).await).await;
    let setup = client.get_as("8650", "0", "/Setup.html").await.body;
    for form in Form::ALL {
        assert!(setup.contains(&format!("href=\"{}\"", &form.path()[1..])), "{form:?}: {setup}");
    }
    let shown = client.get_as("8650", "0", POWER_METER).await;
    let policy = shown.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self'; frame-ancestors 'none'"), "{policy}");
    for part in ["name=\"Power Meter 1/PT Prim\" value=\"120\"", "a whole number from 1 to 999999", "selected>4W-WYE<"]
    {
        assert!(shown.body.contains(part), "{part}: {}", shown.body);
    }
    assert!(!shown.body.contains("<td"), "what is typed is no quantity");

    let typed =
        [(PT_PRIM, "7200"), (CT_PRIM, " 800 "), ("Power Meter 1/Volts Mode", "DELTA"), ("Power Meter 1/PT Sec", "120")];
    let done = client.send_form(FACTORY, POWER_METER, &typed).await;
    assert_eq!(done.status, 200, "{}", done.body);
    for part in
        ["Power Meter 1/PT Prim: 120 → 7200", "CT Prim: 5 → 800", "Volts Mode: 4W-WYE → DELTA", "value=\"7200\""]
    {
        assert!(done.body.contains(part), "{part}: {}", done.body);
    }
    assert!(!done.body.contains("PT Sec: "), "what is the same is no change");
    assert_eq!(
        (value(&bench, "PT Prim"), value(&bench, "CT Prim"), value(&bench, "Volts Mode")),
        ("7200".into(), "800".into(), "DELTA".into())
    );
    let events = bench.site.gate.events(&Caller::meter(), 0, 1000).unwrap();
    let changes: Vec<_> = events.iter().filter(|event| event.cause.starts_with("Power Meter 1/")).collect();
    assert_eq!(changes.len(), 3);
    assert!(changes.iter().all(|event| event.user == "8650" && event.path == "web" && event.priority == 10));

    let same = client.send_form(FACTORY, POWER_METER, &typed[..1]).await;
    assert!(same.status == 200 && same.body.contains("Nothing is different"), "{}", same.body);
    let partial = client.send_form(FACTORY, "/SetupIdentification.html", &[("Factory 1/Owner", "Nord")]).await;
    assert!(partial.body.contains("Factory 1/Owner:  → Nord"), "{}", partial.body);
    let demand = client.send_form(FACTORY, "/SetupDemand.html", &[("Sliding Window Demand 2/Sub Intvl", "300")]).await;
    assert!(demand.body.contains("Sliding Window Demand 2/Sub Intvl: 900 → 300"), "{}", demand.body);
    let zone = client.send_form(FACTORY, "/SetupClock.html", &[("Clock 1/TZ Offset", "-3.5")]).await;
    assert!(zone.body.contains("Clock 1/TZ Offset: 0 → -3.5"), "{}", zone.body);
    let port = client.send_form(FACTORY, "/SetupCommunications.html", &[("Security Options 1/Modbus", "no")]).await;
    assert!(port.body.contains("Security Options 1/Modbus: yes → no"), "{}", port.body);
}

#[tokio::test]
async fn a_value_that_is_not_taken_is_told_beside_its_field_and_what_was_typed_stays() {
    let bench = configurable();
    let mut client = Client::connect(bench.serve(face()).await).await;
    let typed = [(PT_PRIM, "0"), (CT_PRIM, "eight \"hundred\""), ("Power Meter 1/PT Sec", "115")];
    let answer = client.send_form(FACTORY, POWER_METER, &typed).await;
    assert_eq!(answer.status, 422);
    for part in [
        "nothing was saved: beside the field stands what it takes.",
        "Power Meter 1: PT Prim takes a whole number from 1 to 999999, not &quot;0&quot;.",
        "Power Meter 1: CT Prim takes a whole number from 1 to 999999, not &quot;eight &quot;hundred&quot;&quot;.",
        "name=\"Power Meter 1/CT Prim\" value=\"eight &quot;hundred&quot;\"",
        "value=\"115\"",
        "The register holds <b>5</b> now.",
    ] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert_eq!((value(&bench, "PT Sec"), value(&bench, "PT Prim")), ("120".into(), "120".into()), "all or nothing");
    // The page that says so can be sent back.
    let mut fields = hidden(&answer.body);
    fields.push((PT_PRIM.to_owned(), "7200".to_owned()));
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(client.post(FACTORY, POWER_METER, OWN, &fields).await.status, 200);

    let both = [("Security Options 1/Telnet Port", "2323"), ("Security Options 1/FTP Port", "2323")];
    let answer = client.send_form(FACTORY, "/SetupCommunications.html", &both).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("role=\"alert\"") && answer.body.contains("2323"), "{}", answer.body);
}

#[tokio::test]
async fn a_form_that_is_out_of_date_overwrites_nothing_and_loses_nothing() {
    let bench = configurable();
    let mut client = Client::connect(bench.serve(face()).await).await;
    let shown = client.get_as("8650", "0", POWER_METER).await;
    bench.set(&[("CT Prim", "600")]);
    let mut fields = hidden(&shown.body);
    fields.extend([(CT_PRIM.to_owned(), "5".to_owned()), (PT_PRIM.to_owned(), "7200".to_owned())]);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = client.post(FACTORY, POWER_METER, OWN, &fields).await;
    assert_eq!(answer.status, 409);
    for part in [
        "have changed since they were shown, so nothing was done",
        "value=\"7200\"",
        "holds <b>600</b> now",
        "holds <b>120</b> now",
    ] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert_eq!((value(&bench, "CT Prim"), value(&bench, "PT Prim")), ("600".into(), "120".into()));
}

#[tokio::test]
async fn the_demand_is_reset_by_one_click_once() {
    let bench = configurable();
    bench.draw(104.6);
    let mut client = Client::connect(bench.serve(face()).await).await;
    let shown = client.get_as("8650", "0", RESET).await;
    assert!(shown.body.contains(">kW sd mx<") && shown.body.contains("Reset demand"), "{}", shown.body);
    let fields = hidden(&shown.body);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = client.post(FACTORY, RESET, OWN, &fields).await;
    assert!(answer.status == 200 && answer.body.contains("The demand is reset."), "{}", answer.body);
    assert_eq!(bench.site.view().demand().resets, Some(1));
    assert_eq!(client.post(FACTORY, RESET, OWN, &fields).await.status, 409, "sent again, as by reloading");
    assert_eq!(bench.site.view().demand().resets, Some(1));
}

#[tokio::test]
async fn each_form_takes_its_registers_right_and_full_meter_config() {
    let bench = configurable();
    advanced(&bench).await;
    let rights = |rights: &[Right]| {
        let user = UserId::new(2).unwrap();
        let edits = vec![Edit::Rights(user, rights.iter().copied().collect())];
        bench.site.gate.apply(bench.site.now(), &Caller::meter(), ChangeSet { edits, force: false }).unwrap();
    };
    let mut client = Client::connect(bench.serve(face()).await).await;
    let full = [Right::Read, Right::FullConfig];
    let rows: [(&[Right], [u16; 3]); 5] = [
        (&[Right::Read], [403, 403, 403]),
        (&full, [200, 403, 403]),
        (&[Right::Read, Right::DemandReset], [403, 403, 403]),
        (&[Right::Read, Right::FullConfig, Right::DemandReset], [200, 403, 200]),
        (&[Right::Read, Right::SecurityConfig], [200, 200, 403]),
    ];
    for (held, expected) in rows {
        rights(held);
        for (path, status) in [POWER_METER, "/SetupCommunications.html", RESET].into_iter().zip(expected) {
            let answer = client.get_as("USER2", "xyz", path).await;
            assert_eq!(answer.status, status, "{held:?} {path}");
            let link = format!("href=\"{}\"", &path[1..]);
            let setup = client.get_as("USER2", "xyz", "/Setup.html").await.body;
            assert_eq!(setup.contains(&link), status == 200, "{held:?} {path}");
        }
    }
    // What one user was shown is no other's to send.
    rights(&full);
    let fields = hidden(&client.get_as("USER1", "abc", POWER_METER).await.body);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(client.post(("USER2", "xyz"), POWER_METER, OWN, &fields).await.status, 403);
    assert_eq!(client.send_form(("USER2", "xyz"), POWER_METER, &[(CT_PRIM, "800")]).await.status, 200);
    // A right that goes between showing and sending is gone.
    let shown = client.get_as("USER2", "xyz", POWER_METER).await;
    rights(&[Right::Read]);
    let fields = hidden(&shown.body);
    let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.push((CT_PRIM, "900"));
    let answer = client.post(("USER2", "xyz"), POWER_METER, OWN, &fields).await;
    assert!(answer.status == 403 && answer.body.contains("this takes the right"), "{}", answer.body);
    assert_eq!(value(&bench, "CT Prim"), "800");
}

#[tokio::test]
async fn b9_without_security_forms_ask_for_nothing_but_a_name_that_is_the_meters() {
    let bench = Bench::new("4.0.9");
    bench.set(&[("Mode", "none")]);
    let address = bench.serve(face()).await;
    let mut client = Client::connect(address).await;
    let shown = client.get(POWER_METER).await;
    assert_eq!(shown.status, 200);
    let body: Vec<String> =
        hidden(&shown.body).iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let body = format!("{}&{}=800", body.join("&"), encoded(CT_PRIM));
    let post = |host: &str| {
        format!(
            "POST {POWER_METER} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let rebound = client.send(post("evil.example").as_bytes()).await.unwrap();
    assert!(
        rebound.status == 403 && rebound.body.contains("only under its address or its Host Name"),
        "{}",
        rebound.body
    );
    assert_eq!(refused_writes(&bench).len(), 1);
    assert_eq!(client.send(post("127.0.0.1:8080").as_bytes()).await.unwrap().status, 200);
    assert_eq!(value(&bench, "CT Prim"), "800");
    assert_eq!(logins(&bench), 0);
    bench.set(&[("Web Access Read", "no")]);
    assert_eq!(client.get(POWER_METER).await.status, 403);
    assert_eq!(client.send(post("127.0.0.1:8080").as_bytes()).await.unwrap().status, 403);
}

#[tokio::test]
async fn what_people_type_is_text_on_every_page_and_in_every_attribute() {
    const EVIL: &str = "\"'><script>alert(1)</script><td class=\"l\">kW total</td>&amp;";
    let bench = configurable();
    let mut client = Client::connect(bench.serve(face()).await).await;
    let saved = client.send_form(FACTORY, "/SetupIdentification.html", &[("Factory 1/Owner", EVIL)]).await;
    assert_eq!((saved.status, value(&bench, "Owner").as_str()), (200, EVIL));
    let mut dcf =
        bench.site.gate.template(bench.site.now(), &Caller::meter(), firmware::WithSecurity::No).unwrap().to_text();
    dcf.push_str("\n[modules.\"Clock 1\"]\n");
    dcf = dcf.replacen("[modules.\"Power Meter 1\"]", &format!("[modules.\"Power Meter 1\"]\nlabel = {EVIL:?}"), 1);
    dcf = dcf.replacen("SWinDemand = \"kW sd\"", &format!("SWinDemand = {EVIL:?}"), 1);
    if let Ok(file) = framework::Dcf::parse(dcf.as_bytes()) {
        let change = ChangeSet { edits: vec![Edit::Template(Box::new(file))], force: false };
        bench.site.gate.apply(bench.site.now(), &Caller::meter(), change).unwrap();
    }
    let paths = Page::ALL.map(Page::path).into_iter().chain(Form::ALL.map(Form::path));
    let mut bodies = vec![saved.body];
    for path in paths {
        bodies.push(client.get_as("8650", "0", path).await.body);
    }
    bodies.push(client.send_form(FACTORY, POWER_METER, &[(CT_PRIM, EVIL)]).await.body);
    bodies.push(client.post(FACTORY, POWER_METER, OWN, &[(EVIL, "")]).await.body);
    let shown = bodies.iter().filter(|body| body.contains("&lt;script&gt;")).count();
    assert!(shown >= 4, "{shown}");
    for body in bodies {
        assert!(!body.contains("<script") && !body.contains("'><"), "{body}");
        assert!(body.matches("<td class=\"l\">kW total</td>").count() <= 1);
    }
}
