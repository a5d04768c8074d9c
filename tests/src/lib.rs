//! A release in memory: the *compiled* state machine walked state by state with
//! the *real* handlers over fakes that evaluate conditions. What a person, a
//! build or a registry does is told by the test.

pub mod laptop;
pub mod machine;
pub mod world;

pub use laptop::Laptop;
pub use machine::Run;
pub use world::World;
