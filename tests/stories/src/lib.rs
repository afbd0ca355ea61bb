//! Lets random stories happen to a thing and to its model, and makes the first one short that shows a difference.
//!
//! A story is a list of steps of which any part is a story as well. What happens in one is a test's business: it panics
//! where thing and model differ, and gives a word for everything that it came to, so that a story teller who became
//! blind is noticed.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestError, TestRunner};
use sync_wire::planted::{Bug, plant};

/// Simpler stories that are tried in the place of one that shows a difference, before steps are left out.
const SIMPLER_MAX: u32 = 256;

/// What a story came to, in words.
pub type Seen = BTreeSet<String>;

/// Who tells which stories, and what happens in one.
pub struct Stories<S: Strategy> {
    story: fn() -> S,
    run: fn(&S::Value) -> Seen,
}

impl<S: Strategy> Debug for Stories<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stories").finish_non_exhaustive()
    }
}

impl<Step: Debug + Clone, S: Strategy<Value = Vec<Step>>> Stories<S> {
    /// Stories that are told by `story` and happen in `run`.
    pub const fn new(story: fn() -> S, run: fn(&Vec<Step>) -> Seen) -> Self {
        Self { story, run }
    }

    /// Lets stories happen, `cases` or as many as `PROPTEST_CASES` says, and expects that none shows a difference and
    /// that they come to everything that they ought to.
    ///
    /// # Panics
    /// With the shortest story that shows a difference; or with what no story came to.
    #[track_caller]
    pub fn check(&self, cases: u32, ought: &[&str]) {
        let longer = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
        let seen = self.search(longer.unwrap_or(cases), None).unwrap_or_else(|error| panic!("{error}"));
        let unseen: Vec<&str> = ought.iter().copied().filter(|what| !seen.contains(*what)).collect();
        assert!(unseen.is_empty(), "no story came to {unseen:?}, all to {seen:?}");
    }

    /// Plants a bug, and expects that one of a hundred stories shows it and shrinks to at most `steps` steps.
    ///
    /// # Panics
    /// If none does, or the shortest one is longer.
    #[track_caller]
    pub fn find(&self, bug: Bug, steps: usize) {
        let found = self.search(100, Some(bug));
        let Err(TestError::Fail(_, story)) = found else { panic!("{bug:?} went unseen") };
        assert!(story.len() <= steps, "{bug:?}: {story:#?}");
    }

    /// Everything that stories came to, or the shortest that shows a difference. Always the same stories, unless
    /// `PROPTEST_RNG_SEED` says which.
    fn search(&self, cases: u32, bug: Option<Bug>) -> Result<Seen, TestError<Vec<Step>>> {
        let seed = ProptestConfig::default().rng_seed;
        let rng_seed = if seed == RngSeed::Random { RngSeed::Fixed(7) } else { seed };
        let config = ProptestConfig {
            cases,
            failure_persistence: None,
            rng_seed,
            max_shrink_iters: SIMPLER_MAX,
            ..ProptestConfig::default()
        };
        let seen = RefCell::new(Seen::new());
        let told = TestRunner::new(config).run(&(self.story)(), |steps| {
            seen.borrow_mut().extend(self.happens(&steps, bug).map_err(TestCaseError::fail)?);
            Ok(())
        });
        match told {
            Ok(()) => Ok(seen.into_inner()),
            Err(TestError::Fail(why, story)) => Err(TestError::Fail(why, self.shorten(story, bug))),
            Err(other) => Err(other),
        }
    }

    /// What a story comes to, or the difference that it shows.
    fn happens(&self, steps: &Vec<Step>, bug: Option<Bug>) -> Result<Seen, String> {
        plant(bug);
        let result = catch_unwind(AssertUnwindSafe(|| (self.run)(steps)));
        plant(None);
        result.map_err(|panic| said(&*panic))
    }

    /// Leaves out what is not needed for a difference, half of the story first and single steps at last, until none can
    /// go (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input"). Proptest tries each step once,
    /// while others are still there that it seems to need.
    fn shorten(&self, mut story: Vec<Step>, bug: Option<Bug>) -> Vec<Step> {
        let mut size = story.len() / 2;
        while size > 0 {
            let (before, mut at) = (story.len(), 0);
            while at < story.len() {
                let mut shorter = story.clone();
                shorter.drain(at..story.len().min(at + size));
                match self.happens(&shorter, bug) {
                    Ok(_) => at += size,
                    Err(_) => story = shorter,
                }
            }
            if size > 1 || story.len() == before {
                size /= 2;
            }
        }
        story
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}
