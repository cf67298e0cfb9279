# For an app: allows reading the token that all apps share, and nothing else. An update is a read too, for clients that
# can send min_ttl only in a body: templates of Vault Agent, and the Vault Secrets Operator.
path "finicity/token" {
  capabilities = ["read", "update"]
}

# The same token without a lease.
path "finicity/static-token" {
  capabilities = ["read"]
}
