# Who has to see that Finicity works. They can replace the credential, and lose it by a delete: there is one secret, and
# after a rotation the only copy is here. They get no token and no secret.
path "finicity/config" {
  capabilities = ["create", "update", "patch", "read", "delete"]
}

path "finicity/config/verify" {
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
