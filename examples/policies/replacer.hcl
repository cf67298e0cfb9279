# For apps that handle a 401 from Finicity with code 10022 or 10023 themselves, in
# addition to reader.hcl. They may replace the shared token for all apps. The engine
# replaces it at most once a minute. After two refusals the engine stops, so apps never
# use up an operator's attempts.
path "finicity/rotate-token" {
  capabilities = ["update"]
}
