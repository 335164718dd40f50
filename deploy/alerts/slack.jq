# weir.alerts -> Slack (POST to an incoming webhook, or chat.postMessage with a `channel` added).
#
# A chat has many readers, so no excerpt goes there, not even a masked one: who, where, why, what to do, and where to
# look. Foreign names are escaped (& < >), so that nobody can put a mention or a link into the channel by the name of
# an account, and `verbatim` keeps Slack from making links of them.
#
# The webhook's address is a secret: keep it in a file that only the forwarder can read, and out of `ps`.
#   kcat -b $KAFKA_BROKERS -u -G chat -X isolation.level=read_committed weir.alerts |
#   jq -c --unbuffered -f slack.jq |
#   while read -r body; do curl --fail --retry 5 --config /run/secrets/slack-webhook --json @- <<<"$body"; done
# where that file holds one line: url = "https://hooks.slack.com/services/..."
# Limits kept: header 150 characters, text 3,000, field 2,000, 10 fields, 50 blocks. Tested in tests/it/alerts.rs.

def cut($n): if length > $n then .[:$n - 1] + "…" else . end;
# Escaping makes text up to five times as long, and must not be cut in the middle.
def escaped($n): cut($n / 5 | floor) | gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");
# A line is a line: what ends one or turns text around is foreign text's way to forge another.
def oneline: gsub("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]"; "·");
def field($name; $value): if ($value // "") == "" then empty
  else { type: "mrkdwn", verbatim: true, text: "*\($name)*\n\($value | tostring | oneline | escaped(1900))" } end;

.unmapped.weir as $weir
| .finding_info as $info
| ((.dst_endpoint // .evidences[0].dst_endpoint // {}).hostname) as $host
| (if .activity_id == 2 then "Still: " else "" end + $info.title) as $title
| (["", "⚪", "🔵", "🟡", "🟠", "🔴", "🔴"][.severity_id] // "⚪") as $sign
| {
    text: ("\($sign) \($title)" | escaped(3000)),
    blocks: [
      { type: "header", text: { type: "plain_text", emoji: false, text: ("\($sign) \($title)" | cut(150)) } },
      { type: "section", fields: [
          field("Who"; $weir.principal),
          field("With"; $weir.application),
          field("To"; [$weir.provider, $weir.model, $host] | map(select(. != null)) | join(" · ")),
          field("Severity"; "\(.severity), \(.confidence_score) % sure"),
          field("Rule"; "\($info.analytic.uid) version \($info.analytic.version)"),
          field("Found"; if $weir.measure then
              "\($weir.measure.observed) \($weir.measure.unit), ceiling \($weir.measure.limit) a minute"
            else "\($weir.run.findings) in this run" end),
          field("Held back"; $weir.held_back.total),
          field("Evidence"; $weir.evidence | "\(.topic)/\(.partition)/\(.offset), index \(.index)")
        ] },
      { type: "section", text: { type: "mrkdwn", verbatim: true, text: "*Next*\n\($weir.next_step | escaped(2900))" } },
      ($weir.references[0:1][] | { type: "context", elements: [
          { type: "mrkdwn", text: "<\(gsub("[<>|\\s]"; "") | gsub("&"; "&amp;") | cut(2900))|Read more>" } ] })
    ]
  }
