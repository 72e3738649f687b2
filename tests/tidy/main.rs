//! The house rules that a machine can check: what files open with, who may use whom, what the facade pulls in.

mod arrows;
mod manifests;
mod source;
mod text;
