# For the token that Terraform uses. It can delete neither the configuration nor the mount, which have the only copy of the
# secret. Even without prevent_destroy in the files, Vault refuses.
#
# This prevents accidents, not misuse: a user with this token can overwrite the credential, register another program, or
# extend a policy. Protect the token like a root token.
path "sys/plugins/catalog/secret/vault-plugin-secrets-finicity" {
  capabilities = ["create", "update", "read", "delete", "sudo"]
}

path "sys/mounts/finicity" {
  capabilities = ["create", "update", "read"]
}

path "sys/mounts/finicity/tune" {
  capabilities = ["create", "update"]
}

path "finicity/config" {
  capabilities = ["create", "update", "read"]
}

# By name, so that the token can't change its own policy.
path "sys/policies/acl/finicity-reader" {
  capabilities = ["create", "update", "read", "delete"]
}

path "sys/policies/acl/finicity-webhook" {
  capabilities = ["create", "update", "read", "delete"]
}

path "sys/policies/acl/finicity-rotator" {
  capabilities = ["create", "update", "read", "delete"]
}

path "sys/policies/acl/finicity-monitor" {
  capabilities = ["create", "update", "read", "delete"]
}

path "sys/policies/acl/finicity-operator" {
  capabilities = ["create", "update", "read", "delete"]
}

# The provider uses a child of the token with a TTL of 20 minutes.
path "auth/token/create" {
  capabilities = ["update"]
}
