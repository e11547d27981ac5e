//! What a meter takes on the disk in a day: the measurement behind the size of the reserve, made by hand.

use meter::{Disk, Now};
use metrology::{EnergyIncrement, EnergyRegister, Quantities};

use crate::bench::{NOW, open};

/// The measurement behind [`store::RESERVE_BYTES`]: how much database and journal grow over a day of seconds with the
/// factory template's records.
#[test]
#[ignore = "takes minutes: cargo test -p meter -- --ignored --nocapture a_day"]
fn a_day_of_seconds_fits_into_the_reserve_several_times() {
    const DAY_S: i64 = 86_400;
    let dir = tempfile::tempdir().unwrap();
    let gate = open(dir.path(), None);
    let size = |name: &str| std::fs::metadata(dir.path().join("state").join(name)).map_or(0, |file| file.len());
    let both = || size("meter.db") + size("meter.db-wal");
    let before = both();
    let mut micro = [0; EnergyRegister::COUNT];
    micro[EnergyRegister::WhDel as usize] = 12_345_678;
    for second in 1..=DAY_S {
        let now = Now { utc_ms: NOW.utc_ms + second * 1000, up_ms: second * 1000 };
        gate.tick(now, Some(&Quantities::default()), &EnergyIncrement::from_micro(micro)).unwrap();
        if second % (DAY_S / 4) == 0 {
            println!("after {second} s: meter.db {} and its journal {}", size("meter.db"), size("meter.db-wal"));
        }
    }
    let grown = both() - before;
    println!("grown by {grown} bytes in a day");
    assert!(grown * 2 < store::RESERVE_BYTES, "{grown}");
    assert_eq!(gate.view().disk, Disk::Room);
}
