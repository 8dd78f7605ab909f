//! `nvr`: cameras to detections on MQTT, and detections to boxes on a wall of monitors.
//!
//! The modules below stand in the order in which a picture travels. A camera's session becomes frames (`media`). Frames
//! become detections (`detect`), detections become tracks (`track`), tracks become events (`event`), and events go to the
//! broker (`bus`). What a camera sends also goes into files as it is (`record`). A wall reads them there, finds the frames that they belong to (`align`), draws both into scenes
//! (`render`) and shows those on monitors (`display`).
//!
//! `base` and `config` are below all of them. `fetch` downloads files for the command line and for boxes. `control`, `health` and
//! `web` report on a process and take its orders. `role`
//! starts and supervises a role; `processor` and `wall` connect the parts of one role each. `fleet` has the documents that
//! configure devices from one desk, and `agent` keeps and applies them on a box. The other modules surround this path: `watch`
//! shows a broker in a terminal, `doctor` examines a machine, `support` packs what a support call needs, `demo` runs everything in one process, and `cli` has one file per
//! subcommand.

pub mod base;
pub mod config;

pub mod media;

pub mod detect;

pub mod track;

pub mod event;

pub mod bus;

pub mod record;

pub mod align;

pub mod render;

pub mod display;

pub mod control;
pub mod health;
pub mod web;

pub mod fleet;

mod fetch;

pub mod role;

pub mod processor;
pub mod wall;

pub mod agent;

#[cfg(feature = "testcam")]
pub mod demo;
pub mod doctor;
pub mod support;
pub mod watch;

pub mod cli;
