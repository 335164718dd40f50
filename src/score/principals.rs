//! The states of many principals, in little room: each is kept as its encoding, in one allocation with its key.
//!
//! A principal is looked at now and then and remembered for ever, so bytes count for more than the decoding, which
//! costs what a copy of the decoded state would. And what is kept is what the changelog holds, byte for byte.
//!
//! Their number is bounded: past it a principal shares the state of a bucket with others of its application. Which
//! partition they belong to, and what was changed in a transaction, is not known here.

use super::State;
use crate::limits;
use crate::model::codec::CodecError;
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};

/// Most buckets for the applications of principals past the bound on these.
const BUCKETS: usize = 1_000;

/// What the key of a bucket begins with. No principal's does: theirs begin with a kind.
const BUCKET: &str = "overflow:";

/// States by principal.
#[derive(Default)]
pub struct Principals {
    entries: HashSet<Entry>,
    /// Room in which an entry is put together.
    scratch: Vec<u8>,
}

/// The key's length in four bytes, the key, the encoded state.
struct Entry(Box<[u8]>);

const LENGTH_BYTES: usize = 4;

impl Principals {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn contains(&self, key: &str) -> bool {
        self.entries.contains(key.as_bytes())
    }

    /// The key under which a principal's state is kept: its own; past the bound on principals the bucket of its
    /// application, and past the bound on those one bucket for all. Applications are foreign text too.
    pub fn place_of(&self, key: &str, application: &str) -> Box<str> {
        if self.len() < limits::PRINCIPALS_PER_PARTITION || self.contains(key) {
            return key.into();
        }
        let bucket = format!("{BUCKET}{application}");
        if self.len() < limits::PRINCIPALS_PER_PARTITION + BUCKETS || self.contains(&bucket) {
            return bucket.into();
        }
        BUCKET.into()
    }

    /// Whether a place is a bucket, shared by principals that found no room.
    pub fn is_shared(place: &str) -> bool {
        place.starts_with(BUCKET)
    }

    /// A principal's state; that of one that was never seen when there is none.
    pub fn state(&self, key: &str) -> State {
        let Some(bytes) = self.encoded(key) else { return State::default() };
        State::decode(bytes).expect("only what was decoded or encoded by this program is kept")
    }

    /// A principal's state as the changelog holds it.
    pub fn encoded(&self, key: &str) -> Option<&[u8]> {
        self.entries.get(key.as_bytes()).map(Entry::state)
    }

    /// Keeps a state, or forgets it when it says no more than none.
    pub fn keep(&mut self, key: &str, state: &State) {
        if state.is_absent() {
            return self.forget(key);
        }
        self.begin(key);
        state.encode(&mut self.scratch);
        self.entries.replace(Entry(self.scratch.as_slice().into()));
    }

    /// Keeps a record of the changelog, if it can be read.
    pub fn restore(&mut self, key: &str, record: &[u8]) -> Result<(), CodecError> {
        State::decode(record)?;
        self.begin(key);
        self.scratch.extend_from_slice(record);
        self.entries.replace(Entry(self.scratch.as_slice().into()));
        Ok(())
    }

    pub fn forget(&mut self, key: &str) {
        self.entries.remove(key.as_bytes());
    }

    /// Begins an entry with its key.
    fn begin(&mut self, key: &str) {
        let length = u32::try_from(key.len()).expect("a key comes from a record of Kafka, which is far below 4 GiB");
        self.scratch.clear();
        self.scratch.extend_from_slice(&length.to_le_bytes());
        self.scratch.extend_from_slice(key.as_bytes());
    }
}

impl Entry {
    fn key_end(&self) -> usize {
        let (length, _) = self.0.split_first_chunk().expect("an entry begins with its key's length");
        LENGTH_BYTES + u32::from_le_bytes(*length) as usize
    }

    fn key(&self) -> &[u8] {
        &self.0[LENGTH_BYTES..self.key_end()]
    }

    fn state(&self) -> &[u8] {
        &self.0[self.key_end()..]
    }
}

/// An entry is found by its key: equal and hashed as that.
impl Borrow<[u8]> for Entry {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::uid::Uid;
    use crate::policy::Limits;
    use crate::score::score;
    use crate::score::tests::facts;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::num::NonZeroU32;

    const T0: i64 = 1_766_000_000_000;

    fn seen(times: u64) -> State {
        let limits = Limits { requests_per_minute: NonZeroU32::new(60), tokens_per_minute: None };
        let mut state = State::default();
        for second in 0..times {
            score(&mut state, &facts("u", T0 + second as i64 * 1_000), &limits);
        }
        state
    }

    #[test]
    fn a_state_that_says_nothing_is_not_kept() {
        let mut principals = Principals::default();
        principals.keep("user:a", &seen(1));
        assert_eq!(principals.len(), 1);
        principals.keep("user:a", &State::default());
        assert!(principals.is_empty() && !principals.contains("user:a"));
        assert_eq!(principals.state("user:a"), State::default());
    }

    #[test]
    fn what_cannot_be_read_is_not_kept() {
        let mut principals = Principals::default();
        assert!(principals.restore("user:a", &[9, 9]).is_err());
        assert!(principals.is_empty());
    }

    #[test]
    fn past_the_bound_principals_share_buckets() {
        let (mut principals, state) = (Principals::default(), seen(1));
        for number in 0..limits::PRINCIPALS_PER_PARTITION {
            let key = format!("user:{number}");
            let place = principals.place_of(&key, "chat");
            assert_eq!(*place, *key);
            principals.keep(&place, &state);
        }
        assert_eq!(*principals.place_of("user:7", "chat"), *"user:7", "who has a place keeps it");
        for application in 0..BUCKETS + 5 {
            let place = principals.place_of("user:new", &format!("app-{application}"));
            assert!(Principals::is_shared(&place));
            let own = format!("{BUCKET}app-{application}");
            assert_eq!(*place, *if application < BUCKETS { own.as_str() } else { BUCKET });
            principals.keep(&place, &state);
        }
        assert_eq!(principals.len(), limits::PRINCIPALS_PER_PARTITION + BUCKETS + 1);
    }

    /// The room that a million principals take, in which design said 200 B for a usual one and 1 KiB for the worst.
    #[test]
    fn a_usual_principal_takes_little_room() {
        for (limit_b, throttles, alerted) in [(200, 1, true), (160, 0, false), (1_024 + 100, 32, true)] {
            let (mut principals, mut state) = (Principals::default(), seen(40));
            for rule in 0..throttles {
                let quota = crate::score::gcra::Gcra::every(1, 3_600_000);
                let _ = state.ask(&format!("secret.some_vendor_key_{rule}"), Uid([0; 16]), quota);
            }
            if alerted {
                state.tell();
            }
            let count = 20_000;
            for number in 0..count {
                principals.keep(&format!("user:person-{number:07}@example.com"), &state);
            }
            // The table: a pointer and a length, and a byte of its own, at half of its capacity.
            let heap: usize = principals.entries.iter().map(|entry| entry.0.len()).sum();
            let table = principals.entries.capacity() * 8 / 7 * (size_of::<Entry>() + 1);
            let each = (heap + table) / count;
            assert!(each <= limit_b, "{each} B with {throttles} throttles");
        }
    }

    proptest! {
        /// The same as a map of decoded states, whatever is done in whatever order.
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec(("[a-c]{0,3}", 0..4u64, any::<bool>()), 1..60)) {
            let mut model: HashMap<String, State> = HashMap::new();
            let mut principals = Principals::default();
            for (key, times, from_changelog) in steps {
                let state = seen(times);
                if times == 0 {
                    model.remove(&key);
                } else {
                    model.insert(key.clone(), state.clone());
                }
                if from_changelog && times > 0 {
                    let mut bytes = Vec::new();
                    state.encode(&mut bytes);
                    principals.restore(&key, &bytes).unwrap();
                } else {
                    principals.keep(&key, &state);
                }
            }
            prop_assert_eq!(principals.len(), model.len());
            for (key, state) in model {
                prop_assert!(principals.contains(&key));
                prop_assert_eq!(principals.state(&key), state);
            }
        }
    }
}
