//! Plays a recording for ever: the part of it that is whole cycles, again and again, so that the seam falls where the
//! waveform comes round by itself.

use std::sync::Arc;

use super::{ComtradeError, Recording};
use crate::{Nominal, SampleRate, Samples, Source, frequency};

/// Rounds of "how many cycles fit?" and "what is their frequency?".
const FIT_ROUNDS: usize = 4;

/// A recording as a source. Many players may share one recording.
#[derive(Debug)]
pub struct Player {
    recording: Arc<Recording>,
    /// Samples of the loop.
    len: usize,
    cycles: usize,
    hertz: f64,
    /// The next sample to be played.
    at: usize,
}

impl Player {
    /// Cuts the loop: the largest number of cycles, at the frequency found in the voltages, whose length fits.
    /// [`ComtradeError::NoCycles`] if there aren't two.
    pub fn new(recording: impl Into<Arc<Recording>>) -> Result<Self, ComtradeError> {
        let recording = recording.into();
        let (rate, nominal, columns) = (recording.rate, recording.nominal, recording.front());
        let (lowest, highest) = nominal.range();
        let none = ComtradeError::NoCycles(lowest, highest);
        let fitting = |hertz: f64| {
            let about = (columns[0].len() as f64 * hertz / rate.hertz()).ceil() as usize;
            // Rounding can make one more cycle fit than the division says.
            (2..=about + 1).rev().find(|cycles| frequency::cycles_len(rate, *cycles, hertz) <= columns[0].len())
        };
        let mut hertz = nominal.hertz();
        let mut cycles = 0;
        for _ in 0..FIT_ROUNDS {
            let fit = fitting(hertz).ok_or(none.clone())?;
            if fit == cycles {
                break;
            }
            cycles = fit;
            hertz = frequency::acquire(&columns, rate, nominal, cycles).ok_or(none.clone())?;
        }
        let cycles = fitting(hertz).ok_or(none)?;
        let len = frequency::cycles_len(rate, cycles, hertz);
        Ok(Self { recording, len, cycles, hertz, at: 0 })
    }

    /// The recording.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Samples of the loop.
    pub fn loop_len(&self) -> usize {
        self.len
    }

    /// Whole cycles of the loop.
    pub fn loop_cycles(&self) -> usize {
        self.cycles
    }
}

impl Source for Player {
    fn sample_rate(&self) -> SampleRate {
        self.recording.rate
    }

    fn nominal(&self) -> Nominal {
        self.recording.nominal
    }

    fn describe(&self) -> String {
        let (station, rate) = (&self.recording.station, self.recording.rate.hertz());
        format!("recording {station}: {} cycles of {:.2} Hz at {rate:.1} samples a second", self.cycles, self.hertz)
    }

    fn fill(&mut self, block: &mut Samples, count: usize, _local_second_of_day: u32) {
        block.clear();
        let mut left = count;
        while left > 0 {
            let take = left.min(self.len - self.at);
            block.extend_from(&self.recording.samples, self.at..self.at + take);
            left -= take;
            self.at = (self.at + take) % self.len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channel;
    use crate::comtrade::tests::example;

    fn player(change: impl Fn(String) -> String) -> Result<Player, ComtradeError> {
        let (cfg, dat) = example("ASCII");
        Player::new(Recording::parse(change(cfg).as_bytes(), &dat)?)
    }

    #[test]
    fn the_loop_is_whole_cycles_and_never_stops() {
        let mut player = player(|cfg| cfg.replace("480,80", "480,77")).unwrap();
        assert_eq!((player.loop_cycles(), player.loop_len()), (9, 72));
        assert_eq!(player.describe(), "recording Station: 9 cycles of 60.00 Hz at 480.0 samples a second");
        let mut block = Samples::new();
        let mut played = Vec::new();
        for count in [0, 1, 71, 72, 73, 500, 3] {
            player.fill(&mut block, count, 0);
            assert_eq!(block.len(), count);
            played.extend_from_slice(block.column(Channel::Vb));
        }
        let recorded = player.recording().samples().column(Channel::Vb);
        let want: Vec<f64> = recorded[..72].iter().cycle().take(played.len()).copied().collect();
        assert_eq!(played, want);
    }

    #[test]
    fn too_little_to_loop_is_said() {
        let one_cycle = player(|cfg| cfg.replace("480,80", "480,12")).unwrap_err();
        assert_eq!(one_cycle, ComtradeError::NoCycles(51.0, 69.0));
        let dead = player(|cfg| cfg.replace(",0.00001,", ",0,")).unwrap_err();
        assert!(dead.to_string().contains("no two whole cycles between 51 and 69 Hz"), "{dead}");
    }
}
