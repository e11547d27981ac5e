//! The menus of the old terminal, as a table: a key, what is behind it, what it takes, what it does. Whether somebody
//! may see it is asked of the view; most of what is shown is what a command shows. To change something there is
//! the command line, so that nothing can be changed in two ways.

use framework::modules::{
    clock, event_log, factory, modbus_slave, power_meter, security_options as options, sliding_demand,
};
use security::Ask;

use super::pages;
use crate::terminal::editor::{Entered, Nothing, Wanted};
use crate::terminal::screen::{Out, Screen};
use crate::terminal::shell::{self, Session};
use crate::terminal::{Desk, Gone, Peer};

/// A menu.
pub(super) struct Menu {
    title: &'static str,
    items: &'static [Item],
}

struct Item {
    key: char,
    title: &'static str,
    /// What it takes; nothing where what is behind it asks for itself.
    takes: Option<Ask>,
    does: Does,
}

enum Does {
    /// Shows these, one below the other.
    Show(&'static [Part]),
    /// Shows the event log, a page at a time.
    Events,
    Open(&'static Menu),
    CommandLine,
}

enum Part {
    Page(fn(&Desk, usize) -> String),
    /// What this command says.
    Command(&'static str),
    /// The set-up registers of modules of this kind.
    Registers(&'static str),
}

use Does::{CommandLine, Events, Open, Show};
use Part::{Command, Page, Registers};

const READ: Option<Ask> = Some(Ask::Read);
const SETUP: Option<Ask> = Some(Ask::ReadSetup);
const SECURITY: Option<Ask> = Some(Ask::ReadSecurity);

const fn item(key: char, title: &'static str, takes: Option<Ask>, does: Does) -> Item {
    Item { key, title, takes, does }
}

/// What somebody who has logged in meets.
static MAIN: Menu = Menu {
    title: "Main menu",
    items: &[
        item('1', "Network settings and connections", READ, Show(&[Page(pages::network), Command("connections")])),
        item('2', "Meter information", READ, Show(&[Command("info")])),
        item('3', "Readings", READ, Show(&[Page(pages::readings)])),
        item('4', "Demand", READ, Show(&[Command("demand")])),
        item('5', "Set-up", SETUP, Open(&SET_UP)),
        item('6', "Security", SECURITY, Open(&SECURITY_MENU)),
        item('7', "Logs", READ, Open(&LOGS)),
        item('8', "Command line", None, CommandLine),
    ],
};

static SET_UP: Menu = Menu {
    title: "Set-up",
    items: &[
        item('1', "Owner and identity", SETUP, Show(&[Registers(factory::NAME)])),
        item('2', "Power meter", SETUP, Show(&[Registers(power_meter::NAME)])),
        item('3', "Demand", SETUP, Show(&[Registers(sliding_demand::NAME)])),
        item('4', "Clock", SETUP, Show(&[Command("clock"), Registers(clock::NAME)])),
        item('5', "Modbus map", SETUP, Show(&[Registers(modbus_slave::NAME)])),
    ],
};

static SECURITY_MENU: Menu = Menu {
    title: "Security",
    items: &[
        item('1', "Mode, services and lock-out settings", SECURITY, Show(&[Registers(options::NAME)])),
        item('2', "Users and rights", SECURITY, Show(&[Command("users")])),
        item('3', "Sessions and lock-outs", SECURITY, Show(&[Command("connections")])),
        item('4', "What is logged", SECURITY, Show(&[Registers(event_log::NAME)])),
    ],
};

/// Recorders have their place here: a line each.
static LOGS: Menu = Menu {
    title: "Logs",
    items: &[
        item('1', "Event log", READ, Events),
        item('2', "Data recorders", READ, Show(&[Command("log")])),
        item('3', "Last records of Data Recorder 1", READ, Show(&[Command("log 1")])),
    ],
};

/// Leaves a menu.
const LEAVE: char = 'x';
/// What asks for a choice.
const PROMPT: &str = "choice: ";
/// What is below a page.
const AFTER: &str = "\nEnter shows the menu again.\n";
/// What is said when the command line begins.
const HINT: &str = "\ntype help for the commands, exit for the menu\n";
/// Events on a page: with their second lines they fit a window of 24.
const EVENTS: usize = 10;
/// What asks for the next page of them.
const OLDER: &str = "Enter: older ones, x: back: ";

impl Menu {
    fn text(&self, at_top: bool) -> String {
        let lines: String = self.items.iter().map(|item| format!("  {}  {}\n", item.key, item.title)).collect();
        let leave = if at_top { "Exit" } else { "Back" };
        format!("\n{}\n{lines}  {LEAVE}  {leave}\n\n", self.title)
    }

    /// The answer to anything that isn't in it.
    fn no_choice(&self) -> String {
        let keys: Vec<String> = self.items.iter().map(|item| item.key.to_string()).collect();
        format!("type {} or {LEAVE}\n", keys.join(", "))
    }

    fn find(&self, typed: &str) -> Option<&'static Item> {
        self.items.iter().find(|item| typed.chars().eq([item.key]))
    }
}

/// Menus until somebody has had enough, or their session.
pub(super) async fn run<O: Out + Send + Sync>(
    screen: &mut Screen<O>,
    desk: &Desk,
    session: &(impl Session + Sync),
) -> Result<(), Gone> {
    let mut way = vec![&MAIN];
    let mut show = true;
    while let Some(menu) = way.last().copied() {
        if std::mem::take(&mut show) {
            screen.clear().await?;
            screen.say(&menu.text(way.len() == 1)).await?;
        }
        let Some(typed) = choice(screen, PROMPT).await? else { break };
        if session.uses().is_err() {
            return Ok(());
        }
        match typed.as_str() {
            "" | "?" => show = true,
            "x" | "X" => {
                way.pop();
                show = true;
            }
            typed => match menu.find(typed) {
                Some(item) => {
                    if let Some(Err(refusal)) = item.takes.map(|takes| desk.may(&desk.view(), takes)) {
                        screen.say(&format!("{refusal}\n")).await?;
                        continue;
                    }
                    show = true;
                    match item.does {
                        Show(parts) => {
                            self::show(screen, desk, session, item.title, parts).await?;
                            show = false;
                        }
                        Events => show = events(screen, desk, session).await?,
                        Open(menu) => way.push(menu),
                        CommandLine => {
                            screen.say(HINT).await?;
                            shell::on_screen(screen, desk, session).await?;
                        }
                    }
                }
                None => screen.say(&menu.no_choice()).await?,
            },
        }
    }
    screen.say("goodbye\n").await
}

/// What is chosen; none where no more will be.
async fn choice<O: Out + Send + Sync>(screen: &mut Screen<O>, prompt: &str) -> Result<Option<String>, Gone> {
    Ok(match screen.enter(Wanted::Key, prompt, &|| Box::new(Nothing)).await? {
        Entered::Line(line) => Some(line.trim().to_owned()),
        Entered::Interrupted => Some(String::new()),
        // No choice is so long.
        Entered::TooLong => Some("too long".to_owned()),
        Entered::Ended | Entered::Secret(_) => None,
    })
}

async fn show<O: Out + Send + Sync>(
    screen: &mut Screen<O>,
    desk: &Desk,
    session: &(impl Session + Sync),
    title: &str,
    parts: &[Part],
) -> Result<(), Gone> {
    screen.clear().await?;
    screen.say(&format!("\n{title}\n\n")).await?;
    for part in parts {
        let columns = screen.columns().unwrap_or_default();
        match part {
            Page(page) => screen.say(&page(desk, columns)).await?,
            Registers(kind) => screen.say(&crate::terminal::registers_of(desk, kind, columns)).await?,
            Command(line) => {
                let inbox = screen.inbox();
                shell::carry_out(screen, &inbox, desk, session, line.as_bytes()).await?;
            }
        }
    }
    screen.say(AFTER).await
}

/// Pages of events; whether they were left for the menu, and not because there is something else to read.
async fn events<O: Out + Send + Sync>(
    screen: &mut Screen<O>,
    desk: &Desk,
    session: &(impl Session + Sync),
) -> Result<bool, Gone> {
    let mut before = None;
    loop {
        let columns = screen.columns().unwrap_or_default();
        let page = match crate::terminal::event_page(desk, before, EVENTS, columns).await {
            Ok(page) => page,
            Err(refused) => {
                screen.say(&format!("{refused}\n")).await?;
                return Ok(false);
            }
        };
        let Some((text, next)) = page else {
            screen.say(&format!("there are no older events\n{AFTER}")).await?;
            return Ok(false);
        };
        screen.clear().await?;
        screen.say(&format!("\nEvents, the newest first\n\n{text}\n")).await?;
        before = Some(next);
        match choice(screen, OLDER).await?.as_deref() {
            Some("") if session.uses().is_ok() => {}
            _ => return Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(menu: &'static Menu) -> Vec<&'static Menu> {
        let below = menu.items.iter().filter_map(|item| match item.does {
            Open(menu) => Some(all(menu)),
            _ => None,
        });
        std::iter::once(menu).chain(below.flatten()).collect()
    }

    #[test]
    fn every_key_is_one_of_its_menu_and_every_menu_fits_a_screen() {
        let menus = all(&MAIN);
        assert_eq!(menus.len(), 4);
        for menu in menus {
            let mut keys: Vec<char> = menu.items.iter().map(|item| item.key).collect();
            keys.dedup();
            assert_eq!(keys.len(), menu.items.len(), "{}", menu.title);
            assert!(!keys.contains(&LEAVE));
            let text = menu.text(false);
            assert!(text.lines().count() <= 22 && text.lines().all(|line| line.len() <= 78), "{text}");
        }
    }
}
