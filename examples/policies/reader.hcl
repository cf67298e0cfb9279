# An app: it gets the token that all apps share, and nothing else. The update is a read too, for clients that can send min_ttl only
# in a body: templates of Vault Agent, and the Vault Secrets Operator.
path "finicity/token" {
  capabilities = ["read", "update"]
}

# It may ask for another token when Finicity no longer accepts the shared one (HTTP 401 with code 10022 or 10023). The
# engine replaces the token at most once a minute. After two refusals it stops, so apps never use up an operator's attempts.
path "finicity/rotate-token" {
  capabilities = ["update"]
}
