//! The report: one Markdown table of every mode and of the textbook's ways, from a real run.

mod table;

pub use table::markdown;
