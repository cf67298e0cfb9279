# For operators. They can replace the credential, and discard it with force: there is one secret, and after a rotation
# the only copy is here. They get no token, and no secret but one that they choose.
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
