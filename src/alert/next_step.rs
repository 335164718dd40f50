//! What the person who was paged does next: a few concrete steps for each kind of finding.
//!
//! A rule's own `next_step` comes before these. They are fixed texts: nothing of a finding is written into them, so
//! that they can be read aloud and pasted anywhere.

use crate::model::finding::Finding;
use crate::model::{Category, Direction};

/// The rule's own words, else those of its kind.
pub fn of<'f>(finding: &Finding<'f>) -> &'f str {
    if !finding.next_step.is_empty() {
        return finding.next_step;
    }
    match (finding.category, finding.direction) {
        (Category::Secret, Direction::Input) => {
            "1. Revoke the credential at its issuer and issue another: it has left the company, and no deletion undoes \
             that. 2. Look in the issuer's audit log for its use since the time first seen. 3. Find out where the \
             prompt took it from (file, tool, environment) and take it out there."
        }
        (Category::Secret, Direction::Output) => {
            "1. Revoke the credential at its issuer if it is real: whoever read the answer has it. 2. Find out what \
             gave it to the model (system prompt, document, tool result) and take it out there. 3. Look in the \
             issuer's audit log for its use since the time first seen."
        }
        (Category::Pii, Direction::Input) => {
            "1. Ask the owner of the application whether this data may go to this provider. 2. If it may not, stop \
             the source, have the provider delete the conversation, and tell the privacy officer now: terms for \
             notification run from when the company knows. 3. Mask such data before the call."
        }
        (Category::Pii, Direction::Output) => {
            "1. Find out whose data it is and who read the answer. 2. If they may not see it, tell the privacy officer \
             now: terms for notification run from when the company knows. 3. Find out what gave it to the model \
             (document, tool result) and restrict access there."
        }
        (Category::Injection, _) => {
            "1. Read the conversation at the evidence: did the model obey, and which tools did it call afterwards? \
             2. If the text came in a document or a tool result, quarantine that source; if a user typed it, talk to \
             them or suspend their access. 3. Undo what the tools did, and revoke credentials that they could reach."
        }
        (Category::Jailbreak, _) => {
            "1. Read the conversation at the evidence: did the model give in? 2. If it did, or if attempts go on, \
             suspend the principal's access and tell the application's owner. 3. Give the wording to those who look \
             after the system prompt and the provider's safety settings."
        }
        (Category::Exfiltration, Direction::Input) => {
            "1. Read the answer: did it give the system prompt or other data away? 2. If it did, take credentials and \
             internal names out of the system prompt, and replace those that were told. 3. If a user asks again and \
             again, suspend their access."
        }
        (Category::Exfiltration, Direction::Output) => {
            "1. Block the address at the proxy and look in its log for requests since the time first seen: those are \
             what got out. 2. Turn off images and links from the model in the application. 3. Find the document or \
             tool result that told the model to do so, and quarantine it."
        }
        (Category::Policy, _) => {
            "1. Ask the principal's owner whether the load is planned (a batch, a test). 2. If it is not, throttle or \
             revoke the key at the gateway, and look for a loop, or for a stolen key: a new application, address or \
             hour. 3. If it is, raise the ceiling in the policy, with an approval."
        }
        (Category::Anomaly, _) => {
            "1. Compare what was observed with the baseline, and ask the principal's owner whether the change is \
             theirs. 2. If it is not, suspend the key or the account, and look for what else it did since the time \
             first seen. 3. Keep the interactions of that time for the investigation."
        }
    }
}
