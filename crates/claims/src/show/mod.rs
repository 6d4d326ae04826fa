//! Shows the ledger to people: as a table, as an explanation and as charts.

mod explain;
mod progress;
mod scale;
mod svg;
mod table;
mod words;

pub use explain::explanation;
pub use progress::Progress;
pub use svg::svg;
pub use table::{list, table};
