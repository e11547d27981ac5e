//! A meter as the host runs it: real sockets, a real state directory, a real second of measuring.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::Path;

use framework::modules::security_options::Service;
use host::{Options, PortChoice, PortSet, RunningMeter, SourceChoice, StartError, start};
use meter::{Caller, ChangeSet, Edit};

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn options(state: &Path) -> Options {
    Options {
        state: state.to_owned(),
        release: None,
        source: SourceChoice::Grid { seed: 1 },
        bind: LOOPBACK,
        device_key: None,
        trust: Vec::new(),
        ports: PortChoice { set: Some(PortSet::Auto), ..PortChoice::default() },
        serial: None,
    }
}

fn port(meter: &RunningMeter, service: Service) -> Option<u16> {
    meter.addresses().into_iter().find(|(one, _)| *one == service).map(|(_, address)| address.port())
}

/// One Modbus read of holding registers, by hand.
fn modbus(port: u16, register: u16, count: u16) -> Vec<u16> {
    let mut stream = TcpStream::connect((LOOPBACK, port)).unwrap();
    let [high, low] = (register - 40_001).to_be_bytes();
    stream.write_all(&[0, 1, 0, 0, 0, 6, 1, 3, high, low, 0, count as u8]).unwrap();
    let mut answer = vec![0; 9 + 2 * usize::from(count)];
    stream.read_exact(&mut answer).unwrap();
    answer[9..].chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]])).collect()
}

fn set(meter: &RunningMeter, register: &str, value: &str) -> Result<(), String> {
    let change = ChangeSet { edits: vec![Edit::Register(register.to_owned(), value.to_owned())], force: false };
    let applied = meter.site.gate.apply(meter.site.now(), &Caller::meter(), change);
    applied.map(drop).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_a_new_meter_listens_as_its_release_ships_it_and_measures() {
    let dir = tempfile::tempdir().unwrap();
    let meter = start(options(&dir.path().join("state"))).await.unwrap();
    assert!(meter.born);
    let listening: Vec<Service> = meter.addresses().into_iter().map(|(service, _)| service).collect();
    assert_eq!(listening, [Service::Sftp, Service::Modbus, Service::Setup]);
    let modbus_port = port(&meter, Service::Modbus).unwrap();
    let words = tokio::task::spawn_blocking(move || modbus(modbus_port, 40_011, 4)).await.unwrap();
    // 277 V between line and neutral, in tenths.
    assert!((2700..2850).contains(&words[0]), "{words:?}");
    meter.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_meter_goes_on_with_its_energy_serial_and_ports() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let meter = start(options(&state)).await.unwrap();
    let mut faces = meter.site.faces.clone();
    faces.borrow_and_update();
    let delivered = |meter: &RunningMeter| meter.site.view().energy.micro(metrology::EnergyRegister::WhDel);
    while delivered(&meter) == 0 {
        tokio::task::yield_now().await;
    }
    let (serial, modbus) = (meter.site.view().identity.serial.clone(), port(&meter, Service::Modbus));
    meter.stop().await;
    let existing = Options { ports: PortChoice::default(), ..options(&state) };
    let meter = start(existing).await.unwrap();
    assert!(!meter.born && delivered(&meter) > 0);
    assert_eq!((meter.site.view().identity.serial.clone(), port(&meter, Service::Modbus)), (serial, modbus));
    meter.stop().await;
    let other = Options { release: Some("4.0.9".parse().unwrap()), ..options(&state) };
    let refused = start(other).await.err().unwrap().to_string();
    assert!(refused.starts_with("this meter has release 4.40.1, not 4.0.9"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_names_the_meter_that_is_there_whenever_it_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let names_it = |meter: &RunningMeter| {
        let (serial, certificate) = (meter.site.view().identity.serial.clone(), &meter.site.keys.tls_certificate);
        certificate.windows(serial.len()).any(|bytes| bytes == serial.as_bytes())
    };
    let meter = start(options(&state)).await.unwrap();
    assert!(names_it(&meter));
    meter.stop().await;
    // As a cut leaves it that comes after the meter and before its certificate.
    std::fs::remove_file(state.join("tls.crt")).unwrap();
    let meter = start(options(&state)).await.unwrap();
    assert!(!meter.born && names_it(&meter), "not the serial number that was drawn for this start");
    meter.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_services_open_and_close_with_their_settings_and_a_taken_port_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let meter = start(options(&dir.path().join("state"))).await.unwrap();
    let mut faces = meter.site.faces.clone();
    assert_eq!(port(&meter, Service::Web), None, "the web server ships disabled");
    set(&meter, "Web Server", "yes").unwrap();
    let generation = meter.site.view().generation;
    faces.wait_for(|faces| faces.generation >= generation).await.unwrap();
    let web = port(&meter, Service::Web).unwrap();
    assert!(TcpStream::connect((LOOPBACK, web)).is_ok());

    let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let number = taken.local_addr().unwrap().port().to_string();
    let refused = set(&meter, "Web Server Port", &number).unwrap_err();
    assert_eq!(refused, format!("port {number} is taken by another program: choose another one"));
    assert_eq!(port(&meter, Service::Web), Some(web), "nothing has changed");

    set(&meter, "Web Server", "no").unwrap();
    let generation = meter.site.view().generation;
    faces.wait_for(|faces| faces.generation >= generation).await.unwrap();
    assert!(TcpStream::connect((LOOPBACK, web)).is_err());
    meter.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_at_the_start_and_a_second_process_get_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let number = taken.local_addr().unwrap().port();
    let mut choice = options(&state);
    choice.ports.single.insert(Service::Modbus, number);
    let refused = start(choice).await.err().unwrap();
    assert!(matches!(refused, StartError::Listen("Modbus", _)), "{refused}");
    drop(taken);
    let meter = start(Options { ports: PortChoice::default(), ..options(&state) }).await.unwrap();
    let second = start(options(&state)).await.err().unwrap().to_string();
    assert!(second.contains("in use by another wattkeep process"), "{second}");
    meter.stop().await;
}
