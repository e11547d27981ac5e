//! Plan equals act, on a real store: whatever a meter's settings are, what is stored afterwards is what
//! the plan said, and the report finds it so.

use firmware::{Choices, Settings, migrate};
use proptest::prelude::*;
use security::{AccountId, Right, UserId};

use crate::bench::*;

/// Switches that any release's meter may have either way.
const SWITCHES: [&str; 8] = [
    "Web Server",
    "Web Access Read",
    "Web Server Configuration Access",
    "Modbus",
    "Modbus Map Access",
    "Allow Modbus Programming",
    "Telnet",
    "FTP",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn b25_plan_equals_act_up_and_down(
        switches in prop::collection::vec(any::<bool>(), SWITCHES.len()),
        mode in prop::sample::select(vec!["none", "standard", "advanced"]),
        attempts in 0_u8..=255,
        minutes in 1_u16..=1440,
        port in 10_000_u16..60_000,
        label in "[ -~]{1,20}",
        rights in 0_u8..64,
        panel in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let gate = open(dir.path(), Some("4.0.9"));
        for (switch, on) in SWITCHES.iter().zip(switches) {
            set(&gate, switch, if on { "yes" } else { "no" });
        }
        set(&gate, "Invalid Attempts", &attempts.to_string());
        set(&gate, "Lock-out Minutes", &minutes.to_string());
        set(&gate, "Modbus Port", &port.to_string());
        let mut file = gate.template(NOW, &meter::Caller::meter(), firmware::WithSecurity::No).unwrap();
        file.modules.get_mut(&"Factory 1".parse().unwrap()).unwrap().label = Some(label);
        edit(&gate, vec![meter::Edit::Template(Box::new(file))]).unwrap();
        let user7 = UserId::new(7).unwrap();
        let granted = Right::ALL.into_iter().filter(|right| rights & (1 << *right as u8) != 0).collect();
        edit(&gate, vec![
            meter::Edit::Password(AccountId::User(user7), credential(&gate, "seven7")),
            meter::Edit::Active(user7, true),
            meter::Edit::Rights(user7, granted),
        ]).unwrap();
        if panel {
            set_password(&gate, "8650", "12345");
        }
        if mode == "advanced" {
            set_password(&gate, "USER1", "one1");
        }
        if mode != "standard" {
            set(&gate, "Mode", mode);
        }
        for release in ["4.40.1", "4.0.9"] {
            let before: Settings = (*gate.view().settings).clone();
            let from = gate.view().release().clone();
            let report = change(&gate, release);
            prop_assert!(report.as_planned, "{:#?}", report.lines.iter().filter(|line| !line.same).collect::<Vec<_>>());
            let planned = migrate(&before, &from, gate.view().release(), &Choices::default());
            prop_assert_eq!(&*gate.view().settings, &planned.settings);
        }
    }
}
