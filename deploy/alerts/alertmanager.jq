# weir.alerts -> Prometheus Alertmanager v2 (POST http://alertmanager:9093/api/v2/alerts, a list of alerts).
#
# Labels are what Alertmanager tells alerts apart by. Without `run` two people who leak a key through the same
# application would be one alert, and the second would notify nobody; it is a hash and says nothing of either. Route
# and group by the others: `group_by: [alertname, application]`. Names of people and text of any kind are annotations.
#
# Nothing resolves an alert but its `endsAt`. That lies twice as far ahead as the quiet interval after which the run is
# over, because a further alert of the run may come as late as one interval after this one.
#   kcat -b $KAFKA_BROKERS -u -G alertmanager -X isolation.level=read_committed weir.alerts |
#   jq -c --unbuffered -f alertmanager.jq |
#   while read -r body; do curl --fail --retry 5 --json @- http://alertmanager:9093/api/v2/alerts <<<"$body"; done
# Tested in tests/it/alerts.rs.

def iso: (. / 1000 | floor) as $s
  | ($s | todate | rtrimstr("Z")) + "." + ((. - $s * 1000 + 1000 | tostring)[1:4]) + "Z";

.unmapped.weir as $weir
| .finding_info as $info
| [{
    labels: ({
      alertname: $info.analytic.uid,
      severity: (.severity | ascii_downcase),
      category: $weir.category,
      direction: $weir.direction,
      application: $weir.application,
      provider: $weir.provider,
      run: $weir.dedup_key
    } | with_entries(select(.value != null))),
    annotations: ({
      summary: $info.title,
      description: .message,
      next_step: $weir.next_step,
      principal: $weir.principal,
      findings: ($weir.run.findings | tostring),
      lookup: $weir.lookup.interaction,
      runbook_url: $weir.runbook_url
    } | with_entries(select(.value != null))),
    startsAt: ($weir.run.opened_time | iso),
    endsAt: ($weir.run.ends_time * 2 - ([.time, $weir.run.opened_time] | max) | iso),
    generatorURL: ($weir.runbook_url // $weir.references[0] // "")
  }]
