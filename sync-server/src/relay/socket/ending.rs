//! Why a session ends.

use std::error::Error;
use std::io;

use sync_wire::{Goodbye, GoodbyeCode};

/// Why the loop ended.
pub(super) enum End {
    /// Say this, then close.
    Goodbye(Goodbye),
    /// The other side is gone.
    Gone(String),
}

pub(super) fn breach(detail: String) -> End {
    End::Goodbye(Goodbye::new(GoodbyeCode::PROTOCOL, 1000, detail))
}

/// A broken connection ends quietly; everything else is a rule that the device broke.
pub(super) fn on_receive_error(error: &dyn Error) -> End {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<io::Error>() {
            return End::Gone(error.to_string());
        }
        source = cause.source();
    }
    breach(error.to_string())
}

pub(super) fn is_access_lost(code: GoodbyeCode) -> bool {
    matches!(code, GoodbyeCode::UNAUTHENTICATED | GoodbyeCode::DEVICE_REVOKED | GoodbyeCode::DEVICE_TAKEN)
}
