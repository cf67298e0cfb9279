# The policy of the token that Terraform uses. The token cannot delete the configuration
# or the mount, which have the only copy of the secret. If you removed prevent_destroy
# from the files, Vault would still refuse the delete.
#
# This prevents accidents. A person who has this token and wants to do harm can: write a
# wrong credential over the right one, register another program, or add permissions to a
# policy that others have. Protect the token like a root token.
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

# Listed by name, so that the token cannot change its own policy.
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

# The provider uses a child token that lives for 20 minutes.
path "auth/token/create" {
  capabilities = ["update"]
}
