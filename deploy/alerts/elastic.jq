# weir.alerts -> Elasticsearch or OpenSearch, as ECS (PUT /<data stream>/_create/<id of the alert>).
#
# Created under the alert's own id, an alert that is sent again is refused with 409 and not stored twice; the bulk API
# would answer 200 even to a document that it refuses. The whole alert is kept as text that nothing indexes
# (event.original); everything that has a place in ECS stands there.
#
#   kcat -b $KAFKA_BROKERS -u -G elastic -X isolation.level=read_committed weir.alerts |
#   jq -c --unbuffered -f elastic.jq |
#   while read -r body; do curl --fail --retry 5 --config /run/secrets/elastic -X PUT --json @- \
#     "https://elastic:9200/logs-weir.finding-default/_create/$(jq -r .event.id <<<"$body")" <<<"$body"; done
# where that file holds one line: header = "Authorization: ApiKey ..."
# Tested in tests/it/alerts.rs.

def iso: (. / 1000 | floor) as $s
  | ($s | todate | rtrimstr("Z")) + "." + ((. - $s * 1000 + 1000 | tostring)[1:4]) + "Z";
# Nothing, and what holds nothing, is left out.
def known: walk(if type == "object" then with_entries(select(.value != null and .value != {} and .value != [])) else . end);

.unmapped.weir as $weir
| .finding_info as $info
| (.dst_endpoint // .evidences[0].dst_endpoint // {}) as $destination
| ($info.attacks // []) as $attacks
| (tojson) as $original
| {
    "@timestamp": (.time | iso),
    message: .message,
    ecs: { version: "8.17.0" },
    event: {
      kind: "alert",
      category: ["intrusion_detection"],
      type: ["info"],
      action: (.activity_name | ascii_downcase),
      id: .metadata.uid,
      provider: "weir",
      dataset: "weir.finding",
      module: "weir",
      severity: .severity_id,
      risk_score: ([0, 5, 21, 47, 73, 99, 99][.severity_id] // 0),
      reason: $info.title,
      start: ($info.first_seen_time | iso),
      end: ($info.last_seen_time | iso),
      sequence: .metadata.sequence,
      url: $weir.runbook_url,
      original: $original
    },
    rule: {
      id: $info.analytic.uid, name: $info.analytic.name, version: $info.analytic.version, category: $weir.category,
      description: $info.analytic.desc, reference: $weir.references[0], ruleset: "weir"
    },
    user: { id: $weir.principal },
    service: { name: $weir.application },
    destination: { domain: $destination.hostname, port: $destination.port },
    observer: { vendor: "weir", product: "weir", version: .metadata.product.version },
    threat: (if $attacks == [] then null else {
      framework: "MITRE ATLAS",
      technique: {
        id: [$attacks[].technique.uid],
        name: [$attacks[].technique.name],
        subtechnique: { id: [$attacks[].sub_technique.uid // empty], name: [$attacks[].sub_technique.name // empty] }
      }
    } end),
    gen_ai: {
      provider: { name: $weir.provider },
      request: { model: { id: $weir.model } },
      policy: { name: $info.analytic.uid, action: "detected", confidence: .confidence_score, violation: true },
      owasp: { id: [$info.types[] | select(startswith("LLM"))] }
    },
    labels: {
      dedup_key: $weir.dedup_key, category: $weir.category, direction: $weir.direction, finding_type: $weir.type,
      finding_uid: $weir.finding_uid, next_step: $weir.next_step
    },
    tags: ["weir"]
  }
| known
