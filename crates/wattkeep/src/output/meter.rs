//! What a meter prints when it has started.

use std::io;
use std::net::IpAddr;

use host::RunningMeter;

use crate::output::error;
use crate::screen::Screen;

/// Which meter this is, where it listens, and on standard error what should be known about it.
///
/// # Errors
/// Those of the stream.
pub fn started(screen: &mut Screen<'_>, meter: &RunningMeter, bind: IpAddr) -> io::Result<()> {
    let view = meter.site.view();
    let how = if meter.born { "factory-new" } else { "continues" };
    let release = &view.release().release;
    writeln!(screen.out, "Meter {}, release {release}, {how}", view.identity.serial)?;
    writeln!(screen.out, "Measures {}", view.identity.source)?;
    for (service, address) in meter.addresses() {
        writeln!(screen.out, "  {:<7} {address}", service.name())?;
    }
    for remark in &meter.remarks {
        error::remark(screen, remark);
    }
    if !bind.is_loopback() && view.settings.factory_password() {
        error::remark(
            screen,
            "this meter listens beyond this machine and can be entered with the factory password 0: \
             set another one with `wattkeep setup`",
        );
    }
    Ok(())
}
