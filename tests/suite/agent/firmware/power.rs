//! An update that loses power in each of its phases.

use serde_json::Value;

use super::super::stage::{document, sources};
use super::{Slots, UPDATED};
use crate::support::file_server::Manner;
use crate::support::wait::{until, until_true};

#[test]
fn an_update_that_loses_power_at_any_phase_ends_in_a_slot_that_the_box_knows() {
    let mut slots = Slots::new();
    slots.runs(sources(&[0]));
    for (number, cut_at) in ["downloading", "installing", "rebooting", "confirming"]
        .into_iter()
        .enumerate()
    {
        let generation = number as u64 + 1;
        let image = format!("{}.0 good", generation + 1);
        let update = slots.with_firmware(
            document(generation + 1, sources(&[0])),
            generation,
            image.as_bytes(),
        );
        // A phase that is over at once would not be seen.
        if cut_at == "downloading" {
            slots.serve(generation, image.as_bytes(), Manner::Silent);
        }
        if cut_at == "installing" {
            slots.write("slow", "");
        }
        slots.stage.desire(&update);
        if cut_at == "confirming" {
            slots.reboot();
        }
        until_true(cut_at, UPDATED, || {
            let all = slots.stage.all("reported");
            let mut of = all
                .iter()
                .filter(|one| one["firmware"]["generation"] == generation);
            of.any(|one| one["firmware"]["phase"] == cut_at)
        });
        slots.stage.agent().kill();
        slots.serve(generation, image.as_bytes(), Manner::Right);
        slots.boot();
        let firmware = slots.converged(generation);
        assert_eq!(
            firmware["slot"].as_str().map(str::to_owned),
            slots.read("active"),
            "{cut_at}"
        );
        let is_new = firmware["image"] == format!("{}.0", generation + 1);
        assert_eq!(
            is_new,
            firmware["phase"] == "confirmed",
            "{cut_at}: {firmware}"
        );
        slots.stage.flows(0);
    }
}

impl Slots {
    /// Restarts the machine whenever that is ordered, until the update has ended.
    fn converged(&mut self, generation: u64) -> Value {
        until("the end of the update", UPDATED, || {
            if self.dir.join("reboot").exists() {
                self.reboot();
            }
            let all = self.stage.all("reported");
            let firmware = &all.last()?["firmware"];
            let phase = firmware["phase"].as_str()?;
            assert_ne!(phase, "failed", "generation {generation}: {firmware:#}");
            let is_final = ["confirmed", "rolled-back"].contains(&phase);
            (firmware["generation"] == generation && is_final).then(|| firmware.clone())
        })
    }
}
