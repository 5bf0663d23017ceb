//! What a DR drill came to, from its record.

use super::restore::{DataFigures, RestoreLevel, RestorePlan, RestoreProjection, Survivors, backup_age_us};
use super::{FaultEvent, Record};

impl Record {
    /// The size of the backup, as its fact `bytes` says; an error says what that is instead.
    pub fn backup_bytes(&self) -> Result<u64, String> {
        let text =
            self.backup.as_ref().and_then(|facts| facts.get("bytes")).ok_or("the backup does not tell its `bytes`")?;
        let bytes = text.trim().parse().ok().filter(|bytes| *bytes > 0);
        bytes.ok_or_else(|| format!("`bytes={text}` of the backup is no whole number above 0"))
    }

    /// How long the restore would take in production; `None` where the scenario does not say how much that has, the backup not
    /// how large it is, or users have not recovered.
    pub fn restore_projection(&self) -> Option<RestoreProjection> {
        let production_bytes = self.restore_plan()?.production_bytes?;
        let backup_bytes = self.backup_bytes().ok()?;
        let measured_us = self.recovered_us()?.0.checked_sub(self.mitigation_started_us?.0)?;
        let projected = u128::from(measured_us) * u128::from(production_bytes) / u128::from(backup_bytes);
        let projected_us = u64::try_from(projected).unwrap_or(u64::MAX);
        Some(RestoreProjection { backup_bytes, production_bytes, measured_us, projected_us })
    }

    /// What the drill set out to show about the restore; `None` for drills of other kinds.
    pub fn restore_plan(&self) -> Option<&RestorePlan> {
        self.plan.as_ref()?.restore.as_ref()
    }

    /// The highest level of which every check held, with all levels below it; `None` when nobody asked. The latest answer of
    /// each check counts.
    pub fn restore_level(&self) -> Option<RestoreLevel> {
        self.restore_plan()?;
        if self.probes.is_empty() {
            return None;
        }
        let probes = self.probes.iter().map(|probe| (probe.level, probe.name.as_str(), probe.held));
        Some(RestoreLevel::reached(probes, self.recovered_us().is_some()))
    }

    /// Whether a check of the content was asked after the restore.
    pub fn content_was_compared(&self) -> bool {
        self.probes.iter().any(|probe| probe.level == RestoreLevel::L4)
    }

    /// Whether the level is the one that the scenario expects; a control, and drills of other kinds, expect none.
    pub fn level_as_expected(&self) -> bool {
        match self.restore_plan() {
            Some(plan) if !self.is_control() => self.restore_level() == Some(plan.expect),
            _ => true,
        }
    }

    /// What became of the writes; `None` when the survivors could not be read back, or no fault was confirmed.
    pub fn data_figures(&self) -> Option<DataFigures> {
        self.restore_plan()?;
        let read_back = self.read_back.as_ref()?;
        let survivors = read_back.survivors.as_ref()?;
        let fault = self.injected_us()?;
        let begun = self.counted_faults().filter_map(|fault| fault.at(FaultEvent::Injecting)).min().unwrap_or(fault);
        let read = Survivors { asked: read_back.asked_us, survivors, duplicates: read_back.duplicates };
        let started = self.plan.as_ref()?.started_utc.as_str();
        let age = self.backup.as_ref().and_then(|facts| backup_age_us(facts, started, fault));
        Some(DataFigures::of(&self.writes, &read, begun, fault).bounded(age))
    }
}
