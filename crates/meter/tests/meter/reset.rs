//! A lost password: security as the release ships it, and everything else as it was.

use std::sync::Arc;

use meter::{BootError, Caller, SecurityReset, reset_security};
use security::{CredentialKind, Mode};
use store::{OpenOptions, Store};

use crate::bench::{NOW, count_energy, credential, found_in_files, open, request, set, set_password};

fn reset(dir: &std::path::Path) -> Result<SecurityReset, BootError> {
    let opened = Store::open(&dir.join("state"), &OpenOptions::default())?;
    reset_security(opened, Arc::new(firmware::shipped().unwrap()), NOW)
}

#[test]
fn security_is_the_releases_own_again_and_energy_logs_and_setup_stay() {
    for (release, telnet_or_ssh) in [("4.40.1", ("SSH", "yes", false)), ("4.0.9", ("Telnet", "no", true))] {
        let dir = tempfile::tempdir().unwrap();
        let gate = open(dir.path(), Some(release));
        count_energy(&gate, 123_456);
        set_password(&gate, "USER1", "abc");
        set_password(&gate, "8650", "47114711");
        let kept = credential(&gate, "abc").to_stored().to_string();
        let (switch, value, factory) = telnet_or_ssh;
        set(&gate, switch, value);
        set(&gate, "CT Prim", "800");
        set(&gate, "Modbus Port", "1502");
        set(&gate, "Mode", "advanced");
        let (energy, events) = (gate.view().energy, gate.next_event().unwrap());
        drop(gate);
        assert!(found_in_files(dir.path(), &kept), "there is something to erase");

        let done = reset(dir.path()).unwrap();
        assert_eq!((done.serial.as_str(), done.release.to_string().as_str()), ("MW-2611A001-01", release));
        assert!(done.registers.iter().any(|(register, _, _)| register == "Security Options 1/Mode"));
        assert!(!found_in_files(dir.path(), &kept), "the old hash is gone");

        let gate = open(dir.path(), None);
        let view = gate.view();
        assert_eq!(view.settings.mode(), Mode::Standard);
        assert!(security::AccountId::all().all(|one| view.settings.credential(one) == CredentialKind::Factory));
        let service = framework::modules::security_options::Service::ALL
            .into_iter()
            .find(|service| service.switch() == switch)
            .unwrap();
        assert_eq!(view.settings.service(service), Some(factory));
        assert_eq!(view.energy, energy);
        let ct = view.settings.template.find("CT Prim").unwrap();
        assert_eq!(view.settings.template.get(&ct).unwrap().to_string(), "800");
        let port = framework::modules::security_options::Service::Modbus;
        assert_eq!(view.settings.port(port), Some(502), "the port it was made with");
        let told = gate.events(&Caller::meter(), 0, 500).unwrap();
        assert!(told.iter().any(|event| event.cause == "factory"), "the log goes on");
        let event = told.iter().find(|event| event.number >= events && event.cause == "security").unwrap();
        assert!(event.effect.starts_with("reset at the machine to the factory state"), "{event:?}");
    }
}

#[test]
fn a_change_that_waits_for_its_time_is_dropped_and_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let meter = Caller::meter();
    let request = request(&gate, "4.0.9", firmware::Choices::default());
    let plan = gate.plan(NOW, &meter, &request).unwrap();
    gate.schedule(NOW, &meter, request, &plan.digest, NOW.utc_ms + 60_000, 600).unwrap();
    drop(gate);
    let remarks = reset(dir.path()).unwrap().remarks;
    assert_eq!(remarks, ["the change to 4.0.9 that was scheduled was dropped"]);
    assert!(reset(dir.path()).unwrap().remarks.is_empty(), "once");
    let gate = open(dir.path(), None);
    assert_eq!(gate.scheduled(&meter).unwrap(), None);
    let told = gate.events(&meter, 0, 500).unwrap().into_iter().filter(|event| event.cause == "scheduled change");
    assert_eq!(told.map(|event| event.effect).collect::<Vec<_>>()[1..], ["4.40.1 to 4.0.9 dropped"]);
}

#[test]
fn a_running_meter_and_an_empty_directory_are_refused_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), Some("4.40.1"));
    let refused = reset(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("in use") || refused.contains("runs"), "{refused}");
    drop(gate);
    let nothing = tempfile::tempdir().unwrap();
    assert!(reset(nothing.path()).is_err());
}
