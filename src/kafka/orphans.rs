//! Partitions that nobody owns although the group is at rest, and who has to do something about it.
//!
//! A cooperative rebalance takes two rounds: in the first the present owner is told to let partitions go, and its
//! joining again, without them, begins the second, which gives them away. A static member that ends between the two
//! (killed, or after an error) gets its place back without any round, so the second never comes. Nothing is lost, but
//! these partitions wait for the next member that comes or goes, which may be for ever. So each loop looks now and
//! then, and when the same was to be seen twice, one member leaves and joins: that begins a round.

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Between two looks: longer than the two rounds of a usual rebalance take.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long a look may hold up the loop.
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// Topic and partition.
type Partition = (String, i32);

/// What one member knows of its group's completeness.
pub(super) struct Watch {
    pub group: String,
    pub topics: Vec<String>,
    /// The static member's name.
    name: String,
    looked: Instant,
    orphans: BTreeSet<Partition>,
}

impl Watch {
    pub fn new(group: String, name: String, topics: &[&str]) -> Self {
        let topics = topics.iter().map(|topic| topic.to_string()).collect();
        Watch { group, topics, name, looked: Instant::now(), orphans: BTreeSet::new() }
    }

    /// Whether it is time to look.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.looked.elapsed() >= LOOK_EVERY;
        if is_due {
            self.looked = Instant::now();
        }
        is_due
    }

    /// Looks; whether a partition had no owner at this look and at the one before, and it is this member who acts.
    pub fn must_act<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>) -> Result<bool, KafkaError> {
        let groups = consumer.fetch_group_list(Some(&self.group), LOOK_TIMEOUT)?;
        let Some(group) = groups.groups().iter().find(|group| group.name() == self.group) else { return Ok(false) };
        let assigned = group.members().iter().map(|member| owned(member.assignment().unwrap_or_default()));
        let assigned = assigned.collect::<Option<Vec<_>>>().filter(|_| group.state() == "Stable");
        let orphans = match assigned {
            Some(assigned) => {
                let owned: BTreeSet<Partition> = assigned.into_iter().flatten().collect();
                self.partitions(consumer)?.into_iter().filter(|partition| !owned.contains(partition)).collect()
            }
            None => BTreeSet::new(),
        };
        let stay = !self.orphans.is_disjoint(&orphans);
        self.orphans = orphans;
        // Only the first by name: if all left at once, nobody would own anything. The broker makes a member's id of
        // its static name, a dash and a random UUID.
        let first = group.members().iter().map(|member| member.id()).min();
        Ok(stay && first.and_then(|id| id.strip_prefix(&self.name)).is_some_and(|rest| rest.len() == 37))
    }

    fn partitions<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) -> Result<Vec<Partition>, KafkaError> {
        let mut partitions = Vec::new();
        for name in &self.topics {
            let metadata = consumer.fetch_metadata(Some(name), LOOK_TIMEOUT)?;
            let found = metadata.topics().iter().filter(|topic| topic.name() == name && topic.error().is_none());
            partitions.extend(found.flat_map(|topic| topic.partitions()).map(|found| (name.clone(), found.id())));
        }
        Ok(partitions)
    }
}

/// Reads an assignment as Kafka's consumers write it: a version, then topics with their partitions.
fn owned(bytes: &[u8]) -> Option<Vec<Partition>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let mut rest = bytes.get(2..)?;
    let mut owned = Vec::new();
    for _ in 0..int(&mut rest)? {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (topic, after) = after.split_at_checked(usize::try_from(i16::from_be_bytes(*length)).ok()?)?;
        rest = after;
        let topic = std::str::from_utf8(topic).ok()?;
        for _ in 0..int(&mut rest)? {
            owned.push((topic.to_string(), int(&mut rest)?));
        }
    }
    Some(owned)
}

fn int(bytes: &mut &[u8]) -> Option<i32> {
    let (int, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(i32::from_be_bytes(*int))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_assignment_is_read() {
        let bytes = [0, 3, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(owned(&bytes), Some(vec![("t".into(), 4), ("t".into(), 7)]));
        assert_eq!(owned(&[]), Some(Vec::new()));
        assert_eq!(owned(&bytes[..12]), None);
    }

    proptest! {
        #[test]
        fn other_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = owned(&bytes);
        }
    }
}
