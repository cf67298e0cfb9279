# For an app that replaces the token after a 401 from Finicity with code 10022 or 10023, besides reader.hcl. The engine
# replaces the token for all apps, at most once a minute. It stops after two refusals, so apps never use up an operator's
# attempts.
path "finicity/rotate-token" {
  capabilities = ["update"]
}
