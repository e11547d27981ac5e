//! The block of samples that a source fills and an analyzer reads: seven columns of equal length, in primary volts and
//! amperes. It is used again second after second, by one meter after the other.

/// One of the seven measured channels. The order is that of the columns; do not reorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Phase a to neutral, V.
    Va,
    /// Phase b to neutral, V.
    Vb,
    /// Phase c to neutral, V.
    Vc,
    /// Phase a, A; positive towards the load while the voltage is positive.
    Ia,
    /// Phase b, A.
    Ib,
    /// Phase c, A.
    Ic,
    /// The fourth current input, A: the neutral as a rule.
    I4,
}

impl Channel {
    /// How many there are.
    pub const COUNT: usize = 7;
    /// All of them, in the order of the columns.
    pub const ALL: [Self; Self::COUNT] = [Self::Va, Self::Vb, Self::Vc, Self::Ia, Self::Ib, Self::Ic, Self::I4];
    /// The voltages, a to c.
    pub const VOLTAGES: [Self; 3] = [Self::Va, Self::Vb, Self::Vc];
    /// The phase currents, a to c.
    pub const CURRENTS: [Self; 3] = [Self::Ia, Self::Ib, Self::Ic];
}

/// Instantaneous values of all channels, column by column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    columns: [Vec<f64>; Channel::COUNT],
}

impl Samples {
    /// An empty block.
    pub fn new() -> Self {
        Self::default()
    }

    /// Samples in each column.
    pub fn len(&self) -> usize {
        self.columns[0].len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the samples, keeps the memory.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(Vec::clear);
    }

    /// Adds one sample of every channel, in the order of [`Channel::ALL`].
    pub fn push(&mut self, values: [f64; Channel::COUNT]) {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
    }

    /// Adds the samples `range` of another block. The part of `range` that lies beyond its end is left out.
    pub fn extend_from(&mut self, other: &Self, range: std::ops::Range<usize>) {
        let end = range.end.min(other.len());
        let start = range.start.min(end);
        for (column, from) in self.columns.iter_mut().zip(&other.columns) {
            column.extend_from_slice(&from[start..end]);
        }
    }

    /// Drops the oldest `count` samples.
    pub(crate) fn drop_front(&mut self, count: usize) {
        let count = count.min(self.len());
        for column in &mut self.columns {
            column.drain(..count);
        }
    }

    /// The samples of one channel.
    pub fn column(&self, channel: Channel) -> &[f64] {
        &self.columns[channel as usize]
    }

    /// The first `len` samples of every channel (all, if there are fewer).
    pub(crate) fn front(&self, len: usize) -> [&[f64]; Channel::COUNT] {
        let len = len.min(self.len());
        std::array::from_fn(|i| &self.columns[i][..len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_equal_and_in_order() {
        let mut block = Samples::new();
        assert!(block.is_empty());
        for i in 0..5 {
            block.push(std::array::from_fn(|channel| f64::from(i * 10) + channel as f64));
        }
        let mut other = Samples::new();
        other.extend_from(&block, 1..3);
        other.extend_from(&block, 4..99);
        other.extend_from(&block, 70..99);
        assert_eq!(other.column(Channel::Ic), [15.0, 25.0, 45.0]);
        other.drop_front(1);
        assert_eq!(other.column(Channel::Va), [20.0, 40.0]);
        other.drop_front(99);
        assert!(Channel::ALL.iter().all(|&channel| other.column(channel).is_empty()));
    }
}
