//! Identifiers are metadata: principal, application, ids, model and host are stored, shown and used as keys as they
//! come. A gateway that names its callers by their API keys would so have those keys written everywhere. Therefore
//! the rules for secrets look at identifiers too, and what they are sure of is replaced by a mask and a keyed hash,
//! under which the same caller stays the same caller.
//!
//! Without a key there is the mask alone, and callers with equal masks become one. A hash without a key would tell them
//! apart, and whoever reads it could try guesses at the secret for as long as he likes; the configuration warns instead.
//!
//! Personal data is left: who a caller is, by name or address, is what an identifier is for.

use super::compile::IDENTIFIERS;
use super::{Scanner, Scratch};
use crate::model::evidence::{MaskKey, alias};
use crate::model::{Interaction, Mask, Warning};
use bumpalo::Bump;

/// Ends each identifier in the line of all of them. Decoders leave none in an identifier.
const END: char = '\n';

/// A secret in the line: its bytes, and how much of it may show.
type Secret = (usize, usize, Mask);

impl Scanner {
    /// Replaces secrets in the identifiers of an interaction, which then says so in its warnings.
    pub fn mask_identifiers<'e>(
        &self,
        interaction: &mut Interaction<'e>,
        key: &MaskKey,
        arena: &'e Bump,
        scratch: &mut Scratch,
    ) {
        // One scan of one line: most of what the scan of a short text costs is its beginning.
        let mut line = std::mem::take(&mut scratch.identifiers);
        line.clear();
        for identifier in identifiers(interaction) {
            line.push_str(identifier);
            line.push(END);
        }
        self.scan_text(&line, IDENTIFIERS, &mut scratch.glance, &mut scratch.text);
        let secrets: Vec<Secret> = scratch
            .text
            .found
            .iter()
            .filter(|found| found.confidence.is_reported())
            .map(|found| (found.start as usize, found.end as usize, self.info_of(found).mask))
            .collect();
        if !secrets.is_empty() {
            let mut start = 0;
            for identifier in identifiers(interaction) {
                let end = start + identifier.len();
                *identifier = arena.alloc_str(&masked(&line, (start, end), &secrets, key));
                start = end + END.len_utf8();
            }
            interaction.warnings.add(Warning::IdentifierMasked);
        }
        scratch.identifiers = line;
    }
}

fn identifiers<'i, 'e>(interaction: &'i mut Interaction<'e>) -> [&'i mut &'e str; 7] {
    [
        &mut interaction.source_id,
        &mut interaction.conversation,
        &mut interaction.principal.value,
        &mut interaction.application,
        &mut interaction.provider,
        &mut interaction.model,
        &mut interaction.destination.host,
    ]
}

/// A piece of the line with the secrets in it replaced; of two that overlap the second is covered by what is left.
fn masked(line: &str, (start, end): (usize, usize), secrets: &[Secret], key: &MaskKey) -> String {
    let mut masked = String::new();
    let mut at = start;
    for &(from, to, mask) in secrets {
        let (from, to) = (from.clamp(at, end), to.clamp(at, end));
        if from < to {
            masked.push_str(&line[at..from]);
            masked.push_str(&alias(&line[from..to], mask, key));
            at = to;
        }
    }
    masked.push_str(&line[at..end]);
    masked
}
