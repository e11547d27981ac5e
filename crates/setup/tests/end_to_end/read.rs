use firmware::WithSecurity;
use security::Mode;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn b9_standard_and_no_security_are_read_freely_and_advanced_only_with_a_login() {
    let standard = Meter::new("4.40.1").await;
    let mut client = standard.client().await;
    let info = client.info().await.unwrap();
    assert_eq!((info.release.as_str(), info.mode, info.users), ("4.40.1", Mode::Standard, None));
    assert_eq!(info.factory_password, None, "whether it is 0 is told to whoever knows it");
    assert_eq!(failed(client.users().await).0, 4);
    client.login(None, &password("0")).await.unwrap();
    let info = client.info().await.unwrap();
    assert_eq!(info.factory_password, Some(true));
    assert_eq!(info.users.unwrap().len(), 2, "USER1 and USER2, as shipped");

    let advanced = Meter::advanced("4.40.1").await;
    let mut client = advanced.client().await;
    let refused = client.info().await.unwrap_err();
    assert!(refused.wants_login(), "{refused}");
    let refused = client.login(None, &password("abc1")).await.unwrap_err();
    assert!(refused.to_string().contains("USER1 to USER16"), "it says which login is wanted: {refused}");
    client.login(Some("user02"), &password("abc2")).await.unwrap();
    assert_eq!(client.info().await.unwrap().users, None, "USER2 has no Security Config");

    let open = Meter::new("4.0.9").await;
    open.bench.set(&[("Mode", "none")]);
    let mut client = open.client().await;
    assert!(client.info().await.unwrap().users.is_some());
    assert_eq!(client.login(None, &password("anything")).await.unwrap().user, "-");
}

#[tokio::test(flavor = "multi_thread")]
async fn registers_come_with_their_units_and_securitys_own_only_with_its_right() {
    let meter = Meter::advanced("4.40.1").await;
    meter.bench.tick(1_234_000);
    let mut reader = meter.login(Some("USER2"), "abc2").await;
    let energy = reader.registers(&["kWh del"]).await.unwrap().registers;
    let (name, reading) = &energy[0];
    assert_eq!((name.as_str(), reading.unit.as_str(), reading.value.as_f64()), ("kWh del", "kWh", Some(1234.0)));
    let has = |readings: &api::Readings, name: &str| readings.registers.iter().any(|(known, _)| known == name);
    let all = reader.registers(&[]).await.unwrap();
    assert!(has(&all, "kWh del") && has(&all, "Power Meter 1/PT Prim"));
    assert!(!has(&all, "Security Options 1/Mode"));
    assert_eq!(failed(reader.registers(&["Invalid Attempts"]).await).0, 4);
    assert!(failed(reader.registers(&["kW of nothing"]).await).1.contains("there is no register"));
    let mut owner = meter.login(Some("USER1"), "abc1").await;
    assert!(has(&owner.registers(&[]).await.unwrap(), "Security Options 1/Mode"));
    assert_eq!(owner.registers(&["Invalid Attempts"]).await.unwrap().registers[0].1.value.as_f64(), Some(5.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_pages_that_join() {
    let meter = Meter::new("4.40.1").await;
    let mut client = meter.login(None, "0").await;
    for ratio in ["100", "200", "300"] {
        client.set(&set(&[("PT Prim", ratio)], false)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut from = 0;
    loop {
        let page = client.events(Some(from), Some(2)).await.unwrap();
        assert!(page.events.len() <= 2);
        if page.events.is_empty() {
            break;
        }
        seen.extend(page.events);
        from = page.next;
    }
    let newest = client.events(None, Some(1)).await.unwrap();
    assert_eq!(newest.events[0], *seen.last().unwrap());
    assert_eq!((newest.events[0].user.as_str(), newest.events[0].effect.as_str()), ("8650", "300"));
    assert!(seen.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert_eq!(client.events(None, Some(usize::MAX)).await.unwrap().events.len(), seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_show_who_holds_them_and_how_many_there_may_be() {
    let meter = Meter::new("4.40.1").await;
    let _nobody = meter.client().await;
    let mut client = meter.login(None, "0").await;
    let connections = client.connections().await.unwrap();
    assert!(connections.connections.iter().any(|one| one.service == "setup" && one.user == "8650"));
    assert_eq!(connections.limits["setup"], services::setup::CONNECTIONS);
    client.logout().await.unwrap();
    let connections = client.connections().await.unwrap();
    assert!(connections.connections.iter().all(|one| one.user == "-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_is_saved_with_security_only_for_whoever_may_read_it() {
    let meter = Meter::new("4.40.1").await;
    let mut client = meter.client().await;
    assert!(!client.template(WithSecurity::No).await.unwrap().contains("[security]"));
    assert_eq!(failed(client.template(WithSecurity::Yes).await).0, 4);
    client.login(None, &password("0")).await.unwrap();
    assert!(client.template(WithSecurity::Yes).await.unwrap().contains("[security]"));
    let security = client.security().await.unwrap();
    assert!(security.front_panel_factory_password);
    assert_eq!(security.access["setup: 8650"], "everything");
    assert_eq!(security.options["SFTP"], "yes");
}
