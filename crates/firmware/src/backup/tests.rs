use std::collections::BTreeMap;
use std::sync::Arc;

use framework::Memory;
use framework::dcf::MODEL;
use proptest::prelude::*;
use security::sealed::PassphraseKey;
use security::{AccountId, Credential, DeviceKey, HashMemory, Password};
use zeroize::Zeroizing;

use super::*;
use crate::settings::Settings;

fn settings() -> Settings {
    let shipped = crate::shipped().unwrap();
    let carried = &shipped.last().unwrap().carried;
    Settings::factory(&carried.release, &carried.template)
}

fn head(form: Form) -> Head {
    Head {
        format: FORMAT,
        model: MODEL.to_owned(),
        form,
        serial: "MW-2611A001-01".to_owned(),
        release: "4.40.1".parse().unwrap(),
        package: None,
        floor: None,
        trusted_keys: Vec::new(),
        taken_utc_ms: 1_800_000_000_000,
        taken_by: "8650".to_owned(),
    }
}

fn recording() -> RecordingPart {
    let source = r#"{"register":"Integrator 1/kWh del","label":"kWh del","unit":"kWh","decimals":3}"#;
    let text = format!(
        r#"{{"recorder":1,"epoch":1,"definition":{{"sources":[{source}],"trigger":"Periodic Timer 1/Trigger",
        "period_s":900,"depth":10}},"opened_utc_ms":5,"records":1}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn event(number: u64) -> LoggedEvent {
    let text = |text: &str| text.to_owned();
    LoggedEvent {
        number,
        utc_ms: 7,
        priority: 10,
        user: text("-"),
        path: text("meter"),
        cause: text("PT Prim = 1"),
        effect: text("2"),
        kept: false,
        chain: None,
    }
}

fn secrets() -> Secrets {
    let mut credentials: BTreeMap<AccountId, Arc<Credential>> =
        AccountId::all().map(|account| (account, Arc::new(Credential::Factory))).collect();
    let own = Credential::readable(Password::new("s3cret").unwrap()).unwrap();
    credentials.insert(AccountId::FrontPanel, Arc::new(own));
    Secrets { device_key: Arc::new(DeviceKey::new(&[3; 32])), chain_key: Zeroizing::new(vec![4; 32]), credentials }
}

fn key(passphrase: &str, salt: &[u8; 16]) -> PassphraseKey {
    PassphraseKey::derive(&Password::new(passphrase).unwrap(), salt, &mut HashMemory::new())
}

/// The parts of a backup but for its end.
fn parts(form: Form) -> Vec<Part> {
    let record = RecordPart { number: 9, utc_ms: 6, status: 1, values: vec![Some(0.1 + 0.2), None] };
    vec![
        Part::Backup(head(form)),
        Part::Settings(Box::new(settings())),
        Part::Energy([("kWh del".to_owned(), 12_345)].into()),
        Part::Demand(Memory::default()),
        Part::Document(BackedUpDocument { path: "notes/site.txt".to_owned(), bytes: 3, utc_ms: 8 }),
        Part::Recording(recording()),
        Part::Record(record),
        Part::Log(LogPart { meter: 1, next: 3, head: None }),
        Part::Event(event(1)),
        Part::Event(event(2)),
    ]
}

fn written(parts: &[Part]) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut bytes: Vec<u8> = parts.iter().flat_map(|part| writer.line(part)).collect();
    bytes.extend(writer.end().0);
    bytes
}

fn sealed() -> Vec<u8> {
    let mut writer = Writer::default();
    let mut bytes: Vec<u8> = parts(Form::Sealed).iter().flat_map(|part| writer.line(part)).collect();
    let over = writer.so_far();
    let part = secrets().seal(&over, &[5; 16], key("a long passphrase", &[5; 16]));
    bytes.extend(writer.line(&Part::Sealed(part)));
    bytes.extend(writer.end().0);
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Part>, BackupError> {
    let mut reader = Reader::new(bytes);
    let mut parts = Vec::new();
    while let Some(part) = reader.part()? {
        parts.push(part);
    }
    Ok(parts)
}

#[test]
fn what_is_written_is_what_is_read() {
    let mut found = read(&written(&parts(Form::SecretFree))).unwrap();
    assert!(matches!(found.pop(), Some(Part::End(Ending { lines: 10, .. }))));
    assert_eq!(found, parts(Form::SecretFree));
}

#[test]
fn b29_secrets_come_back_with_the_passphrase_and_are_nowhere_in_the_file() {
    let bytes = sealed();
    for secret in ["s3cret", &hex::encode([3; 32]), &hex::encode([4; 32])] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    let opened = |bytes: &[u8], with: &str| {
        let mut reader = Reader::new(bytes);
        let mut part = None;
        while let Some(next) = reader.part().unwrap() {
            if let Part::Sealed(sealed) = next {
                part = Some(sealed);
            }
        }
        let part: SealedPart = part.unwrap();
        Secrets::open(&part, &reader.sealed_over().unwrap(), &key(with, &part.salt().unwrap()))
    };
    let found = opened(&bytes, "a long passphrase").ok().unwrap();
    assert_eq!(found.device_key.expose(), &[3; 32]);
    assert_eq!(found.credentials[&AccountId::FrontPanel].to_stored().as_str(), "readable:s3cret");
    assert!(matches!(opened(&bytes, "another passphrase"), Err(SecretsError::NotOpened(_))));

    // Somebody changes a line before it and writes the end anew: the passphrase's owner sees it.
    let end = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let changed = String::from_utf8(bytes[..end].to_vec()).unwrap().replace("PT Prim = 1", "PT Prim = 7");
    let digest = crate::digest::Sha256Digest::of(changed.as_bytes());
    let lines = changed.lines().count();
    let forged = format!("{changed}{{\"end\":{{\"lines\":{lines},\"sha256\":\"{digest}\"}}}}\n");
    assert!(matches!(opened(forged.as_bytes(), "a long passphrase"), Err(SecretsError::NotOpened(_))));
}

#[test]
fn every_altered_byte_and_every_cut_is_found() {
    let bytes = written(&parts(Form::SecretFree));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(read(&changed).is_err(), "byte {at}");
        if at % 64 == 0 || bytes.len() - at < 200 {
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
    assert!(matches!(read(&[&bytes[..], b"x"].concat()), Err(BackupError::Altered)));
}

#[test]
fn other_files_and_lines_out_of_place_get_a_sentence() {
    let own = String::from_utf8(written(&parts(Form::SecretFree))).unwrap();
    let line = "{\"record\":{\"number\":1,\"utc_ms\":1,\"status\":0,\"values\":[]}}\n";
    let first = own.lines().next().unwrap();
    for (file, sentence) in [
        (String::new(), "this is not a backup of a meter"),
        ("format = 1\n".to_owned(), "this is not a backup of a meter"),
        ("x".repeat(MAX_LINE + 9), "this is not a backup of a meter"),
        (own.replace("{\"format\":1", "{\"format\":2"), "has format 2"),
        (own.replace("\"model\":\"8650\"", "\"model\":\"9510\""), "of a meter of type \"9510\""),
        (own.replace("\"model\":\"8650\"", "\"model\":\"95\u{202e}\u{200b}10\""), "of a meter of type \"9510\""),
        (own.replacen("\"taken_by\"", "\"p\u{202e}w\":1,\"taken_by\"", 1), "unknown field `pw`"),
        (own.replacen("\"taken_by\"", "\"password\":\"x\",\"taken_by\"", 1), "unknown field `password`"),
        (own.replacen("{\"number\":1,", "{\"secret\":1,\"number\":1,", 1), "unknown field `secret`"),
        (own.replacen("{\"template\"", "{\"hashes\":{},\"template\"", 1), "line 2 of this backup"),
        (own.replacen("{\"energy\"", line, 1), "line 3 of this backup can't be read: it is not where"),
        (format!("{first}\n{first}\n"), "line 2 of this backup can't be read: it is not where"),
        (own.lines().take(4).map(|line| format!("{line}\n")).collect(), "its last line is missing"),
        (format!("{first}\n{}\n", "y".repeat(MAX_LINE)), "line 2 of this backup can't be read: it is too long"),
    ] {
        let Err(refused) = read(file.as_bytes()) else { panic!("it is read, without: {sentence}") };
        let said = refused.to_string();
        assert!(said.contains(sentence) && !said.contains('\n'), "{sentence}: {said}");
    }
    // A sealed part in a file that says that it has none, and none in one that says that it has.
    let mut smuggled = parts(Form::SecretFree);
    let part = SealedPart { cipher: SealedPart::CIPHER.to_owned(), salt: String::new(), bytes: String::new() };
    smuggled.push(Part::Sealed(part.clone()));
    assert!(read(&written(&smuggled)).unwrap_err().to_string().contains("secret-free backup has no sealed part"));
    assert!(read(&written(&parts(Form::Sealed))).is_err());
    // Another cost than the one there is, and sealed bytes without end.
    for odd in [
        SealedPart { cipher: "argon2id m=4194304,t=24,p=1 chacha20-poly1305".to_owned(), ..part.clone() },
        SealedPart { salt: "00".repeat(16), bytes: "00".repeat(SealedPart::MAX_BYTES + 1), ..part },
    ] {
        assert!(matches!(odd.salt(), Err(SecretsError::Form)));
    }
}

#[test]
fn the_digest_of_a_restore_is_over_what_is_done_and_not_over_what_runs_on() {
    let line = |kind, before: &str, after: &str| RestoreLine {
        kind,
        subject: "kWh del".to_owned(),
        before: before.to_owned(),
        after: after.to_owned(),
        severity: crate::Severity::Info,
    };
    let backup = crate::digest::Sha256Digest::of(b"");
    let release = "4.40.1".parse().unwrap();
    let named = |line: RestoreLine| RestorePlan::named(&backup, "MW-1", &release, &[line]);
    // A counter may have passed the backup's meanwhile.
    let energy = |before: &str, after: &str| named(line(LineKind::Energy, before, after));
    assert_eq!(energy("1", "9"), energy("10", "10"));
    let demand = |before: &str, after: &str| named(line(LineKind::Demand, before, after));
    assert_eq!(demand("1", "9"), demand("2", "9"));
    assert_ne!(demand("1", "9"), demand("1", "8"));
    let register = |before: &str| named(line(LineKind::Register, before, "9"));
    assert_ne!(register("1"), register("2"));
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let _ = read(&[MAGIC, &bytes].concat());
    }
}
