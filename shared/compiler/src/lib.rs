//! From a pipeline's definition to its state machine.
//!
//! ```text
//! pipelines/<id>.yaml --source--> domain::pipeline::Definition --compile--> asl::StateMachine --> JSON
//!                                          \--buildspec--> one CodeBuild buildspec a stage
//! ```
//!
//! [`walk`] reads the JSON again, as Step Functions would, and enumerates every
//! path through it: a second opinion that shares no code with the compiler.
//!
//! Nothing here performs I/O, reads a clock or looks at the environment: callers
//! pass text and get text.

pub mod asl;
pub mod buildspec;
pub mod by_hand;
pub mod compile;
pub mod diagnostic;
pub mod source;
pub mod stack;
pub mod walk;

pub use buildspec::buildspec;
pub use compile::{
    CompileError, compile, happy_path, path_on, to_json, transitions, transitions_on,
};
pub use diagnostic::{Diagnostic, Diagnostics, Level};
pub use source::{Read, read, read_directory, reference, schema};
