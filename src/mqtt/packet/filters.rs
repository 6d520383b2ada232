//! The lists of SUBSCRIBE and UNSUBSCRIBE: checked, and left on the wire, so that no packet makes anyone allocate more
//! than it brings.

use super::subscribe::SubscriptionOptions;
use crate::base::bytes::{Reader, put_binary};
use crate::base::limits::FILTERS_PER_PACKET;
use crate::mqtt::{DecodeError, TopicFilter, Version, text};

/// Filters with the options of their subscriptions, in their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubscriptionList<'a>(&'a [u8]);

/// Filters in their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilterList<'a>(&'a [u8]);

impl<'a> SubscriptionList<'a> {
    /// Checks all that is left of a SUBSCRIBE.
    pub(super) fn decode(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let bytes = reader.rest();
        let (mut reader, mut count) = (Reader::new(bytes), 0);
        while !reader.is_empty() {
            let filter = TopicFilter::new(text::read_name(&mut reader)?)?;
            let options = SubscriptionOptions::from_byte(reader.u8()?, version)?;
            // [MQTT-3.8.3-4]: no local on a shared subscription.
            if filter.shared()?.is_some() && options.no_local {
                return Err(DecodeError::Protocol("a shared subscription asks for no local"));
            }
            count += 1;
            if count > FILTERS_PER_PACKET {
                return Err(DecodeError::Protocol("SUBSCRIBE has too many filters"));
            }
        }
        if count == 0 { Err(DecodeError::Protocol("SUBSCRIBE has no filter")) } else { Ok(SubscriptionList(bytes)) }
    }

    /// A list that [`SubscriptionList::put`] wrote.
    pub const fn from_checked(bytes: &'a [u8]) -> Self {
        SubscriptionList(bytes)
    }

    /// Appends one more to the bytes of a list.
    pub fn put(filter: TopicFilter<'_>, options: SubscriptionOptions, version: Version, bytes: &mut Vec<u8>) {
        put_binary(bytes, filter.as_str().as_bytes());
        bytes.push(if version.is_v5() { options.to_byte() } else { options.qos.bits() });
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = (TopicFilter<'a>, SubscriptionOptions)> {
        let mut reader = Reader::new(self.0);
        // What was checked as a byte of 3.1.1 means the same in 5.0.
        std::iter::from_fn(move || {
            let filter = read_checked(&mut reader)?;
            Some((filter, SubscriptionOptions::from_byte(reader.u8().ok()?, Version::V5).ok()?))
        })
    }

    /// As it stands on the wire.
    pub(super) const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> FilterList<'a> {
    /// Checks all that is left of an UNSUBSCRIBE.
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let bytes = reader.rest();
        let (mut reader, mut count) = (Reader::new(bytes), 0);
        while !reader.is_empty() {
            TopicFilter::new(text::read_name(&mut reader)?)?;
            count += 1;
            if count > FILTERS_PER_PACKET {
                return Err(DecodeError::Protocol("UNSUBSCRIBE has too many filters"));
            }
        }
        if count == 0 { Err(DecodeError::Protocol("UNSUBSCRIBE has no filter")) } else { Ok(FilterList(bytes)) }
    }

    /// A list that [`FilterList::put`] wrote.
    pub const fn from_checked(bytes: &'a [u8]) -> Self {
        FilterList(bytes)
    }

    /// Appends one more to the bytes of a list.
    pub fn put(filter: TopicFilter<'_>, bytes: &mut Vec<u8>) {
        put_binary(bytes, filter.as_str().as_bytes());
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = TopicFilter<'a>> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || read_checked(&mut reader))
    }

    /// As it stands on the wire.
    pub(super) const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// The next filter of a list that was checked; `None` at its end.
fn read_checked<'a>(reader: &mut Reader<'a>) -> Option<TopicFilter<'a>> {
    TopicFilter::new(std::str::from_utf8(reader.binary().ok()?).ok()?).ok()
}
