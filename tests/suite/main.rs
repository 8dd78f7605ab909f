//! Whole behaviour against real parts: one binary, since each further one links everything again.

#[cfg(feature = "testcam")]
mod addresses;
mod advisories;
mod agent;
#[cfg(feature = "testcam")]
mod alerts;
#[cfg(feature = "testcam")]
mod aligned;
#[cfg(feature = "testcam")]
mod board;
mod board_files;
#[cfg(feature = "testcam")]
mod boot;
mod broker;
mod browser;
mod bus;
mod bus_tls;
#[cfg(feature = "testcam")]
mod camera_probe;
mod config;
mod consumers;
mod control;
#[cfg(feature = "testcam")]
mod decode_wanted;
#[cfg(feature = "testcam")]
mod decoders;
mod detect;
mod doctor;
mod doctor_bundle;
mod doctor_nvcodec;
#[cfg(feature = "testcam")]
mod doctor_roles;
#[cfg(feature = "testcam")]
mod faults;
mod fleet;
mod fleet_broker;
#[cfg(feature = "testcam")]
mod fleet_demo;
mod fleet_keys;
mod fleet_verbs;
#[cfg(feature = "testcam")]
mod footage;
#[cfg(feature = "testcam")]
mod geometry;
#[cfg(feature = "testcam")]
mod jetson;
#[cfg(feature = "testcam")]
mod kms;
#[cfg(feature = "testcam")]
mod lanes;
mod lockfile;
#[cfg(feature = "testcam")]
mod media;
mod models;
mod pages;
mod pattern;
#[cfg(feature = "testcam")]
mod processor;
mod provision;
#[cfg(feature = "testcam")]
mod recorder_page;
#[cfg(feature = "testcam")]
mod recording;
#[cfg(feature = "testcam")]
mod recording_commands;
#[cfg(feature = "testcam")]
mod recording_events;
#[cfg(feature = "testcam")]
mod recording_kills;
#[cfg(feature = "testcam")]
mod recording_next;
#[cfg(feature = "testcam")]
mod recording_streams;
#[cfg(feature = "testcam")]
mod reload;
#[cfg(feature = "testcam")]
mod retries;
mod rooms;
#[cfg(feature = "testcam")]
mod soak;
mod sources;
mod support;
mod tensorrt;
mod tensorrt_build;
#[cfg(feature = "testcam")]
mod tensorrt_processor;
mod tensorrt_rtx;
#[cfg(feature = "testcam")]
mod testcam;
mod tracking;
#[cfg(feature = "testcam")]
mod wall;
mod watch;
