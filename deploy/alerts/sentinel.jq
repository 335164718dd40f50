# weir.alerts -> Microsoft Sentinel, Logs Ingestion API (POST <endpoint>/dataCollectionRules/<rule>/streams/<stream>).
#
# A list of flat rows, as the API takes them: give the stream of the data collection rule these columns (all string
# but TimeGenerated, EventStartTime and EventEndTime: datetime; EventCount, SourcePartition: int; SourceOffset: long;
# AdditionalFields: dynamic). Their names are those of the ASIM alert schema where it has one. The API has no duplicate
# check: summarize by AlertId.
#
# The token comes from Entra ID and lives an hour; a forwarder that renews it, such as Logstash's or Fluent Bit's output
# for Sentinel, sends these rows as they are. Tested in tests/it/alerts.rs.

def iso: (. / 1000 | floor) as $s
  | ($s | todate | rtrimstr("Z")) + "." + ((. - $s * 1000 + 1000 | tostring)[1:4]) + "Z";

.unmapped.weir as $weir
| .finding_info as $info
| [{
    TimeGenerated: (.time | iso),
    EventSchema: "AlertEvent",
    EventType: "Alert",
    EventVendor: "weir",
    EventProduct: "weir",
    EventProductVersion: .metadata.product.version,
    EventUid: .metadata.uid,
    AlertId: $weir.dedup_key,
    AlertName: $info.title,
    AlertDescription: .message,
    AlertStatus: "Active",
    AlertVerdict: "Unknown",
    EventSeverity: (if .severity_id >= 4 then "High" elif .severity_id == 3 then "Medium"
                    elif .severity_id == 2 then "Low" else "Informational" end),
    EventOriginalSeverity: .severity,
    EventCount: $weir.run.findings,
    EventStartTime: ($info.first_seen_time | iso),
    EventEndTime: ($info.last_seen_time | iso),
    DetectionMethod: "Rule",
    ThreatCategory: $weir.category,
    ThreatConfidence: (.confidence_score | tostring),
    RuleName: $info.analytic.uid,
    RuleNumber: $info.analytic.version,
    AttackTechniques: ($info.types | join(", ")),
    AttackRemediationSteps: $weir.next_step,
    Username: $weir.principal,
    Application: $weir.application,
    Provider: $weir.provider,
    Model: $weir.model,
    Hostname: ((.dst_endpoint // .evidences[0].dst_endpoint // {}).hostname),
    SourceTopic: $weir.evidence.topic,
    SourcePartition: $weir.evidence.partition,
    SourceOffset: $weir.evidence.offset,
    EventReportUrl: $weir.runbook_url,
    AdditionalFields: $weir
  } | with_entries(select(.value != null))]
