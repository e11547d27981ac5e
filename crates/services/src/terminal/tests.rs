//! Commands as somebody at a desk gives them, without a network: what is said, how it ends, and what the
//! meter is like afterwards.

use std::collections::VecDeque;
use std::sync::Arc;

use framework::modules::security_options::Service;
use meter::Caller;
use proptest::prelude::*;
use security::{Path, UserId, Who};
use zeroize::Zeroizing;

use super::editor::Complete;
use super::*;
use crate::testbed::Bench;

/// Somebody, or a script.
#[derive(Default)]
struct Somebody {
    columns: Option<usize>,
    answers: VecDeque<String>,
    said: String,
    refused: String,
}

impl Peer for Somebody {
    fn columns(&self) -> Option<usize> {
        self.columns
    }

    fn is_person(&self) -> bool {
        self.columns.is_some()
    }

    async fn say(&mut self, text: &str) -> Result<(), Gone> {
        self.said.push_str(text);
        Ok(())
    }

    async fn refuse(&mut self, sentence: &str) -> Result<(), Gone> {
        self.refused.push_str(sentence);
        Ok(())
    }

    async fn answer(&mut self, question: &str) -> Result<Option<String>, Gone> {
        self.said.push_str(question);
        Ok(self.answers.pop_front())
    }

    async fn secret(&mut self, question: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Gone> {
        self.said.push_str(question);
        Ok(self.answers.pop_front().map(|answer| Zeroizing::new(answer.into_bytes())))
    }

    async fn interrupted(&mut self) -> Result<(), Gone> {
        Ok(())
    }
}

fn desk(bench: &Bench, who: Who) -> Desk {
    on(bench, Path::Ssh, who)
}

fn on(bench: &Bench, path: Path, who: Who) -> Desk {
    let peer = "127.0.0.1:9".parse().unwrap();
    Desk::new(Arc::clone(&bench.site), path, Caller::on(path, who, peer))
}

fn user(number: u8) -> Who {
    Who::User(UserId::new(number).unwrap())
}

/// What is said of a command that is done.
#[track_caller]
fn said((outcome, somebody): (Outcome, Somebody)) -> String {
    assert_eq!((outcome, somebody.refused.as_str()), (Outcome::Done, ""), "{}", somebody.said);
    somebody.said
}

/// Why a command isn't done.
#[track_caller]
fn refused((outcome, somebody): (Outcome, Somebody)) -> String {
    assert_eq!(outcome, Outcome::Failed, "{}", somebody.said);
    somebody.refused
}

/// Why a plan isn't accepted.
#[track_caller]
fn not_accepted((outcome, somebody): (Outcome, Somebody)) -> String {
    assert_eq!(outcome, Outcome::NotAccepted, "{}", somebody.said);
    somebody.refused
}

async fn at(desk: &Desk, line: &str) -> (Outcome, Somebody) {
    with(desk, line, None, &[]).await
}

async fn with(desk: &Desk, line: &str, columns: Option<usize>, answers: &[&str]) -> (Outcome, Somebody) {
    let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
    let mut somebody = Somebody { columns, answers, ..Somebody::default() };
    let outcome = run(desk, &mut somebody, line).await.unwrap();
    (outcome, somebody)
}

#[tokio::test]
async fn what_is_not_a_command_gets_a_sentence_with_those_that_are() {
    let bench = Bench::new("4.40.1");
    let desk = desk(&bench, Who::Standard);
    for line in
        ["", "  ", "rm -rf /", "infos", "info now", "show \"kW", "\u{1b}[2J", &"x".repeat(5000), "help me", "set"]
    {
        let sentence = refused(at(&desk, line).await);
        assert_eq!(sentence.lines().count(), 1, "{line:?}: {sentence}");
        assert!(!sentence.contains('\u{1b}'));
    }
    let sentence = refused(at(&desk, "reboot").await);
    assert!(
        sentence.starts_with("there is no command \"reboot\": the commands are info, show, set, users"),
        "{sentence}"
    );
    assert_eq!(at(&desk, "exit").await.0, Outcome::Exit);
}

#[tokio::test]
async fn help_fits_a_screen_and_tells_about_every_command() {
    let bench = Bench::new("4.40.1");
    let desk = desk(&bench, Who::Standard);
    let help = said(with(&desk, "help", Some(80), &[]).await);
    assert!(help.lines().count() <= 22, "with the prompts around it:\n{help}");
    for command in table::COMMANDS {
        assert!(help.contains(&format!("  {}", command.name)), "{help}");
        let more = said(with(&desk, &format!("help {}", command.name), Some(80), &[]).await);
        assert!(more.starts_with(command.usage[0]) && more.contains("  Takes: "), "{more}");
        for width in [40, 80] {
            let text = said(with(&desk, &format!("help {}", command.name), Some(width), &[]).await);
            let folded = text.lines().filter(|line| line.starts_with("  "));
            assert!(folded.clone().all(|line| plain::width(line) <= width), "{text}");
        }
        // None is in the table that the engine doesn't know.
        let (_, somebody) = with(&desk, &format!("{} -?", command.name), Some(80), &[]).await;
        assert!(!somebody.refused.contains("there is no command \"-?\"") || command.name == "help");
        assert!(!somebody.refused.contains(&format!("no command \"{}\"", command.name)), "{}", somebody.refused);
    }
}

#[tokio::test]
async fn info_tells_what_the_meter_is_and_security_only_to_whoever_may_read_it() {
    let bench = Bench::new("4.40.1");
    let all = said(at(&desk(&bench, Who::Standard), "info").await);
    for line in ["Serial number     MW-2611A001-01", "Release           4.40.1", "  USER1", "Factory password  yes"] {
        assert!(all.contains(line), "{line}\n{all}");
    }
    let nobody = refused(at(&desk(&bench, Who::Nobody), "info").await);
    assert_eq!(nobody, "this takes the front-panel password: log in with it (over the network as 8650)\n");
    let narrow = said(with(&desk(&bench, Who::Standard), "info", Some(60), &[]).await);
    assert!(narrow.lines().all(|line| plain::width(line) <= 60), "{narrow}");
}

#[tokio::test]
async fn show_finds_registers_with_blanks_in_their_names_quoted_or_not() {
    let bench = Bench::new("4.40.1");
    bench.tick(123_456_000);
    bench.set(&[("CT Prim", "800")]);
    let desk = desk(&bench, Who::Standard);
    for (line, expected) in [
        ("show kWh del", "kWh del  123456"),
        ("show 'kWh del'", "kWh del  123456"),
        ("show KWH DEL \"ct prim\"", "CT Prim"),
        ("show kWh del CT Prim kWh rec", "kWh rec"),
        ("show Power Meter 1/CT Prim", "Power Meter 1/CT Prim  800"),
    ] {
        let text = said(at(&desk, line).await);
        assert!(text.contains(expected), "{line}: {text}");
    }
    let list = said(at(&desk, "show").await);
    assert!(list.contains("Security Options 1/Mode"), "{list}");
    assert!(list.lines().count() > 100, "{list}");
    let missing = refused(at(&desk, "show kWh foo").await);
    assert_eq!(missing, "there is no register \"kWh foo\": \"show\" without a name lists them all\n");
}

#[tokio::test]
async fn b9_show_gives_each_what_they_may_read() {
    let bench = Bench::new("4.40.1");
    bench.set_password("USER1", "abc").await;
    bench.set(&[("Mode", "advanced")]);
    let reader = desk(&bench, user(2));
    said(at(&reader, "show CT Prim").await);
    let sentence = refused(at(&reader, "show Invalid Attempts").await);
    assert!(sentence.starts_with("this takes the right \"Security Config\""), "{sentence}");
    assert!(!said(at(&reader, "show").await).contains("Security Options"));
    let other_mode = refused(at(&desk(&bench, Who::Standard), "show").await);
    assert!(other_mode.starts_with("this login is not valid"), "{other_mode}");
    for line in ["set CT Prim 5", "rights USER2 all", "users USER3 active", "passwd", "upgrade list"] {
        let sentence = refused(with(&reader, line, Some(80), &["1", "1"]).await);
        assert!(sentence.contains("this takes the right"), "{line}: {sentence}");
    }
}

#[tokio::test]
async fn set_changes_all_or_nothing_and_says_what_has_changed() {
    let bench = Bench::new("4.40.1");
    let desk = desk(&bench, Who::Standard);
    let text = said(at(&desk, "set CT Prim 800 \"PT Prim\" 14400").await);
    assert_eq!(text, "Power Meter 1/CT Prim: 5 -> 800\nPower Meter 1/PT Prim: 120 -> 14400\n");
    assert!(refused(at(&desk, "set CT Prim 900 PT Prim x").await).contains("a whole number from 1 to 999999"));
    assert!(said(at(&desk, "show CT Prim").await).contains("800"));
    said(at(&desk, "set Owner Stadtwerke Übersee 漢字").await);
    assert!(said(at(&desk, "show Owner").await).contains("Stadtwerke Übersee 漢字"));
    assert!(said(at(&desk, "set CT Prim 800").await).starts_with("nothing is different"));
}

#[tokio::test]
async fn b19_whoever_holds_security_config_changes_own_rights_and_the_last_editor_is_guarded() {
    let bench = Bench::new("4.40.1");
    bench.set_password("USER1", "abc").await;
    bench.set(&[("Mode", "advanced")]);
    let editor = desk(&bench, user(1));
    let text = said(at(&editor, "rights user1 read,security-config").await);
    assert_eq!(text, "USER1 has: read, full-config, security-config\n");
    for line in ["rights USER1 read", "users USER1 inactive"] {
        let sentence = refused(at(&editor, line).await);
        assert!(sentence.contains("only a reset at the meter would get it back: force it if"), "{sentence}");
    }
    assert!(refused(at(&editor, "rights USER1 root").await).contains("\"root\" is no right: they are read,"));
    said(at(&editor, "rights USER1 read --force").await);
    assert!(refused(at(&editor, "rights USER1 all").await).contains("Security Config"));
}

#[tokio::test]
async fn a_user_is_let_in_with_a_password_of_its_own() {
    let bench = Bench::new("4.40.1");
    let desk = desk(&bench, Who::Standard);
    assert!(refused(at(&desk, "users USER3 active").await).contains("USER3 has the factory password 0"));
    let text = said(with(&desk, "passwd USER3", Some(80), &["kF3$xy", "kF3$xy"]).await);
    assert!(text.contains("New password of USER3: The same again: USER3 has a new password. Strength: fair"), "{text}");
    assert!(!text.contains("kF3"));
    assert_eq!(said(at(&desk, "users user03 active").await), "USER3 is active\n");
    said(at(&desk, "rights USER3 time-sync,read").await);
    let list = said(at(&desk, "users").await);
    let line = |name: &str| list.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("8650").contains("logs in") && line("8650").contains("factory password 0"), "{list}");
    assert!(
        line("USER3").contains("active") && line("USER3").ends_with("own password        read, time-sync"),
        "{list}"
    );
    assert!(refused(at(&desk, "users root active").await).contains("they are USER1 to USER16"));
}

#[tokio::test]
async fn passwords_follow_the_rules_and_two_that_differ_change_nothing() {
    let bench = Bench::new("4.40.1");
    let desk = desk(&bench, Who::Standard);
    for (answers, part) in [
        (&["abc", "abc"][..], "only digits"),
        (&["4711", "4712"], "the two are not the same: the old password stays"),
        (&["4711"], "no password was given"),
        (&[], "no password was given"),
        (&["", ""], "at least one character"),
    ] {
        let sentence = refused(with(&desk, "passwd", Some(80), answers).await);
        assert!(sentence.contains(part), "{answers:?}: {sentence}");
    }
    assert!(bench.site.view().settings.factory_password());
    assert!(refused(at(&desk, "passwd root").await).contains("8650 and USER1 to USER16"));
    // Without a terminal, once.
    assert!(said(with(&desk, "passwd 8650", None, &["94758316"]).await).contains("Strength: fair"));
}

#[tokio::test]
async fn events_show_what_was_done_and_by_whom() {
    let bench = Bench::new("4.40.1");
    let desk = desk(&bench, Who::Standard);
    said(at(&desk, "set CT Prim 800").await);
    let text = said(at(&desk, "events 1").await);
    assert!(
        text.contains("2026-01-01 00:00:00   10  8650    ssh          Power Meter 1/CT Prim = 5 from 127.0.0.1 -> 800"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
    assert!(said(at(&desk, "events").await).contains("power up"));
    let narrow = said(with(&desk, "events 5", Some(50), &[]).await);
    assert!(narrow.lines().all(|line| plain::width(line) <= 52), "{narrow}");
    for line in ["events 0", "events -1", "events 501", "events x", "events 99999999999999999999"] {
        assert!(refused(at(&desk, line).await).contains("N is at most 500"), "{line}");
    }
}

#[tokio::test]
async fn recorders_are_listed_and_their_records_fit_the_window() {
    let bench = Bench::new("4.40.1");
    let desk = desk(&bench, Who::Standard);
    assert!(said(at(&desk, "log 1").await).ends_with("epoch 1, every 900 s\nno records\n"));
    bench.set(&[("Periodic Timer 1/Period", "1")]);
    (0..20).for_each(|_| bench.draw(3600.0));
    bench.set(&[("Data Recorder 1/Depth", "100")]);
    (0..6).for_each(|_| bench.draw(3600.0));
    let list = said(with(&desk, "log", Some(80), &[]).await);
    assert!(list.starts_with("log  epoch  records  every  numbers") && list.contains("closed   Revenue Log"), "{list}");
    assert!(list.contains("records  Revenue Log"), "{list}");
    let shown = said(with(&desk, "log 1 last 3 epoch 2", Some(80), &[]).await);
    assert!(shown.starts_with("Revenue Log  Data Recorder 1, epoch 2, closed, every 1 s\nnumber"), "{shown}");
    assert!(shown.lines().all(|line| plain::width(line) <= 80), "{shown}");
    for heading in ["kWh del int", "kVAh rec"] {
        assert!(shown.contains(heading), "{shown}");
    }
    let wide = said(at(&desk, "log 1 epoch 2").await);
    assert_eq!(wide.lines().count(), 3 + 12, "without a window all sources stand beside each other: {wide}");
    for line in ["log x", "log 1 last", "log 1 last 0", "log 1 last 501", "log 1 first 3", "log 1 last 3 epoch x"] {
        assert!(refused(at(&desk, line).await).contains("COUNT is at most 500"), "{line}");
    }
    for line in ["log 9", "log 0", "log 1 epoch 7"] {
        let said = refused(at(&desk, line).await);
        assert!(said.starts_with("Data Recorder ") && said.contains(" lists the recorders"), "{line}: {said}");
    }
}

#[tokio::test]
async fn the_clock_is_shown_and_set_with_the_right_for_it() {
    let bench = Bench::new("4.40.1");
    let standard = desk(&bench, Who::Standard);
    let shown = said(at(&standard, "clock").await);
    assert!(shown.starts_with("Time (UTC)  2026-01-01 00:00:00\nSource      the machine's clock\n"), "{shown}");
    said(at(&standard, "clock set 2026-01-01 00:01:30").await);
    bench.clock.advance_ms(1000);
    let shown = said(at(&standard, "clock").await);
    assert!(shown.contains("2026-01-01 00:01:31"), "{shown}");
    assert!(shown.contains("set by hand: 90.000 s ahead of the machine's clock"), "{shown}");
    let events = said(at(&standard, "events 1").await);
    assert!(events.contains("Clock 1/UNIX Time = 1767225600.000 from 127.0.0.1 -> 1767225690.000"), "{events}");
    for line in [
        "clock set yesterday",
        "clock set 1970-01-01T00:00:00Z",
        "clock set 2026-13-01 00:00:00",
        "clock stop",
        "clock set",
    ] {
        refused(at(&standard, line).await);
    }
    said(at(&standard, "clock set 2026-01-01T01:00:00+01:00").await);
    said(at(&standard, "clock set machine").await);
    assert!(said(at(&standard, "clock").await).contains("Source      the machine's clock\n"));
    bench.set_password("USER1", "abc").await;
    bench.set(&[("Mode", "advanced")]);
    assert!(refused(at(&desk(&bench, user(2)), "clock set machine").await).contains("Time Sync"));
}

#[tokio::test]
async fn demand_is_shown_and_reset_with_the_right_for_it() {
    let bench = Bench::new("4.40.1");
    let standard = desk(&bench, Who::Standard);
    bench.set(&[("Sliding Window Demand 1/Sub Intvl", "2")]);
    for kilowatts in [10.0, 20.0, 5.0] {
        bench.draw(kilowatts);
    }
    let shown = said(at(&standard, "demand").await);
    assert!(shown.contains("kW sd    15.000  5.000      kW    1 s\n"), "{shown}");
    assert!(shown.contains("kW sd mx    15.000  kW    2026-01-01 00:00:02\n"), "{shown}");
    assert!(shown.contains("kVAR sd mx  -       kVAR  -\n") && shown.ends_with("reset 0 times\n"), "{shown}");
    for line in ["demand now", "demand reset kW"] {
        assert_eq!(refused(at(&standard, line).await), "type demand or demand reset\n");
    }
    let nobody = refused(at(&desk(&bench, Who::Nobody), "demand reset").await);
    assert!(nobody.starts_with("this takes the front-panel password"), "{nobody}");
    let ended = said(at(&standard, "demand reset").await);
    assert!(ended.starts_with("demand is reset; the maxima were\n") && ended.contains("15.000"), "{ended}");
    let shown = said(at(&standard, "demand").await);
    assert!(shown.contains("kW sd mx    -      kW    -\n"), "{shown}");
    assert!(shown.ends_with("reset 1 times, last 2026-01-01 00:00:03 UTC\n"), "{shown}");
    let events = said(at(&standard, "events 1").await);
    assert!(events.contains("demand reset from 127.0.0.1 -> kW sd mx was 15.000 kW at 1767225602; kVAR"), "{events}");
    bench.set_password("USER1", "abc").await;
    bench.set(&[("Mode", "advanced")]);
    let user2 = desk(&bench, user(2));
    assert!(said(at(&user2, "demand").await).contains("reset 1 times"));
    assert!(refused(at(&user2, "demand reset").await).contains("Peak Demand Reset"));
}

#[tokio::test]
async fn b31_a_change_of_release_is_staged_planned_and_accepted_by_its_digest() {
    let bench = Bench::new("4.40.1");
    bench.goes_on();
    let desk = desk(&bench, Who::Standard);
    let list = said(at(&desk, "upgrade list").await);
    assert!(list.contains("4.40.1  runs\n") && list.contains("4.0.9   shipped  type upgrade stage 4.0.9"), "{list}");
    assert!(refused(at(&desk, "upgrade plan 4.0.9").await).contains("4.0.9 is not staged: type upgrade stage 4.0.9"));
    assert!(refused(at(&desk, "upgrade stage 9.9.9").await).contains("built with 4.0.9 and 4.40.1"));
    said(at(&desk, "upgrade stage 4.0.9").await);
    let plan = said(with(&desk, "upgrade plan 4.0.9", Some(70), &[]).await);
    assert!(plan.starts_with("Downgrade 4.40.1 -> 4.0.9\n") && plan.contains("DANGER "), "{plan}");
    assert!(plan.lines().all(|line| plain::width(line) <= 71), "{plan}");
    let digest = plan.lines().last().unwrap().rsplit(' ').next().unwrap().to_owned();
    let accept = format!("upgrade accept {digest}");
    assert!(not_accepted(at(&desk, &accept).await).contains("without a terminal, add --yes"));
    assert!(not_accepted(with(&desk, &accept, Some(80), &["no"]).await).contains("was not accepted"));
    assert!(refused(at(&desk, "upgrade accept abc").await).contains("or its first 8 digits or more"));
    // What has changed meanwhile changes the plan, which is shown anew (B25).
    said(at(&desk, "set CT Prim 800").await);
    let (outcome, somebody) = with(&desk, &format!("{accept} --yes"), Some(80), &[]).await;
    assert_eq!(outcome, Outcome::NotAccepted);
    assert!(
        somebody.said.starts_with("Downgrade") && somebody.refused.contains("nothing was done"),
        "{}",
        somebody.refused
    );
    let digest = somebody.said.lines().last().unwrap().rsplit(' ').next().unwrap().to_owned();
    let text = said(with(&desk, &format!("upgrade accept {digest}"), Some(80), &["yes"]).await);
    assert!(text.contains("Every session ends") && text.contains("release 4.0.9 runs"), "{text}");
    assert_eq!(bench.site.view().release().release.to_string(), "4.0.9");
}

#[tokio::test]
async fn b31_over_telnet_there_is_no_change_of_release() {
    let bench = Bench::new("4.0.9");
    let desk = on(&bench, Path::Telnet, Who::Standard);
    for line in ["upgrade list", "upgrade stage 4.40.1", "upgrade plan 4.40.1"] {
        let sentence = refused(at(&desk, line).await);
        assert!(sentence.starts_with("a release can't be changed over telnet: use Setup"), "{line}: {sentence}");
    }
}

#[test]
fn the_greeting_says_what_this_is_who_you_are_and_that_a_password_is_as_shipped() {
    let bench = Bench::new("4.40.1");
    let standard = desk(&bench, Who::Standard);
    let text = greeting(&standard, 80);
    assert!(
        text.starts_with("wattkeep 8650 MW-2611A001-01, release 4.40.1, standard security\nYou are 8650."),
        "{text}"
    );
    assert!(text.contains("WARNING: The front-panel password is still 0"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    assert_eq!(prompt(&standard), "8650@MW-2611A001-01> ");
}

#[test]
fn tab_finds_what_can_be_typed() {
    let bench = Bench::new("4.40.1");
    let completer = Completer::new(&desk(&bench, Who::Standard));
    let found = |text: &str| {
        let candidates = completer.candidates(text);
        candidates.words.iter().map(|word| format!("{}{word}", &text[..candidates.start])).collect::<Vec<_>>()
    };
    for (typed, expected) in [
        ("inf", &["info"][..]),
        ("show kwh del-", &["show kWh del-rec"]),
        ("show CT P", &["show CT Prim"]),
        ("show kWh del CT P", &["show kWh del CT Prim"]),
        ("show \"ct p", &["show \"CT Prim"]),
        ("set ct p", &["set CT Prim"]),
        ("set Volts Mode d", &["set Volts Mode DELTA", "set Volts Mode DEMO"]),
        ("set Power Meter 1/CT P", &["set Power Meter 1/CT Prim"]),
        (
            "users user1",
            &[
                "users USER1",
                "users USER10",
                "users USER11",
                "users USER12",
                "users USER13",
                "users USER14",
                "users USER15",
                "users USER16",
            ],
        ),
        ("users USER3 a", &["users USER3 active"]),
        ("rights USER3 read,t", &["rights USER3 read,time-sync", "rights USER3 read,test-mode"]),
        ("passwd 8", &["passwd 8650"]),
        ("upgrade a", &["upgrade accept"]),
        ("nonsense x", &[]),
    ] {
        assert_eq!(found(typed), expected, "{typed}");
    }
    assert!(found("show ").len() > 100);
    // Blanks that are more than a byte long.
    assert_eq!(Completer::new(&desk(&bench, Who::Standard)).candidates("set \u{a0}").start, 6);
    let nobody = Completer::new(&desk(&bench, Who::Nobody));
    assert_eq!(nobody.candidates("show ").words, [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_line_breaks_the_engine_or_sends_commands_to_the_terminal(
        name in prop::sample::select(vec!["show", "set", "users", "rights", "passwd", "events", "log", "upgrade", "help", ""]),
        rest in "\\PC{0,40}|[ -~\u{1b}\u{9b}\u{202e}]{0,40}|( (kW|CT|Prim|tot|USER1|--force|all|\"|'|1))*",
        columns in prop::option::of(0usize..100),
    ) {
        thread_local! {
            static BENCH: (tokio::runtime::Runtime, Bench) =
                (tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), Bench::new("4.40.1"));
        }
        BENCH.with(|(runtime, bench)| {
            let desk = desk(bench, Who::Standard);
            let line = format!("{name} {rest}");
            let (_, somebody) = runtime.block_on(with(&desk, &line, columns, &[]));
            let shown = |c: char| c == '\n' || plain::printable(c) == c;
            prop_assert!(plain::lines(&somebody.said).chars().chain(somebody.refused.chars()).all(shown), "{:?}", somebody.refused);
            let _ = Completer::new(&desk).candidates(&line);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn sessions_are_listed_and_ended_and_lock_outs_lifted_by_whoever_may() {
    let bench = Bench::new("4.40.1");
    bench.set_password("8650", "123456").await;
    let peer = "192.0.2.7:5000".parse().unwrap();
    for _ in 0..5 {
        let wrong = security::Password::new("654321").unwrap();
        bench.clock.advance_ms(60_000);
        assert!(bench.site.login(Path::Ssh, "8650", wrong, peer).await.is_err());
    }
    let token = bench.site.open_session(&Caller::on(Path::Sftp, Who::Standard, peer));
    let number = bench.site.session_number(&token).unwrap();
    let desk = desk(&bench, Who::Standard);
    let list = said(at(&desk, "connections").await);
    assert!(list.contains("8650        ssh   15            192.0.2.7"), "{list}");
    let nobody = self::desk(&bench, Who::Nobody);
    let held = [Some(number), None].map(|session| {
        let entry = bench.site.connections.enter(Service::Ssh, peer, bench.site.now());
        entry.logged_in(Who::Standard);
        entry.in_session(session);
        entry
    });
    let list = said(at(&desk, "connections").await);
    assert_eq!(list.matches("192.0.2.7:5000").count(), 2, "{list}");
    let reader = on(&bench, Path::Setup, Who::Nobody);
    let list = said(at(&reader, "connections").await);
    assert!(list.contains("SSH") && !list.contains("192.0.2.7") && !list.contains("8650"), "{list}");
    drop(held);
    for line in ["connections lift 8650".to_owned(), format!("connections end {number}")] {
        assert!(refused(at(&nobody, &line).await).starts_with("this takes the front-panel password"));
    }
    assert_eq!(said(at(&desk, "connections lift 8650 192.0.2.7").await), "1 lock-out is lifted\n");
    assert_eq!(
        refused(at(&desk, "connections lift 8650").await),
        "8650 is not locked out: `connections` shows the lock-outs there are\n"
    );
    assert!(said(at(&desk, "connections").await).contains("nobody is locked out"));
    let ended = said(at(&desk, &format!("connections end {number}")).await);
    assert_eq!(ended, format!("session {number} of 8650, sftp, is ended\n"));
    assert!(!bench.site.gate.holds_session(bench.site.now(), &token));
    assert!(refused(at(&desk, &format!("connections end {number}")).await).contains("session"));
    for line in ["connections end", "connections end x", "connections lift root", "connections lift 8650 nowhere"] {
        assert_eq!(refused(at(&desk, line).await).lines().count(), 1, "{line}");
    }
}
