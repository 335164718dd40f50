# weir.alerts -> PagerDuty, Events API v2 (POST https://events.pagerduty.com/v2/enqueue).
#
#   PAGERDUTY_ROUTING_KEY  the integration key of the service; from the environment, never on a command line
#
# Every alert is a `trigger`. All alerts of one trouble have the same dedup key: the first pages, the others are added
# to its open incident, and page again only after somebody resolved it too early. weir never resolves: a leaked key
# stays leaked. Page for what is worth it, and let the rest be mail:
#   kcat -b $KAFKA_BROKERS -u -G pager -X isolation.level=read_committed weir.alerts |
#   jq -c --unbuffered 'select(.severity_id >= 4)' | jq -c --unbuffered -f pagerduty.jq |
#   while read -r body; do
#     curl --fail --retry 5 --json @- https://events.pagerduty.com/v2/enqueue <<<"$body"; done
# Limits kept: dedup key 255 characters, summary 1,024, event 512 KB. Tested in tests/it/alerts.rs.

def iso: (. / 1000 | floor) as $s
  | ($s | todate | rtrimstr("Z")) + "." + ((. - $s * 1000 + 1000 | tostring)[1:4]) + "Z";

.unmapped.weir as $weir
| {
    routing_key: ($ENV.PAGERDUTY_ROUTING_KEY // error("PAGERDUTY_ROUTING_KEY is not set")),
    event_action: "trigger",
    dedup_key: $weir.dedup_key,
    client: "weir",
    client_url: $weir.runbook_url,
    links: [$weir.references[] | { href: ., text: . }],
    payload: {
      summary: .finding_info.title[:1024],
      source: ($weir.application // $weir.provider // "weir"),
      severity: (if .severity_id >= 5 then "critical" elif .severity_id == 4 then "error"
                 elif .severity_id == 3 then "warning" else "info" end),
      timestamp: (.time | iso),
      component: $weir.model,
      group: $weir.provider,
      class: .finding_info.analytic.uid,
      custom_details: ({
        message, next_step: $weir.next_step, principal: $weir.principal, application: $weir.application,
        conversation: $weir.conversation, provider: $weir.provider, model: $weir.model,
        destination: ((.dst_endpoint // .evidences[0].dst_endpoint // {}).hostname),
        confidence_percent: .confidence_score, findings_in_this_run: $weir.run.findings,
        first_seen: (.finding_info.first_seen_time | iso), held_back: $weir.held_back,
        evidence: $weir.evidence, lookup: $weir.lookup, taxonomy: .finding_info.types, alert_uid: .metadata.uid
      } | with_entries(select(.value != null)))
    } | with_entries(select(.value != null))
  }
| with_entries(select(.value != null))
