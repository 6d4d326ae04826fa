//! Shows the ledger to people: as a table, as an explanation and as charts.

mod explain;
mod progress;
mod table;
mod words;

pub use charts::svg;
pub use explain::explanation;
pub use progress::Progress;
pub use table::{list, table};
