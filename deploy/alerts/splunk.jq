# weir.alerts -> Splunk, HTTP Event Collector (POST https://splunk:8088/services/collector/event).
#
#   SPLUNK_INDEX  the index; left out, the token's own
#
# The whole alert is the event, of sourcetype weir:finding. Beside it stand indexed fields under the names of Splunk's
# common information model (Alerts, DLP), so that its searches find them. HEC has no duplicate check: search by
# `alert_uid`, or let the forwarder drop what it has seen (bento.yaml does).
#
# The token goes into a header, from a file:
#   kcat -b $KAFKA_BROKERS -u -G splunk -X isolation.level=read_committed weir.alerts |
#   jq -c --unbuffered -f splunk.jq |
#   while read -r body; do curl --fail --retry 5 -H @/run/secrets/splunk-header -d @- \
#     https://splunk:8088/services/collector/event <<<"$body"; done
# where that file holds one line: Authorization: Splunk <token>
# Tested in tests/it/alerts.rs.

.unmapped.weir as $weir
| {
    time: (.time / 1000),
    host: "weir",
    source: "weir:alerts",
    sourcetype: "weir:finding",
    index: $ENV.SPLUNK_INDEX,
    event: .,
    fields: ({
      app: "weir",
      type: "alert",
      id: .metadata.uid,
      alert_uid: .metadata.uid,
      dedup_key: $weir.dedup_key,
      action: (.activity_name | ascii_downcase),
      severity: (.severity | ascii_downcase),
      severity_id: (.severity_id | tostring),
      signature: .finding_info.title,
      signature_id: .finding_info.analytic.uid,
      category: $weir.category,
      dlp_type: (if .class_uid == 2006 then $weir.type else null end),
      user: $weir.principal,
      src_app: $weir.application,
      dest: ((.dst_endpoint // .evidences[0].dst_endpoint // {}).hostname),
      vendor_product: "weir",
      mitre_technique_id: ([.finding_info.types[] | select(startswith("AML."))] | if . == [] then null else . end)
    } | with_entries(select(.value != null)))
  }
| with_entries(select(.value != null))
