# An app: it gets the token that all apps share, and nothing else.
path "finicity/token" {
  capabilities = ["read"]
}

# It may ask for another token when Finicity does not honour the shared one any more (HTTP 401 with code 10022 or 10023).
# The engine does that once a minute at most. Leave it out for apps that you do not trust with an attempt.
path "finicity/rotate-token" {
  capabilities = ["update"]
}
