# For operators. They can replace the credential, and discard it with force=true. There
# is one secret, and after a rotation only the engine has a copy. Operators get no
# token, and no secret except one that they choose.
path "finicity/config" {
  capabilities = ["create", "update", "patch", "read", "delete"]
}

# A check sends no credential. With an update, the operator chooses the address that
# Vault connects to.
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
