//! What a test may cost.

/// Nobody knows the answer: it would cost more than there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent;

/// Work units that are left; one is about a nanosecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    left: u64,
    spent: u64,
}

impl Meter {
    pub fn new(left: u64) -> Self {
        Self { left, spent: 0 }
    }

    pub fn spend(&mut self, units: u64) {
        self.spent = self.spent.saturating_add(units);
    }

    /// Whether more is spent than there was.
    pub fn is_empty(&self) -> bool {
        self.spent > self.left
    }

    /// What is left to spend.
    pub fn left(&self) -> u64 {
        self.left.saturating_sub(self.spent)
    }

    pub fn spent(&self) -> u64 {
        self.spent
    }
}
