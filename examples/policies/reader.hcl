# For apps that read the shared token, and nothing else. The update is a read too. It is
# for clients that can send min_ttl only in a body: templates of Vault Agent, and the
# Vault Secrets Operator.
path "finicity/token" {
  capabilities = ["read", "update"]
}

# The same token, without a lease.
path "finicity/static-token" {
  capabilities = ["read"]
}
