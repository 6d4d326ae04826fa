//! The ledger of claims: one experiment each, with its samples, an interval and a verdict.
