//! The goals, each beside what was measured. They are printed and never fail: a timing on a busy machine proves
//! nothing, and one on a quiet machine is for a person to read.

/// What the goals are held against; what was not measured is not shown.
#[derive(Default)]
pub struct Goals {
    pub times_keywords: Option<f64>,
    /// With so many rules.
    pub times_keywords_most: Option<(usize, f64)>,
    pub twice_the_rules: Option<f64>,
    pub fresh_per_cpu_s: Option<f64>,
    pub conversations_per_cpu_s: Option<f64>,
    pub alert_p99_ms: Option<f64>,
    pub first_event_ms: Option<f64>,
    pub peak_mib: Option<(f64, usize)>,
}

impl Goals {
    pub fn print(&self) {
        println!("\ngoals (on a quiet machine)");
        let line = |met: bool, goal: &str, found: String| {
            println!("  {:8} {goal:58} {found}", if met { "reached" } else { "missed" });
        };
        if let Some(rate) = self.fresh_per_cpu_s {
            let found = format!("{rate:.0}");
            line(rate >= 40_000.0, "40,000 fresh events for a second of CPU are required", found.clone());
            line(rate >= 60_000.0, "60,000 are the aim", found);
        }
        if let Some(rate) = self.conversations_per_cpu_s {
            line(rate >= 150_000.0, "150,000 of ten-turn conversations", format!("{rate:.0}"));
        }
        if let Some(times) = self.times_keywords {
            line(times >= 5.0, "5 times as fast as the same rules run gitleaks' way", format!("{times:.1} times"));
        }
        if let Some((rules, times)) = self.times_keywords_most {
            line(times >= 5.0, &format!("the same with {rules} rules"), format!("{times:.1} times"));
        }
        if let Some(times) = self.twice_the_rules {
            line(times <= 1.3, "twice the rules take at most 1.3 times the time", format!("{times:.2} times"));
        }
        if let Some(ms) = self.alert_p99_ms {
            line(ms <= 1_000.0, "99 of 100 alerts within 1 s, at half load", format!("{ms:.0} ms"));
        }
        if let Some(ms) = self.first_event_ms {
            line(ms <= 2_000.0, "first event within 2 s of the start", format!("{ms:.0} ms"));
        }
        if let Some((mib, principals)) = self.peak_mib {
            let allowed = 512.0 + principals as f64 / 1_024.0;
            line(mib <= allowed, "512 MiB and 1 KiB a principal", format!("{mib:.0} MiB, {principals} principals"));
        }
    }
}
