//! Verdicts of the intake that reach the device after the news that they are out of date.
//!
//! A parked batch names the version of what decided, and its device pushes it again when it hears of another one
//! (PROTOCOL §5). Of the intake, the verdict may be what comes last: a batch was parked, the version moved, the device
//! heard of that, and only then is the verdict read, because its hint was slow or lost. The device cannot tell:
//! versions have no order. So the session reads what holds now, and says it once more after a verdict that another
//! version gave.

use std::collections::BTreeSet;

use sync_wire::{FateCode, GrantChanged, LimitsChanged, Park, RelayFrame, SpaceId};

use super::intake::Outcomes;
use super::{Effect, Open};

/// What a device that parks a batch has to hear of, if it is another one by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Decider {
    /// The version of the grants of a space.
    Grants(SpaceId),
    /// The version of the relay's limits.
    Limits,
}

/// A verdict was told that this version of something had given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct JudgedBy {
    pub(super) decider: Decider,
    pub(super) version: u64,
}

impl JudgedBy {
    /// What a parked batch waits for; none if no version opens its lane.
    pub(super) const fn of(park: &Park) -> Option<Self> {
        let decider = match park.code {
            FateCode::GRANT | FateCode::NO_SUCH_SPACE => Decider::Grants(park.space),
            // Entries of their document open these, or a person.
            FateCode::DELETED | FateCode::CONTESTED => return None,
            _ => Decider::Limits,
        };
        // By 0 nothing was decided.
        if park.judged_by == 0 { None } else { Some(Self { decider, version: park.judged_by }) }
    }
}

impl Open {
    /// Tells the device what became of stored batches, and looks into it if another version has decided than it knows.
    pub(super) fn on_outcomes(&mut self, space: SpaceId, outcomes: Outcomes, effects: &mut Vec<Effect>) {
        if let Some(subscription) = self.spaces.get_mut(&space) {
            // As what is skipped: it is not on its way to the log, and another holder of the same batch may bring it.
            outcomes.iter().for_each(|(_, batch, _)| subscription.forget_own(batch));
        }
        let told = self.intake.decided(space, outcomes, effects);
        let late: Vec<JudgedBy> = told.into_iter().filter(|it| !self.is_known(it)).collect();
        if !late.is_empty() {
            self.late.extend(late);
            self.on_access_changed(effects);
        }
    }

    /// Whether this version is the one that the device heard of last.
    fn is_known(&self, judged_by: &JudgedBy) -> bool {
        judged_by.version
            == match judged_by.decider {
                Decider::Limits => self.limits_version,
                Decider::Grants(space) => match self.spaces.get(&space) {
                    Some(subscription) => subscription.access_version(),
                    None => return true, // it may not read there, and hears of it anew when it may
                },
            }
    }

    /// Says once more what holds now to a device that was told what another version decided.
    pub(super) fn tell_again(&mut self, effects: &mut Vec<Effect>) {
        let late = std::mem::take(&mut self.late);
        let outdated: BTreeSet<Decider> = late.iter().filter(|it| !self.is_known(it)).map(|it| it.decider).collect();
        for decider in outdated {
            effects.push(Effect::Send(match decider {
                Decider::Limits => RelayFrame::LimitsChanged(LimitsChanged { limits_version: self.limits_version }),
                Decider::Grants(space) => {
                    let grant = self.spaces.get(&space).map(|subscription| subscription.grant());
                    RelayFrame::GrantChanged(GrantChanged { space, grant })
                }
            }));
        }
    }
}
