//! Which device a vault is. It is one for as long as its account lets it; what it has then is still its person's, who
//! logs in again and goes on as another one.

use std::sync::PoisonError;

use sync_wire::DeviceId;

use crate::error::StorageError;
use crate::sources::random16;
use crate::vault::Inner;

impl Inner {
    /// Takes another id in the place of `revoked`, and other names to write under. What is pending keeps its bytes: of
    /// some of it only the ack may be lost, and written anew it would be said twice. The relay lets a device of the
    /// same account bring it.
    pub(crate) fn become_another_device(&self, revoked: DeviceId) -> Result<(), StorageError> {
        let drawn = DeviceId(random16(&*self.sources));
        let device = self.storage.write(move |tx| {
            let found = tx.device()?;
            if found != revoked {
                return Ok::<_, StorageError>(found); // another process was faster
            }
            tx.set_device(&drawn.0)?;
            tx.forget_actors()?;
            tx.unpark_for_device()?;
            Ok(drawn)
        })?;
        self.set_device(device);
        self.recovered();
        tracing::info!(device.id = %device, "Device {revoked} was revoked; the vault is device {device} now");
        Ok(())
    }

    /// Which device this vault is.
    pub(crate) fn device(&self) -> DeviceId {
        *self.device.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_device(&self, device: DeviceId) {
        *self.device.write().unwrap_or_else(PoisonError::into_inner) = device;
    }
}
