//! `nvr`: cameras to detections on MQTT, and detections to boxes on a wall of monitors.
//!
//! The modules below stand in the order in which a picture travels: a camera's session becomes frames (`media`), frames
//! become detections (`detect`), detections become tracks (`track`), tracks become events (`event`), events go to the
//! broker (`bus`), and from there to a wall (`wall`), which shows them on the frames they belong to. `processor` and `wall`
//! wire their halves up; the rest is what surrounds the way.

pub mod base;
pub mod config;

pub mod media;

pub mod detect;

pub mod track;

pub mod event;

pub mod bus;

pub mod align;

pub mod render;

pub mod display;

pub mod watch;

pub mod processor;

pub mod wall;

pub mod control;
#[cfg(feature = "testcam")]
pub mod demo;
pub mod doctor;
pub mod health;
pub mod web;

pub mod cli;
