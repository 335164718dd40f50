//! The ids that a rule may name: OWASP's Top 10 for LLM applications (2025), MITRE ATLAS 5.6 and the SOC 2
//! criteria that weir gives evidence for. A list, not a copy of those texts; an id that is not here is a typing
//! error until somebody adds it.

/// Id and short name of every technique and risk that rules may refer to.
pub const TAXONOMY: &[(&str, &str)] = &[
    ("LLM01:2025", "Prompt injection"),
    ("LLM02:2025", "Sensitive information disclosure"),
    ("LLM03:2025", "Supply chain"),
    ("LLM04:2025", "Data and model poisoning"),
    ("LLM05:2025", "Improper output handling"),
    ("LLM06:2025", "Excessive agency"),
    ("LLM07:2025", "System prompt leakage"),
    ("LLM08:2025", "Vector and embedding weaknesses"),
    ("LLM09:2025", "Misinformation"),
    ("LLM10:2025", "Unbounded consumption"),
    ("AML.T0012", "Valid Accounts"),
    ("AML.T0024", "Exfiltration via AI Inference API"),
    ("AML.T0025", "Exfiltration via Cyber Means"),
    ("AML.T0029", "Denial of AI Service"),
    ("AML.T0034", "Cost Harvesting"),
    ("AML.T0051", "LLM Prompt Injection"),
    ("AML.T0051.000", "Direct"),
    ("AML.T0051.001", "Indirect"),
    ("AML.T0051.002", "Triggered"),
    ("AML.T0053", "AI Agent Tool Invocation"),
    ("AML.T0054", "LLM Jailbreak"),
    ("AML.T0056", "Extract LLM System Prompt"),
    ("AML.T0057", "LLM Data Leakage"),
    ("AML.T0068", "LLM Prompt Obfuscation"),
    ("AML.T0077", "LLM Response Rendering"),
    ("AML.T0086", "Exfiltration via AI Agent Tool Invocation"),
];

/// The version of MITRE ATLAS that the ids are of.
pub const ATLAS_VERSION: &str = "5.6.0";

/// SOC 2 criteria for which a finding may be evidence.
pub const CRITERIA: &[(&str, &str)] = &[
    ("CC6.1", "Logical access"),
    ("CC6.7", "Transmission and movement of information"),
    ("CC7.2", "Monitoring for anomalies"),
    ("CC9.2", "Vendor and partner risk"),
];

/// The name of an id in one of the lists.
pub fn name_of(list: &[(&'static str, &'static str)], id: &str) -> Option<&'static str> {
    list.iter().find(|(known, _)| *known == id).map(|&(_, name)| name)
}
