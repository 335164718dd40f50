# weir.alerts -> Elasticsearch or OpenSearch, bulk API (POST /_bulk, content type application/x-ndjson), as ECS.
#
#   ELASTIC_DATA_STREAM  where to; left out, logs-weir.finding-default
#
# Two lines an alert: the action, and the document. Its `_id` is the alert's id and the action `create`, so that an
# alert that is sent again is refused with 409 and not stored twice. The whole alert is kept as text that nothing
# indexes (event.original); everything that has a place in ECS stands there.
#
#   kcat -C -G elastic -X isolation.level=read_committed weir.alerts | jq -c --unbuffered -f elastic.jq |
#   while read -r action && read -r document; do printf '%s\n%s\n' "$action" "$document" |
#     curl --fail --retry 5 --config /run/secrets/elastic --data-binary @- https://elastic:9200/_bulk; done
# where that file holds: header = "Authorization: ApiKey ..." and header = "Content-Type: application/x-ndjson"
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
| { create: { _index: ($ENV.ELASTIC_DATA_STREAM // "logs-weir.finding-default"), _id: .metadata.uid } },
  ({
    "@timestamp": (.time | iso),
    message: .message,
    ecs: { version: "8.17.0" },
    event: {
      kind: "alert",
      category: (if $weir.category == "injection" or $weir.category == "jailbreak" then ["intrusion_detection", "threat"]
                 else ["intrusion_detection"] end),
      type: (if $weir.measure then ["info"] else ["indicator"] end),
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
  } | known)
