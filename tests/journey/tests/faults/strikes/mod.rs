//! The faults, one a file.

mod cut_insert;
mod damage;
mod fill_disk;
mod fleet;
mod kill;
mod late_insert;
mod lose_answers;
mod outlast_window;
mod step_clock;
mod stop_engine;

pub use cut_insert::CutInsert;
pub use damage::Damage;
pub use fill_disk::FillDisk;
pub use fleet::InFleet;
pub use kill::Kill;
pub use late_insert::LateInsert;
pub use lose_answers::LoseAnswers;
pub use outlast_window::OutlastWindow;
pub use step_clock::StepClock;
pub use stop_engine::StopEngine;
