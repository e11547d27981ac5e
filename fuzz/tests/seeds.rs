//! Every target on its seeds and on mutations of them, with an ordinary compiler: a target that rots, or a
//! parser that breaks at the first strange byte, is noticed without a fuzzer.

use std::path::Path;

/// Mutations of each seed: a second or so for all targets together, unoptimised.
const MUTATIONS: u64 = 500;

/// SplitMix64: the same mutations every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

fn mutate(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(4) {
            0 => bytes.insert(at, random.next() as u8),
            1 => bytes.truncate(at),
            2 => {
                let again = bytes[..at].to_vec();
                bytes.extend(again);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}

#[test]
fn every_target_takes_its_seeds_and_mutations_of_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, target) in fuzz::TARGETS {
        target(b"");
        let seeds = std::fs::read_dir(folder.join(name)).unwrap_or_else(|_| std::fs::read_dir(&folder).unwrap());
        let mut seeds: Vec<_> = seeds.map(|seed| seed.unwrap().path()).filter(|path| path.is_file()).collect();
        seeds.sort();
        let mut random = Random(name.len() as u64);
        for seed in seeds {
            let seed = std::fs::read(seed).unwrap();
            target(&seed);
            (0..MUTATIONS).for_each(|_| target(&mutate(&seed, &mut random)));
        }
    }
}

#[test]
fn every_target_is_a_fuzzer_and_every_fuzzer_a_target() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let mut fuzzers: Vec<&str> = manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/")).collect();
    fuzzers.sort_unstable();
    let mut targets: Vec<String> = fuzz::TARGETS.iter().map(|(name, _)| format!("{name}.rs\"")).collect();
    targets.sort_unstable();
    assert_eq!(fuzzers, targets);
}
