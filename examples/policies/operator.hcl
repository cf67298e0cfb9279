# For operators. They can replace the credential, and discard it with force, although Vault has the only copy after a
# rotation. They get no token, and know a secret only if they have chosen it.
path "finicity/config" {
  capabilities = ["create", "update", "patch", "read", "delete"]
}

# A check sends no credential. Its update connects Vault to an address of the operator's choice.
path "finicity/config/check" {
  capabilities = ["read", "update"]
}

path "finicity/config/verify" {
  capabilities = ["update"]
}

path "finicity/config/rotate" {
  capabilities = ["update"]
}

path "finicity/rotate-root" {
  capabilities = ["update"]
}

path "finicity/rotate-token" {
  capabilities = ["update"]
}

path "finicity/status" {
  capabilities = ["read"]
}
