# For an app that reacts to a 401 from Finicity with code 10022 or 10023 itself, besides reader.hcl: it may replace the
# shared token, for all apps. The engine does that at most once a minute. After two refusals it stops, so apps never use
# up an operator's attempts.
path "finicity/rotate-token" {
  capabilities = ["update"]
}
