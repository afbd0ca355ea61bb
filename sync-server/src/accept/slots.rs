//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections.
#[derive(Debug)]
pub(super) struct Slots {
    total_max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    per_address: HashMap<IpAddr, usize>,
}

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    /// `None` for addresses that are not counted.
    address: Option<IpAddr>,
}

/// Why there is no slot.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    /// `connections.total_max` is reached.
    #[error("all {0} connections are taken (connections.total_max)")]
    Total(usize),
    /// `connections.per_address_max` is reached.
    #[error("{0} connections from this address (connections.per_address_max)")]
    Address(usize),
}

impl Slots {
    /// All free.
    #[must_use]
    pub(super) fn new(total_max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self { total_max, per_address_max, taken: Mutex::default() })
    }

    /// Takes a slot for a peer at `address`.
    ///
    /// # Errors
    /// [`Full`]
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Full> {
        let address = counted(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.total >= self.total_max {
            return Err(Full::Total(self.total_max));
        }
        if let Some(address) = address {
            let of_address = taken.per_address.entry(address).or_default();
            if *of_address >= self.per_address_max {
                return Err(Full::Address(self.per_address_max));
            }
            *of_address += 1;
        }
        taken.total += 1;
        Ok(Slot { slots: Arc::clone(self), address })
    }
}

/// What is counted as one address: an IPv6 customer has a whole /64. Loopback is a proxy of ours, so it is not counted.
fn counted(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    })
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(address) = self.address
            && let Some(of_address) = taken.per_address.get_mut(&address)
        {
            *of_address -= 1;
            if *of_address == 0 {
                taken.per_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_every_slot() {
        let slots = Slots::new(10, 2);
        let held = [slots.take(address("192.0.2.1")).unwrap(), slots.take(address("::ffff:192.0.2.1")).unwrap()];
        assert_eq!(slots.take(address("192.0.2.1")).unwrap_err(), Full::Address(2));
        assert!(slots.take(address("192.0.2.2")).is_ok());
        drop(held);
        assert!(slots.take(address("192.0.2.1")).is_ok());
        assert!(slots.taken.lock().unwrap().per_address.is_empty());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let slots = Slots::new(10, 1);
        let _held = slots.take(address("2001:db8::1")).unwrap();
        assert_eq!(slots.take(address("2001:db8::2")).unwrap_err(), Full::Address(1));
        assert!(slots.take(address("2001:db8:0:1::2")).is_ok());
    }

    #[test]
    fn loopback_counts_only_in_total() {
        let slots = Slots::new(3, 1);
        let held: Vec<_> = (0..3).map(|_| slots.take(address("127.0.0.1")).unwrap()).collect();
        assert_eq!(slots.take(address("127.0.0.1")).unwrap_err(), Full::Total(3));
        drop(held);
        assert!(slots.take(address("::1")).is_ok());
    }
}
